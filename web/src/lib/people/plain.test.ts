import { describe, expect, it } from 'vitest';
import { ApiError } from '../api/client';
import type { AuditView, AuditWord, RightsView } from '../api/generated';
import description from '../api/generated/openapi.json';
import { Format } from '../format/format';
import { en as t } from '../i18n/en';
import { deedText, peopleError, rightsDetail, rightsText } from './plain';
import { WORDS } from './words';

const format = new Format('en-GB', t.units);

const sets: RightsView[] = [
  { name: 'admin', publish: ['#'], subscribe: ['#', '$SYS/#'] },
  { name: 'sensors', publish: ['sensors/%c/#'], subscribe: [] },
];

const entry = (what: AuditWord, more: Partial<AuditView> = {}): AuditView => ({
  id: 1,
  at: '2026-11-21T09:14:00Z',
  what,
  refused: false,
  who: 'ana',
  address: '10.0.0.7',
  about: 'eva',
  detail: 'viewer',
  times: 1,
  ...more,
});

describe('the audit log', () => {
  it('has a sentence for every word of the gateway in every language', () => {
    const words = description.components.schemas.AuditWord.enum as AuditWord[];
    expect(words.length).toBeGreaterThan(20);
    for (const catalogue of Object.values(WORDS)) {
      for (const word of words) expect(deedText(entry(word), catalogue, format), word).toContain('10.0.0.7');
    }
  });

  it('says who, where from, to whom and what', () => {
    expect(deedText(entry('role-changed'), WORDS.en, format)).toBe(
      'ana from 10.0.0.7 gave eva the role Look',
    );
    const stranger = entry('log-in-failed', { who: null, about: null, detail: null });
    expect(deedText(stranger, WORDS.en, format)).toBe(
      'Somebody from 10.0.0.7 tried a wrong password for a name that nobody has',
    );
    const local = entry('user-added', { who: 'command line', address: null });
    expect(deedText(local, WORDS.en, format)).toBe('The command line added eva (Look)');
    expect(deedText(local, WORDS.es, format)).toMatch(/^La línea de órdenes /);
    expect(deedText(local, WORDS.zh, format)).toMatch(/^命令行/);
    const often = entry('log-in-failed', {
      who: null,
      about: 'eva',
      detail: null,
      refused: true,
      times: 1_200,
    });
    expect(deedText(often, WORDS.en, format)).toMatch(
      /^Somebody from 10.* for eva, 1,200 times within a minute$/,
    );
    expect(deedText({ ...often, address: null }, WORDS.en, format)).toContain(
      'Somebody from several addresses',
    );
    const forbidden = entry('forbidden', { about: null, detail: 'POST /x' });
    expect(deedText(forbidden, WORDS.en, format)).toBe(
      'ana from 10.0.0.7 asked for what is not allowed (POST /x)',
    );
    expect(deedText(entry('rights-changed', { detail: null }), WORDS.en, format)).toMatch(
      /: What the role says$/,
    );
  });
});

describe('rights', () => {
  it('are plain words, and topics where the configuration made them', () => {
    expect(rightsText('operator', sets, WORDS.en)).toBe('Look and switch');
    expect(rightsText('sensors', sets, WORDS.es)).toBe('El conjunto «sensors»');
    expect(rightsText('gone', sets, WORDS.en)).toContain('may do nothing');
    expect(rightsDetail('sensors', sets, WORDS.en)).toBe('Publishes to sensors/%c/#. Receives nothing.');
    expect(rightsDetail('admin', sets, WORDS.en)).toBe('');
  });
});

describe('errors', () => {
  it('are said in the words of this page, else in those of the whole page', () => {
    const text = (code: string) => peopleError(new ApiError(409, code, 'Words.'), WORDS.en, t);
    expect(text('last_administrator')).toContain('last administrator');
    expect(text('weak_password')).toBe(t.errors.weak_password);
    expect(text('strange')).toContain('Words.');
  });
});
