/** What an event says, in the reader's language where its parts are known. Pure. */

import type { HistoryEvent, PropertyKind } from '../api/generated';
import type { PropertyInfo } from '../api/types';
import type { Format } from '../format/format';
import type { Messages } from '../i18n/en';
import { gatewayWords } from '../i18n/gateway-words';
import { causeText, valueText } from '../tiles/state';

/** What the page knows of the device and the value that an event names. */
export interface Named {
  device: string | null;
  property: string | null;
  info: PropertyInfo | null;
}

/** Where it happened: "Hall light", or "Climate, Humidity". Empty of the gateway's own. */
export function placeOf(event: HistoryEvent, named: Named): string {
  const device = named.device ?? event.device;
  if (device === null) return '';
  const property = named.property ?? event.property;
  // The only value of a switch is called "State" at each of them; it says nothing.
  return property === null || event.property === 'state' ? device : `${device}, ${property}`;
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
  return value === null ? '' : gatewayWords(value);
}

function scalarOf(text: string, kind: PropertyKind): string | number {
  const number = Number(text);
  return kind === 'number' && Number.isFinite(number) ? number : text;
}
