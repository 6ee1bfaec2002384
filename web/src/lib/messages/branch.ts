/** Clearing what is retained below a level of the tree. Pure but for the call that it is given. */

import { ApiError } from '../api/client';
import type { MessageView } from '../api/generated';

/** What is retained below a level. */
export interface Below {
  /** What may be cleared. */
  topics: string[];
  /** How many more are the gateway's own. */
  own: number;
}

/** What the page shows as retained below a topic, without the topic itself. */
export function retainedBelow(topic: string, retained: Iterable<MessageView>): Below {
  const below: Below = { topics: [], own: 0 };
  for (const message of retained) {
    if (!message.topic.startsWith(`${topic}/`)) continue;
    // What the gateway says is its own, and it refuses to have that cleared.
    if (message.topic.startsWith('$') || message.own) below.own += 1;
    else below.topics.push(message.topic);
  }
  return below;
}

/** How far it came. */
export interface Cleared {
  cleared: number;
  /** Where it stopped, and why; null when it came to the end. */
  stopped: { topic: string; error: unknown } | null;
}

/** Clears one topic after the other, and stops at the first that is refused. One that is gone already is no refusal. */
export async function clearTopics(
  topics: readonly string[],
  clear: (topic: string) => Promise<void>,
  onProgress: (cleared: number) => void,
): Promise<Cleared> {
  let cleared = 0;
  for (const topic of topics) {
    try {
      await clear(topic);
      cleared += 1;
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'not_retained'))
        return { cleared, stopped: { topic, error } };
    }
    onProgress(cleared);
  }
  return { cleared, stopped: null };
}
