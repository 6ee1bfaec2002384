/** What the page checks before it asks the gateway, which has the last word. Pure. */

import type { Format } from '../lib/format/format';
import type { Messages } from '../lib/i18n/en';

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
  t: Messages,
  format: Format,
): SetUpErrors {
  const errors: SetUpErrors = {};
  const name = [...input.name.trim()];
  if (name.length === 0) errors.name = t.setup.nameMissing;
  else if (name.length > MAX_NAME_CHARACTERS) {
    errors.name = t.setup.nameTooLong(format.number(MAX_NAME_CHARACTERS, 0));
  } else if (!NAME.test(input.name.trim())) errors.name = t.errors.invalid_name;
  // Characters as people count them: an emoji is one.
  if ([...input.password].length < MIN_PASSWORD_CHARACTERS) {
    errors.password = t.setup.passwordTooShort(format.number(MIN_PASSWORD_CHARACTERS, 0));
  } else if (input.password !== input.again) {
    errors.again = t.setup.passwordsDiffer;
  }
  return errors;
}
