/** What a value is called. Pure. */

import type { PropertyInfo } from '../api/types';
import { en, type Messages } from '../i18n/en';

type Key = keyof Messages['properties'];

function isKey(word: string): word is Key {
  return Object.hasOwn(en.properties, word);
}

/** Ids that stand for several things have a name with one of these before the id. */
const SORTS = ['machine-', 'chip-', 'storm-'];

/** The name of a value of which only the id is known: in the reader's language where the gateway has a word for it. */
export function idName({ id, kind }: Pick<PropertyInfo, 'id' | 'kind'>, t: Messages): string {
  const key = [...(kind === 'number' ? [`measured-${id}`] : []), id].find(isKey);
  return key === undefined ? id : t.properties[key];
}

/** The name of a value: in the reader's language when it is the gateway's own, else as its owner wrote it. */
export function propertyName(
  { id, name, kind }: Pick<PropertyInfo, 'id' | 'name'> & Partial<Pick<PropertyInfo, 'kind'>>,
  t: Messages,
): string {
  // What is measured in watts is no switch, though both are called power in English.
  const measured = kind === 'number' ? [`measured-${id}`] : [];
  const key = [...measured, id, ...SORTS.map((sort) => `${sort}${id}`)]
    .filter(isKey)
    .find((known) => en.properties[known] === name);
  return key === undefined ? name : t.properties[key];
}
