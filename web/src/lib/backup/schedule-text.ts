/** Backups that make themselves, in the text of a configuration. What is written is shown and checked before it is saved. Pure. */

export interface Wanted {
  folder: string;
  passphraseFile: string;
  /** Hours and minutes; empty for no certain time of day. */
  at: string;
  keep: string;
}

/** What a form begins with where nothing is written yet. */
export const USUAL: Wanted = {
  folder: '/media/backup/gatehouse',
  passphraseFile: '/etc/gatehouse/backup-passphrase',
  at: '03:30',
  keep: '7',
};

const KEYS = { folder: 'folder', passphraseFile: 'passphrase_file', at: 'at', keep: 'keep' } as const;
const NAMES = Object.keys(KEYS) as (keyof Wanted)[];

const HEADER = /^\s*\[\s*backup\s*\]\s*(#.*)?$/;
const ANY_HEADER = /^\s*\[/;
/** A line with a setting: up to its value, the value, and what stands behind it. */
const SETTING = /^(\s*[\w-]+\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#]+)(.*)$/;

/** The lines of the section, from the one behind its header on; null where there is none. */
function sectionOf(lines: string[]): { first: number; end: number } | null {
  const header = lines.findIndex((line) => HEADER.test(line));
  if (header < 0) return null;
  const next = lines.findIndex((line, index) => index > header && ANY_HEADER.test(line));
  return { first: header + 1, end: next < 0 ? lines.length : next };
}

const isSetting = (line: string, key: string) => new RegExp(`^\\s*${key}\\s*=`).test(line);

function plain(value: string): string {
  if (value.startsWith("'")) return value.slice(1, -1);
  if (!value.startsWith('"')) return value;
  try {
    return String(JSON.parse(value));
  } catch {
    // An escape that only TOML knows: the text is shown as it is.
    return value.slice(1, -1);
  }
}

/** What a configuration says; null where it has no such section. */
export function wantedIn(text: string): Wanted | null {
  const lines = text.split('\n');
  const section = sectionOf(lines);
  if (section === null) return null;
  const found: Wanted = { folder: '', passphraseFile: '', at: '', keep: USUAL.keep };
  for (const line of lines.slice(section.first, section.end)) {
    const name = NAMES.find((name) => isSetting(line, KEYS[name]));
    const value = SETTING.exec(line)?.[2];
    if (name !== undefined && value !== undefined) found[name] = plain(value);
  }
  return found;
}

/** The text with these settings; all else stays as it is, remarks too. */
export function withWanted(text: string, wanted: Wanted): string {
  const value = (name: keyof Wanted) => (name === 'keep' ? wanted.keep : JSON.stringify(wanted[name]));
  const fresh = (name: keyof Wanted) => `${KEYS[name]} = ${value(name)}`;
  const lines = text.split('\n');
  const section = sectionOf(lines);
  const given = NAMES.filter((name) => wanted[name] !== '');
  if (section === null) {
    const before = text === '' ? '' : `${text.trimEnd()}\n\n`;
    return `${before}[backup]\n${given.map(fresh).join('\n')}\n`;
  }
  const missing = new Set(given);
  const own = lines.slice(section.first, section.end).flatMap((line) => {
    const name = NAMES.find((name) => isSetting(line, KEYS[name]));
    if (name === undefined) return [line];
    missing.delete(name);
    if (wanted[name] === '') return [];
    return [line.replace(SETTING, (_, before: string, __, behind: string) => before + value(name) + behind)];
  });
  let filled = own.length;
  while (filled > 0 && own[filled - 1]?.trim() === '') filled -= 1;
  own.splice(filled, 0, ...[...missing].map(fresh));
  return [...lines.slice(0, section.first), ...own, ...lines.slice(section.end)].join('\n');
}

export type WantedProblem = 'path' | 'time' | 'count';

/** What is wrong with each setting, where something is. The gateway checks all of it once more. */
export function problemsOf(wanted: Wanted): Partial<Record<keyof Wanted, WantedProblem>> {
  const problems: Partial<Record<keyof Wanted, WantedProblem>> = {};
  if (!wanted.folder.startsWith('/')) problems.folder = 'path';
  if (!wanted.passphraseFile.startsWith('/')) problems.passphraseFile = 'path';
  if (!/^(([01]\d|2[0-3]):[0-5]\d)?$/.test(wanted.at)) problems.at = 'time';
  if (!/^[1-9]\d{0,3}$/.test(wanted.keep) || Number(wanted.keep) > 1_000) problems.keep = 'count';
  return problems;
}
