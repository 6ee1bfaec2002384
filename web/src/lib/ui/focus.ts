import { tick } from 'svelte';

/** What had the focus is gone, a removed row or a closed form: the page's heading takes it, so that Tab goes on from there. */
export async function keepFocus(): Promise<void> {
  await tick();
  if (document.activeElement !== null && document.activeElement !== document.body) return;
  document.querySelector('h1')?.focus({ preventScroll: true });
}
