import { describe, expect, it } from 'vitest';
import type { HistoryEvent } from '../api/generated';
import type { History, PropertyInfo } from '../api/types';
import { Format } from '../format/format';
import { withoutMarks } from '../i18n/gateway-words';
import { en } from '../i18n/en';
import { eventsQuery, exportPath } from './calls';
import { eventText, linesOf, placeOf } from './event-text';
import { loadedOf, valueAt } from './lines';
import { fieldOf, timeOfAddress, timeOfField } from './moment';
import { bounded, moved, pickedPath, readPicked, zoomed, type Picked } from './pick';

const HOUR = 3_600_000;

describe('the address of a chart', () => {
  const picked: Picked = {
    series: ['kitchen/temperature', 'boiler/state'],
    range: '7d',
    stretch: null,
    compare: true,
  };

  it('holds all that is drawn', () => {
    for (const one of [picked, { ...picked, stretch: { from: 1_700_000_000_000, to: 1_700_000_600_000 } }]) {
      const path = pickedPath(one);
      const read = readPicked(new URLSearchParams(path.split('?')[1]));
      expect(read).toEqual({ ...one, range: one.stretch ? '24h' : '7d' });
    }
    expect(pickedPath({ series: [], range: '24h', stretch: null, compare: false })).toBe('/history');
  });

  it('is not led astray by what nobody wrote', () => {
    const query = new URLSearchParams('s=a&s=a/b&s=a/b&range=9y&from=5&to=x&compare=yes');
    expect(readPicked(query)).toEqual({ series: ['a/b'], range: '24h', stretch: null, compare: false });
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
