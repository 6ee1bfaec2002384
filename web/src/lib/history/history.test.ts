import { describe, expect, it, vi } from 'vitest';
import type { HistoryEvent, HistoryValue } from '../api/generated';
import type { History, PropertyInfo } from '../api/types';
import { bounded, moved, zoomed } from '../chart/stretch';
import { Format } from '../format/format';
import { withoutMarks } from '../i18n/gateway-words';
import { en } from '../i18n/en';
import { es } from '../i18n/es';
import { EVENTS_OF_A_MOMENT, eventsQuery, exportPath, historyCalls } from './calls';
import { eventText, linesOf, placeOf } from './event-text';
import { loadedOf, valueAt } from './lines';
import { goneName, goneSeries } from './gone';
import { fieldOf, timeOfAddress, timeOfField } from './moment';
import { LiveDevice, LiveProperty } from '../house/house.svelte';
import { isLit, noteOf, stateOf, type Facts } from '../tiles/state';
import { pickedPath, readPicked, type Picked } from './pick';
import { beginOf, devicesThen, firstShown, goneThen, keyMoved, wasStopped, within, type Then } from './then';

const HOUR = 3_600_000;

describe('the address of a chart', () => {
  const picked: Picked = {
    series: ['kitchen/temperature', 'boiler/state'],
    range: '7d',
    stretch: null,
    compare: 'before',
  };

  it('holds all that is drawn', () => {
    for (const one of [picked, { ...picked, stretch: { from: 1_700_000_000_000, to: 1_700_000_600_000 } }]) {
      const path = pickedPath(one);
      const read = readPicked(new URLSearchParams(path.split('?')[1]));
      expect(read).toEqual({ ...one, range: one.stretch ? '24h' : '7d' });
    }
    expect(pickedPath({ series: [], range: '24h', stretch: null, compare: null })).toBe('/history');
  });

  it('is not led astray by what nobody wrote', () => {
    const query = new URLSearchParams('s=a&s=a/b&s=a/b&range=9y&from=5&to=x&compare=yes');
    expect(readPicked(query)).toEqual({ series: ['a/b'], range: '24h', stretch: null, compare: null });
    const many = new URLSearchParams(Array.from({ length: 20 }, (_, index) => ['s', `d/${index}`]));
    expect(readPicked(many).series).toHaveLength(6);
  });
});

describe('a stretch of time', () => {
  const day = { from: 0, to: 24 * HOUR };

  it('zooms around a point, which stays where it is', () => {
    expect(zoomed(day, 0.5, 6 * HOUR)).toEqual({ from: 3 * HOUR, to: 15 * HOUR });
    expect(zoomed(zoomed(day, 0.25), 4)).toEqual(day);
  });

  it('is never so short or so long that nothing can be drawn', () => {
    const { from, to } = bounded({ from: 1_000, to: 1_001 });
    expect(to - from).toBe(2_000);
    const long = bounded({ from: -1e15, to: 1e15 });
    expect(long.to - long.from).toBeLessThan(21 * 366 * 24 * HOUR);
  });

  it('stays where it is when it cannot be shorter', () => {
    const shortest = { from: 1_000, to: 3_000 };
    expect(zoomed(shortest, 0.8, 3_000)).toEqual(shortest);
  });

  it('does not move into the future', () => {
    expect(moved(day, 0.5, 24 * HOUR)).toEqual(day);
    expect(moved(day, 0.5, 30 * HOUR)).toEqual({ from: 6 * HOUR, to: 30 * HOUR });
    expect(moved(day, -0.5, 24 * HOUR)).toEqual({ from: -12 * HOUR, to: 12 * HOUR });
  });
});

describe('a moment in a field', () => {
  it('is what the reader’s clock shows, in summer and in winter', () => {
    // The tests run in the zone of Madrid: one hour before Greenwich in winter, two in summer.
    expect(fieldOf(Date.UTC(2026, 0, 15, 11, 30))).toBe('2026-01-15T12:30');
    expect(fieldOf(Date.UTC(2026, 6, 15, 11, 30))).toBe('2026-07-15T13:30');
    for (const at of [Date.UTC(2026, 0, 15, 11, 30), Date.UTC(2026, 6, 15, 11, 30)]) {
      expect(timeOfField(fieldOf(at))).toBe(at);
    }
  });

  it('may be empty or nonsense', () => {
    expect(timeOfField('')).toBeNull();
    expect(timeOfField('tomorrow')).toBeNull();
    expect(timeOfAddress('12')).toBeNull();
    expect(timeOfAddress('1700000000000')).toBe(1_700_000_000_000);
  });
});

