/** Which values a chart draws, and from when to when: all of it stands in the address. Pure. */

import { RANGES, type Range } from '../router';
import { timeOfAddress } from './moment';

/** Values of one chart: as many as there are colours that people tell apart. */
export const MOST_SERIES = 6;

/** The shortest and the longest stretch that can be drawn: two seconds, and twenty years. */
const SHORTEST_MS = 2_000;
const LONGEST_MS = 20 * 366 * 86_400_000;

/** A stretch of time, in milliseconds since 1970. */
export interface Stretch {
  from: number;
  to: number;
}

export interface Picked {
  /** `device/property`, each once. */
  series: string[];
  /** The last so many minutes or days, moving with the time. */
  range: Range;
  /** A stretch that stands still; it goes before the range. */
  stretch: Stretch | null;
  compare: boolean;
}

export function readPicked(query: URLSearchParams): Picked {
  const asked = query.get('range');
  const [from, to] = [timeOfAddress(query.get('from')), timeOfAddress(query.get('to'))];
  return {
    series: [...new Set(query.getAll('s').filter((name) => name.includes('/')))].slice(0, MOST_SERIES),
    range: RANGES.find((known) => known === asked) ?? '24h',
    stretch: from !== null && to !== null && from < to ? bounded({ from, to }) : null,
    compare: query.get('compare') === '1',
  };
}

export function pickedPath({ series, range, stretch, compare }: Picked): string {
  const query = new URLSearchParams();
  for (const name of series) query.append('s', name);
  if (stretch) {
    query.set('from', String(Math.round(stretch.from)));
    query.set('to', String(Math.round(stretch.to)));
  } else if (range !== '24h') {
    query.set('range', range);
  }
  if (compare) query.set('compare', '1');
  const text = query.toString();
  return text === '' ? '/history' : `/history?${text}`;
}

/** The stretch, neither too short nor too long to be drawn. */
export function bounded({ from, to }: Stretch): Stretch {
  const span = Math.min(Math.max(to - from, SHORTEST_MS), LONGEST_MS);
  const middle = (from + to) / 2;
  return { from: Math.round(middle - span / 2), to: Math.round(middle + span / 2) };
}

/** Zooms around a point of the stretch: a factor of 2 shows twice as much. At the limits it stays where it is. */
export function zoomed(stretch: Stretch, factor: number, around = (stretch.from + stretch.to) / 2): Stretch {
  const span = Math.max(stretch.to - stretch.from, 1);
  const by = Math.min(Math.max(span * factor, SHORTEST_MS), LONGEST_MS) / span;
  return bounded({
    from: around - (around - stretch.from) * by,
    to: around + (stretch.to - around) * by,
  });
}

/** Moves by a share of the stretch; never so far that nothing but the future is seen. */
export function moved(stretch: Stretch, share: number, now: number): Stretch {
  const span = stretch.to - stretch.from;
  const to = Math.min(stretch.to + share * span, Math.max(now, stretch.to));
  return { from: to - span, to };
}
