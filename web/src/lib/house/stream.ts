/** An event stream of the gateway: opened, watched, and opened again when it is lost. A hidden tab has none. */

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
 * Longest wait until a stream that is opened again is answered at all. A proxy or a phone that changed networks may leave a
 * connection dead without a word, and only a new one gets through; where the answers are slow, each try waits longer.
 */
export function answerMs(failures: number): number {
  return Math.min(LOST_MS * 2 ** Math.min(Math.max(failures - 1, 0), 10), OPEN_MS);
}

/**
 * A tab that was hidden lets go of its stream after a moment: nobody looks, and a browser opens six connections to a host
 * and no more. Who walks through the tabs passes it in less than that. Looked at again, it goes on where it was. A tab that
 * was opened behind others has not begun yet.
 */
export const HIDDEN_MS = 1_000;

/** `EventSource.OPEN`: the gateway has answered. */
const ANSWERED = 1;

export type StreamState = 'connecting' | 'live' | 'lost';

/** What the stream needs of the world. */
export interface StreamParts<Name extends string> {
  /** The events that are listened to. */
  names: readonly Name[];
  /** Opens a stream that goes on behind the event with this id, where there is one. */
  open: (after: string | null) => EventSource;
  /** Whether nobody looks at the tab when the stream is made; {@link EventStream.setHidden} tells of changes. */
  hidden: boolean;
  /** Resolves with whether the gateway answers, and whether the user is still logged in. */
  probe: () => Promise<'logged-in' | 'logged-out' | 'no-answer'>;
  random: () => number;
  onEvent: (name: Name, data: string) => void;
  onState: (state: StreamState) => void;
  onLoggedOut: () => void;
}

type Timer = ReturnType<typeof setTimeout>;

export class EventStream<Name extends string> {
  #source: EventSource | null = null;
  #retry: Timer | undefined;
  #silence: Timer | undefined;
  #deaf: Timer | undefined;
  #unheard: Timer | undefined;
  #letGo: Timer | undefined;
  #failures = 0;
  #running = false;
  /** How many times it was begun. */
  #runs = 0;
  #hidden: boolean;
  /** The gateway was heard since the start. */
  #known = false;
  /** The open stream has said something. */
  #live = false;
  /** The gateway is being asked whether it lives: one question at a time. */
  #asked = false;
  /** The id of the last event that was heard. */
  #last: string | null = null;

  constructor(private readonly parts: StreamParts<Name>) {
    this.#hidden = parts.hidden;
  }

  /** Begins it; while the tab is hidden, as soon as that is looked at. */
  start() {
    if (this.#running) return;
    this.#running = true;
    this.#runs += 1;
    this.#failures = 0;
    this.parts.onState('connecting');
    this.hurry();
  }

  /** Ends it. What is heard next begins anew: nobody remembers the house meanwhile. */
  stop() {
    this.#running = false;
    this.#last = null;
    this.#known = false;
    this.#close();
    clearTimeout(this.#letGo);
  }

  /** Something speaks for trying at once: the network came back, or the user looks at the page again. */
  hurry() {
    if (this.#running && !this.#hidden && this.#source === null) this.#open();
  }

  /** The tab was hidden, or is looked at again. */
  setHidden(hidden: boolean) {
    this.#hidden = hidden;
    clearTimeout(this.#letGo);
    if (!hidden) {
      // Whoever looks again is not made to wait for what failed before.
      if (this.#source === null) this.#failures = 0;
      this.hurry();
      return;
    }
    clearTimeout(this.#retry);
    this.#letGo = setTimeout(() => {
      if (!this.#running) return;
      this.#close();
      this.parts.onState('connecting');
    }, HIDDEN_MS);
  }

  #open() {
    clearTimeout(this.#retry);
    const source = this.parts.open(this.#last);
    this.#source = source;
    for (const name of this.parts.names) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        if (this.#source !== source) return;
        this.#heard();
        this.parts.onEvent(name, event.data);
        // Words of the clock have none of their own and keep the one before.
        if (event.lastEventId !== '') this.#last = event.lastEventId;
      });
    }
    source.onerror = () => {
      if (this.#source === source) this.#lost();
    };
    // The first stream of a page has all the time it needs; nothing is on the page yet that could be taken for live.
    const patience = this.#known ? answerMs(this.#failures) : OPEN_MS;
    const isAnswered = () => source.readyState === ANSWERED;
    this.#deaf = setTimeout(() => {
      if (isAnswered()) this.#deaf = setTimeout(() => this.#lost(), OPEN_MS - patience);
      else this.#lost();
    }, patience);
    // It may still come; but within five seconds people see that what is on the page is not live, or that nobody answers.
    this.#unheard = setTimeout(() => {
      if (this.#known || !isAnswered()) this.parts.onState('lost');
    }, LOST_MS);
  }

  #heard() {
    this.#failures = 0;
    this.#known = true;
    this.#live = true;
    this.parts.onState('live');
    clearTimeout(this.#silence);
    clearTimeout(this.#deaf);
    clearTimeout(this.#unheard);
    this.#silence = setTimeout(() => void this.#ask(), SILENCE_MS);
    this.#deaf = setTimeout(() => this.#lost(), LOST_MS);
  }

  #lost(isAsked = false) {
    this.#close();
    this.#failures += 1;
    this.parts.onState('lost');
    if (this.#hidden) return;
    // The next try does not wait for the answer, which may take longer than the network needs to come back.
    this.#retry = setTimeout(() => this.hurry(), backOffMs(this.#failures, this.parts.random()));
    if (!isAsked) void this.#ask();
  }

  /** Asks whether the gateway lives and the log-in stands: a stream that is refused does not say why. */
  async #ask() {
    if (this.#asked) return;
    this.#asked = true;
    const [source, run] = [this.#source, this.#runs];
    const answer = await this.parts.probe();
    this.#asked = false;
    if (!this.#running || this.#runs !== run) return;
    if (answer === 'logged-out') {
      // An old answer: a stream stands only for who is logged in.
      if (this.#live && this.#source !== source) return;
      this.stop();
      this.parts.onLoggedOut();
    } else if (answer === 'no-answer' && source !== null && this.#source === source) {
      this.#lost(true);
    }
  }

  #close() {
    this.#live = false;
    clearTimeout(this.#retry);
    clearTimeout(this.#silence);
    clearTimeout(this.#deaf);
    clearTimeout(this.#unheard);
    this.#source?.close();
    this.#source = null;
  }
}
