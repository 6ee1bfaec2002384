/** Settings of a device between the configuration's writing and fields for people. Pure. */

import type { CatalogueSetting, ConfigurationSetting } from '../api/generated';

/** A field. What stands in it is a text without its quotes where the configuration has a text. */
export interface Field {
  key: string;
  text: string;
  /** Whether the configuration writes it in quotes. */
  isText: boolean;
  /** What it does, in the gateway's words; empty when nobody knows. */
  what: string;
  /** What it can be, and what it is when nothing is said; empty when nobody knows. */
  values: string;
  usual: string;
}

/** Keys that have fields of their own. */
const OWN = ['name', 'room'];

/** The text that a TOML string in double quotes holds; nothing when it is none. */
export function unquoted(written: string): string | null {
  if (!written.startsWith('"') || written.startsWith('"""')) return null;
  try {
    const text: unknown = JSON.parse(written);
    return typeof text === 'string' ? text : null;
  } catch {
    // Such as \U0001F600, which only TOML knows: it is shown as it is written.
    return null;
  }
}

/** A text as TOML writes it. JSON's way is TOML's, but for one character. */
export function quoted(text: string): string {
  return JSON.stringify(text).replaceAll('\u007f', '\\u007f');
}

/** What stands in the configuration, and what its driver could be told besides. */
export function fieldsOf(
  settings: readonly ConfigurationSetting[],
  known: readonly CatalogueSetting[],
  isRead: boolean,
): Field[] {
  const descriptions = new Map(known.map((setting) => [setting.key, setting]));
  const there = settings
    .filter(({ key }) => !OWN.includes(key))
    .map(({ key, value }): Field => {
      const written = value ?? '';
      const text = unquoted(written);
      const { what = '', values = '', default: usual = '' } = descriptions.get(key) ?? {};
      return { key, text: text ?? written, isText: text !== null, what, values, usual };
    });
  const keys = new Set(there.map(({ key }) => key));
  const more = known
    .filter(({ key }) => !keys.has(key))
    .map(({ key, what, values, default: usual }): Field => {
      return { key, text: '', isText: usual.startsWith('"'), what, values, usual };
    });
  const every: Field[] =
    isRead && !keys.has('every')
      ? [{ key: 'every', text: '', isText: true, what: '', values: '"10s", "1m"', usual: '' }]
      : [];
  return [...there, ...every, ...more];
}

/** What is to be written for the fields that differ from what they were. */
export function changesOf(before: readonly Field[], after: readonly Field[]): ConfigurationSetting[] {
  const former = new Map(before.map((field) => [field.key, field.text]));
  return after
    .filter(({ key, text }) => former.get(key) !== text)
    .map(({ key, text, isText }) => {
      const trimmed = text.trim();
      return { key, value: trimmed === '' ? null : isText ? quoted(text.trim()) : trimmed };
    });
}
