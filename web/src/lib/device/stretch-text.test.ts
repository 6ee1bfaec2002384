import { describe, expect, it } from 'vitest';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { stretchText } from './stretch-text';

describe('a stretch in words', () => {
  const format = new Format('en-GB', en.units);
  const at = (day: number, hour: number, minute: number, second = 0) =>
    new Date(2026, 10, day, hour, minute, second).getTime();

  it('tells the day once, and seconds where minutes would be the same', () => {
    expect(stretchText({ from: at(22, 3, 30), to: at(22, 4, 0) }, format)).toBe('22 Nov, 03:30 – 04:00');
    expect(stretchText({ from: at(22, 3, 30, 4), to: at(22, 3, 30, 6) }, format)).toBe(
      '22 Nov, 03:30:04 – 03:30:06',
    );
    expect(stretchText({ from: at(21, 22, 0), to: at(22, 4, 0) }, format)).toBe(
      '21 Nov, 22:00 – 22 Nov, 04:00',
    );
  });
});
