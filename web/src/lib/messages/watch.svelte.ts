/** The messages that pass, as the page shows them: the newest some, and what is known of those that were not shown. */

import type { MessageView, PassedMessages } from '../api/generated';
import { EventStream, type StreamState } from '../house/stream';
import { streamPath } from './calls';

/** Rows of the list: some screens. Older ones fall out at its end. */
export const LISTED = 200;

/** Between these times the page was not connected, by the gateway's clock: what passed then was never here. */
export interface Gap {
  from: number;
  to: number;
}

/** What a row of the list shows. */
type Shown = { message: MessageView; gap: null } | { message: null; gap: Gap };

/** A row of the list, with a number of its own. */
export type Row = Shown & { id: number };

/** What the list needs of the page. */
export interface WatchParts {
  /** The gateway's clock. */
  now: () => number;
  /** Is told of all that is shown, and how many more passed. */
  onMessages: (messages: MessageView[], leftOut: number) => void;
  /** Messages passed, or not, of which nobody here knows. */
  onGap: () => void;
}

export class MessageWatch {
  /** The newest first. */
  list = $state.raw<Row[]>([]);
  /** How many more passed since the list began, and were not picked. */
  leftOut = $state(0);
  state = $state<StreamState>('connecting');
  /** When the stream last said anything, if it did. Set when it is lost. */
  lostSince = $state<number | null>(null);
  /** Nothing moves; what passes is counted. */
  paused = $state(false);
  /** How many passed while nothing moved. */
  whilePaused = $state(0);

  #stream: EventStream<'messages' | 'clock'> | null = null;
  #connected = true;
  #told: StreamState = 'connecting';
  #lastHeard: number | null = null;
  #gapsWhilePaused: Shown[] = [];
  #ids = 0;

  constructor(private readonly parts: WatchParts) {}

  /** Watches the messages that match, until the answer is called. A hidden page watches nothing. */
  watch(filter: string): () => void {
    this.clear();
    this.lostSince = this.#lastHeard = null;
    const stream = new EventStream({
      names: ['messages', 'clock'],
      open: () => new EventSource(streamPath(filter)),
      hidden: document.hidden,
      // The stream of the house finds out when the log-in has ended, and it is lost with it: see setConnected.
      probe: () => Promise.resolve('logged-in' as const),
      random: () => Math.random(),
      onEvent: (name, data) => {
        if (name === 'messages') this.#take(JSON.parse(data) as PassedMessages);
      },
      onState: (state) => this.#become(state),
      onLoggedOut: () => {},
    });
    this.#stream = stream;
    const follow = () => stream.setHidden(document.hidden);
    const hurry = () => stream.hurry();
    document.addEventListener('visibilitychange', follow);
    window.addEventListener('online', hurry);
    if (this.#connected) stream.start();
    else this.#become('lost');
    return () => {
      document.removeEventListener('visibilitychange', follow);
      window.removeEventListener('online', hurry);
      stream.stop();
      this.#stream = null;
    };
  }

  /** Whether the page hears the gateway at all. While it does not, this stream is not believed either. */
  setConnected(connected: boolean) {
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (connected) {
      this.#stream?.start();
    } else if (this.#stream) {
      this.#stream.stop();
      this.#become('lost');
    }
  }

  clear() {
    this.list = [];
    this.leftOut = 0;
    this.whilePaused = 0;
    this.#gapsWhilePaused = [];
  }

  pause(paused: boolean) {
    if (!paused) this.#show(this.#gapsWhilePaused.splice(0));
    this.paused = paused;
    this.whilePaused = 0;
  }

  #become(state: StreamState) {
    // Not read from the state: whoever begins to watch must not depend on it, and begin again when it changes.
    const before = this.#told;
    this.state = this.#told = state;
    if (state !== 'live') {
      this.lostSince = this.#lastHeard;
      return;
    }
    const now = this.parts.now();
    const from = this.#lastHeard;
    this.#lastHeard = now;
    if (before === 'live' || from === null) return;
    const row: Shown = { message: null, gap: { from, to: now } };
    if (this.paused) this.#gapsWhilePaused.push(row);
    else this.#show([row]);
    this.parts.onGap();
  }

  #take({ messages, left_out: leftOut }: PassedMessages) {
    this.parts.onMessages(messages, leftOut);
    if (this.paused) {
      this.whilePaused += messages.length + leftOut;
      return;
    }
    this.leftOut += leftOut;
    this.#show(messages.map((message) => ({ message, gap: null })));
  }

  /** Puts these before the others, the oldest of them first. */
  #show(rows: Shown[]) {
    const newest = rows.map((row) => ({ ...row, id: (this.#ids += 1) })).reverse();
    this.list = [...newest, ...this.list].slice(0, LISTED);
  }
}
