import type { ApiError } from '../api/client';
import type { Messages } from './en';
import { gatewayWords } from './gateway-words';

function isKnown(code: string, t: Messages): code is keyof Messages['errors'] {
  return Object.hasOwn(t.errors, code);
}

/** The sentence for a failed request: ours in the reader's language, else the gateway's own. */
export function errorSentence(error: ApiError, t: Messages): string {
  return isKnown(error.code, t) ? t.errors[error.code] : gatewayWords(error.message);
}
