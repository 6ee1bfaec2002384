/** From what the gateway recorded to the lines of a chart and their figures. Pure. */

import type { History, PropertyInfo } from '../api/types';
import {
  columnsOf,
  gapMs,
  gapsOf,
  onShareOf,
  recordedOf,
  summaryOf,
  type Columns,
  type Summary,
} from '../chart/series';
import type { Stretch } from '../chart/stretch';

/** What was loaded of one value. */
export interface Loaded {
  columns: Columns;
  summary: Summary | null;
  /** How much of the known time a switch was on; nothing of numbers. */
  onShare: number | null;
}

/** `shift` is added to each time: a stretch of the past is drawn over a later one. */
export function loadedOf(
  history: History,
  info: PropertyInfo,
  periodMs: number | null,
  stretch: Stretch,
  shift: number,
): Loaded {
  const steps = info.kind === 'switch';
  const buckets = recordedOf(history);
  const gaps = gapsOf(history.gaps);
  const { from, to } = stretch;
  const drawing = {
    bucketMs: history.bucket_ms,
    gapMs: gapMs(buckets, history.bucket_ms, steps ? null : periodMs),
    steps,
    from,
    recordedUntil: null,
    gaps,
  };
  const [at, mean, min, max] = columnsOf(buckets, drawing, to);
  return {
    columns: [at.map((second) => second + shift / 1_000), mean, min, max],
    summary: summaryOf(buckets, history.bucket_ms, from),
    onShare: steps ? onShareOf(buckets, from, to, gaps) : null,
  };
}

/** What is recorded of a time that is still to come. */
export const NOTHING: Loaded = { columns: [[], [], [], []], summary: null, onShare: null };

/** The value at a moment: of a switch the one that holds, of a number the nearest point that is no gap. */
export function valueAt({ columns }: Loaded, second: number, steps: boolean): number | null {
  const [at, values] = columns;
  let index = at.findIndex((time) => time > second);
  if (index === -1) index = at.length;
  if (steps) return values[index - 1] ?? null;
  const [before, after] = [at[index - 1], at[index]];
  if (before === undefined) return values[index] ?? null;
  if (after === undefined) return values[index - 1] ?? null;
  return (second - before <= after - second ? values[index - 1] : values[index]) ?? null;
}
