/** How often ages on the page move on. */
const TICK_MS = 1_000;

/**
 * Hundreds of ages that all move on in the same instant are one long task, and a frame that is late. They move in so many
 * parts, one after the other within the second.
 */
const PARTS = 8;

/** The time of one part. */
class Part {
  now = $state(Date.now());
}

/** A difference that the page need not show before its next tick: the way of an event through the network. */
const UNSEEN_MS = 1_000;

/** A gateway's clock that moved by more than this did not drift: it was set. */
const JUMP_MS = 5_000;

/**
 * The gateway's clock, as the page knows it: a phone and a Pi may disagree, so ages are never taken from the phone's.
 * Between two words from the gateway, the browser's monotonic clock carries it on. A Pi without a clock of its own
 * starts in the past and is then set right, forward or back: the page follows in both directions.
 */
export class GatewayClock {
  #offset = Date.now() - performance.now();
  #told = false;
  /** Milliseconds since 1970 by the gateway's clock, moving once a second. */
  now = $state(Date.now());
  /** How many times the clock was set while the page watched: what was laid out by the old time is laid out anew. */
  jumps = $state(0);

  readonly #parts = Array.from({ length: PARTS }, () => new Part());
  #next = 0;

  constructor() {
    setInterval(() => this.tick(), TICK_MS);
  }

  /** The gateway said what time it is. */
  set(now: number) {
    if (!Number.isFinite(now)) return;
    const moved = Math.abs(now - this.exact());
    this.#offset = now - performance.now();
    if (this.#told && moved > JUMP_MS) this.jumps += 1;
    this.#told = true;
    if (moved > UNSEEN_MS) this.tick();
  }

  /** As {@link now}, to the millisecond, and not followed by the page. */
  exact(): number {
    return this.#offset + performance.now();
  }

  /** A time for one of many: as {@link now}, but moving in a moment of its own. */
  apart(): { readonly now: number } {
    const part = this.#parts[this.#next % PARTS];
    this.#next += 1;
    return part ?? this;
  }

  tick() {
    this.now = this.exact();
    this.#parts.forEach((part, index) => {
      setTimeout(() => (part.now = this.exact()), (index * TICK_MS) / PARTS);
    });
  }
}
