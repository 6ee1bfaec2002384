import { describe, expect, it } from 'vitest';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { labelDecimals, timeLabels, valueLabels, valueRange } from './axis';
import {
  append,
  changesOf,
  columnsOf,
  gapMs,
  heldOf,
  onShareOf,
  recordedOf,
  summaryOf,
  trim,
  type Bucket,
  type Drawing,
} from './series';

const bucket = (at: number, value: number, parts: Partial<Bucket> = {}): Bucket => ({
  at,
  min: value,
  mean: value,
  max: value,
  last: value,
  count: 1,
  stale: false,
  ...parts,
});

const drawing = (parts: Partial<Drawing> = {}): Drawing => ({
  bucketMs: 1_000,
  gapMs: Infinity,
  steps: false,
  from: 0,
  recordedUntil: null,
  gaps: [],
  ...parts,
});

describe('appending a reading', () => {
  it('joins the last bucket while that lasts, and opens the next one after it', () => {
    const one = append([bucket(0, 20)], 10_000, 4_000, 22, false);
    expect(one).toEqual([{ at: 0, min: 20, mean: 21, max: 22, last: 22, count: 2, stale: false }]);
    expect(append(one, 10_000, 10_000, 23, false)).toHaveLength(2);
  });

  it('leaves out what is older than the last bucket, and starts from nothing', () => {
    expect(append([bucket(5_000, 20)], 1_000, 4_000, 9, false)).toEqual([bucket(5_000, 20)]);
    expect(append([], 1_000, 4_000, 9, false)).toEqual([bucket(4_000, 9)]);
  });

  it('does not touch the buckets it was given', () => {
    const given = [bucket(0, 20)];
    append(given, 10_000, 1, 30, false);
    expect(given).toEqual([bucket(0, 20)]);
  });
});

describe('what the gateway knows to be unknown', () => {
  const gaps = [{ from: 2_500, to: 9_000 }];
  const held = (at: number, value: number) => bucket(at, value, { count: 0 });

  it('breaks the line, and what held before it is drawn up to it', () => {
    const buckets = [bucket(0, 20), held(1_000, 20), held(2_000, 20), bucket(9_000, 22)];
    const [at, line] = columnsOf(buckets, drawing({ gaps }), 9_000);
    expect(line).toEqual([20, 20, 20, null, 22]);
    expect(at[3]).toBe(5.75);
  });

  it('ends a state where it begins, also when it lasts until now', () => {
    const [at, line] = columnsOf([bucket(0, 1), bucket(9_000, 0)], drawing({ gaps, steps: true }), 9_000);
    expect(line).toEqual([1, 1, null, 0]);
    expect(at.slice(0, 2)).toEqual([0, 2.5]);
    const [open, still] = columnsOf([bucket(0, 1)], drawing({ gaps, steps: true }), 8_000);
    expect([open.at(-1), still.at(-1)]).toEqual([2.5, 1]);
  });

  it('is not seen between buckets that follow each other', () => {
    const short = [{ from: 200, to: 700 }];
    const [, line] = columnsOf([bucket(0, 20), bucket(1_000, 21)], drawing({ gaps: short }), 1_000);
    expect(line).toEqual([20, 21]);
  });

  it('counts neither as on nor as off', () => {
    expect(onShareOf([bucket(0, 1), bucket(9_000, 0)], 0, 11_500, gaps)).toBe(0.5);
  });
});

describe('trimming', () => {
  it('keeps one bucket before the edge, so that the line enters from it', () => {
    const buckets = [bucket(0, 1), bucket(10, 2), bucket(20, 3)];
    expect(trim(buckets, 15).map(({ at }) => at)).toEqual([10, 20]);
    expect(trim(buckets, 0)).toHaveLength(3);
    expect(trim(buckets, 25).map(({ at }) => at)).toEqual([20]);
    expect(trim([], 25)).toEqual([]);
  });
});

