import { describe, expect, it } from 'vitest';
import type { PropertyInfo } from '../api/types';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { es } from '../i18n/es';
import { gatewayWords, withoutMarks } from '../i18n/gateway-words';
import { zh } from '../i18n/zh';
import { propertyName } from './names';
import {
  causeText,
  isLit,
  isTrusted,
  noteOf,
  noteOfBare,
  stateOf,
  stateOfBare,
  valueText,
  worstOf,
  type Facts,
} from './state';

const format = new Format('en-GB', en.units);
const NOW = 1_000_000_000;

const temperature: PropertyInfo = {
  id: 'temperature',
  name: 'Temperature',
  kind: 'number',
  unit: '°C',
  decimals: 1,
  settable: false,
  class: 'temperature',
  lowest: null,
  highest: null,
};
const light: PropertyInfo = {
  ...temperature,
  id: 'power',
  kind: 'switch',
  unit: '',
  settable: true,
  class: 'light',
};

function facts(parts: Partial<Facts>): Facts {
  return {
    property: temperature,
    driver: 'bme280',
    periodMs: 10_000,
    availability: 'online',
    fault: null,
    reading: { value: 21.5, quality: 'ok', at: NOW - 5_000, since: NOW - 5_000 },
    pendingSince: null,
    refusal: null,
    connected: true,
    ...parts,
  };
}

const read = (
  value: number | string,
  quality: 'ok' | 'stale' | 'suspect' | 'simulated' = 'ok',
  age = 5_000,
) => ({
  value,
  quality,
  at: NOW - age,
  since: NOW - age,
});
const note = (parts: Partial<Facts>) => withoutMarks(noteOf(facts(parts), NOW, en, format));

describe('the states of a tile', () => {
  it.each<[string, Partial<Facts>, string]>([
    ['live', {}, ''],
    ['live', { reading: read(21.5, 'ok', 21_000) }, '21\u00a0s ago'],
    ['live', { periodMs: null, reading: read(21.5) }, '5\u00a0s ago'],
    ['on', { property: light, reading: read('ON', 'ok', 12 * 60_000) }, 'On for 12\u00a0min'],
    ['live', { property: light, reading: read('OFF', 'ok', 60_000) }, 'Off for 1\u00a0min'],
    ['pending', { property: light, reading: read('OFF'), pendingSince: NOW - 400 }, 'Sent 0.4\u00a0s ago'],
    ['refused', { property: light, refusal: 'Window is open.' }, 'Window is open.'],
    ['stale', { reading: read(21.5, 'stale', 14 * 60_000) }, 'Last heard 14\u00a0min ago'],
    [
      'suspect',
      { reading: read(90, 'suspect') },
      '90.0\u00a0°C is hard to believe; waiting for the next reading',
    ],
    ['fault', { availability: 'offline', fault: 'No answer at 0x76.' }, 'No answer at 0x76.'],
    ['fault', { availability: 'offline' }, 'Does not answer. Check its power and its wiring.'],
    ['empty', { reading: null }, 'Waiting for the first reading'],
  ])('%s: %j', (state, parts, sentence) => {
    expect(stateOf(facts(parts))).toBe(state);
    expect(note(parts)).toBe(sentence);
  });

  it('names the power-on value of the one sensor that has it', () => {
    const parts = { driver: 'ds18b20', reading: read(85, 'suspect') };
    expect(note(parts)).toBe('85.0\u00a0°C is this sensor’s power-on value; waiting for the next one');
  });

  it('lights the lamp only for what is on for sure', () => {
    const on = { property: light, reading: read('ON') };
    expect(isLit(facts(on))).toBe(true);
    expect(isLit(facts({ ...on, pendingSince: NOW }))).toBe(true);
    expect(isLit(facts({ ...on, connected: false }))).toBe(false);
    expect(isLit(facts({ ...on, availability: 'offline' }))).toBe(false);
    expect(isLit(facts({ property: light, reading: read('ON', 'stale') }))).toBe(false);
    expect(isTrusted(facts({ reading: null }))).toBe(false);
  });

  it('says when a value was heard once the stream is lost', () => {
    expect(note({ connected: false, reading: read(21.5, 'ok', 14 * 60_000) })).toBe(
      'Last heard 14\u00a0min ago',
    );
  });

  it('lets the value speak that has the most to say, and the first when all are well', () => {
    const well = facts({});
    const on = facts({ property: light, reading: read('ON') });
    const stale = facts({ reading: read(1, 'stale') });
    expect(worstOf([well, on, stale])).toBe(stale);
    expect(worstOf([well, on])).toBe(well);
    expect(worstOf([])).toBeUndefined();
  });
});

