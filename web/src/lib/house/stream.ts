/** The event stream of the gateway: opened, watched, and opened again when it is lost. */

import { backOffMs } from './back-off';

export const EVENT_NAMES = ['house', 'reading', 'availability', 'result', 'online', 'clock'] as const;
export type EventName = (typeof EVENT_NAMES)[number];

/** The gateway's clock speaks every 2 s. Without any event for so long, the gateway is asked whether it lives. */
export const SILENCE_MS = 3_000;

/** Without any event for so long, the stream is lost, whatever else the gateway answers: two words of its clock are missing.
 * People see within five seconds that what is on the page is no longer so. */
export const LOST_MS = 4_500;

/** Longest wait for the first event of a stream: the whole house, over poor Wi-Fi. */
export const OPEN_MS = 20_000;

/**
 * A hidden tab lets go of its stream after a moment: nobody looks, and a browser opens six connections to a host and no
 * more. Looked at again, it goes on where it was.
 */
export const HIDDEN_MS = 10_000;

/** What the stream needs of the world. */
export interface StreamParts {
  /** Opens a stream that goes on behind the event with this id, where there is one. */
  open: (after: string | null) => EventSource;
  /** Resolves with whether the gateway answers, and whether the user is still logged in. */
  probe: () => Promise<'logged-in' | 'logged-out' | 'no-answer'>;
  random: () => number;
  onEvent: (name: EventName, data: string) => void;
  onState: (state: 'connecting' | 'live' | 'lost') => void;
  onLoggedOut: () => void;
}

export class EventStream {
  #source: EventSource | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #deaf: ReturnType<typeof setTimeout> | undefined;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #running = false;
  /** The id of the last event that was heard. */
  #last: string | null = null;

  constructor(private readonly parts: StreamParts) {}

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    this.parts.onState('connecting');
    this.#open();
  }

  /** Ends it. What is heard next begins anew: nobody remembers the house meanwhile. */
  stop() {
    this.#running = false;
    this.#last = null;
    this.#close();
    clearTimeout(this.#retry);
    clearTimeout(this.#hidden);
  }

  /** Something speaks for trying at once: the network came back, or the user looks at the page again. */
  hurry() {
    if (!this.#running || this.#source !== null) return;
    clearTimeout(this.#retry);
    this.#open();
  }

  /** The tab was hidden, or is looked at again. */
  setHidden(hidden: boolean) {
    clearTimeout(this.#hidden);
    if (!hidden) {
      this.hurry();
      return;
    }
    this.#hidden = setTimeout(() => {
      if (!this.#running) return;
      this.#close();
      clearTimeout(this.#retry);
      this.parts.onState('connecting');
    }, HIDDEN_MS);
  }

  #open() {
    const source = this.parts.open(this.#last);
    this.#source = source;
    for (const name of EVENT_NAMES) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (this.#source !== source) return;
        this.#heard();
        this.parts.onEvent(name, event.data);
        // Words of the clock have none of their own and keep the one before.
        if (event.lastEventId !== '') this.#last = event.lastEventId;
      });
    }
    source.onerror = () => {
      if (this.#source === source) void this.#lost();
    };
    clearTimeout(this.#silence);
    clearTimeout(this.#deaf);
    this.#deaf = setTimeout(() => void this.#lost(), OPEN_MS);
  }

  #heard() {
    if (this.#failures > 0) this.#failures = 0;
    this.parts.onState('live');
    this.#watch();
  }

  #watch() {
    clearTimeout(this.#silence);
    clearTimeout(this.#deaf);
    this.#silence = setTimeout(() => void this.#ask(), SILENCE_MS);
    this.#deaf = setTimeout(() => void this.#lost(), LOST_MS);
  }

  async #ask() {
    const source = this.#source;
    const answer = await this.parts.probe();
    if (this.#source !== source || source === null) return;
    if (answer !== 'logged-in') await this.#lost(answer);
  }

  async #lost(known?: 'logged-out' | 'no-answer') {
    this.#close();
    this.#failures += 1;
    this.parts.onState('lost');
    const answer = known ?? (await this.parts.probe());
    if (!this.#running || this.#source !== null) return;
    if (answer === 'logged-out') {
      this.stop();
      this.parts.onLoggedOut();
      return;
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), backOffMs(this.#failures, this.parts.random()));
  }

  #close() {
    clearTimeout(this.#silence);
    clearTimeout(this.#deaf);
    this.#source?.close();
    this.#source = null;
  }
}
