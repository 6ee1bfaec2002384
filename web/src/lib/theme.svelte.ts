import { readChoice, writeChoice } from './preferences';

export const THEMES = ['light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const CHOICE_KEY = 'gatehouse.theme';

function isTheme(text: unknown): text is Theme {
  return THEMES.some((theme) => theme === text);
}

/** Light or dark: the system's, unless the user has chosen one. */
class ThemeChoice {
  readonly #system = window.matchMedia('(prefers-color-scheme: dark)');
  #systemDark = $state(this.#system.matches);
  /** The user's choice; nothing: as the system. */
  choice = $state<Theme | null>(readChoice(CHOICE_KEY, isTheme));
  readonly shown = $derived<Theme>(this.choice ?? (this.#systemDark ? 'dark' : 'light'));

  constructor() {
    this.#system.addEventListener('change', () => (this.#systemDark = this.#system.matches));
  }

  choose(theme: Theme | null) {
    this.choice = theme;
    writeChoice(CHOICE_KEY, theme);
  }
}

export const theme = new ThemeChoice();
