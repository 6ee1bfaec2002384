/** What a chart draws: buckets of history, with readings appended as they arrive. Pure. */

import type { History, HistoryPoint } from '../api/types';

/**
 * A bucket with its time as a number, milliseconds since 1970. One that counts nothing is a value that held from before
 * it: the drawing has it, and the figures leave it out.
 */
export interface Bucket {
  at: number;
  min: number;
  mean: number;
  max: number;
  last: number;
  count: number;
  stale: boolean;
}

/** A stretch in which nothing is known, in milliseconds since 1970. */
export interface Gap {
  from: number;
  to: number;
}

export function gapsOf(gaps: History['gaps']): Gap[] {
  return gaps.map(({ from, to }) => ({ from: Date.parse(from), to: Date.parse(to) }));
}

/** The first gap that lies, at least in part, between two times. */
function gapBetween(gaps: readonly Gap[], from: number, to: number): Gap | undefined {
  return gaps.find((gap) => gap.from < to && gap.to > from);
}

export function bucketsOf(points: readonly HistoryPoint[]): Bucket[] {
  return points.map(({ at, min, mean, max, last, count, quality }) => ({
    at: Date.parse(at),
    min,
    mean,
    max,
    last,
    count,
    stale: quality === 'stale',
  }));
}

/** What the gateway recorded, with the value before the range as a bucket that counts nothing. */
export function recordedOf({ before, points }: Pick<History, 'before' | 'points'>): Bucket[] {
  const buckets = bucketsOf(points);
  if (before === null) return buckets;
  const { value, quality } = before;
  const held = { at: Date.parse(before.at), min: value, mean: value, max: value, last: value };
  return [{ ...held, count: 0, stale: quality === 'stale' }, ...buckets];
}

/** Adds one reading: to the last bucket while that lasts, else as a new one. One older than the last is left out. */
export function append(
  buckets: readonly Bucket[],
  bucketMs: number,
  at: number,
  value: number,
  stale: boolean,
): Bucket[] {
  const fresh = { at, min: value, mean: value, max: value, last: value, count: 1, stale };
  const last = buckets.at(-1);
  if (!last) return [fresh];
  if (at < last.at) return [...buckets];
  if (last.count === 0 || at - last.at >= bucketMs) return [...buckets, fresh];
  const count = last.count + 1;
  const merged: Bucket = {
    at: last.at,
    min: Math.min(last.min, value),
    mean: last.mean + (value - last.mean) / count,
    max: Math.max(last.max, value),
    last: value,
    count,
    stale,
  };
  return [...buckets.slice(0, -1), merged];
}

/** Leaves out what is older than the range, but keeps one before it: a line enters from it, a state holds on. */
export function trim(buckets: readonly Bucket[], from: number): Bucket[] {
  const first = buckets.findIndex((bucket) => bucket.at >= from);
  return buckets.slice(first === -1 ? -1 : Math.max(first - 1, 0));
}

/** A sensor counts as silent when it missed this many of its readings, as the gateway has it. */
const MISSED_READINGS = 3;

/** A property that is told to report larger changes only is quiet at times; so much longer than usual is no quiet. */
const USUAL_QUIETS = 4;

/** Nine of ten silences are no longer than the usual one. */
const USUAL = 0.9;

/**
 * How long the gateway holds readings before it records them. When a chart opens, those held are neither in its history
 * nor will they arrive, so between the two a silence of so long is none.
 */
const COMMIT_MS = 10_000;

/** How long a silence between two buckets must be to be drawn as a gap. What reports only changes has none. */
export function gapMs(all: readonly Bucket[], bucketMs: number, periodMs: number | null): number {
  if (periodMs === null) return Number.POSITIVE_INFINITY;
  const buckets = all.filter(({ count }) => count > 0);
  const silences = buckets.slice(1).map(({ at }, index) => at - (buckets[index]?.at ?? at));
  const usual = silences.sort((a, b) => a - b)[Math.floor(silences.length * USUAL)] ?? 0;
  // With every reading recorded, the usual silence is the period itself, and needs no allowance.
  const quiet = usual > 1.5 * Math.max(bucketMs, periodMs) ? USUAL_QUIETS * usual : 0;
  return Math.max(1.5 * bucketMs, MISSED_READINGS * periodMs + bucketMs, quiet);
}

/** The columns of the chart: seconds since 1970, mean (or state), min, max. Nothing where there is a gap. */
export type Columns = [at: number[], line: (number | null)[], min: (number | null)[], max: (number | null)[]];

