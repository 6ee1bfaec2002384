import { describe, expect, it } from 'vitest';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { againstOf, againstText, backOf, dateOf, kindOf, KINDS, periodText, readAgainst } from './against';
import { pickedPath, readPicked } from './pick';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

// The tests run in the zone of Madrid, whose clocks went forward on 29 March 2026 and back on 25 October.
const at = (year: number, month: number, day: number, hour = 0) =>
  new Date(year, month - 1, day, hour).getTime();
const ofDay = (year: number, month: number, day: number) => ({
  from: at(year, month, day),
  to: at(year, month, day) + DAY,
});

describe('what a stretch is compared with', () => {
  it('stands in the address, and comes back from it', () => {
    for (const kind of KINDS) {
      const compare = againstOf(kind, ofDay(2026, 11, 20));
      const path = pickedPath({ series: ['a/b'], range: '30d', stretch: null, compare });
      expect(readPicked(new URLSearchParams(path.split('?')[1]))).toEqual({
        series: ['a/b'],
        range: '30d',
        stretch: null,
        compare,
      });
      expect(kindOf(compare)).toBe(kind);
    }
  });

  it('is the time just before in addresses of when there was no choice', () => {
    expect(readAgainst('1')).toBe('before');
    expect(againstText('before')).toBe('1');
  });

  it('is not led astray by what nobody wrote', () => {
    for (const text of [null, '', '0', 'none', 'month', '2026-02-30', '2026-13-01', '0020-01-01', '26-1-1']) {
      expect(readAgainst(text)).toBeNull();
    }
    expect(dateOf('2024-02-29')).toEqual({ date: '2024-02-29' });
  });

  it('lies before it by its own length, a day or a week', () => {
    const stretch = { from: at(2026, 11, 20, 6), to: at(2026, 11, 20, 9) };
    expect(backOf('before', stretch)).toBe(3 * HOUR);
    expect(backOf('day', stretch)).toBe(DAY);
    expect(backOf('week', stretch)).toBe(7 * DAY);
  });

  it('is 24 hours earlier also when the clocks were changed in between', () => {
    const stretch = ofDay(2026, 3, 30);
    expect(new Date(stretch.from - backOf('day', stretch)).getHours()).toBe(23);
  });

  it('is the same date and clock of the year before', () => {
    const back = (from: number) => from - backOf('year', { from, to: from + DAY });
    expect(back(at(2026, 11, 20, 6))).toBe(at(2025, 11, 20, 6));
    // Summer time began a day earlier, in 2025 on 30 March: the clock is the same and the hours between are not.
    expect(back(at(2026, 3, 29, 12))).toBe(at(2025, 3, 29, 12));
    expect(back(at(2024, 2, 29, 6))).toBe(at(2023, 2, 28, 6));
    expect(back(at(2025, 3, 1, 6))).toBe(at(2024, 3, 1, 6));
  });

  it('begins on a date at the clock of the stretch, before it or after', () => {
    const stretch = { from: at(2026, 11, 20, 6), to: at(2026, 11, 20, 9) };
    const begin = (date: string) => stretch.from - backOf({ date }, stretch);
    expect(begin('2026-07-01')).toBe(at(2026, 7, 1, 6));
    expect(begin('2026-11-21')).toBe(at(2026, 11, 21, 6));
  });

  it('is first a date that lies before the stretch', () => {
    expect(againstOf('date', { from: at(2026, 11, 20, 6), to: at(2026, 11, 20, 9) })).toEqual({
      date: '2026-11-19',
    });
    expect(againstOf('date', { from: at(2026, 11, 20), to: at(2026, 11, 27) })).toEqual({
      date: '2026-11-13',
    });
  });
});

describe('a period in words', () => {
  const format = new Format('en-GB', en.units);
  const now = at(2026, 11, 22);

  it('tells the years unless both are this one', () => {
    expect(periodText(ofDay(2026, 11, 20), now, format)).toBe('20 Nov, 00:00 – 21 Nov, 00:00');
    expect(periodText(ofDay(2025, 12, 31), now, format)).toBe('31 Dec 2025, 00:00 – 1 Jan 2026, 00:00');
  });
});