describe('a line of a chart', () => {
  const info = { id: 'state', name: 'State', kind: 'switch', unit: '', decimals: 0 } as PropertyInfo;
  const history: History = {
    from: '2026-03-01T10:00:00Z',
    to: '2026-03-01T11:00:00Z',
    bucket_ms: 60_000,
    unit: '',
    recording_since: '2026-01-01T00:00:00Z',
    before: { at: '2026-03-01T09:00:00Z', value: 1, quality: 'ok' },
    points: [
      {
        at: '2026-03-01T10:30:00Z',
        min: 0,
        mean: 0,
        max: 1,
        last: 0,
        count: 1,
        quality: 'ok',
        held: false,
      },
    ],
    gaps: [],
  };
  const stretch = { from: Date.parse(history.from), to: Date.parse(history.to) };

  it('of a switch that was on before is on until it switches', () => {
    const loaded = loadedOf(history, info, null, stretch, 0);
    expect(loaded.onShare).toBeCloseTo(0.5, 5);
    const second = (minute: number) => stretch.from / 1_000 + minute * 60;
    expect(valueAt(loaded, second(10), true)).toBe(1);
    expect(valueAt(loaded, second(45), true)).toBe(0);
  });

  it('of the time before is drawn over the time after', () => {
    const [here] = loadedOf(history, info, null, stretch, 0).columns;
    const [shifted] = loadedOf(history, info, null, stretch, HOUR).columns;
    expect(shifted.map((second) => second - 3_600)).toEqual(here);
  });
});

describe('an event', () => {
  const format = new Format('en-GB', en.units);
  const event: HistoryEvent = {
    id: 1,
    at: '2026-03-01T10:00:00Z',
    kind: 'switched',
    device: 'boiler',
    property: 'state',
    value: 'ON',
    sentence: null,
    who: 'ana',
    cause: {
      sentence: 'ana on the page',
      by: 'page',
      user: 'ana',
      client_id: null,
      name: null,
      reason: null,
      chain: [],
    },
  };
  const named = { device: 'Boiler', property: 'State', info: null, isMain: true };

  it('says where, what and who', () => {
    expect(placeOf(event, named)).toBe('Boiler');
    expect(eventText(event, named, en, format)).toBe('Switched on by ana on the page');
    expect(placeOf({ ...event, device: null }, { ...named, device: null })).toBe('');
  });

  it('that repeats itself is one line', () => {
    const at = (second: number) => ({ ...event, at: `2026-03-01T10:00:${String(second).padStart(2, '0')}Z` });
    const lines = linesOf([at(40), at(9), at(8), at(0), { ...at(0), value: 'OFF' }]);
    expect(lines.map(({ count }) => count)).toEqual([1, 3, 1]);
  });

  it('keeps the gateway’s own sentence where there is one', () => {
    const alert: HistoryEvent = { ...event, kind: 'alert', cause: null, sentence: 'No effect.' };
    expect(withoutMarks(eventText(alert, named, en, format))).toBe('No effect.');
    const gone: HistoryEvent = { ...alert, kind: 'availability', value: 'offline', sentence: null };
    expect(eventText(gone, named, en, format)).toBe('Offline');
  });
});

it('what is asked of the gateway is written as it reads it', () => {
  const search = { kinds: ['alert', 'press'] as const, device: 'bell', contains: ' a&b ', from: 0, to: null };
  const query = new URLSearchParams(eventsQuery(search, 7));
  expect(Object.fromEntries(query)).toEqual({
    limit: '60',
    kinds: 'alert,press',
    device: 'bell',
    contains: 'a&b',
    from: '1970-01-01T00:00:00.000Z',
    before_id: '7',
  });
  expect(exportPath(['a/b', 'c/d'], null, 0, 'parquet')).toBe(
    '/api/v1/history/export?format=parquet&series=a%2Fb%2Cc%2Fd&to=1970-01-01T00%3A00%3A00.000Z',
  );
});