/** How the buckets are drawn. */
export interface Drawing {
  bucketMs: number;
  /** Longest silence that is no gap, of {@link gapMs}. */
  gapMs: number;
  /** A state that holds until the next, instead of a number that moves. */
  steps: boolean;
  /** Start of the range: a state that held before it begins there. */
  from: number;
  /** The newest bucket that came recorded; those after it arrived live. Nothing when none came. */
  recordedUntil: number | null;
  /** What the gateway knows to be unknown. */
  gaps: readonly Gap[];
}

export function columnsOf(buckets: readonly Bucket[], drawing: Drawing, now: number): Columns {
  const { bucketMs, gapMs: gap, steps, from, recordedUntil, gaps } = drawing;
  const columns: Columns = [[], [], [], []];
  const [at, line, min, max] = columns;
  const push = (seconds: number, values: [number, number, number] | null) => {
    at.push(seconds);
    line.push(values?.[0] ?? null);
    min.push(values?.[1] ?? null);
    max.push(values?.[2] ?? null);
  };
  let previous: Bucket | undefined;
  // Of a state, what it was at the edge; of a number, the measurement itself, however far outside it lies.
  const drawnAt = ({ at: taken }: Bucket) => (steps ? Math.max(taken, from) : taken);
  for (const bucket of steps ? trim(buckets, from) : buckets) {
    const silence = previous ? bucket.at - previous.at : 0;
    const isSeam = recordedUntil !== null && previous?.at === recordedUntil;
    const longest = isSeam ? gap + COMMIT_MS : gap;
    // The gateway's own word that the sensor fell silent, unless it spoke again within the same bucket.
    const fellSilent = previous?.stale === true && silence > 1.5 * bucketMs;
    // A gap within one bucket, or between two that follow each other, cannot be seen.
    const unknown = silence > 1.5 * bucketMs && previous && gapBetween(gaps, previous.at, bucket.at);
    if (previous && unknown) {
      const start = Math.max(unknown.from, drawnAt(previous));
      // A state holds until the gap begins.
      if (steps) push(start / 1_000, [previous.last, previous.last, previous.last]);
      push((start + bucket.at) / 2_000, null);
    } else if (previous && (fellSilent || silence > longest)) {
      push((drawnAt(previous) + bucket.at) / 2_000, null);
    }
    push(drawnAt(bucket) / 1_000, [steps ? bucket.last : bucket.mean, bucket.min, bucket.max]);
    previous = bucket;
  }
  // A state holds until it changes, so its step reaches the present.
  if (steps && previous && !previous.stale && now > previous.at && now - previous.at <= gap) {
    const end = gapBetween(gaps, previous.at, now)?.from ?? now;
    push(Math.max(end, drawnAt(previous)) / 1_000, [previous.last, previous.last, previous.last]);
  }
  return columns;
}

/** The range in figures: the text alternative of the chart. */
export interface Summary {
  min: number;
  mean: number;
  max: number;
  last: number;
  count: number;
}

export function summaryOf(all: readonly Bucket[], bucketMs: number, from: number): Summary | null {
  const buckets = all.filter(({ at, count }) => count > 0 && at + bucketMs > from);
  const last = buckets.at(-1);
  if (!last) return null;
  let [min, max, sum, count] = [last.min, last.max, 0, 0];
  for (const bucket of buckets) {
    min = Math.min(min, bucket.min);
    max = Math.max(max, bucket.max);
    sum += bucket.mean * bucket.count;
    count += bucket.count;
  }
  return { min, mean: count === 0 ? last.mean : sum / count, max, last: last.last, count };
}

/** A stretch between two readings in figures: what held in it. */
export function heldOf(buckets: readonly Bucket[], bucketMs: number, from: number): Summary | null {
  const held = buckets.filter(({ at, count }) => count === 0 && at + bucketMs > from).at(-1);
  if (!held) return null;
  const { last } = held;
  return { min: last, mean: last, max: last, last, count: 0 };
}

/** How much of the time from `from` to now a switch was on, as far as it is known: each state holds until the next. */
export function onShareOf(
  buckets: readonly Bucket[],
  from: number,
  now: number,
  gaps: readonly Gap[] = [],
): number | null {
  let [on, known] = [0, 0];
  buckets.forEach((bucket, index) => {
    const next = buckets[index + 1]?.at ?? now;
    const until = Math.max(gapBetween(gaps, bucket.at, next)?.from ?? next, bucket.at);
    const held = Math.max(until - Math.max(bucket.at, from), 0);
    on += bucket.last * held;
    known += held;
  });
  return known === 0 ? null : on / known;
}

/** How many times a switch changed in the range. */
export function changesOf(buckets: readonly Bucket[], from: number): number {
  return buckets.filter(({ at, last }, index) => {
    const before = buckets[index - 1];
    return before !== undefined && at >= from && before.last !== last;
  }).length;
}
