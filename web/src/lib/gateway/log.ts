/** The log as the page shows it. Pure. */

import type { LogLine, LogPage } from '../api/generated';

/** Most lines that the page keeps: what the gateway keeps itself. */
export const MAX_LINES = 2_000;

export interface Shown {
  run: string;
  lines: readonly LogLine[];
  /** What to ask on with. */
  last: number;
  /** Lines in between that nobody keeps any more. */
  lost: number;
}

/** What is shown with a page more. One of another run begins anew. */
export function withPage(shown: Shown | null, page: LogPage): Shown {
  if (shown === null || shown.run !== page.run) {
    return { run: page.run, lines: page.lines, last: page.last, lost: 0 };
  }
  const known = shown.lines.at(-1)?.id ?? 0;
  const lines = [...shown.lines, ...page.lines.filter(({ id }) => id > known)].slice(-MAX_LINES);
  return { run: page.run, lines, last: Math.max(page.last, shown.last), lost: shown.lost + page.lost };
}

/** Those that have the text, large and small letters alike. */
export function matching(lines: readonly LogLine[], text: string): readonly LogLine[] {
  const sought = text.trim().toLowerCase();
  if (sought === '') return lines;
  return lines.filter((line) => `${line.target} ${line.text}`.toLowerCase().includes(sought));
}

/** Lines as a file has them: RFC 3339, level, part, text. */
export function asText(lines: readonly LogLine[]): string {
  return lines
    .map(({ at, level, target, text }) => `${at} ${level.toUpperCase()} ${target}: ${text}\n`)
    .join('');
}
