import { describe, expect, it } from 'vitest';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { checkGatewayName, checkSetUp, degreesOf, timeIn, timeZones } from './check';
import { WORDS } from './words';

const format = new Format('en-GB', en.units);
const check = (name: string, password = 'lamp in the window', again = password) =>
  checkSetUp({ name, password, again }, WORDS.en, en, format);

describe('the set-up', () => {
  it('takes names of any language', () => {
    for (const name of ['ana', 'José', '客厅', 'wall-tablet_2.b', ' ana ']) expect(check(name)).toEqual({});
  });

  it('says what is wrong with the others', () => {
    expect(check(' ').name).toBe('Type a name.');
    expect(check('a'.repeat(33)).name).toBe('A name has at most 32 characters.');
    for (const name of ['-ana', 'a/b', 'a b', '#']) expect(check(name).name).toBe(en.errors.invalid_name);
  });

  it('wants a password of eight characters as people count them, twice', () => {
    expect(check('ana', '🏮🏮🏮🏮').password).toBe('A password has at least 8 characters.');
    expect(check('ana', 'short').password).toBeDefined();
    expect(check('ana', 'lamp in the window', 'lamp in a window').again).toBe('The two passwords differ.');
  });
});

describe('the name of the gateway', () => {
  it('is there and fits', () => {
    expect(checkGatewayName(' ', WORDS.en, format)).toBe('Give the gateway a name.');
    expect(checkGatewayName('阳光之家', WORDS.en, format)).toBeNull();
    expect(checkGatewayName('a'.repeat(65), WORDS.en, format)).toContain('64');
  });
});

describe('a place', () => {
  it('is in degrees, with a point or a comma', () => {
    expect(degreesOf(' 40.4 ', 90)).toBe(40.4);
    expect(degreesOf('-3,7', 180)).toBe(-3.7);
    expect(degreesOf('−3.7', 180)).toBe(-3.7);
    expect(degreesOf('', 90)).toBeNull();
    for (const wrong of ['91', 'north', '40.4.1', '1e9', '40 24'])
      expect(degreesOf(wrong, 90)).toBeUndefined();
  });

  it('has a time zone, also one that only the configuration knows', () => {
    const zones = timeZones(['Mars/Olympus', null]);
    expect(zones).toContain('Mars/Olympus');
    expect(zones).toContain('Europe/Madrid');
    expect(zones).toContain('UTC');
    expect(timeIn('Mars/Olympus', 0, 'en-GB')).toBeNull();
    expect(timeIn('UTC', 0, 'en-GB')).toBe('00:00');
  });
});
