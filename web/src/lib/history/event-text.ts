/** What an event says, in the reader's language where its parts are known. Pure. */

import type { HistoryEvent, PropertyKind } from '../api/generated';
import type { PropertyInfo } from '../api/types';
import type { Format } from '../format/format';
import type { Messages } from '../i18n/en';
import { fixedWords, gatewayWords } from '../i18n/gateway-words';
import { causeText, valueText } from '../tiles/state';

/** What the page knows of the device and the value that an event names. */
export interface Named {
  device: string | null;
  property: string | null;
  info: PropertyInfo | null;
  /** Whether the value is the first of its device. */
  isMain: boolean;
}

/** Where it happened: "Hall light", or "Climate, Humidity". Empty of the gateway's own. */
export function placeOf(event: HistoryEvent, named: Named): string {
  const device = named.device ?? event.device;
  if (device === null) return '';
  const property = named.property ?? event.property;
  // What a device is mostly about is not told with a name: "Porch light" is enough when its power switched.
  return property === null || named.isMain ? device : `${device}, ${property}`;
}

/** One line of the log: an event, and how many times it happened in a row. */
export interface EventLine {
  event: HistoryEvent;
  count: number;
}

/** Events of one thing that say the same and follow each other this closely are one line. */
const IN_A_ROW_MS = 10_000;

/** The lines of the log: the steps of a knob are not a screen of their own. Events come the newest first. */
export function linesOf(events: readonly HistoryEvent[]): EventLine[] {
  const lines: (EventLine & { oldest: HistoryEvent })[] = [];
  for (const event of events) {
    const last = lines.at(-1);
    if (last && repeats(event, last.oldest)) {
      last.count += 1;
      last.oldest = event;
    } else {
      lines.push({ event, count: 1, oldest: event });
    }
  }
  return lines.map(({ event, count }) => ({ event, count }));
}

function repeats(older: HistoryEvent, newer: HistoryEvent): boolean {
  const saysOf = ({ kind, device, property, value, sentence, who }: HistoryEvent) =>
    JSON.stringify([kind, device, property, value, sentence, who]);
  return saysOf(older) === saysOf(newer) && Date.parse(newer.at) - Date.parse(older.at) <= IN_A_ROW_MS;
}

/** What it became, and who made it so. The gateway's own words are marked. */
export function eventText(event: HistoryEvent, named: Named, t: Messages, format: Format): string {
  const { kind, value, sentence, cause } = event;
  if (kind === 'switched' && value !== null) {
    if (cause !== null && (value === 'ON' || value === 'OFF')) return causeText(cause, value, t);
    const text =
      named.info === null ? value : valueText(named.info, scalarOf(value, named.info.kind), t, format);
    return cause === null ? text : `${text}. ${causeText(cause, value, t)}`;
  }
  if (kind === 'availability') {
    const word = value === 'online' ? t.device.online : value === 'offline' ? t.device.offline : value;
    return [word, sentence === null ? null : gatewayWords(sentence)]
      .filter((part) => part !== null)
      .join('. ');
  }
  if (sentence !== null) return gatewayWords(sentence);
  return value === null ? '' : fixedWords(value, t.fixed);
}

function scalarOf(text: string, kind: PropertyKind): string | number {
  const number = Number(text);
  return kind === 'number' && Number.isFinite(number) ? number : text;
}
