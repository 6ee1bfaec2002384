/** The topics that are not known to be retained and passed while the page was open. */

import { SvelteMap } from 'svelte/reactivity';
import type { MessageView } from '../api/generated';

/** Topics that only passed: some screens more, and at most some megabytes of messages. */
export const MOST_PASSING = 500;

/** The last message that passed under a topic. */
export interface Passing {
  message: MessageView;
  /** Whether it is known that nothing is retained there: what was read since it first passed did not have it. */
  notKept: boolean;
}

export class PassingTopics {
  readonly last = new SvelteMap<string, Passing>();
  /** In the order in which they first passed. */
  topics = $state.raw<readonly string[]>([]);
  /** Messages of topics for which there was no room. */
  leftOut = $state(0);
  /** What had been asked for when a topic first passed: an older answer says nothing about it. */
  readonly #firstSeen = new Map<string, number>();

  constructor(private readonly most = MOST_PASSING) {}

  /**
   * Takes what passed at once, under topics that are not retained as far as the page knows. `asked` counts the times
   * that the retained messages were asked for. The gateway sends what passed four times a second and no faster, and
   * however much of it there is, the page is drawn once.
   */
  take(messages: readonly MessageView[], asked: number) {
    let grown = false;
    for (const message of messages) {
      const before = this.last.get(message.topic);
      if (before === undefined) {
        // Nearly always one that clears what was retained: it takes a topic away and brings none.
        if (message.payload_bytes === 0) continue;
        if (this.last.size >= this.most) {
          this.leftOut += 1;
          continue;
        }
        this.#firstSeen.set(message.topic, asked);
        grown = true;
      }
      this.last.set(message.topic, { message, notKept: before?.notKept ?? false });
    }
    if (grown) this.topics = [...this.last.keys()];
  }

  /**
   * The retained messages were read, `asked` being the number of that question. What is among them is no longer one
   * that only passes; what is not among all of them is not kept. Of a part of them nothing follows for the others.
   */
  compare(retained: ReadonlySet<string>, asked: number, whole: boolean) {
    for (const [topic, { message, notKept }] of this.last) {
      if (retained.has(topic)) {
        this.last.delete(topic);
        this.#firstSeen.delete(topic);
      } else if (whole && !notKept && asked > (this.#firstSeen.get(topic) ?? asked)) {
        this.last.set(topic, { message, notKept: true });
      }
    }
    if (this.last.size !== this.topics.length) this.topics = [...this.last.keys()];
  }

  clear() {
    this.last.clear();
    this.#firstSeen.clear();
    this.topics = [];
    this.leftOut = 0;
  }
}
