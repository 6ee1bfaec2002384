/** The messages that pass, as the page shows them: the newest some, and the number of those that were not shown. */

import type { MessageView, PassedMessages } from '../api/generated';
import { backOffMs } from '../house/back-off';
import { streamPath } from './calls';

/** Messages in the list: some screens. Older ones fall out at its end. */
export const LISTED = 200;

/** A message in the list, with a number of its own. */
export interface ListedMessage {
  id: number;
  message: MessageView;
}

export class MessageWatch {
  /** The newest first. */
  list = $state.raw<ListedMessage[]>([]);
  /** How many more passed since the list began, and were not picked. */
  leftOut = $state(0);
  state = $state<'connecting' | 'live' | 'lost'>('connecting');
  /** Nothing moves; what passes is counted. */
  paused = $state(false);
  /** How many passed while nothing moved. */
  whilePaused = $state(0);

  #source: EventSource | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #ids = 0;

  /** `onMessages` is told of all that is shown, and whether there was more. */
  constructor(private readonly onMessages: (messages: MessageView[], leftOut: number) => void) {}

  /** Watches the messages that match, until the answer is called. A hidden page watches nothing. */
  watch(filter: string): () => void {
    this.clear();
    const follow = () => {
      if (document.hidden) this.#close();
      else if (this.#source === null) this.#open(filter);
    };
    follow();
    document.addEventListener('visibilitychange', follow);
    return () => {
      document.removeEventListener('visibilitychange', follow);
      this.#close();
    };
  }

  clear() {
    this.list = [];
    this.leftOut = 0;
    this.whilePaused = 0;
  }

  pause(paused: boolean) {
    this.paused = paused;
    this.whilePaused = 0;
  }

  #open(filter: string) {
    this.state = 'connecting';
    const source = new EventSource(streamPath(filter));
    this.#source = source;
    source.addEventListener('clock', () => this.#heard());
    source.addEventListener('messages', (event: MessageEvent<string>) => {
      if (this.#source !== source) return;
      this.#heard();
      this.#take(JSON.parse(event.data) as PassedMessages);
    });
    source.onerror = () => {
      if (this.#source !== source) return;
      this.#close();
      this.state = 'lost';
      this.#failures += 1;
      this.#retry = setTimeout(() => this.#open(filter), backOffMs(this.#failures, Math.random()));
    };
  }

  #heard() {
    this.#failures = 0;
    this.state = 'live';
  }

  #take({ messages, left_out: leftOut }: PassedMessages) {
    this.onMessages(messages, leftOut);
    if (this.paused) {
      this.whilePaused += messages.length + leftOut;
      return;
    }
    this.leftOut += leftOut;
    const newest = messages.map((message) => ({ id: (this.#ids += 1), message })).reverse();
    this.list = [...newest, ...this.list].slice(0, LISTED);
  }

  #close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }
}