describe('gaps', () => {
  const regular = Array.from({ length: 50 }, (_, index) => bucket(index * 10_000, 20));

  it('are silences of three readings', () => {
    const gap = gapMs(regular, 1_000, 10_000);
    expect(gap).toBe(31_000);
    const cut = [...regular.slice(0, 10), ...regular.slice(14)];
    const line = columnsOf(cut, drawing({ gapMs: gap }), 0)[1];
    expect(line.filter((value) => value === null)).toHaveLength(1);
  });

  it('are not the quiet of a property that reports larger changes only', () => {
    const quiet = Array.from({ length: 50 }, (_, index) => bucket(index * 60_000 + (index % 7) * 9_000, 20));
    expect(gapMs(quiet, 1_000, 10_000)).toBeGreaterThan(100_000);
  });

  it('are unknown to what reports changes', () => {
    expect(gapMs(regular, 1_000, null)).toBe(Number.POSITIVE_INFINITY);
  });

  it('follow the word of the gateway that a sensor fell silent', () => {
    const silent = [bucket(0, 1, { stale: true }), bucket(60_000, 2)];
    expect(columnsOf(silent, drawing(), 0)[1]).toEqual([1, null, 2]);
    const spokeAgain = [bucket(0, 1, { stale: true }), bucket(1_000, 2)];
    expect(columnsOf(spokeAgain, drawing(), 0)[1]).toEqual([1, 2]);
  });

  // Readings wait for their commit: a chart that opened just then showed a gap that closed with the next visit.
  it('are not the readings that wait to be recorded when the chart opens', () => {
    const recorded = Array.from({ length: 50 }, (_, index) => bucket(index * 1_000, 20));
    const gap = gapMs(recorded, 1_000, 1_000);
    const nulls = (liveAt: number, recordedUntil: number | null) => {
      const grown = append(recorded, 1_000, liveAt, 21, false);
      return columnsOf(grown, drawing({ gapMs: gap, recordedUntil }), 0)[1].filter((value) => value === null);
    };
    expect(nulls(49_000 + 11_000, 49_000)).toEqual([]);
    expect(nulls(49_000 + 20_000, 49_000)).toEqual([null]);
    expect(nulls(49_000 + 11_000, null)).toEqual([null]);
  });
});

describe('columns', () => {
  it('are mean, min and max of a number', () => {
    const columns = columnsOf(
      [bucket(2_000, 5, { min: 1, max: 9, last: 7 })],
      drawing({ gapMs: 1_000 }),
      9_000,
    );
    expect(columns).toEqual([[2], [5], [1], [9]]);
  });

  it('carry a state to the present', () => {
    const columns = columnsOf([bucket(2_000, 1)], drawing({ steps: true }), 9_000);
    expect(columns[0]).toEqual([2, 9]);
    expect(columns[1]).toEqual([1, 1]);
  });
});

