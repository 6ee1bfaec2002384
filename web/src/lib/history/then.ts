/** The house at a moment: what was recorded, as the devices that the tiles draw. Pure. */

import type { HistoryEvent, HistorySeriesInfo, HistoryValue } from '../api/generated';
import type { Availability } from '../api/types';
import { LiveDevice, LiveProperty } from '../house/house.svelte';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Without a moment in the address so much before the present: what is now stands on the page of the rooms. */
const AGO_MS = HOUR_MS;

/** A recording younger than that opens this long after its start, when every sensor had its first turn. */
const FIRST_TURN_MS = MINUTE_MS;

/** What was recorded, from its first moment to the present, in milliseconds since 1970. */
export interface Recording {
  from: number;
  to: number;
}

/** When the recording began; nothing when nothing is recorded yet. */
export function beginOf(series: readonly Pick<HistorySeriesInfo, 'since'>[]): number | null {
  const times = series.map(({ since }) => Date.parse(since)).filter((time) => !Number.isNaN(time));
  return times.length === 0 ? null : times.reduce((first, time) => Math.min(first, time));
}

/** A moment brought into the recording. */
export function within({ from, to }: Recording, at: number): number {
  return Math.max(Math.min(at, to), from);
}

/** The moment that is shown when nobody chose one. */
export function firstShown({ from, to }: Recording): number {
  return within({ from: Math.min(from + FIRST_TURN_MS, to), to }, to - AGO_MS);
}

/** Where a key moves the moment to: arrows by a minute, with shift by five; pages by an hour, with shift by a day. */
export function keyMoved(
  { key, shiftKey }: Pick<KeyboardEvent, 'key' | 'shiftKey'>,
  at: number,
  recording: Recording,
): number | null {
  const arrow = shiftKey ? 5 * MINUTE_MS : MINUTE_MS;
  const page = shiftKey ? 24 * HOUR_MS : HOUR_MS;
  const by: Record<string, number> = {
    ArrowLeft: -arrow,
    ArrowDown: -arrow,
    ArrowRight: arrow,
    ArrowUp: arrow,
    PageDown: -page,
    PageUp: page,
    Home: -Infinity,
    End: Infinity,
  };
  const moved = by[key];
  return moved === undefined ? null : within(recording, at + moved);
}

/** What was known at a moment. */
export interface Then {
  at: number;
  values: readonly HistoryValue[];
  /** Of the gateway, of faults and of what answers: the newest first, all before the moment. */
  events: readonly HistoryEvent[];
  /** Whether there are older events that the gateway did not give: then nothing is known of a device without one. */
  cut: boolean;
}

/** Whether the gateway had stopped, and had not started again. */
export function wasStopped({ events }: Then): boolean {
  const last = events.find(
    ({ kind, value }) => kind === 'gateway' && (value === 'start' || value === 'stop'),
  );
  return last?.value === 'stop';
}

/** What was known of each series. One that sends words at times and numbers at others is known by the newest. */
function latest(values: readonly HistoryValue[]): Map<string, HistoryValue> {
  const known = new Map<string, HistoryValue>();
  for (const value of values) {
    const other = known.get(value.series);
    if (!other || Date.parse(other.at) < Date.parse(value.at)) known.set(value.series, value);
  }
  return known;
}

/** How each device was: what is noted is what changed, so one without a word of it answered, unless words are missing. */
function conditions({
  events,
  cut,
}: Then): Map<string, { availability: Availability; fault: string | null }> {
  const [answered, faults] = [new Map<string, string | null>(), new Map<string, string | null>()];
  for (const { device, kind, value, sentence } of events) {
    if (device === null) continue;
    if (kind === 'availability' && !answered.has(device)) answered.set(device, value);
    if (kind === 'alert' && !faults.has(device)) faults.set(device, value === 'fault' ? sentence : null);
  }
  const devices = new Set([...answered.keys(), ...faults.keys()]);
  const known = (device: string) => answered.has(device) || !cut;
  return new Map(
    [...devices].map((device) => [
      device,
      {
        availability: answered.get(device) === 'offline' ? 'offline' : known(device) ? 'online' : 'unknown',
        fault: faults.get(device) ?? null,
      },
    ]),
  );
}

/** The devices of today as they were. */
export function devicesThen(devices: readonly LiveDevice[], then: Then): LiveDevice[] {
  const values = latest(then.values);
  const conditionOf = conditions(then);
  return devices.map((device) => {
    const properties = device.properties.map(({ info }) => {
      const known = values.get(`${device.info.id}/${info.id}`);
      // A number is shown in the unit that it had.
      const isNumber = known?.kind === 'number' && info.kind === 'number';
      const property = new LiveProperty(isNumber ? { ...info, unit: known.unit } : info);
      if (known && (known.kind === info.kind || info.kind === 'text')) {
        property.take({ value: known.value, quality: known.quality, at: known.at, cause: null });
      }
      return property;
    });
    const was = new LiveDevice(device.info, properties, then.at);
    const condition = conditionOf.get(device.info.id);
    const isKnown = properties.some(({ reading }) => reading !== null);
    const silent = !then.cut && (isKnown || properties.length === 0) ? 'online' : 'unknown';
    was.availability = condition?.availability ?? silent;
    was.fault = condition?.fault ?? null;
    return was;
  });
}

/** What was known of things that are not in the house any more. */
export function goneThen(devices: readonly LiveDevice[], then: Then): HistoryValue[] {
  const present = new Set(
    devices.flatMap(({ info, properties }) => properties.map((property) => `${info.id}/${property.info.id}`)),
  );
  return [...latest(then.values).values()].filter(({ series }) => !present.has(series));
}
