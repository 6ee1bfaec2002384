import { expect, it } from 'vitest';
import page from '../../../../docs/drivers.md?raw';
import { chipSentence } from './chip-words';

// The page of all drivers is drawn from the gateway's catalogue, and a test there holds it to that.
/** What each chip is for, by its word. */
const chips = [...page.matchAll(/^## (\S+)\n\n[^\n]*?: (.*)$/gm)].map(([, driver = '', what = '']) => ({
  driver,
  what,
}));

it('says what every chip is for in every language, and nothing of chips that there are not', () => {
  expect(chips.length).toBeGreaterThan(50);
  for (const { driver, what } of chips) {
    expect(chipSentence(what, 'en'), driver).toBe(null);
    for (const language of ['es', 'zh'] as const) {
      const sentence = chipSentence(what, language);
      expect(sentence, `${driver} in ${language}: ${what}`).toBeTruthy();
      expect(sentence).not.toBe(what);
      // Figures are the same in all languages, but for those that a language writes as words.
      const figures = (text: string) => new Set(text.match(/[A-Z]*\d+(?:\.\d+)?/g));
      expect(figures(sentence ?? ''), `${driver} in ${language}`).toEqual(figures(what));
    }
  }
});

it('shows a sentence that it does not know as the gateway says it', () => {
  expect(chipSentence('Something new.', 'es')).toBe(null);
});
