/** How often ages on the page move on. */
const TICK_MS = 1_000;

/**
 * The gateway's clock, as the page knows it: a phone and a Pi may disagree, so ages are never taken from the phone's.
 * Between two words from the gateway, the browser's monotonic clock carries it on.
 */
export class GatewayClock {
  #offset = Date.now() - performance.now();
  /** Milliseconds since 1970 by the gateway's clock, moving once a second. */
  now = $state(Date.now());

  constructor() {
    setInterval(() => this.tick(), TICK_MS);
  }

  /** The gateway said what time it is. */
  set(now: number) {
    if (!Number.isFinite(now)) return;
    this.#offset = now - performance.now();
    this.tick();
  }

  /** The gateway was seen to live at this time: its clock stands there at least. */
  seen(at: number) {
    if (at > this.exact()) this.set(at);
  }

  /** As {@link now}, to the millisecond, and not followed by the page. */
  exact(): number {
    return this.#offset + performance.now();
  }

  tick() {
    this.now = this.exact();
  }
}
