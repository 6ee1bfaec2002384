/** Rights, roles, deeds and errors in plain words. Pure. */

import type { ApiError } from '../api/client';
import type { AuditView, RightsView, Role, Scope } from '../api/generated';
import type { Format } from '../format/format';
import type { Messages } from '../i18n/en';
import { errorSentence } from '../i18n/errors';
import type { PeopleWords } from './words';

/** Shortest password, as the gateway has it (NIST SP 800-63B, 5.1.1.2). */
export const MIN_PASSWORD = 8;

/** What the gateway calls somebody at the machine itself. No name of a user has a space in it. */
const COMMAND_LINE = 'command line';

const ROLE_SETS: readonly string[] = ['admin', 'operator', 'viewer'] satisfies Role[];

/** The deeds that the words know, without the prefix. */
export type DeedKey = Extract<keyof PeopleWords, `deed-${string}`>;

export function roleText(role: Role, words: PeopleWords): string {
  return { admin: words.admin, operator: words.operator, viewer: words.viewer }[role];
}

export function scopeText(scope: Scope, words: PeopleWords): string {
  return { read: words.scopeRead, switch: words.scopeSwitch, administer: words.scopeAdminister }[scope];
}

/** What a rights set allows, in a few words. */
export function rightsText(name: string, sets: readonly RightsView[], words: PeopleWords): string {
  switch (name) {
    case 'admin':
      return words.adminShort;
    case 'operator':
      return words.operatorShort;
    case 'viewer':
      return words.viewerShort;
    default:
      return sets.some((set) => set.name === name) ? words.ownRights(name) : words.noSuchRights(name);
  }
}

/** The topics of a set of the configuration; the built-in ones are said well enough by their words. */
export function rightsDetail(name: string, sets: readonly RightsView[], words: PeopleWords): string {
  const set = sets.find((one) => one.name === name);
  if (!set || ROLE_SETS.includes(name)) return '';
  const list = (topics: readonly string[]) => (topics.length === 0 ? words.nothing : topics.join(', '));
  return words.rightsDetail(list(set.publish), list(set.subscribe));
}

/** The sentence for a failed request. */
export function peopleError(error: ApiError, words: PeopleWords, t: Messages): string {
  const key = `error-${error.code}`;
  const known = Object.entries(words).find(([name]) => name === key)?.[1];
  return typeof known === 'string' ? known : errorSentence(error, t);
}

/** What an entry of the audit log says, and how often. */
export function deedText(entry: AuditView, words: PeopleWords, format: Format): string {
  const text = onceText(entry, words);
  return entry.times > 1 ? words.times(text, format.number(entry.times, 0)) : text;
}

function onceText(entry: AuditView, words: PeopleWords): string {
  const key: DeedKey = `deed-${entry.what}`;
  // Beyond what has an entry of its own, many are told as one.
  const isOfMany = entry.refused && entry.who === null && entry.address === null;
  const place =
    entry.address !== null ? ` ${words.from(entry.address)}` : isOfMany ? ` ${words.severalPlaces}` : '';
  const name = entry.who === COMMAND_LINE ? words.commandLine : entry.who;
  const who = `${name ?? words.somebody}${place}`;
  // Rights without a set of their own are those of the role.
  const none = entry.what === 'rights-changed' ? words.asRole : '';
  const detail = entry.detail === null ? none : wordOf(entry.detail, words);
  const guessed = entry.what === 'log-in-failed' || entry.what === 'mqtt-log-in-failed';
  return words[key](who, entry.about ?? (guessed ? words.unknownName : ''), detail);
}

/** Roles and scopes are told in words, anything else as it is. */
function wordOf(detail: string, words: PeopleWords): string {
  const known: Record<string, string> = {
    admin: words.adminShort,
    operator: words.operatorShort,
    viewer: words.viewerShort,
    read: words.scopeRead,
    switch: words.scopeSwitch,
    administer: words.scopeAdminister,
  };
  return known[detail] ?? detail;
}