describe('the value before the range', () => {
  const DAY_MS = 86_400_000;
  const iso = (at: number) => new Date(at).toISOString();
  const before = { at: iso(DAY_MS), value: 0, quality: 'ok' } as const;
  const [from, now] = [2 * DAY_MS, 3 * DAY_MS];

  // A door that nobody opened since yesterday had an empty chart, though its state was known for all of it.
  it('is the whole chart of a switch that did not move', () => {
    const buckets = recordedOf({ before, points: [] });
    const columns = columnsOf(buckets, drawing({ steps: true, from, recordedUntil: DAY_MS }), now);
    expect(columns.slice(0, 2)).toEqual([
      [from / 1_000, now / 1_000],
      [0, 0],
    ]);
    expect(onShareOf(buckets, from, now)).toBe(0);
    expect(changesOf(buckets, from)).toBe(0);
  });

  it('counts for the steps, the changes and the share of time from the edge on', () => {
    const opened = from + DAY_MS / 4;
    const facts = { min: 1, mean: 1, max: 1, last: 1, count: 1, quality: 'ok', held: false } as const;
    const point = { ...facts, at: iso(opened) };
    const buckets = recordedOf({ before, points: [point] });
    expect(columnsOf(buckets, drawing({ steps: true, from }), now).slice(0, 2)).toEqual([
      [from / 1_000, opened / 1_000, now / 1_000],
      [0, 1, 1],
    ]);
    expect(onShareOf(buckets, from, now)).toBeCloseTo(0.75);
    expect(changesOf(buckets, from)).toBe(1);
  });

  it('begins the line of a number, and is in no figure of the range', () => {
    const buckets = [bucket(-500, 3, { count: 0 }), bucket(500, 5)];
    expect(columnsOf(buckets, drawing({ gapMs: 5_000 }), 1_000)[1]).toEqual([3, 5]);
    expect(columnsOf(buckets, drawing({ gapMs: 900 }), 1_000)[1]).toEqual([3, null, 5]);
    expect(summaryOf(buckets, 1_000, 0)).toEqual({ min: 5, mean: 5, max: 5, last: 5, count: 1 });
    expect(summaryOf(buckets.slice(0, 1), 1_000, 0)).toBeNull();
    // Nor does the first live reading melt into it, nor does it make the usual silence longer.
    expect(append(buckets.slice(0, 1), 1_000, 100, 9, false)).toHaveLength(2);
    expect(gapMs([bucket(-1e9, 3, { count: 0 }), bucket(0, 5)], 1_000, 1_000)).toBe(4_000);
  });

  it('may be unknown', () => {
    expect(recordedOf({ before: null, points: [] })).toEqual([]);
    expect(onShareOf([], from, now)).toBeNull();
  });
});

describe('figures', () => {
  it('weigh each reading alike', () => {
    const buckets = [bucket(0, 10, { count: 1 }), bucket(1, 20, { count: 3, min: 5, max: 30, last: 22 })];
    expect(summaryOf(buckets, 1, 0)).toEqual({ min: 5, mean: 17.5, max: 30, last: 22, count: 4 });
    expect(summaryOf([], 1, 0)).toBeNull();
  });

  it('know how long a switch was on', () => {
    expect(onShareOf([bucket(0, 1), bucket(60, 0)], 0, 240)).toBeCloseTo(0.25);
    expect(onShareOf([bucket(0, 1), bucket(60, 0)], 30, 90)).toBeCloseTo(0.5);
  });
});

describe('axes', () => {
  const format = new Format('en-GB', en.units);

  it('give the date where the day changes', () => {
    const midnight = Date.parse('2026-11-21T00:00:00+01:00') / 1_000;
    expect(timeLabels([midnight - 7_200, midnight, midnight + 7_200], 7_200, format)).toEqual([
      '22:00',
      '00:00\n21 Nov',
      '02:00',
    ]);
    expect(timeLabels([midnight], 86_400, format)).toEqual(['21 Nov']);
  });

  it('have the digits that their steps need', () => {
    expect([0.2, 0.05, 1, 25, 0.25].map((step) => labelDecimals(step, 1))).toEqual([1, 2, 0, 0, 2]);
    expect(valueLabels([0, 500_000, 1_500_000], 500_000, 0, 'B/s', format)).toEqual([
      '0\u00a0B/s',
      '500.0\u00a0kB/s',
      '1.5\u00a0MB/s',
    ]);
  });

  it('do not make mountains of the last digit, nor negatives of what has none', () => {
    const [low, high] = valueRange(21.4, 21.5, 1);
    expect(high - low).toBeGreaterThan(1);
    expect(valueRange(0, 3, 0)[0]).toBe(0);
    expect(valueRange(null, null, 1)).toEqual([0, 1]);
  });
});

describe('a stretch between two readings', () => {
  it('says what held in it, and nothing where nothing did', () => {
    const held = [bucket(0, 20), bucket(1_000, 20, { count: 0 }), bucket(2_000, 20, { count: 0 })];
    expect(heldOf(held, 1_000, 1_500)).toEqual({ min: 20, mean: 20, max: 20, last: 20, count: 0 });
    expect(heldOf([bucket(-9_000, 20, { count: 0 })], 1_000, 0)).toBeNull();
  });
});
