import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Sparklines } from '../api/generated';
import type { PropertyInfo } from '../api/types';
import { controlOf, fitting, stepOf, typedNumber } from './control';
import { hasShape, HEIGHT, pathOf, WIDTH } from './spark';
import { Days, FRESH_MS } from './sparklines.svelte';

const level: PropertyInfo = {
  id: 'level',
  name: 'Level',
  kind: 'number',
  unit: '%',
  decimals: 1,
  settable: true,
  class: null,
  lowest: 0,
  highest: 100,
};

describe('the control of a value', () => {
  it.each<[string, Partial<PropertyInfo>, string, string | null]>([
    ['a dimmer', {}, 'pwm', 'slider'],
    ['a number without ends', { lowest: null, highest: null }, 'x', 'number'],
    ['a relay', { kind: 'switch', class: 'light' }, 'output', 'switch'],
    ['an opener', { kind: 'switch', class: 'button' }, 'output', 'button'],
    ['a contact of that class', { kind: 'switch', class: 'button', settable: false }, 'input', null],
    ['a blind', { kind: 'text' }, 'cover', 'cover'],
    ['a display', { kind: 'text' }, 'ssd1306', 'text'],
    ['a thermometer', { settable: false }, 'ds18b20', null],
  ])('%s', (_name, parts, driver, control) => {
    expect(controlOf({ ...level, ...parts }, driver)).toBe(control);
  });

  it('has steps that a finger can hit and the value can show', () => {
    expect(stepOf(level)).toBe(1);
    expect(stepOf({ ...level, lowest: 0, highest: 1, decimals: 2 })).toBe(0.01);
    expect(stepOf({ ...level, lowest: 0, highest: 5, decimals: 0 })).toBe(1);
    expect(stepOf({ ...level, lowest: null, highest: null })).toBe(0.1);
  });

  it('keeps a number within its ends and digits', () => {
    expect(fitting(104, level)).toBe(100);
    expect(fitting(33.333, level)).toBe(33.3);
    expect(fitting(-5, { ...level, lowest: null })).toBe(-5);
  });

  it('reads what people type', () => {
    expect(['21.5', '21,5', ' −3 ', '.5', '1 000'].map(typedNumber)).toEqual([21.5, 21.5, -3, 0.5, 1000]);
    expect(['', 'warm', '1e5', '1.2.3', '-'].map(typedNumber)).toEqual([null, null, null, null, null]);
  });
});

describe('a small drawing', () => {
  const line = { series: 'a/b', min: 10, max: 20, at_s: [0, 50, 75, 100], mean: [10, 20, null, 15] };

  it('lifts the pen where nothing is known', () => {
    expect(pathOf(line, 100)).toBe(`M0 22L48 2M${WIDTH} 12h0.5`);
  });

  it('has a shape where two readings follow each other', () => {
    const shapes = [[], [1], [null], [1, null, 2], [1, 2], [null, 1, 2], [1, null, 2, 3, null]];
    expect(shapes.map((mean) => hasShape({ mean }))).toEqual([false, false, false, false, true, true, true]);
  });

  it('draws what does not move in the middle', () => {
    const flat = { ...line, min: 10, max: 10, at_s: [0, 100], mean: [10, 10] };
    expect(pathOf(flat, 100)).toBe(`M0 ${HEIGHT / 2}L${WIDTH} ${HEIGHT / 2}`);
  });
});

