/** How long to wait before the next try to reach the gateway. Pure. */

/** First wait. A gateway that restarts is back within seconds. */
const FIRST_WAIT_MS = 1_000;

/** Longest wait: somebody who looks at the page should not have to reload it. */
const LONGEST_WAIT_MS = 15_000;

/** The wait after this many failures in a row (1, 2, 4, … seconds), shortened by up to a quarter so that tabs spread out. */
export function backOffMs(failures: number, random: number): number {
  const doubled = FIRST_WAIT_MS * 2 ** Math.min(Math.max(failures - 1, 0), 10);
  return Math.round(Math.min(doubled, LONGEST_WAIT_MS) * (1 - random / 4));
}
