/** What a stretch of time is compared with, and how it stands in the address. Pure: the zone is the browser's. */

import type { Stretch } from '../chart/stretch';
import { stretchText } from '../device/stretch-text';
import type { Format } from '../format/format';
import { fieldOf } from './moment';

/** The stretches that are found without being told a date. */
const FIXED = ['before', 'day', 'week', 'year'] as const;
type Fixed = (typeof FIXED)[number];

/** `before`: the same length just before. A date, `2026-03-01`: the same length from that date on. */
export type Against = Fixed | { date: string };

/** What is chosen in the list. */
export const KINDS = ['none', ...FIXED, 'date'] as const;
export type Kind = (typeof KINDS)[number];

const DAY_MS = 86_400_000;

/** Nothing was recorded before computers count their time; whoever types a year passes 0002 and 0020. */
const FIRST_YEAR = 1970;

export function kindOf(against: Against | null): Kind {
  if (against === null) return 'none';
  return typeof against === 'string' ? against : 'date';
}

/** A date as a field and an address have it; nothing when it is none. */
export function dateOf(text: string): { date: string } | null {
  const [, year, month, day] = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text) ?? [];
  if (year === undefined || Number(year) < FIRST_YEAR) return null;
  const date = new Date(Number(year), Number(month) - 1, Number(day));
  // The 31st of a month that has none would be the first of the next.
  return fieldOf(date.getTime()).startsWith(text) ? { date: text } : null;
}

/** What a list and a field chose. A date that nobody chose yet lies before the stretch, so that it is none of its own. */
export function againstOf(kind: Kind, stretch: Stretch): Against | null {
  if (kind === 'none') return null;
  if (kind !== 'date') return kind;
  return { date: fieldOf(stretch.from - Math.max(stretch.to - stretch.from, DAY_MS)).slice(0, 10) };
}

export function readAgainst(text: string | null): Against | null {
  if (text === null) return null;
  // As the addresses had it that were bookmarked when there was no choice.
  if (text === '1') return 'before';
  return FIXED.find((known) => known === text) ?? dateOf(text);
}

/** As the address has it; `1` for the time just before, as it always was. */
export function againstText(against: Against): string {
  if (typeof against !== 'string') return against.date;
  return against === 'before' ? '1' : against;
}

/** The same date and clock of another year; the 29th of February is the 28th where there is none. */
function inYear(at: Date, year: number): number {
  const then = new Date(at);
  then.setFullYear(year);
  if (then.getMonth() !== at.getMonth()) then.setDate(0);
  return then.getTime();
}

/**
 * By how many milliseconds the other stretch is earlier; below zero it is later, from a date after the stretch.
 *
 * A day and a week earlier are 24 hours and seven times as many: of the same length as the stretch and unbroken, so
 * when the clocks were changed in between, the two lines are an hour apart by the clock, as they are by the sun. A year
 * earlier begins on the same date and at the same clock of the year before, whatever summer time and leap days make of
 * it, and a date means that date at the clock of the stretch's beginning: both are what a calendar calls them. The
 * whole stretch is moved by as much as its beginning, so that it keeps its length.
 */
export function backOf(against: Against, { from, to }: Stretch): number {
  const begin = new Date(from);
  if (against === 'before') return to - from;
  if (against === 'day') return DAY_MS;
  if (against === 'week') return 7 * DAY_MS;
  if (against === 'year') return from - inYear(begin, begin.getFullYear() - 1);
  const [year = 0, month = 1, day = 1] = against.date.split('-').map(Number);
  const then = new Date(begin);
  then.setFullYear(year, month - 1, day);
  return from - then.getTime();
}

const isThisYear = (at: number, now: number) => new Date(at).getFullYear() === new Date(now).getFullYear();

/** Date and clock, with the year when it is not this one. */
export function timeText(at: number, now: number, format: Format): string {
  return isThisYear(at, now) ? format.dateClock(at) : format.dateYearClock(at);
}

/** A stretch in words, with its years unless both are this one. */
export function periodText(stretch: Stretch, now: number, format: Format): string {
  const { from, to } = stretch;
  if (isThisYear(from, now) && isThisYear(to, now)) return stretchText(stretch, format);
  return `${format.dateYearClock(from)} – ${format.dateYearClock(to)}`;
}
