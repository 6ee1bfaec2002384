import { describe, expect, it } from 'vitest';
import { Format } from '../lib/format/format';
import { en } from '../lib/i18n/en';
import { checkSetUp } from './set-up';

const format = new Format('en-GB', en.units);
const check = (name: string, password = 'lamp in the window', again = password) =>
  checkSetUp({ name, password, again }, en, format);

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
