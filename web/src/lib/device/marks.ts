/** Events beside a chart: those that are too near to each other for a finger are one mark. Pure. */

import type { HistoryEvent } from '../api/generated';

export interface Mark {
  /** Where it stands, as a share of the width. */
  share: number;
  /** The oldest first. */
  events: HistoryEvent[];
  /** Whether one of them wants to be looked at. */
  isBad: boolean;
}

/** Marks for the events of a stretch, each at least `apart` (a share of the width) from the next. */
export function marksOf(events: readonly HistoryEvent[], from: number, to: number, apart: number): Mark[] {
  const span = Math.max(to - from, 1);
  const placed = events
    .map((event) => ({ event, share: (Date.parse(event.at) - from) / span }))
    .filter(({ share }) => share >= 0 && share <= 1)
    .sort((a, b) => a.share - b.share);
  const marks: Mark[] = [];
  let first = 0;
  for (const { event, share } of placed) {
    const isBad = event.kind === 'alert' || event.kind === 'refused';
    const last = marks.at(-1);
    if (last && share - first < apart) {
      last.events.push(event);
      last.isBad ||= isBad;
      last.share = (first + share) / 2;
    } else {
      marks.push({ share, events: [event], isBad });
      first = share;
    }
  }
  return marks;
}
