/**
 * Which of several things is the one that somebody warms, presses or turns. Pure: samples and times come in, verdicts come
 * out.
 *
 * First everybody is watched while nothing is touched, so that each is measured against its own noise: a probe in a draught
 * moves by itself, and a motion sensor in a busy hall changes without anybody's wish. What counts afterwards is by how much
 * more than that a thing moves.
 */

export type Movement =
  /** A number, such as a temperature. */
  | 'level'
  /** Something that happens: a contact, a button, a knob. */
  | 'edges';

export interface Verdict {
  id: string;
  /** By how much it has moved, in its unit; how often it has changed, of what happens. */
  change: number;
  /** How sure it is that this is the one, from 0 to 1. */
  certainty: number;
}

export type Stage = 'learning' | 'watching' | 'found';

/** How long everybody is watched before, and how many values of a number that takes at least. */
export const LEARNING_MS = 6_000;
const LEARNING_SAMPLES = 3;

/** How long learning goes on at most for something that is not heard: it is left out then. */
const LONGEST_LEARNING_MS = 20_000;

/** Least noise of a number: half a step of a DS18B20, which counts sixteenths of a degree. */
const LEAST_NOISE = 0.05;

/** How many times its noise, and by how much, a number must have moved to count at all. */
const LEAST_RATIO = 5;
const LEAST_CHANGE = 0.4;

/** From so many numbers on, what all of them do together is the room's and not one's own. */
const MANY = 3;

/** What one change of something that happens is worth, and how many count at most. */
const WORTH_OF_EDGE = 8;
const MOST_EDGES = 4;

/** How much evidence makes it likely, and from what certainty on it is said. */
const ENOUGH = 8;
export const SURE = 0.85;

/** Values that are kept of each: what was an hour ago says nothing. */
const MOST_SAMPLES = 120;

interface Sample {
  at: number;
  value: number;
}

interface Watched {
  movement: Movement;
  before: Sample[];
  after: Sample[];
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) return 0;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export class Finder {
  readonly #watched = new Map<string, Watched>();
  #learntAt: number | null = null;

  constructor(readonly startedAt: number) {}

  /** Watches something from now on. What comes when learning is over was not there when it was touched. */
  watch(id: string, movement: Movement) {
    if (!this.#watched.has(id)) this.#watched.set(id, { movement, before: [], after: [] });
  }

  /** Something has a value; of what happens, it happened and the value says nothing. */
  take(id: string, at: number, value = 1) {
    const watched = this.#watched.get(id);
    if (!watched) return;
    const list = this.#learntAt === null ? watched.before : watched.after;
    // The same reading that is told again is no reading more.
    if (watched.movement === 'level' && (list.at(-1) ?? watched.before.at(-1))?.at === at) return;
    list.push({ at, value });
    if (list.length > MOST_SAMPLES) list.shift();
  }

  /** How far it is at a moment. */
  stage(now: number): Stage {
    if (this.#learntAt === null) {
      const elapsed = now - this.startedAt;
      const levels = [...this.#watched.values()].filter(({ movement }) => movement === 'level');
      const knows = levels.every(({ before }) => before.length >= LEARNING_SAMPLES);
      if (elapsed < LEARNING_MS || (!knows && elapsed < LONGEST_LEARNING_MS)) return 'learning';
      this.#learntAt = now;
    }
    return (this.verdicts(now)[0]?.certainty ?? 0) >= SURE ? 'found' : 'watching';
  }

  /** Everything that is watched, the likeliest first. */
  verdicts(now: number): Verdict[] {
    const drift = this.#drift();
    const evidence = [...this.#watched].map(([id, watched]) => {
      const { change, weight } =
        watched.movement === 'level' ? levelOf(watched, drift) : this.#edgesOf(watched, now);
      return { id, change, weight };
    });
    const all = evidence.reduce((sum, { weight }) => sum + weight, 0);
    const certainty = (weight: number) =>
      weight === 0 ? 0 : (weight / all) * (1 - Math.exp(-weight / ENOUGH));
    return evidence
      .map(({ id, change, weight }) => ({ id, change, certainty: certainty(weight) }))
      .sort((a, b) => b.certainty - a.certainty);
  }

  /** What the numbers do together. */
  #drift(): number {
    const rises = [...this.#watched.values()].flatMap((watched) => {
      const rise = watched.movement === 'level' ? riseOf(watched) : null;
      return rise === null ? [] : [rise];
    });
    return rises.length >= MANY ? median(rises) : 0;
  }

  #edgesOf({ before, after }: Watched, now: number): { change: number; weight: number } {
    const learnt = this.#learntAt ?? now;
    const pace = before.length / Math.max(learnt - this.startedAt, 1);
    const unexpected = after.length - pace * (now - learnt);
    return {
      change: after.length,
      weight: Math.max(0, Math.min(unexpected, MOST_EDGES)) * WORTH_OF_EDGE,
    };
  }
}

/** By how much a number has moved since it was learnt, its last two values agreeing; nothing while that is not known. */
function riseOf({ before, after }: Watched): number | null {
  if (before.length < LEARNING_SAMPLES || after.length === 0) return null;
  const start = mean(before.map(({ value }) => value));
  const [last, earlier] = [after.at(-1)!.value - start, (after.at(-2) ?? before.at(-1)!).value - start];
  // One value that is far off alone is a disturbance on the wire.
  if (Math.sign(last) !== Math.sign(earlier)) return 0;
  return Math.abs(last) < Math.abs(earlier) ? last : earlier;
}

function levelOf(watched: Watched, drift: number): { change: number; weight: number } {
  const rise = riseOf(watched);
  if (rise === null) return { change: 0, weight: 0 };
  const values = watched.before.map(({ value }) => value);
  const middle = median(values);
  // 1.4826 makes the median deviation of normal noise its standard deviation.
  const noise = Math.max(LEAST_NOISE, 1.4826 * median(values.map((value) => Math.abs(value - middle))));
  const own = Math.abs(rise - drift);
  const ratio = own / noise;
  return { change: rise, weight: own < LEAST_CHANGE ? 0 : Math.max(0, ratio - LEAST_RATIO) };
}
