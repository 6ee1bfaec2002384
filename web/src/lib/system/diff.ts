/** What is different between two texts, line by line. Pure. */

export interface DiffLine {
  kind: 'same' | 'added' | 'removed';
  text: string;
  /** The line's number: in the new text, or in the old one when it was removed. */
  number: number;
}

/** Lines that stay, shown around each place that changes. */
const CONTEXT_LINES = 3;

/**
 * Most pairs of lines that are compared. Beyond it, as between two wholly different texts of thousands of lines, all
 * between the first and the last difference is shown as replaced.
 */
const MAX_PAIRS = 4_000_000;

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

/** Which lines of `before` and `after` stay, as pairs of indices: a longest common subsequence. */
function pairs(before: string[], after: string[]): [number, number][] {
  if (before.length * after.length > MAX_PAIRS) return [];
  const width = after.length + 1;
  const lengths = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i -= 1) {
    for (let j = after.length - 1; j >= 0; j -= 1) {
      lengths[i * width + j] =
        before[i] === after[j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  const found: [number, number][] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) found.push([i++, j++]);
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i += 1;
    else j += 1;
  }
  return found;
}

/** Every line of both texts, those that stay once. */
export function diffLines(before: string, after: string): DiffLine[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  const room = Math.min(old.length, now.length) - head;
  while (tail < room && old[old.length - 1 - tail] === now[now.length - 1 - tail]) tail += 1;
  const middle = pairs(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  const upTo = (toOld: number, toNow: number) => {
    for (; i < toOld; i += 1) lines.push({ kind: 'removed', text: old[i]!, number: i + 1 });
    for (; j < toNow; j += 1) lines.push({ kind: 'added', text: now[j]!, number: j + 1 });
  };
  const same = () => {
    lines.push({ kind: 'same', text: now[j]!, number: j + 1 });
    i += 1;
    j += 1;
  };
  while (j < head) same();
  for (const [oldIndex, newIndex] of middle) {
    upTo(head + oldIndex, head + newIndex);
    same();
  }
  upTo(old.length - tail, now.length - tail);
  while (j < now.length) same();
  return lines;
}

/** The places that change, each with some lines around it. */
export function hunksOf(before: string, after: string): DiffLine[][] {
  const lines = diffLines(before, after);
  const hunks: DiffLine[][] = [];
  let end = -1;
  lines.forEach((line, index) => {
    if (line.kind === 'same') return;
    const from = Math.max(index - CONTEXT_LINES, 0);
    const to = Math.min(index + CONTEXT_LINES + 1, lines.length);
    if (hunks.length > 0 && from <= end) hunks.at(-1)!.push(...lines.slice(end, to));
    else hunks.push(lines.slice(from, to));
    end = to;
  });
  return hunks;
}

/** Where in the text a line and a column (both counted from 1, columns in characters) are. */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let passed = 1; passed < line; passed += 1) {
    const newline = text.indexOf('\n', start);
    if (newline < 0) return text.length;
    start = newline + 1;
  }
  const newline = text.indexOf('\n', start);
  const rest = text.slice(start, newline < 0 ? text.length : newline);
  // Characters beyond the basic plane are two units of a JavaScript text.
  return start + [...rest].slice(0, column - 1).join('').length;
}
