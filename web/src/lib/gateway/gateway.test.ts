import { describe, expect, it } from 'vitest';
import { ApiError } from '../api/client';
import type { LogLine, LogPage, SystemReport } from '../api/generated';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { systemOf } from '../certificate/device-system';
import { brokerFacts, clockFacts, diskFacts, machineFacts, type Fact } from './facts';
import { asText, matching, MAX_LINES, withPage } from './log';
import { isBack } from './restart';
import { WORDS } from './words';

const format = new Format('en-GB', en.units);
const words = WORDS.en;

/** A machine of which everything is well. */
function report(): SystemReport {
  return {
    run: 'first',
    at: '2026-11-22T09:14:00.000Z',
    running_for_ms: 60_000,
    version: { gatehouse: '0.1.0', commit: null, compiler: 'rustc' },
    machine: {
      board: 'Raspberry Pi 4',
      kernel: 'Linux 6.12',
      cores: 4,
      up_for_ms: 90_000,
      load: [0.5, 0.25, 0.1],
      temperature: 48.3,
      memory_bytes: 4_000_000_000,
      memory_free_bytes: 3_000_000_000,
      gateway_memory_bytes: 30_000_000,
      under_voltage: false,
      under_voltage_since_boot: false,
      throttled: false,
      throttled_since_boot: false,
    },
    disk: {
      directory: '/var/lib/gatehouse',
      bytes: 32_000_000_000,
      free_bytes: 20_000_000_000,
      written_bytes: 1_000_000,
      card: { kind: 'MMC', name: 'BJTD4R', life_used_percent: 20, reserve: 'normal' },
    },
    clock: { trusted: true, synchronized: true, service: 'systemd-timesyncd', chip: true },
    broker: {
      clients: 3,
      sessions: 5,
      subscriptions: 9,
      retained: 40,
      queued: 0,
      received: 100,
      sent: 200,
      received_per_second: 2.5,
      sent_per_second: 12,
      dropped: 0,
      refused: 1,
      logins_refused: 2,
      connections_refused: 3,
      store_failing: false,
    },
    network: {
      names: [],
      addresses: [],
      http: 8080,
      https: null,
      mqtt: 1883,
      mqtts: null,
      discovery: { host: null, services: [], silent: null },
    },
    certificate: null,
    restart: 'itself',
  };
}

const value = (facts: Fact[], name: string) => facts.find((fact) => fact.name === name)?.value;
const warned = (facts: Fact[]) => facts.filter(({ warn }) => warn).map(({ name }) => name);

describe('what the gateway says of itself', () => {
  it('calls nothing that is well a trouble', () => {
    const well = report();
    const all = [
      ...machineFacts(well, words, format),
      ...diskFacts(well, words, format),
      ...clockFacts(well, words),
      ...brokerFacts(well, words, format),
    ];
    expect(warned(all)).toEqual([]);
    expect(value(all, words.temperature)).toBe('48.3\u00a0°C');
    expect(value(all, words.pace)).toBe('2.5 · 12');
    expect(value(all, words.loginsRefused)).toBe('5');
    expect(value(all, words.wear)).toBe('up to 20% of its life used');
  });

  it('points at what needs somebody', () => {
    const ill = report();
    Object.assign(ill.machine, { temperature: 82, under_voltage_since_boot: true, throttled: true });
    ill.machine.memory_free_bytes = 300_000_000;
    ill.disk.free_bytes = 1_000_000_000;
    ill.disk.card = { kind: 'MMC', name: null, life_used_percent: 110, reserve: 'urgent' };
    ill.clock.trusted = false;
    ill.broker.store_failing = true;
    const machine = machineFacts(ill, words, format);
    expect(warned(machine)).toEqual([words.temperature, words.memory, words.underVoltage, words.throttled]);
    expect(value(machine, words.underVoltage)).toBe(words.sinceBootYes);
    expect(value(machine, words.throttled)).toBe(words.nowYes);
    const disk = diskFacts(ill, words, format);
    expect(warned(disk)).toEqual([words.disk, words.wear, words.reserve]);
    expect(value(disk, words.wear)).toBe(words.wearOver);
    expect(warned(clockFacts(ill, words))).toEqual([words.clockTrusted]);
    expect(warned(brokerFacts(ill, words, format))).toEqual([words.store]);
  });

  it('says of what nobody tells that nobody tells it, and never a number', () => {
    const quiet = report();
    Object.assign(quiet.machine, {
      temperature: null,
      under_voltage: null,
      under_voltage_since_boot: null,
      memory_bytes: null,
      memory_free_bytes: null,
    });
    quiet.disk.card = null;
    quiet.broker.received_per_second = null;
    const machine = machineFacts(quiet, words, format);
    for (const name of [words.temperature, words.underVoltage, words.memory]) {
      expect(value(machine, name)).toBe(words.notTold);
    }
    expect(warned(machine)).toEqual([]);
    expect(value(diskFacts(quiet, words, format), words.card)).toBe(words.cardNone);
    expect(value(brokerFacts(quiet, words, format), words.pace)).toBe(words.notYet);
  });
});

