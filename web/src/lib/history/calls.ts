/** What the history area asks of the gateway. */

import { call } from '../api/client';
import type { EventKind, HistoryEvents, HistoryMoment, HistorySeriesInfo } from '../api/generated';
import type { Then } from './then';

/** Events of one answer: some screens of a phone. */
export const EVENTS_A_PAGE = 60;

/** As many as the gateway gives at once. Of a house with more, what is older is not known. */
export const EVENTS_OF_A_MOMENT = 500;

export interface EventSearch {
  kinds: readonly EventKind[];
  device: string | null;
  contains: string;
  from: number | null;
  to: number | null;
}

export function eventsQuery(search: EventSearch, beforeId: number | null): string {
  const query = new URLSearchParams({ limit: String(EVENTS_A_PAGE) });
  if (search.kinds.length > 0) query.set('kinds', search.kinds.join(','));
  if (search.device !== null) query.set('device', search.device);
  if (search.contains.trim() !== '') query.set('contains', search.contains.trim());
  if (search.from !== null) query.set('from', new Date(search.from).toISOString());
  if (search.to !== null) query.set('to', new Date(search.to).toISOString());
  if (beforeId !== null) query.set('before_id', String(beforeId));
  return query.toString();
}

export const historyCalls = {
  events: (search: EventSearch, beforeId: number | null) =>
    call<HistoryEvents>('GET', `/api/v1/history/events?${eventsQuery(search, beforeId)}`),
  series: () => call<HistorySeriesInfo[]>('GET', '/api/v1/history/series'),
  /** What was known at a moment, and what had happened to who answers, and to the gateway. */
  asOf: async (at: number): Promise<Then> => {
    const when = encodeURIComponent(new Date(at).toISOString());
    // The end of a stretch is the first moment that is too late.
    const end = encodeURIComponent(new Date(at + 1).toISOString());
    const [{ values }, { events }] = await Promise.all([
      call<HistoryMoment>('GET', `/api/v1/history/as-of?at=${when}`),
      call<HistoryEvents>(
        'GET',
        `/api/v1/history/events?kinds=availability,alert,gateway&limit=${EVENTS_OF_A_MOMENT}&to=${end}`,
      ),
    ]);
    return { at, values, events, cut: events.length >= EVENTS_OF_A_MOMENT };
  },
};

export const EXPORT_FORMATS = ['csv', 'jsonl', 'parquet', 'influx'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** The address of a file with what was recorded; without series, of all of them. */
export function exportPath(
  series: readonly string[],
  from: number | null,
  to: number | null,
  format: ExportFormat,
): string {
  const query = new URLSearchParams({ format });
  if (series.length > 0) query.set('series', series.join(','));
  if (from !== null) query.set('from', new Date(from).toISOString());
  if (to !== null) query.set('to', new Date(to).toISOString());
  return `/api/v1/history/export?${query}`;
}
