/**
 * The gateway's own sentences are in English: reasons of refusals, faults. Inside a page in another language they are
 * marked, so that a screen reader speaks them as English (WCAG 3.1.2). The marks are Unicode's for text of another
 * origin (FSI and PDI, UAX #9): nobody sees them where a sentence is used without markup. Pure.
 */

const FIRST = '\u2068';
const LAST = '\u2069';
const MARKED = /\u2068([^\u2068\u2069]*)\u2069/;

/** Marks a text as the gateway's own words. */
export function gatewayWords(text: string): string {
  return `${FIRST}${withoutMarks(text)}${LAST}`;
}

/** A word of the gateway's that stays the same: in the reader's language, and else marked as the gateway's. */
export function fixedWords(text: string, fixed: Readonly<Record<string, string>>): string {
  const known = Object.hasOwn(fixed, text) ? fixed[text] : undefined;
  return known ?? gatewayWords(text);
}

export function withoutMarks(sentence: string): string {
  return sentence.replaceAll(FIRST, '').replaceAll(LAST, '');
}

export interface Part {
  text: string;
  isGateways: boolean;
}

/** A sentence taken apart into ours and the gateway's. */
export function partsOf(sentence: string): Part[] {
  // With the group in its pattern, the split gives ours and the gateway's in turn.
  return sentence
    .split(MARKED)
    .map((text, index) => ({ text, isGateways: index % 2 === 1 }))
    .filter(({ text }) => text !== '');
}
