/** What public/early.js asked of the gateway while this page was still on its way. Each answer is taken once. */

import type { HomeArrangement } from './house/arrangement';
import type { Session } from './api/types';

export interface Early {
  session: Promise<Session | null>;
  /** Both only once it is known who is here. */
  home: Promise<HomeArrangement | null> | null;
  stream: { take(): { source: EventSource; heard: MessageEvent<string>[] } } | null;
}

declare global {
  interface Window {
    /** Nothing when this page was here first, or the answers are taken. */
    gatehouseEarly?: Early | null;
  }
}

let kept = window.gatehouseEarly ?? null;
/** Nothing more is asked early from here on, since this page asks itself. */
const leave = () => {
  kept = window.gatehouseEarly = null;
};
if (kept === null) leave();

/** Who is here; nothing when that is to be asked. */
export async function earlySession(): Promise<Session | null> {
  return (await kept?.session) ?? null;
}

export async function earlyHome(): Promise<HomeArrangement | null> {
  const home = kept?.home ?? null;
  if (kept) kept.home = null;
  return home;
}

/** The stream of the house, when it was opened and stands. What it has said already, it says again to who listens by then. */
export function earlyStream(): EventSource | null {
  const stream = kept?.stream?.take();
  if (kept) kept.stream = null;
  if (!stream || stream.source.readyState === EventSource.CLOSED) return null;
  const { source, heard } = stream;
  // Whoever asked for it adds its listeners before anything else is done.
  queueMicrotask(() => {
    for (const { type, data, lastEventId } of heard) {
      source.dispatchEvent(new MessageEvent(type, { data, lastEventId }));
    }
  });
  return source;
}

/** Who was here has left: what was asked for them is nobody else's. */
export function forgetEarly() {
  kept?.stream?.take().source.close();
  leave();
}
