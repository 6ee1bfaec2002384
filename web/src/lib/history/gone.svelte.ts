/** Asks what was recorded of values that are gone, while a page shows charts of them. */

import { untrack } from 'svelte';
import type { HistorySeriesInfo } from '../api/generated';
import { app } from '../app.svelte';
import { historyCalls } from './calls';
import { goneSeries } from './gone';

export function useGone() {
  let recorded = $state.raw<readonly HistorySeriesInfo[]>([]);
  let failed = $state(false);
  // Before the house is known everything would look as if it were gone.
  const present = $derived(
    app.house.known
      ? app.house.devices.map(({ info, properties }) => [info.id, properties.map((one) => one.info.id)])
      : null,
  );
  const question = $derived(JSON.stringify(present));
  $effect(() => {
    void question;
    if (untrack(() => present) === null) return;
    let dropped = false;
    historyCalls.series().then(
      (series) => {
        if (dropped) return;
        recorded = series;
        failed = false;
      },
      () => {
        // What is in the house is drawn without it.
        if (!dropped) failed = true;
      },
    );
    return () => (dropped = true);
  });
  const all = $derived(app.house.known ? goneSeries(recorded, app.house.devices) : []);
  return {
    /** What is gone; empty until the gateway has said it. */
    get all() {
      return all;
    },
    /** Whether the gateway did not say it. */
    get failed() {
      return failed;
    },
  };
}
