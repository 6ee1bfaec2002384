/** What state a value is in, and what to say about it: the table of the design language. Pure. */

import type { Availability, Cause, PropertyInfo, Quality, Value } from '../api/types';
import type { Format } from '../format/format';
import type { Messages } from '../i18n/en';
import { fixedWords, gatewayWords } from '../i18n/gateway-words';

export type TileState = 'live' | 'on' | 'pending' | 'refused' | 'stale' | 'suspect' | 'fault' | 'empty';

/** What the page knows of one value. Times are in milliseconds by the gateway's clock. */
export interface Facts {
  property: PropertyInfo;
  driver: string;
  periodMs: number | null;
  availability: Availability;
  fault: string | null;
  reading: { value: Value; quality: Quality; at: number; since: number } | null;
  pendingSince: number | null;
  refusal: string | null;
  /** Whether the page hears the gateway, and the gateway its devices. */
  connected: boolean;
}

/** What is most worth saying, worst first; a command under way goes before all, since somebody is waiting. */
export function stateOf(facts: Facts): TileState {
  if (facts.pendingSince !== null) return 'pending';
  if (facts.refusal !== null) return 'refused';
  if (facts.availability === 'offline' || facts.fault !== null) return 'fault';
  if (facts.reading === null) return 'empty';
  if (facts.reading.quality === 'stale') return 'stale';
  if (facts.reading.quality === 'suspect') return 'suspect';
  return facts.reading.value === 'ON' ? 'on' : 'live';
}

/** The state of a device without values, such as an expander: that of its connection. */
export function stateOfBare(availability: Availability, fault: string | null): TileState {
  if (availability === 'offline' || fault !== null) return 'fault';
  return availability === 'online' ? 'live' : 'empty';
}

/** The sentence on the tile of a device without values, with the gateway's words in it marked. */
export function noteOfBare(availability: Availability, fault: string | null, t: Messages): string {
  switch (stateOfBare(availability, fault)) {
    case 'fault':
      return fault === null ? t.tile.offline : gatewayWords(fault);
    case 'live':
      return t.tile.bare;
    default:
      return t.tile.noReading;
  }
}

/** Which states have more to say than others, the most urgent first. */
const URGENCY: readonly TileState[] = [
  'pending',
  'refused',
  'fault',
  'stale',
  'suspect',
  'empty',
  'on',
  'live',
];

/** Of the values of one device, the one with the most to say; the first when all are well. */
export function worstOf(values: readonly Facts[]): Facts | undefined {
  const rank = (facts: Facts) => Math.min(URGENCY.indexOf(stateOf(facts)), URGENCY.indexOf('on'));
  return values.reduce<Facts | undefined>(
    (worst, facts) => (worst === undefined || rank(facts) < rank(worst) ? facts : worst),
    undefined,
  );
}

/** Whether the value can be taken at its word right now; the others are shown muted. */
export function isTrusted(facts: Facts): boolean {
  const { reading } = facts;
  return (
    facts.connected &&
    reading !== null &&
    reading.quality !== 'stale' &&
    reading.quality !== 'suspect' &&
    facts.availability !== 'offline' &&
    facts.fault === null
  );
}

/** Whether the lamp is lit: something is on, and that is known for sure. */
export function isLit(facts: Facts): boolean {
  return isTrusted(facts) && facts.reading?.value === 'ON';
}

/** A live value speaks of its age only when it is older than this many of its intervals. */
const AGE_AFTER_INTERVALS = 2;

/** The value that a DS18B20 gives when it was read before it had measured (datasheet, "Memory"). */
const DS18B20_POWER_ON_CELSIUS = 85;

/** The sentence under the value, with the gateway's words in it marked. Empty: there is nothing to say. */
export function noteOf(facts: Facts, now: number, t: Messages, format: Format): string {
  const { reading } = facts;
  switch (stateOf(facts)) {
    case 'pending':
      return t.tile.sentAgo(format.shortDuration(now - (facts.pendingSince ?? now)));
    case 'refused':
      return facts.refusal ?? t.control.refusedUnknown;
    case 'fault':
      return facts.fault === null ? t.tile.offline : gatewayWords(facts.fault);
    case 'empty':
      return t.tile.noReading;
    case 'stale':
      return t.tile.lastHeard(format.ago(reading?.at ?? now, now));
    case 'suspect':
      return suspectNote(facts, t, format);
    default:
      return reading === null ? '' : liveNote(facts, reading, now, t, format);
  }
}

