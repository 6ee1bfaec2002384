import { app } from '../app.svelte';

/** While somebody waits, the wait is counted in tenths of a second. */
const FAST_TICK_MS = 100;

/** The gateway's clock for one tile: once a second, and faster while it waits for an outcome. */
export function usePendingClock(isPending: () => boolean): { readonly now: number } {
  const slow = app.clock.apart();
  let fast = $state<number | null>(null);
  $effect(() => {
    if (!isPending()) return;
    fast = app.clock.exact();
    const timer = setInterval(() => (fast = app.clock.exact()), FAST_TICK_MS);
    return () => {
      clearInterval(timer);
      fast = null;
    };
  });
  return {
    get now() {
      return fast ?? slow.now;
    },
  };
}