describe('the moment that is shown', () => {
  const recording = { from: 100 * HOUR, to: 200 * HOUR };

  it('lies within what is recorded', () => {
    expect(within(recording, 99 * HOUR)).toBe(100 * HOUR);
    expect(within(recording, 150 * HOUR)).toBe(150 * HOUR);
    expect(within(recording, 999 * HOUR)).toBe(200 * HOUR);
    const since = (text: string) => ({ since: text });
    expect(beginOf([])).toBe(null);
    const found = beginOf([since('2026-11-21T09:00:00Z'), since('2026-11-20T09:00:00Z'), since('?')]);
    expect(found).toBe(Date.parse('2026-11-20T09:00:00Z'));
  });

  it('is an hour ago, and of a young recording one at which every sensor had spoken', () => {
    expect(firstShown(recording)).toBe(199 * HOUR);
    expect(firstShown({ from: 0, to: HOUR / 2 })).toBe(60_000);
    expect(firstShown({ from: 0, to: 20_000 })).toBe(20_000);
  });

  it('is moved by keys, and never out of the recording', () => {
    const moved = (key: string, shiftKey = false) => keyMoved({ key, shiftKey }, 150 * HOUR, recording);
    expect(moved('ArrowLeft')).toBe(150 * HOUR - 60_000);
    expect(moved('ArrowUp', true)).toBe(150 * HOUR + 300_000);
    expect(moved('PageUp')).toBe(151 * HOUR);
    expect(moved('PageDown', true)).toBe(126 * HOUR);
    expect([moved('Home'), moved('End')]).toEqual([100 * HOUR, 200 * HOUR]);
    expect(moved('Tab')).toBe(null);
    expect(keyMoved({ key: 'PageUp', shiftKey: true }, 199 * HOUR, recording)).toBe(200 * HOUR);
  });
});

describe('the house at a moment', () => {
  const AT = Date.parse('2026-11-21T09:00:00Z');
  const iso = (at: number) => new Date(at).toISOString();
  const info = (id: string, kind: PropertyInfo['kind'], unit = ''): PropertyInfo =>
    ({ id, name: id, kind, unit, decimals: 1, settable: kind === 'switch', class: null }) as never;
  const device = (id: string, ...properties: PropertyInfo[]) =>
    new LiveDevice(
      { id, name: id, room: null, driver: 'x', period_ms: 10_000, simulated: false } as never,
      properties.map((property) => new LiveProperty(property)),
    );
  const value = (series: string, of: Partial<HistoryValue>): HistoryValue => ({
    series,
    kind: 'number',
    unit: '',
    value: 0,
    at: iso(AT),
    quality: 'ok',
    ...of,
  });
  const event = (of: Partial<HistoryEvent>): HistoryEvent =>
    ({
      id: 1,
      at: iso(AT),
      device: null,
      property: null,
      value: null,
      sentence: null,
      ...of,
    }) as HistoryEvent;
  const house = [
    device('climate', info('temperature', 'number', '°C'), info('humidity', 'number', '%')),
    device('lamp', info('power', 'switch')),
    device('later', info('level', 'number', '%')),
  ];
  const factsOf = (of: LiveDevice, { info, reading }: LiveProperty): Facts => {
    const { availability, fault, info: about } = of;
    const rest = { pendingSince: null, refusal: null, connected: true };
    return { property: info, driver: about.driver, periodMs: 10_000, availability, fault, reading, ...rest };
  };
  const past = { t: { ...en, units: { ...en.units, ago: en.units.before } } };
  const format = new Format('en-GB', past.t.units);
  const then: Then = {
    at: AT,
    values: [
      value('climate/temperature', { value: 68, unit: '°F', at: iso(AT - 180_000), quality: 'stale' }),
      value('climate/humidity', { value: 40, unit: '%' }),
      value('lamp/power', { kind: 'switch', value: 'ON', at: iso(AT - 720_000) }),
      value('attic/temperature', { value: 3, unit: '°C' }),
    ],
    events: [],
    cut: false,
  };

  it('has what was known of each device, in the unit that it had, and its age from there', () => {
    const [climate, lamp, later] = devicesThen(house, then);
    const [temperature, humidity] = climate!.properties;
    const facts = factsOf(climate!, temperature!);
    expect(climate!.at).toBe(AT);
    expect(stateOf(facts)).toBe('stale');
    expect(noteOf(facts, AT, past.t, format)).toBe('Last heard 3\u00a0min before');
    expect([temperature!.info.unit, humidity!.reading?.value]).toEqual(['°F', 40]);
    const lit = factsOf(lamp!, lamp!.properties[0]!);
    expect([isLit(lit), noteOf(lit, AT, past.t, format)]).toEqual([true, 'On for 12\u00a0min']);
    expect(stateOf(factsOf(later!, later!.properties[0]!))).toBe('empty');
    // Nothing of the present has moved.
    expect(house[1]!.properties[0]!.reading).toBe(null);
    expect(house[1]!.at).toBe(null);
  });

  it('tells what did not answer, by the newest word of it', () => {
    const events = [
      event({ kind: 'alert', device: 'lamp', value: 'over', sentence: 'the lamp was gone' }),
      event({ kind: 'availability', device: 'lamp', value: 'online' }),
      event({ kind: 'availability', device: 'climate', value: 'offline' }),
      event({ kind: 'alert', device: 'climate', value: 'fault', sentence: 'no answer at 0x76' }),
      event({ kind: 'alert', device: 'lamp', value: 'fault', sentence: 'the lamp was gone' }),
      event({ kind: 'availability', device: 'climate', value: 'online' }),
    ];
    const [climate, lamp, later] = devicesThen(house, { ...then, events });
    expect([climate!.availability, climate!.fault]).toEqual(['offline', 'no answer at 0x76']);
    expect([lamp!.availability, lamp!.fault]).toEqual(['online', null]);
    expect([later!.availability, later!.fault]).toEqual(['unknown', null]);
  });

  it('says of a device that it was online only when that is known: one that was offline for long was shown so', async () => {
    const foreign = Array.from({ length: EVENTS_OF_A_MOMENT }, (_, id) =>
      event({ id, kind: 'availability', device: 'lamp', value: id % 2 ? 'offline' : 'online' }),
    );
    foreign[7] = event({ kind: 'alert', device: 'later', value: 'fault', sentence: 'no answer' });
    vi.stubGlobal('fetch', (path: string) =>
      Promise.resolve(
        Response.json(path.includes('as-of') ? { at: iso(AT), values: then.values } : { events: foreign }),
      ),
    );
    const asked = await historyCalls.asOf(AT);
    vi.unstubAllGlobals();
    const [climate, lamp, later] = devicesThen(house, asked);
    expect([climate!.availability, climate!.fault]).toEqual(['unknown', null]);
    expect(lamp!.availability).toBe('online');
    expect([later!.availability, later!.fault]).toEqual(['unknown', 'no answer']);
    expect(devicesThen(house, { ...asked, cut: false })[0]!.availability).toBe('online');
  });

  it('knows what is gone, and that the gateway had stopped', () => {
    expect(goneThen(house, then).map(({ series }) => series)).toEqual(['attic/temperature']);
    const [start, stop] = ['start', 'stop'].map((word) => event({ kind: 'gateway', value: word }));
    expect(wasStopped({ ...then, events: [event({ kind: 'gateway', value: 'clock' }), stop!, start!] })).toBe(
      true,
    );
    expect(wasStopped({ ...then, events: [start!, stop!] })).toBe(false);
    expect(wasStopped(then)).toBe(false);
  });

  it('takes the newest of a series that sends words at times and numbers at others', () => {
    const mixed = [
      value('later/level', { kind: 'text', value: 'unknown', at: iso(AT - 60_000) }),
      value('later/level', { value: 12, unit: '%', at: iso(AT - 1_000) }),
    ];
    for (const values of [mixed, [...mixed].reverse()]) {
      const [later] = devicesThen(house.slice(2), { ...then, values });
      expect(later!.properties[0]!.reading?.value).toBe(12);
    }
  });
});

