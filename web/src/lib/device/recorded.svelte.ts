/** What is recorded of the values of a chart: loaded, and grown by each reading that arrives. */

import { untrack } from 'svelte';
import { api } from '../api/client';
import { app } from '../app.svelte';
import { MAX_POINTS } from '../chart/range';
import { append, gapsOf, recordedOf, trim, type Bucket, type Gap } from '../chart/series';
import type { Stretch } from '../chart/stretch';
import type { LiveProperty } from '../house/house.svelte';
import { i18n } from '../i18n/i18n.svelte';
import { propertyName } from '../tiles/names';

export interface Recorded {
  buckets: Bucket[];
  gaps: Gap[];
  bucketMs: number;
  /** The newest that came recorded; what is newer arrived live. */
  recordedUntil: number | null;
  since: number | null;
}

/** While fingers stretch the time, the drawing follows at once and the values a moment later. */
export const SETTLE_MS = 150;

/** A chart narrower than this, in pixels, asks for as many points all the same. */
const LEAST_POINTS = 60;

interface Question {
  device: string;
  properties: readonly LiveProperty[];
  /** What was chosen; nothing: the newest, so long as {@link spanMs}. */
  stretch: Stretch | null;
  spanMs: number;
  /** The width of the drawing, in pixels. */
  width: number;
}

/** Loads what is asked for, and again when the question changes or the stream of events came back after a loss. */
export function useRecorded(ask: () => Question) {
  let all = $state.raw<ReadonlyMap<string, Recorded>>(new Map());
  let failed = $state.raw<readonly string[]>([]);
  let isReady = $state(false);
  let attempt = $state(0);
  const live = $derived(app.stream === 'live');
  const names = $derived(
    ask()
      .properties.map(({ info }) => info.id)
      .join(),
  );

  async function load(
    device: string,
    one: LiveProperty,
    { from, to }: Stretch,
    width: number,
  ): Promise<[string, Recorded] | string> {
    const points = Math.max(LEAST_POINTS, Math.min(MAX_POINTS, Math.round(width || MAX_POINTS)));
    try {
      const answer = await api.history(device, one.info.id, new Date(from), new Date(to), points);
      const buckets = recordedOf(answer);
      const recorded = {
        buckets,
        gaps: gapsOf(answer.gaps),
        bucketMs: answer.bucket_ms,
        recordedUntil: buckets.at(-1)?.at ?? null,
        since: answer.recording_since === null ? null : Date.parse(answer.recording_since),
      };
      return [one.info.id, recorded];
    } catch {
      return propertyName(one.info, i18n.t);
    }
  }

  $effect(() => {
    const { device, stretch, spanMs } = ask();
    // A clock that was set moves the range, and what was recorded in it.
    void [attempt, app.clock.jumps];
    const wanted = names.split(',');
    if (!live) return;
    let dropped = false;
    const early: [string, Bucket][] = [];
    const start = () => {
      const { properties, width } = untrack(ask);
      const now = app.clock.exact();
      const asked = stretch ?? { from: now - spanMs, to: now };
      void Promise.all(properties.map((one) => load(device, one, asked, width))).then((answers) => {
        if (dropped) return;
        const loaded = new Map(answers.filter((answer) => typeof answer !== 'string'));
        // Readings that arrived while the answer was on its way stay.
        for (const [name, reading] of early) grow(loaded, name, reading, spanMs);
        all = loaded;
        failed = answers.filter((answer) => typeof answer === 'string');
        isReady = true;
      });
    };
    const timer = setTimeout(start, untrack(() => isReady) ? SETTLE_MS : 0);
    const stop = app.house.onReading((fromDevice, fromProperty, { value, at, quality }) => {
      if (stretch !== null || fromDevice !== device || !wanted.includes(fromProperty)) return;
      const number = typeof value === 'number' ? value : value === 'ON' ? 1 : value === 'OFF' ? 0 : null;
      if (number === null) return;
      const stale = quality === 'stale';
      const reading = { at, min: number, mean: number, max: number, last: number, count: 1, stale };
      early.push([fromProperty, reading]);
      const grown = new Map(all);
      grow(grown, fromProperty, reading, spanMs);
      all = grown;
    });
    return () => {
      dropped = true;
      clearTimeout(timer);
      stop();
    };
  });

  return {
    /** By the id of the property. */
    get all() {
      return all;
    },
    /** Names of those that did not load. */
    get failed() {
      return failed;
    },
    /** Whether an answer was there at all. */
    get isReady() {
      return isReady;
    },
    again: () => (attempt += 1),
  };
}

function grow(all: Map<string, Recorded>, name: string, { at, last, stale }: Bucket, spanMs: number) {
  const one = all.get(name);
  if (!one || (one.recordedUntil !== null && at <= one.recordedUntil)) return;
  const buckets = append(one.buckets, one.bucketMs, at, last, stale);
  all.set(name, { ...one, buckets: trim(buckets, app.clock.exact() - spanMs) });
}
