import { describe, expect, it } from 'vitest';
import { Finder, SURE } from './which';

/** Numbers that look like noise and are the same each time (Park and Miller). */
function noise(seed: number) {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647 - 0.5;
  };
}

/** A sixteenth of a degree, as a DS18B20 counts. */
const counted = (celsius: number) => Math.round(celsius * 16) / 16;

/** Probes on a bus that is read every two seconds; gives what was found first, and when. */
function probes(
  count: number,
  seconds: number,
  seed: number,
  celsius: (probe: number, at: number) => number,
) {
  const random = noise(seed);
  const finder = new Finder(0);
  for (let probe = 0; probe < count; probe += 1) finder.watch(`p${probe}`, 'level');
  for (let at = 0; at <= seconds * 1_000; at += 2_000) {
    for (let probe = 0; probe < count; probe += 1) {
      finder.take(`p${probe}`, at, counted(celsius(probe, at / 1_000) + 0.12 * random()));
    }
    if (finder.stage(at) === 'found') return { id: finder.verdicts(at)[0]!.id, at };
  }
  return null;
}

/** Sixty times ten minutes of twelve probes are computed; a busy machine takes its time. */
const LONG_NOISE_LIMIT_MS = 60_000;

describe('which probe is it', () => {
  it('is the one that is warmed in a hand, within half a minute', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      // A hand warms it by six degrees with a time constant of eight seconds, from second 12 on.
      const found = probes(6, 60, seed, (probe, at) =>
        probe === 4 && at > 12 ? 21 + 6 * (1 - Math.exp(-(at - 12) / 8)) : 21 + probe / 3,
      );
      expect(found?.id, `seed ${seed}`).toBe('p4');
      expect(found?.at).toBeLessThanOrEqual(26_000);
    }
  });

  it('is also found when it is cooled, and when it is alone', () => {
    expect(probes(2, 60, 3, (probe, at) => (probe === 1 && at > 10 ? 15 : 21))?.id).toBe('p1');
    expect(probes(1, 60, 3, (_, at) => (at > 10 ? 25 : 21))?.id).toBe('p0');
  });

  it('is none while nobody touches one, in ten minutes of noise', { timeout: LONG_NOISE_LIMIT_MS }, () => {
    for (let seed = 1; seed <= 60; seed += 1)
      expect(
        probes(12, 600, seed, () => 21),
        `${seed}`,
      ).toBeNull();
  });

  it('is none when the room warms all of them', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      expect(
        probes(5, 300, seed, (_, at) => 21 + at / 60),
        `${seed}`,
      ).toBeNull();
    }
  });

  it('is not the one that a disturbance shows once', () => {
    expect(probes(3, 120, 9, (probe, at) => (probe === 0 && at === 30 ? 85 : 21))).toBeNull();
  });

  it('is the warmer of two that are held together, and less sure', () => {
    const finder = new Finder(0);
    for (const id of ['left', 'right']) finder.watch(id, 'level');
    for (let at = 0; at <= 8_000; at += 2_000) {
      finder.take('left', at, 20);
      finder.take('right', at, 20);
    }
    expect(finder.stage(8_000)).toBe('watching');
    for (const at of [10_000, 12_000]) {
      finder.take('left', at, 22);
      finder.take('right', at, 21.8);
    }
    expect(finder.stage(12_000)).toBe('watching');
    expect(finder.verdicts(12_000)[0]).toMatchObject({ id: 'left', change: 2 });
    expect(finder.verdicts(12_000)[0]!.certainty).toBeLessThan(0.6);
  });

  it('waits for a probe that is read slowly, and not for one that never answers', () => {
    const finder = new Finder(0);
    finder.watch('slow', 'level');
    finder.watch('dead', 'level');
    for (let at = 0; at <= 18_000; at += 6_000) finder.take('slow', at, 20);
    expect(finder.stage(18_000)).toBe('learning');
    expect(finder.stage(20_000)).toBe('watching');
    finder.take('slow', 24_000, 24);
    finder.take('slow', 24_000, 24);
    expect(finder.stage(24_000), 'the same reading told twice is one').toBe('watching');
    finder.take('slow', 30_000, 25);
    expect(finder.stage(30_000)).toBe('found');
  });
});

describe('which input is it', () => {
  it('is the one that is pressed: perhaps after once, surely after it is let go', () => {
    const finder = new Finder(0);
    for (const id of ['bell', 'door']) finder.watch(id, 'edges');
    expect(finder.stage(5_999)).toBe('learning');
    expect(finder.stage(6_000)).toBe('watching');
    finder.take('bell', 7_000);
    expect(finder.stage(7_000)).toBe('watching');
    expect(finder.verdicts(7_000)[0]).toMatchObject({ id: 'bell', change: 1 });
    expect(finder.verdicts(7_000)[0]!.certainty).toBeGreaterThan(0.5);
    finder.take('bell', 7_300);
    expect(finder.verdicts(7_300)[0]!.certainty).toBeGreaterThanOrEqual(SURE);
    expect(finder.stage(7_300)).toBe('found');
  });

  it('is not the one that has never kept still', () => {
    const finder = new Finder(0);
    for (const id of ['hall', 'bell']) finder.watch(id, 'edges');
    for (let at = 500; at < 6_000; at += 1_000) finder.take('hall', at);
    expect(finder.stage(6_000)).toBe('watching');
    for (let at = 6_500; at < 12_000; at += 1_000) finder.take('hall', at);
    expect(finder.stage(12_000)).toBe('watching');
    finder.take('bell', 12_100);
    finder.take('bell', 12_400);
    expect(finder.stage(12_400)).toBe('found');
    expect(finder.verdicts(12_400)[0]!.id).toBe('bell');
  });

  it('is none of what is not watched', () => {
    const finder = new Finder(0);
    finder.take('stranger', 1, 1);
    expect(finder.verdicts(1)).toEqual([]);
    expect(finder.stage(7_000)).toBe('watching');
  });
});