describe('what was recorded of values that are gone', () => {
  const at = '2026-11-21T09:00:00Z';
  const recorded = (series: string, kind: 'number' | 'switch' | 'text', unit = '') => {
    return { series, kind, unit, since: at, last: at };
  };
  const property = (id: string, kind: 'number' | 'switch' | 'text') => {
    const bounds = { class: null, lowest: null, highest: null };
    return new LiveProperty({ id, name: id, kind, unit: '', decimals: 1, settable: false, ...bounds });
  };

  it('is what no device says any more, also when the device is there', () => {
    const info = { id: 'boiler', name: 'Boiler', room: null, simulated: true, period_ms: null };
    const properties = [property('power', 'switch'), property('state', 'text')];
    const boiler = new LiveDevice({ ...info, driver: 'output', connection: '' }, properties, null);
    const found = goneSeries(
      [
        recorded('attic/temperature', 'number', '°C'),
        recorded('attic/said', 'text'),
        recorded('boiler/flow', 'number', 'l/min'),
        recorded('boiler/power', 'switch'),
        // It said a number once, and words today.
        recorded('boiler/state', 'number'),
        recorded('boiler/state', 'text'),
        recorded('topic:attic/level', 'number', 'mm'),
        recorded('topic:level', 'number', 'mm'),
      ],
      [boiler],
    );
    expect(found.map(({ series, info }) => `${series} ${info.kind} ${info.unit}`)).toEqual([
      'attic/temperature number °C',
      'attic/said text ',
      'boiler/flow number l/min',
      'boiler/state number ',
    ]);
    expect(found.map((one) => goneName(one, es))[0]).toBe('attic, Temperatura');
    expect(found.map((one) => goneName(one, es))[2]).toBe('boiler, Caudal');
    expect(found.map((one) => goneName(one, es))[1]).toBe('attic, said');
  });
});
