/** The day of every number on the home page: asked for in few requests, kept by the page, and only while it is seen. */

import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { call } from '../api/client';
import type { Sparkline, Sparklines } from '../api/generated';
import { readChoice, writeChoice } from '../preferences';
import { hasShape } from './spark';

/** Most values of one request, as the gateway takes them. */
const MOST = 64;

/** A drawing of a day need not be newer than this. */
export const FRESH_MS = 5 * 60_000;

/** After a request that failed, or that found nothing to draw yet, the next comes after so long. */
const AGAIN_MS = 30_000;

/** Tiles appear one after the other within a moment; their wishes become one request. */
const GATHER_MS = 50;

/** One drawing, with the stretch that it covers in milliseconds since 1970. */
export interface Day {
  line: Sparkline;
  fromMs: number;
  toMs: number;
}

const load = (series: readonly string[]) =>
  call<Sparklines>('GET', `/api/v1/history/sparklines?series=${encodeURIComponent(series.join(','))}`);

/** Days of values, loaded while somebody wants them. */
export class Days {
  readonly #days = new SvelteMap<string, Day>();
  readonly #wanted = new Map<string, number>();
  readonly #asked = new Map<string, number>();
  /** Those of which the gateway has said what it has. */
  readonly #answered = new SvelteSet<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly parts: {
      load: (series: readonly string[]) => Promise<Sparklines>;
      now: () => number;
      isHidden: () => boolean;
      /** Whether the gateway had something to draw when it was last looked at, and that it has or has not. */
      had: () => boolean;
      remember: (has: boolean) => void;
    },
  ) {}

  of(series: string): Day | undefined {
    return this.#days.get(series);
  }

  /**
   * Whether a tile keeps room for the drawing: there is one, or there will be in a moment. A gateway that has just started
   * has none for a while, and its tiles no hole.
   */
  hasRoom(series: string): boolean {
    const day = this.#days.get(series);
    if (day) return hasShape(day.line);
    return !this.#answered.has(series) && this.parts.had();
  }

  /** Wants a value until the returned function is called. */
  want(series: string): () => void {
    this.#wanted.set(series, (this.#wanted.get(series) ?? 0) + 1);
    this.#soon(GATHER_MS);
    return () => {
      const left = (this.#wanted.get(series) ?? 1) - 1;
      if (left > 0) this.#wanted.set(series, left);
      else this.#wanted.delete(series);
      if (this.#wanted.size === 0) this.#stop();
    };
  }

  /** The page is seen again, or not any more. */
  seen() {
    if (this.parts.isHidden()) this.#stop();
    else if (this.#wanted.size > 0) this.#soon(0);
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #soon(ms: number) {
    this.#stop();
    if (!this.parts.isHidden()) this.#timer = setTimeout(() => void this.#ask(), ms);
  }

  /** Those that are due, the oldest first. */
  #due(): string[] {
    const now = this.parts.now();
    const age = (series: string) => now - (this.#asked.get(series) ?? -Infinity);
    const due = [...this.#wanted.keys()].filter((series) => age(series) >= FRESH_MS);
    return due.sort((a, b) => age(b) - age(a)).slice(0, MOST);
  }

  async #ask() {
    this.#timer = undefined;
    const due = this.#due();
    if (due.length > 0) {
      const now = this.parts.now();
      for (const series of due) this.#asked.set(series, now);
      try {
        const { from, to, lines, left } = await this.parts.load(due);
        for (const line of lines) {
          this.#days.set(line.series, { line, fromMs: Date.parse(from), toMs: Date.parse(to) });
        }
        const drawn = new Set(lines.filter(hasShape).map(({ series }) => series));
        for (const series of due) {
          if (!drawn.has(series)) this.#asked.set(series, now - FRESH_MS + AGAIN_MS);
          if (!left.includes(series)) this.#answered.add(series);
        }
        for (const series of left) this.#asked.delete(series);
        this.parts.remember([...this.#days.values()].some(({ line }) => hasShape(line)));
      } catch {
        for (const series of due) this.#asked.set(series, now - FRESH_MS + AGAIN_MS);
      }
    }
    if (this.#timer !== undefined || this.#wanted.size === 0 || this.parts.isHidden()) return;
    const now = this.parts.now();
    const waits = [...this.#wanted.keys()].map((series) => {
      const asked = this.#asked.get(series);
      return asked === undefined ? 0 : asked + FRESH_MS - now;
    });
    this.#soon(Math.max(Math.min(...waits), GATHER_MS));
  }
}

const HAD_KEY = 'gatehouse.days';
const HAD = 'drawn';
const isHad = (text: unknown): text is string => text === HAD;

export const days = new Days({
  load,
  now: () => performance.now(),
  isHidden: () => typeof document !== 'undefined' && document.hidden,
  had: () => readChoice(HAD_KEY, isHad) !== null,
  remember: (has) => writeChoice(HAD_KEY, has ? HAD : null),
});

if (typeof document !== 'undefined') document.addEventListener('visibilitychange', () => days.seen());
