/** What is recorded of the values of a comparison, and of the time that they are compared with. */

import { untrack } from 'svelte';
import { api } from '../api/client';
import { app } from '../app.svelte';
import { MAX_POINTS } from '../chart/range';
import type { Stretch } from '../chart/stretch';
import type { PropertyInfo } from '../api/types';
import { backOf, type Against } from './against';
import { loadedOf, NOTHING, type Loaded } from './lines';

/** A value of the comparison. */
export interface Value {
  /** `device/property` */
  series: string;
  colour: number;
  name: string;
  deviceId: string;
  info: PropertyInfo;
  periodMs: number | null;
}

interface Question {
  values: readonly Value[];
  stretch: Stretch;
  compare: Against | null;
}

/** What one value is in the answer: of the stretch, or of the one that it is compared with. */
export const keyOf = (value: Value, isBefore: boolean) =>
  isBefore ? `${value.series} before` : value.series;

/** While hands move the time, the drawing follows at once and the values a moment later. */
const SETTLE_MS = 150;

/** `back` is how much earlier the stretch is that it is compared with; nothing: it is the stretch itself. */
async function load(
  value: Value,
  { from, to }: Stretch,
  back: number | null,
): Promise<[string, Loaded] | string> {
  const [deviceId = '', propertyId = ''] = value.series.split('/');
  const [key, shift] = [keyOf(value, back !== null), back ?? 0];
  // Of another stretch only what is past: a switch is not drawn as on for a time that is still to come.
  const end = back === null ? to : Math.min(to - shift, app.clock.exact());
  const asked = { from: from - shift, to: end };
  if (asked.from >= asked.to) return [key, NOTHING];
  try {
    const history = await api.history(
      deviceId,
      propertyId,
      new Date(asked.from),
      new Date(asked.to),
      MAX_POINTS,
    );
    return [key, loadedOf(history, value.info, value.periodMs, asked, shift)];
  } catch {
    return value.name;
  }
}

/** Loads what is asked for, and again when the question changes. */
export function useCompared(ask: () => Question) {
  let loaded = $state.raw<ReadonlyMap<string, Loaded>>(new Map());
  let failed = $state.raw<readonly string[]>([]);
  let isReady = $state(false);
  const question = $derived.by(() => {
    const { values, stretch, compare } = ask();
    return JSON.stringify([values.map(({ series }) => series), stretch, compare, app.house.known]);
  });
  $effect(() => {
    void question;
    const { values, stretch, compare } = untrack(ask);
    let dropped = false;
    const start = () => {
      const backs = compare === null ? [null] : [null, backOf(compare, stretch)];
      const asked = values.flatMap((value) => backs.map((back) => load(value, stretch, back)));
      void Promise.all(asked).then((answers) => {
        if (dropped) return;
        loaded = new Map(answers.filter((answer) => typeof answer !== 'string'));
        failed = [...new Set(answers.filter((answer) => typeof answer === 'string'))];
        isReady = true;
      });
    };
    const timer = setTimeout(start, untrack(() => isReady) ? SETTLE_MS : 0);
    return () => {
      dropped = true;
      clearTimeout(timer);
    };
  });
  return {
    of: (value: Value, isBefore: boolean) => loaded.get(keyOf(value, isBefore)),
    /** Names of those that did not load. */
    get failed() {
      return failed;
    },
    get isReady() {
      return isReady;
    },
  };
}
