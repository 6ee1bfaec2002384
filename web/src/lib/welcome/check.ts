/** What the page checks before it asks the gateway, which has the last word. Pure. */

import type { Format } from '../format/format';
import type { Messages } from '../i18n/en';
import type { Words } from './words';

/** The gateway's own limit for names. */
export const MAX_NAME_CHARACTERS = 32;

/** The gateway's own limit for passwords. */
export const MIN_PASSWORD_CHARACTERS = 8;

/** Letters and digits of any language, and a few signs; a letter or digit first. */
const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u;

export interface SetUpErrors {
  code?: string;
  name?: string;
  password?: string;
  again?: string;
}

export function checkSetUp(
  input: { name: string; password: string; again: string },
  words: Words,
  t: Messages,
  format: Format,
): SetUpErrors {
  const errors: SetUpErrors = {};
  const name = [...input.name.trim()];
  if (name.length === 0) errors.name = words.nameMissing;
  else if (name.length > MAX_NAME_CHARACTERS) {
    errors.name = words.nameTooLong(format.number(MAX_NAME_CHARACTERS, 0));
  } else if (!NAME.test(input.name.trim())) errors.name = t.errors.invalid_name;
  // Characters as people count them: an emoji is one.
  if ([...input.password].length < MIN_PASSWORD_CHARACTERS) {
    errors.password = words.passwordTooShort(format.number(MIN_PASSWORD_CHARACTERS, 0));
  } else if (input.password !== input.again) {
    errors.again = words.passwordsDiffer;
  }
  return errors;
}

/** The gateway's own limit for its name. */
export const MAX_GATEWAY_NAME_CHARACTERS = 64;

/** What is wrong with a name for the gateway; nothing when it can be tried. */
export function checkGatewayName(name: string, words: Words, format: Format): string | null {
  const length = [...name.trim()].length;
  if (length === 0) return words.gatewayNameMissing;
  if (length <= MAX_GATEWAY_NAME_CHARACTERS) return null;
  return words.gatewayNameTooLong(format.number(MAX_GATEWAY_NAME_CHARACTERS, 0));
}

/** Degrees as people type them, with a point or a comma; `null` for nothing, `undefined` for what is none within `most`. */
export function degreesOf(text: string, most: number): number | null | undefined {
  const plain = text.trim().replace(',', '.').replace('−', '-');
  if (plain === '') return null;
  if (!/^[+-]?\d+(\.\d+)?$/.test(plain)) return undefined;
  const number = Number(plain);
  return Math.abs(number) <= most ? number : undefined;
}

/** The time zones that the browser knows, with those that have to be in the list; the browser's own is one of them. */
export function timeZones(also: readonly (string | null)[]): string[] {
  const known = typeof Intl.supportedValuesOf === 'function' ? Intl.supportedValuesOf('timeZone') : [];
  const zones = new Set([...known, 'UTC', ...also.filter((zone) => zone !== null)]);
  return [...zones].sort();
}

/** The browser's own time zone. */
export function browserTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** Whether the browser can tell the time there: it may not know what stands in the configuration. */
export function timeIn(zone: string, now: number, locale: string): string | null {
  try {
    return new Intl.DateTimeFormat(locale, { timeZone: zone, timeStyle: 'short' }).format(now);
  } catch {
    return null;
  }
}