describe('the days of a page', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const answer = (series: readonly string[], left: string[] = []): Sparklines => ({
    from: '2026-11-20T09:00:00Z',
    to: '2026-11-21T09:00:00Z',
    lines: series.map((name) => ({ series: name, min: 1, max: 2, at_s: [0, 9], mean: [1, 2] })),
    left,
  });

  function page() {
    const asked: string[][] = [];
    const state = { hidden: false, left: [] as string[], fails: false, points: 2, had: false };
    const days = new Days({
      now: () => Date.now(),
      isHidden: () => state.hidden,
      had: () => state.had,
      remember: (has) => (state.had = has),
      load: async (series) => {
        asked.push([...series]);
        if (state.fails) throw new Error('no answer');
        const left = state.left;
        state.left = [];
        const whole = answer(
          series.filter((name) => !left.includes(name)),
          left,
        );
        const cut = <Item>(items: Item[]) => items.slice(0, state.points);
        const lines = whole.lines.map((line) => ({ ...line, at_s: cut(line.at_s), mean: cut(line.mean) }));
        return { ...whole, lines: lines.filter(({ mean }) => mean.length > 0) };
      },
    });
    return { asked, state, days };
  }

  it('are one request for all tiles, and fresh ones are not asked for again', async () => {
    const { asked, days } = page();
    const stops = ['a/t', 'b/t', 'c/t'].map((series) => days.want(series));
    await vi.advanceTimersByTimeAsync(100);
    expect(asked).toEqual([['a/t', 'b/t', 'c/t']]);
    expect(days.of('b/t')?.line.max).toBe(2);
    days.want('a/t');
    await vi.advanceTimersByTimeAsync(FRESH_MS - 1_000);
    expect(asked.length).toBe(1);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked.length).toBe(2);
    for (const stop of stops) stop();
  });

  it('come in as few requests as the gateway takes', async () => {
    const { asked, days } = page();
    for (let number = 0; number < 100; number += 1) days.want(`d${number}/t`);
    await vi.advanceTimersByTimeAsync(500);
    expect(asked.map((series) => series.length)).toEqual([64, 36]);
  });

  it('are asked for again when the gateway had no time, and after a failure in a while', async () => {
    const { asked, state, days } = page();
    state.left = ['b/t'];
    days.want('a/t');
    days.want('b/t');
    await vi.advanceTimersByTimeAsync(500);
    expect(asked).toEqual([['a/t', 'b/t'], ['b/t']]);
    state.fails = true;
    days.want('c/t');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked.length).toBe(3);
    state.fails = false;
    await vi.advanceTimersByTimeAsync(31_000);
    expect(asked.at(-1)).toEqual(['c/t']);
    expect(days.of('c/t')).toBeDefined();
  });

  it('are not asked for while nobody sees the page', async () => {
    const { asked, state, days } = page();
    state.hidden = true;
    const stop = days.want('a/t');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toEqual([]);
    state.hidden = false;
    days.seen();
    await vi.advanceTimersByTimeAsync(100);
    expect(asked.length).toBe(1);
    stop();
    await vi.advanceTimersByTimeAsync(2 * FRESH_MS);
    expect(asked.length).toBe(1);
  });

  it('have no room on the tiles of a gateway that has just started, until there is a second point', async () => {
    const { asked, state, days } = page();
    state.points = 1;
    days.want('a/t');
    expect(days.hasRoom('a/t')).toBe(false);
    await vi.advanceTimersByTimeAsync(100);
    expect([days.hasRoom('a/t'), state.had]).toEqual([false, false]);
    state.points = 2;
    // Not only when a drawing would be old.
    await vi.advanceTimersByTimeAsync(31_000);
    expect(asked.length).toBe(2);
    expect([days.hasRoom('a/t'), state.had]).toEqual([true, true]);
  });

  it('have their room from the start where there were some before, but for what has none', async () => {
    const { state, days } = page();
    state.had = true;
    days.want('a/t');
    expect(days.hasRoom('a/t')).toBe(true);
    await vi.advanceTimersByTimeAsync(100);
    expect(days.hasRoom('a/t')).toBe(true);
    state.points = 0;
    days.want('new/t');
    expect(days.hasRoom('new/t')).toBe(true);
    await vi.advanceTimersByTimeAsync(100);
    expect([days.hasRoom('new/t'), days.hasRoom('a/t'), state.had]).toEqual([false, true, true]);
    // What did not answer says nothing.
    state.fails = true;
    days.want('b/t');
    await vi.advanceTimersByTimeAsync(100);
    expect(days.hasRoom('b/t')).toBe(true);
  });
});