describe('the log', () => {
  const line = (id: number, text = `line ${id}`): LogLine => ({
    id,
    at: '2026-11-22T09:14:00.000Z',
    level: 'info',
    target: 'gatehouse::house',
    text,
  });
  const page = (run: string, ids: number[], last: number, lost = 0): LogPage => ({
    run,
    lines: ids.map((id) => line(id)),
    last,
    lost,
  });

  it('goes on, counts what is lost, and begins anew with another run', () => {
    let shown = withPage(null, page('a', [3, 4], 4, 2));
    expect(shown.lost).toBe(0);
    // The same answer twice shows nothing twice.
    shown = withPage(withPage(shown, page('a', [5, 6], 6, 3)), page('a', [5, 6], 6));
    expect(shown.lines.map(({ id }) => id)).toEqual([3, 4, 5, 6]);
    expect([shown.last, shown.lost]).toEqual([6, 3]);
    expect(withPage(shown, page('b', [1], 1)).lines).toHaveLength(1);
    const many = withPage(
      shown,
      page(
        'a',
        Array.from({ length: MAX_LINES + 5 }, (_, index) => 7 + index),
        9_999,
      ),
    );
    expect(many.lines).toHaveLength(MAX_LINES);
    expect(many.lines.at(-1)?.id).toBe(7 + MAX_LINES + 4);
  });

  it('is filtered by a part of the text or of the name', () => {
    const lines = [line(1, 'Ready: dashboard'), line(2, 'stopping')];
    expect(matching(lines, ' READY ').map(({ id }) => id)).toEqual([1]);
    expect(matching(lines, 'house').map(({ id }) => id)).toEqual([1, 2]);
    expect(matching(lines, '')).toBe(lines);
    expect(asText(lines.slice(1))).toBe('2026-11-22T09:14:00.000Z INFO gatehouse::house: stopping\n');
  });
});

describe('a restart', () => {
  it('is over when another run answers, whatever is heard in between', async () => {
    const answers = [
      () => Promise.resolve({ run: 'first' }),
      () => Promise.reject(new ApiError(0, 'no_answer', '')),
      () => Promise.reject(new ApiError(503, 'stopping', '')),
      () => Promise.resolve({ run: 'second' }),
    ];
    let turns = 0;
    const watch = { pause: () => Promise.resolve(), onturn: () => (turns += 1), isStopped: () => false };
    const report = () => (answers.shift() ?? (() => Promise.reject(new Error('asked too often'))))();
    expect(await isBack('first', { ...watch, report })).toBe(true);
    expect(turns).toBe(4);
    const ended = () => Promise.reject(new ApiError(401, 'not_logged_in', ''));
    expect(await isBack('first', { ...watch, report: ended })).toBe(true);
    expect(await isBack('first', { ...watch, report: ended, isStopped: () => true })).toBe(false);
  });
});

it('knows the usual systems by their browsers', () => {
  const mac =
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15';
  expect(systemOf('Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)', 5)).toBe('ios');
  expect([systemOf(mac, 5), systemOf(mac, 0)]).toEqual(['ios', 'macos']);
  expect(systemOf('Mozilla/5.0 (Linux; Android 15) Firefox/140.0', 5)).toBe('android');
  expect(systemOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/140.0', 0)).toBe('firefox');
  expect(systemOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0', 0)).toBe('windows');
  expect(systemOf('Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0', 0)).toBe('linux');
});
