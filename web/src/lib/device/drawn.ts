/** From what is recorded of a value to its line and its figures. Pure. */

import type { PropertyInfo } from '../api/types';
import {
  changesOf,
  columnsOf,
  gapMs,
  heldOf,
  onShareOf,
  summaryOf,
  type Columns,
  type Summary,
} from '../chart/series';
import type { Line } from '../chart/lines-plot';
import type { Stretch } from '../chart/stretch';
import type { Recorded } from './recorded.svelte';

/** Dots of readings that are closer than this, in pixels, run into each other. */
const DOT_PX = 12;

export interface Drawn {
  info: PropertyInfo;
  steps: boolean;
  columns: Columns;
  summary: Summary | null;
  share: number | null;
  changes: number;
  last: number | undefined;
  since: number | null;
  bucketMs: number;
  isRaw: boolean;
  /** The seconds at which something was measured. */
  readings: ReadonlySet<number>;
}

export interface Shown {
  view: Stretch;
  /** Nothing is drawn behind this. */
  until: number;
  /** The view moves with the time. */
  follows: boolean;
  periodMs: number | null;
}

export function drawnOf(info: PropertyInfo, recorded: Recorded, shown: Shown): Drawn {
  const { buckets, gaps, bucketMs, recordedUntil, since } = recorded;
  const { from, to } = shown.view;
  const steps = info.kind === 'switch';
  const drawing = {
    bucketMs,
    gapMs: gapMs(buckets, bucketMs, steps ? null : shown.periodMs),
    steps,
    from,
    recordedUntil: shown.follows ? recordedUntil : null,
    gaps,
  };
  const seen = buckets.filter(({ at }) => at <= to);
  return {
    info,
    steps,
    columns: columnsOf(buckets, drawing, shown.until),
    // Between two readings nothing was measured, but what was measured last holds.
    summary: summaryOf(seen, bucketMs, from) ?? heldOf(seen, bucketMs, from),
    share: steps ? onShareOf(seen, from, shown.until, gaps) : null,
    changes: changesOf(seen, from),
    last: steps ? seen.at(-1)?.last : undefined,
    since,
    bucketMs,
    isRaw: seen.every(({ count }) => count <= 1),
    readings: new Set(seen.filter(({ count }) => count > 0).map(({ at }) => at / 1_000)),
  };
}

/** The line of a value: every reading as a dot, as long as there is room to tell them apart. */
export function lineOf(
  { info, steps, columns, isRaw, readings }: Drawn,
  colour: number,
  width: number,
): Line {
  const { unit, decimals } = info;
  const line = { columns, colour, isBefore: false, steps, unit, decimals };
  const isRoomy = isRaw && !steps && readings.size * DOT_PX <= width;
  return isRoomy ? { ...line, readings } : line;
}

/** The index of the point that is nearest to a second. */
export function nearest(at: readonly number[], second: number): number {
  let best = -1;
  for (let index = 0; index < at.length; index += 1) {
    const [here, there] = [at[index] ?? 0, at[best] ?? -Infinity];
    if (Math.abs(here - second) < Math.abs(there - second)) best = index;
  }
  return best;
}
