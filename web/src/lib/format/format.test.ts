import { describe, expect, it } from 'vitest';
import { en } from '../i18n/en';
import { es } from '../i18n/es';
import { zh } from '../i18n/zh';
import { Format } from './format';

const english = new Format('en-GB', en.units);
const spanish = new Format('es-ES', es.units);
const chinese = new Format('zh-CN', zh.units);
const NOW = Date.parse('2026-11-21T09:30:00Z');
const before = (ms: number) => NOW - ms;

describe('numbers', () => {
  it('have as many digits as the sensor deserves, in the habit of the language', () => {
    expect(english.number(21.46, 1)).toBe('21.5');
    expect(spanish.number(21.46, 1)).toBe('21,5');
    expect(english.number(1016.2, 1)).toBe('1,016.2');
    expect(english.number(21, 1)).toBe('21.0');
  });

  it('are never a negative zero', () => {
    expect(english.number(-0.04, 1)).toBe('0.0');
    expect(english.number(-0.06, 1)).toBe('-0.1');
  });

  it('of bytes are counted in the size that keeps them short', () => {
    expect(english.scaled(999, 0, 'B/s')).toEqual({ text: '999', unit: 'B/s' });
    expect(english.scaled(1_234_567, 0, 'B/s')).toEqual({ text: '1.2', unit: 'MB/s' });
    expect(english.scaled(1_234_567, 0, 'hPa')).toEqual({ text: '1,234,567', unit: 'hPa' });
  });
});

describe('ages', () => {
  it('go from seconds to minutes, to the clock, to the date', () => {
    expect(english.ago(before(3_400), NOW)).toBe('3\u00a0s ago');
    expect(english.ago(before(14 * 60_000), NOW)).toBe('14\u00a0min ago');
    expect(english.ago(before(3 * 3_600_000), NOW)).toBe('at 07:30');
    expect(english.ago(before(30 * 3_600_000), NOW)).toMatch(/^on 20 Nov/);
    expect(english.ago(before(400 * 86_400_000), NOW)).toMatch(/2025$/);
  });

  it('speak the language', () => {
    expect(spanish.ago(before(14 * 60_000), NOW)).toBe('hace 14\u00a0min');
    expect(chinese.ago(before(14 * 60_000), NOW)).toBe('14\u00a0分钟前');
  });

  it('are never in the future, whatever the clocks say', () => {
    expect(english.ago(NOW + 5_000, NOW)).toBe('0\u00a0s ago');
  });
});

describe('durations', () => {
  it('name at most two units', () => {
    expect(english.duration(12 * 60_000)).toBe('12\u00a0min');
    expect(english.duration(3 * 3_600_000)).toBe('3\u00a0h');
    expect(english.duration(3 * 3_600_000 + 5 * 60_000)).toBe('3\u00a0h 5\u00a0min');
    expect(english.duration(2 * 86_400_000 + 4 * 3_600_000)).toBe('2\u00a0d 4\u00a0h');
  });

  it('have tenths while they are short', () => {
    expect(english.shortDuration(449)).toBe('0.4\u00a0s');
    expect(english.shortDuration(10_400)).toBe('10\u00a0s');
  });
});
