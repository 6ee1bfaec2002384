/** What the messages area asks of the gateway. */

import { call } from '../api/client';
import type { PublishRequest, RetainedMessages } from '../api/generated';

/** The stream of messages that match a filter. */
export function streamPath(filter: string): string {
  return `/api/v1/messages/stream?${new URLSearchParams({ filter })}`;
}

export const messageCalls = {
  retained: (filter: string, after: string | null) => {
    const query = new URLSearchParams({ filter });
    if (after !== null) query.set('after', after);
    return call<RetainedMessages>('GET', `/api/v1/messages/retained?${query}`);
  },
  publish: (message: PublishRequest) => call<void>('POST', '/api/v1/messages', message),
  clear: (topic: string) =>
    call<void>('DELETE', `/api/v1/messages/retained?${new URLSearchParams({ topic })}`),
};
