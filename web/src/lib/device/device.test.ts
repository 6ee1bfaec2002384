import { describe, expect, it } from 'vitest';
import type { CatalogueSetting, HistoryEvent } from '../api/generated';
import { lonely } from '../chart/lines-plot';
import { byOffset, byTwoPoints } from './calibration';
import { marksOf } from './marks';
import { changesOf, fieldsOf, quoted, unquoted } from './settings';

describe('a calibration', () => {
  it('adds what one point is off by', () => {
    expect(byOffset({ shows: 21.5, shouldBe: 21 })).toEqual({ factor: 1, offset: -0.5 });
  });

  it('is the line through two points', () => {
    const correction = byTwoPoints({ shows: 1, shouldBe: 0 }, { shows: 97, shouldBe: 100 });
    expect(correction).not.toBeNull();
    const { factor, offset } = correction!;
    expect(1 * factor + offset).toBeCloseTo(0);
    expect(97 * factor + offset).toBeCloseTo(100);
  });

  it('cannot be made of points that are one', () => {
    expect(byTwoPoints({ shows: 20, shouldBe: 19 }, { shows: 20, shouldBe: 21 })).toBeNull();
    expect(byTwoPoints({ shows: 20, shouldBe: 21 }, { shows: 30, shouldBe: 21 })).toBeNull();
  });
});

describe('the settings of a device', () => {
  const known: CatalogueSetting[] = [
    { key: 'gain', what: 'How much.', values: '1, 2', default: '1' },
    { key: 'mode', what: 'Which.', values: 'fast, slow', default: '"fast"' },
  ];
  const written = [
    { key: 'name', value: '"Attic"' },
    { key: 'pull', value: '"up"' },
    { key: 'gain', value: '2' },
    { key: 'list', value: '[1, 2]' },
  ];

  it('are fields without quotes, with those that the driver has besides', () => {
    const fields = fieldsOf(written, known, true);
    expect(fields.map(({ key, text, isText }) => [key, text, isText])).toEqual([
      ['pull', 'up', true],
      ['gain', '2', false],
      ['list', '[1, 2]', false],
      ['every', '', true],
      ['mode', '', true],
    ]);
    expect(fieldsOf([{ key: 'every', value: '"5s"' }], [], true).length).toBe(1);
    expect(fieldsOf([], [], false)).toEqual([]);
  });

  it('are written back as the configuration has them, and only those that differ', () => {
    const before = fieldsOf(written, known, true);
    const after = before.map((field) => ({ ...field }));
    expect(changesOf(before, after)).toEqual([]);
    after[0]!.text = 'down "x"';
    after[1]!.text = '';
    after[3]!.text = ' 30s ';
    expect(changesOf(before, after)).toEqual([
      { key: 'pull', value: '"down \\"x\\""' },
      { key: 'gain', value: null },
      { key: 'every', value: '"30s"' },
    ]);
  });

  it('keep what only TOML can say as it is written', () => {
    expect(unquoted('"a\\tb"')).toBe('a\tb');
    expect(unquoted('"\\U0001F600"')).toBeNull();
    expect(unquoted("'raw'")).toBeNull();
    expect(unquoted('"""long"""')).toBeNull();
    expect(quoted('a\u007fb')).toBe('"a\\u007fb"');
  });
});

describe('the marks of a chart', () => {
  const event = (id: number, at: number, kind: HistoryEvent['kind'] = 'switched'): HistoryEvent => ({
    id,
    at: new Date(at).toISOString(),
    kind,
    device: 'lamp',
    property: 'power',
    value: 'ON',
    sentence: null,
    who: null,
    cause: null,
  });

  it('are apart enough for a finger, and hold all that lies between', () => {
    const marks = marksOf([event(4, 990), event(3, 60), event(2, 30), event(1, 10)], 0, 1_000, 0.1);
    expect(
      marks.map(({ share, events }) => [Math.round(share * 1_000) / 1_000, events.map(({ id }) => id)]),
    ).toEqual([
      [0.035, [1, 2, 3]],
      [0.99, [4]],
    ]);
  });

  it('leave out what lies outside, and show what is bad', () => {
    const marks = marksOf(
      [event(1, -5), event(2, 500), event(3, 510, 'refused'), event(4, 1_001)],
      0,
      1_000,
      0.1,
    );
    expect(marks.map(({ events, isBad }) => [events.length, isBad])).toEqual([[2, true]]);
  });

  it('do not grow into a chain', () => {
    const events = Array.from({ length: 100 }, (_, id) => event(id, id * 10));
    expect(marksOf(events, 0, 1_000, 0.1).length).toBe(10);
  });
});

describe('points between gaps', () => {
  it('are those that no line can show; times of other lines do not count', () => {
    expect(lonely([1, null, 2, null, 3, 4])).toEqual([0, 2]);
    expect(lonely([undefined, 1, undefined, 2, null, undefined, 3])).toEqual([6]);
    expect(lonely([5])).toEqual([0]);
    expect(lonely([])).toEqual([]);
  });
});