function suspectNote(facts: Facts, t: Messages, format: Format): string {
  const value = facts.reading?.value ?? '';
  const text = valueText(facts.property, value, t, format);
  const isPowerOn = facts.driver.startsWith('ds18') && value === DS18B20_POWER_ON_CELSIUS;
  return isPowerOn ? t.tile.powerOnValue(text) : t.tile.suspect(text);
}

function liveNote(
  facts: Facts,
  reading: NonNullable<Facts['reading']>,
  now: number,
  t: Messages,
  format: Format,
): string {
  if (!facts.connected) return t.tile.lastHeard(format.ago(reading.at, now));
  if (facts.property.kind === 'switch') {
    const state = valueText(facts.property, reading.value, t, format);
    return t.tile.onFor(state, format.duration(now - reading.since));
  }
  if (reading.quality === 'clamped') return t.tile.clamped;
  const intervals = facts.periodMs === null ? 0 : AGE_AFTER_INTERVALS * facts.periodMs;
  return now - reading.at > intervals ? format.ago(reading.at, now) : '';
}

/** On and off in the words of what is on: a door is open, a floor is wet. Those that take commands are on or off. */
function switchWords(property: PropertyInfo, t: Messages): [string, string] {
  if (property.settable) return [t.words.on, t.words.off];
  switch (property.class) {
    case 'door':
    case 'garage_door':
    case 'opening':
    case 'window':
      return [t.words.open, t.words.closed];
    case 'motion':
      return [t.words.motion, t.words.noMotion];
    case 'occupancy':
    case 'presence':
      return [t.words.present, t.words.away];
    case 'moisture':
      return [t.words.wet, t.words.dry];
    case 'problem':
    case 'safety':
    case 'smoke':
    case 'gas':
    case 'tamper':
      return [t.words.problem, t.words.fine];
    default:
      return [t.words.on, t.words.off];
  }
}

/** What a cover says of itself: its state is a text that takes commands, and one of these words. */
function coverWord(property: PropertyInfo, value: string, t: Messages): string | undefined {
  const isState = property.kind === 'text' && property.settable && property.id === 'state';
  return isState && Object.hasOwn(t.cover, value) ? t.cover[value as keyof Messages['cover']] : undefined;
}

const SECONDS_OF_UNIT: Record<string, number> = { ms: 0.001, s: 1, min: 60, h: 3_600, d: 86_400 };

/** The value in words, split into what is large and its unit. */
export function valueParts(
  property: PropertyInfo,
  value: Value,
  t: Messages,
  format: Format,
): { text: string; unit: string } {
  if (property.kind === 'switch') {
    const [on, off] = switchWords(property, t);
    if (value === 'ON') return { text: on, unit: '' };
    if (value === 'OFF') return { text: off, unit: '' };
  }
  if (typeof value !== 'number') return { text: coverWord(property, value, t) ?? value, unit: '' };
  const seconds = SECONDS_OF_UNIT[property.unit];
  if (property.class === 'duration' && seconds !== undefined) {
    return { text: format.duration(value * seconds * 1_000), unit: '' };
  }
  return format.scaled(value, property.decimals, property.unit);
}

/** The value in words, as one text. */
export function valueText(property: PropertyInfo, value: Value, t: Messages, format: Format): string {
  const { text, unit } = valueParts(property, value, t, format);
  return unit === '' ? text : `${text}\u00a0${unit}`;
}

/** Who made it so, in the reader's language where we know the parts, else in the gateway's words, which are marked. */
export function causeText(cause: Cause, value: Value, t: Messages): string {
  const who = originText(cause, t);
  if (value === 'ON') return t.cause.on(who);
  if (value === 'OFF') return t.cause.off(who);
  return t.cause.set(who);
}

function originText(cause: Cause, t: Messages): string {
  const { by, user, client_id: client, name, reason } = cause;
  if (by === 'page' && user) return t.cause.page(user);
  if (by === 'client' && client && user) return t.cause.client(client, user);
  if (by === 'part' && name) return t.cause.part(fixedWords(name, t.fixed));
  if (by === 'fail-safe' && reason) {
    const longest = /^longest on-time of (\S+)$/.exec(reason)?.[1];
    return t.cause.failSafe(longest ? t.cause.longestOn(longest) : fixedWords(reason, t.fixed));
  }
  return gatewayWords(cause.sentence);
}
