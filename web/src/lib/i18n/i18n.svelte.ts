import { Format } from '../format/format';
import { readChoice, writeChoice } from '../preferences';
import { en, type Messages } from './en';
import { es } from './es';
import {
  isLanguage,
  LANGUAGE_TAGS,
  languageOfBrowser,
  localeFor,
  type AreaWords,
  type Language,
} from './language';
import { zh } from './zh';

const CATALOGUES: Record<Language, Messages> = { en, es, zh };
const CHOICE_KEY = 'gatehouse.language';

/** What tiles say in the words of a moment of the past. */
function pastOf(t: Messages, locale: string): { t: Messages; format: Format } {
  const units = { ...t.units, ago: t.units.before };
  const tile = { ...t.tile, noReading: t.tile.noReadingThen };
  return { t: { ...t, units, tile }, format: new Format(locale, units) };
}

/** The language of the page: the browser's, unless the user has chosen one. */
class I18n {
  readonly #tags = navigator.languages.length > 0 ? navigator.languages : [navigator.language];
  readonly browserLanguage = languageOfBrowser(this.#tags);
  /** The user's choice; nothing: as the browser. */
  choice = $state<Language | null>(readChoice(CHOICE_KEY, isLanguage));
  readonly language = $derived(this.choice ?? this.browserLanguage);
  /** The sentences. */
  readonly t = $derived(CATALOGUES[this.language]);
  readonly format = $derived(new Format(localeFor(this.language, this.#tags), this.t.units));
  /** The sentences and formats of a moment of the past: ages are told from there. */
  readonly past = $derived(pastOf(this.t, this.format.locale));
  readonly tag = $derived(LANGUAGE_TAGS[this.language]);

  /** The sentences of an area; read it inside `$derived` or a template, so that it follows the choice. */
  of<Catalogue>(words: AreaWords<Catalogue>): Catalogue {
    return words[this.language];
  }

  choose(language: Language | null) {
    this.choice = language;
    writeChoice(CHOICE_KEY, language);
  }
}

export const i18n = new I18n();
