/** What a value is called. Pure. */

import type { PropertyInfo } from '../api/types';
import { en, type Messages } from '../i18n/en';

type Key = keyof Messages['properties'];

function isKey(word: string): word is Key {
  return Object.hasOwn(en.properties, word);
}

/** The name of a value: in the reader's language when it is the gateway's own, else as its owner wrote it. */
export function propertyName({ id, name }: Pick<PropertyInfo, 'id' | 'name'>, t: Messages): string {
  // The machine that the gateway runs on has names of its own for ids that sensors have too.
  const key = [id, `machine-${id}`].filter(isKey).find((known) => en.properties[known] === name);
  return key === undefined ? name : t.properties[key];
}
