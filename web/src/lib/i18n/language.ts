/** Which language, and which of its regional habits for numbers and dates. Pure. */

export const LANGUAGES = ['en', 'es', 'zh'] as const;
export type Language = (typeof LANGUAGES)[number];

/**
 * The sentences of one area of the page, which are loaded with it, so that the first page stays small. All are of the
 * shape of the English ones: a missing key does not compile.
 */
export type AreaWords<Catalogue> = Record<Language, Catalogue>;

/** What each language calls itself. */
export const LANGUAGE_NAMES: Record<Language, string> = { en: 'English', es: 'Español', zh: '简体中文' };

/** The value of the `lang` attribute. */
export const LANGUAGE_TAGS: Record<Language, string> = { en: 'en', es: 'es', zh: 'zh-Hans' };

const DEFAULT_LOCALES: Record<Language, string> = { en: 'en-GB', es: 'es-ES', zh: 'zh-CN' };

export function isLanguage(text: unknown): text is Language {
  return LANGUAGES.some((language) => language === text);
}

function languageOf(tag: string): Language | undefined {
  const primary = tag.toLowerCase().split('-')[0];
  return LANGUAGES.find((language) => language === primary);
}

/** The first of the browser's languages that we speak, else English. */
export function languageOfBrowser(tags: readonly string[]): Language {
  for (const tag of tags) {
    const language = languageOf(tag);
    if (language) return language;
  }
  return 'en';
}

/** The browser's own variant of the language (`es-MX` writes 1,5 as 1.5), else a usual one. */
export function localeFor(language: Language, tags: readonly string[]): string {
  return tags.find((tag) => tag.includes('-') && languageOf(tag) === language) ?? DEFAULT_LOCALES[language];
}
