import { describe, expect, it } from 'vitest';
import type { WarningKind } from '../api/generated';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { es } from '../i18n/es';
import { partsOf, withoutMarks } from '../i18n/gateway-words';
import { zh } from '../i18n/zh';
import { told, worthTelling } from './told';
import { WORDS } from './words';

const format = new Format('en-GB', en.units);
const say = (kind: WarningKind, detail = '') => told({ kind, detail }, WORDS.en, en.connection, format);

/** Every kind; one that is missing here does not compile. */
const KINDS: Record<WarningKind, string> = {
  anonymous_clients: 'guests',
  store_failing: 'The disk is full.',
  store_damaged: 'It was copied.',
  history_failing: 'The disk is full.',
  backup_failing: 'The stick is gone.',
  part_hangs: 'history accounts',
  disk_nearly_full: '199000000',
  disk_full: '0',
  disk_read_only: '/var/lib/gatehouse',
  runs_from_memory: 'read_only /var/lib/gatehouse',
  clock_not_set: '',
  clock_stepped: '-3600',
  network_gone: '',
  ended_out_of_memory: '',
  ended_hung: '',
  ended_crashed: '',
  ended_cut_off: '',
  release_failed: '0.2.0 0.1.0 the disk is full',
  no_way_back: '0.2.0 the disk is full',
  mqtt_moved: '1883 1884 a program of the user mosquitto',
};

describe('the conditions of the gateway', () => {
  it('are told in every language, each in words of its own', () => {
    for (const [language, catalogue] of Object.entries({ en, es, zh })) {
      const words = WORDS[language as keyof typeof WORDS];
      const all = Object.entries(KINDS).map(([kind, detail]) =>
        told({ kind: kind as WarningKind, detail }, words, catalogue.connection, format),
      );
      expect(new Set(all).size).toBe(all.length);
      for (const sentence of all) expect(sentence).not.toMatch(/undefined|NaN/);
    }
  });

  it('have their figures in them', () => {
    expect(say('disk_nearly_full', '199000000')).toContain('199.0\u00a0MB');
    expect(say('part_hangs', 'history outputs')).toContain(
      'No answer from the database of history, the outputs.',
    );
    expect(say('clock_stepped', '-5400')).toContain('back by 1\u00a0h 30\u00a0min within');
    expect(say('clock_stepped', '86400')).toContain('forward by 1\u00a0d within');
  });

  it('take a detail of several parts apart', () => {
    const failed = withoutMarks(say('release_failed', '0.2.0 0.1.0 the disk is full'));
    expect(failed).toContain('Release 0.2.0 did not start');
    expect(failed).toContain('release 0.1.0 runs');
    expect(failed).toContain('the disk is full');
    const unkept = withoutMarks(say('no_way_back', '0.2.0 the disk is full'));
    expect(unkept).toContain(
      'The upgrade to release 0.2.0 kept no copy of what was before it: the disk is full',
    );
    const moved = withoutMarks(say('mqtt_moved', '1883 1884 a program of the user mosquitto'));
    expect(moved).toContain('port 1884');
    expect(moved).toContain('1883 is taken by a program of the user mosquitto');
    expect(withoutMarks(say('mqtt_moved', '1883 1884'))).toContain('1883 is left to another program');
    const place = '/srv/my house';
    expect(say('runs_from_memory', `full ${place}`)).toContain(`full at the start (${place})`);
    expect(say('runs_from_memory', `failing ${place}`)).toContain(`written at the start (${place})`);
  });

  it('tell once that nothing is kept', () => {
    const failing = { kind: 'history_failing', detail: 'The disk is full.' } as const;
    const memory = { kind: 'runs_from_memory', detail: 'full /var/lib/gatehouse' } as const;
    expect(worthTelling([failing])).toEqual([failing]);
    expect(worthTelling([memory, failing])).toEqual([memory]);
  });

  it('mark what the gateway says in its own words', () => {
    const what = say('history_failing', 'The disk is full.');
    expect(partsOf(what).at(-1)).toEqual({ text: 'The disk is full.', isGateways: true });
    expect(withoutMarks(what)).toContain('cannot be written. Switching');
  });
});
