import { describe, expect, it } from 'vitest';
import { diffLines, hunksOf, offsetOf } from './diff';

const signs = { same: ' ', added: '+', removed: '-' };
const shown = (before: string, after: string) =>
  diffLines(before, after).map(({ kind, text }) => signs[kind] + text);

describe('the difference of two texts', () => {
  it('shows what stays, what goes and what comes', () => {
    expect(shown('a\nb\nc\n', 'a\nx\nc\nd\n')).toEqual([' a', '-b', '+x', ' c', '+d']);
    expect(shown('', 'a\n')).toEqual(['+a']);
    expect(shown('a\n', '')).toEqual(['-a']);
    expect(shown('a\na\n', 'a\n')).toEqual([' a', '-a']);
    expect(shown('a\nb\nc\nd\n', 'b\nd\na\n')).toEqual(['-a', ' b', '-c', ' d', '+a']);
  });

  it('gives both texts back, whatever they are', () => {
    let seed = 7;
    const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
    for (let round = 0; round < 200; round += 1) {
      const text = () => Array.from({ length: random(12) }, () => 'abc'[random(3)]! + '\n').join('');
      const [before, after] = [text(), text()];
      const lines = diffLines(before, after);
      const without = (kind: string) =>
        lines
          .filter((line) => line.kind !== kind)
          .map((line) => line.text + '\n')
          .join('');
      expect(without('added')).toBe(before);
      expect(without('removed')).toBe(after);
    }
  });

  it('shows only the places that change', () => {
    const before = Array.from({ length: 40 }, (_, index) => `line ${index + 1}`);
    const after = before.map((line, index) => (index === 4 || index === 30 ? `${line} changed` : line));
    const hunks = hunksOf(before.join('\n'), after.join('\n'));
    expect(hunks.length).toBe(2);
    expect(hunks[0]!.map(({ number }) => number)).toEqual([2, 3, 4, 5, 5, 6, 7, 8]);
    expect(hunksOf('a\n', 'a\n')).toEqual([]);
  });

  it('does not hang on two long texts that have nothing in common', () => {
    const long = (word: string) => Array.from({ length: 5_000 }, (_, index) => word + index).join('\n');
    expect(diffLines(long('a'), long('b')).length).toBe(10_000);
  });
});

it('finds the place of a line and a column', () => {
  const text = 'one\n🏠 two\nthree';
  expect(offsetOf(text, 1, 1)).toBe(0);
  expect(text.slice(offsetOf(text, 2, 3))).toBe('two\nthree');
  expect(offsetOf(text, 2, 99)).toBe(text.indexOf('\nthree'));
  expect(offsetOf(text, 9, 1)).toBe(text.length);
});
