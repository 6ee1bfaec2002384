import { describe, expect, it } from 'vitest';
import { en } from './en';
import { es } from './es';
import { gatewayWords, partsOf, withoutMarks } from './gateway-words';
import { languageOfBrowser, localeFor, type Language } from './language';
import { zh } from './zh';

type Sentence = string | ((...words: string[]) => string);

function sentences(catalogue: object): [string, Sentence][] {
  return Object.entries(catalogue).flatMap(([section, texts]) =>
    Object.entries(texts as Record<string, Sentence>).map(
      ([key, text]) => [`${section}.${key}`, text] as [string, Sentence],
    ),
  );
}

/** The catalogues of the areas, each found by its file: one that is not complete cannot be forgotten. */
const AREA_CATALOGUES = import.meta.glob<{ WORDS: Record<Language, object> }>('../*/words.ts', {
  eager: true,
});

function whole(language: Language, main: object): object {
  const areas = Object.entries(AREA_CATALOGUES);
  return { ...main, ...Object.fromEntries(areas.map(([path, { WORDS }]) => [path, WORDS[language]])) };
}

const ENGLISH = whole('en', en);

it('finds the catalogues of the areas', () => {
  expect(Object.keys(ENGLISH).some((key) => key.endsWith('/history/words.ts'))).toBe(true);
});

describe.each([
  ['English', ENGLISH],
  ['Spanish', whole('es', es)],
  ['Chinese', whole('zh', zh)],
])('%s', (_name, catalogue) => {
  it('says something for each key, and keeps every value that it is given', () => {
    for (const [key, sentence] of sentences(catalogue)) {
      const words = ['one', 'two', 'three'];
      const isTemplate = typeof sentence === 'function';
      const text = isTemplate ? sentence(...words) : sentence;
      expect(text.trim(), key).not.toBe('');
      const count = isTemplate ? sentence.length : 0;
      for (const word of words.slice(0, count)) expect(text, key).toContain(word);
    }
  });

  it('takes the same values as the English catalogue', () => {
    const count = (text: Sentence | undefined) => (typeof text === 'function' ? text.length : 0);
    const english = new Map(sentences(ENGLISH));
    for (const [key, text] of sentences(catalogue)) expect(count(text), key).toBe(count(english.get(key)));
  });

  it('speaks plainly: no exclamation marks, no "please", no "successfully"', () => {
    for (const [key, sentence] of sentences(catalogue)) {
      const text = typeof sentence === 'function' ? sentence('a', 'b', 'c') : sentence;
      expect(text, key).not.toMatch(/[!¡！]|please|successful|por favor|请/i);
    }
  });
});

describe('the language', () => {
  it('is the first of the browser’s that we speak', () => {
    expect(languageOfBrowser(['fr-FR', 'es-MX', 'en'])).toBe('es');
    expect(languageOfBrowser(['zh-Hans-CN'])).toBe('zh');
    expect(languageOfBrowser(['fr'])).toBe('en');
    expect(languageOfBrowser([])).toBe('en');
  });

  it('keeps the browser’s regional habits', () => {
    expect(localeFor('es', ['en-US', 'es-MX'])).toBe('es-MX');
    expect(localeFor('es', ['es'])).toBe('es-ES');
    expect(localeFor('en', ['de-DE'])).toBe('en-GB');
  });
});

describe('a sentence with words of the gateway', () => {
  it('is taken apart where they begin and end', () => {
    expect(partsOf(`Calefactor: ${gatewayWords('Window is open.')}`)).toEqual([
      { text: 'Calefactor: ', isGateways: false },
      { text: 'Window is open.', isGateways: true },
    ]);
    expect(partsOf(`${gatewayWords('a')}, hace 3 s`).map(({ isGateways }) => isGateways)).toEqual([
      true,
      false,
    ]);
    expect(partsOf('Solo nuestra')).toEqual([{ text: 'Solo nuestra', isGateways: false }]);
    expect(partsOf('')).toEqual([]);
  });

  it('is not confused by marks inside the gateway’s own', () => {
    const words = gatewayWords(gatewayWords('a\u2069b'));
    expect(partsOf(words)).toEqual([{ text: 'ab', isGateways: true }]);
    expect(withoutMarks(words)).toBe('ab');
  });
});