describe('values in words', () => {
  it('are open and closed for a door, and on and off for what is switched', () => {
    const door = { ...light, settable: false, class: 'door' };
    expect(valueText(door, 'ON', en, format)).toBe('Open');
    expect(valueText({ ...light, class: 'door' }, 'ON', en, format)).toBe('On');
    expect(valueText(door, 'OFF', es, format)).toBe('Cerrado');
  });

  it('are a span of time for a duration', () => {
    const uptime = { ...temperature, unit: 's', decimals: 0, class: 'duration' };
    expect(valueText(uptime, 93_600, en, format)).toBe('1\u00a0d 2\u00a0h');
  });
});

describe('causes', () => {
  it('are told in the reader’s language, and in the gateway’s words where they are unknown', () => {
    const nobody = { user: null, client_id: null, name: null, reason: null, chain: [] };
    const page = { ...nobody, sentence: 'ana at the dashboard', by: 'page', user: 'ana' } as const;
    expect(causeText(page, 'ON', en)).toBe('Switched on by ana on the page');
    expect(causeText(page, 'OFF', es)).toBe('Lo apagó ana en la página');
    const watch = { ...nobody, sentence: 'the night watch', by: 'part' } as const;
    expect(causeText(watch, 'ON', en)).toBe(`Switched on by ${gatewayWords('the night watch')}`);
  });
});

describe('the gateway’s own words', () => {
  it('are marked in what the page says', () => {
    const fault = 'No answer on I2C bus 1.';
    expect(noteOf(facts({ availability: 'offline', fault }), NOW, es, format)).toBe(gatewayWords(fault));
    expect(noteOf(facts({ availability: 'offline' }), NOW, es, format)).toBe(es.tile.offline);
    const parts = { client_id: null, user: null, name: null, chain: [] };
    const cause = { ...parts, by: 'fail-safe', sentence: 'fail-safe: too long', reason: 'too long' } as const;
    expect(causeText(cause, 'OFF', es)).toBe(`Lo apagó el modo seguro: ${gatewayWords('too long')}`);
    const known = { ...cause, reason: 'the gateway starts' };
    expect(causeText(known, 'OFF', es)).toBe('Lo apagó el modo seguro: la pasarela arranca');
    const longest = { ...cause, reason: 'longest on-time of 1h' };
    expect(causeText(longest, 'OFF', zh)).toBe('由安全保护（已达最长开启时间 1h）关闭');
  });
});

describe('the name of a value', () => {
  const name = (id: string, given: string) => propertyName({ id, name: given }, zh);

  it('is translated when it is the gateway’s own, and is else the owner’s', () => {
    expect(name('temperature', 'Temperature')).toBe('温度');
    expect(name('temperature', 'Processor temperature')).toBe('处理器温度');
    expect(name('disk-free', 'Disk free')).toBe('可用磁盘');
    expect(name('temperature', 'Wine')).toBe('Wine');
    expect(name('load', 'Temperature')).toBe('Temperature');
    expect(name('constructor', 'Constructor')).toBe('Constructor');
    expect(name('temperature', 'Chip temperature')).toBe('芯片温度');
    expect(name('distance', 'Distance of the storm')).toBe('雷暴距离');
  });

  it('tells power that is measured from power that is switched', () => {
    const power = { id: 'power', name: 'Power' } as const;
    expect(propertyName({ ...power, kind: 'number' }, zh)).toBe('功率');
    expect(propertyName({ ...power, kind: 'switch' }, zh)).toBe('开关');
  });
});

// The tile of an expander was blank, also while nobody answered at its address.
describe('a device without values', () => {
  it('says that others hang at it, and what is wrong when it does not answer', () => {
    expect(stateOfBare('online', null)).toBe('live');
    expect(noteOfBare('online', null, en)).toBe('Other devices are connected here');
    expect(stateOfBare('offline', null)).toBe('fault');
    expect(noteOfBare('offline', null, es)).toBe(es.tile.offline);
    expect(withoutMarks(noteOfBare('offline', 'no answer at 0x20', zh))).toBe('no answer at 0x20');
    expect(stateOfBare('unknown', null)).toBe('empty');
  });
});
