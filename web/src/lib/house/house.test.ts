import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../api/client';
import type { Device, House, ReadingEvent } from '../api/types';
import { gatewayWords } from '../i18n/gateway-words';
import { Commands, OUTCOME_MS, REFUSAL_MS, STATE_MS } from './commands';
import { LiveHouse } from './house.svelte';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const AT = '2026-11-21T09:00:00.000Z';
const now = AT;

const lamp: Device = {
  id: 'lamp',
  name: 'Lamp',
  room: 'Hall',
  driver: 'output',
  connection: 'GPIO 17',
  simulated: false,
  period_ms: null,
  availability: 'online',
  fault: null,
  properties: [
    {
      id: 'power',
      name: 'Power',
      kind: 'switch',
      unit: '',
      decimals: 0,
      settable: true,
      class: 'light',
      lowest: null,
      highest: null,
      reading: { value: 'OFF', quality: 'ok', at: AT, cause: null },
    },
  ],
};

function house(devices: Device[]): House {
  const gateway = {
    name: 'Casa',
    version: '1',
    board: 'Pi',
    base: 'casa',
    demo: false,
    mqtt_port: 1883,
    warnings: [],
  };
  return { now: AT, gateway, online: true, devices };
}

function newHouse(devices = [lamp]) {
  const live = new LiveHouse();
  live.takeHouse(house(devices));
  return live;
}

const reading = (value: string | number, at = AT): ReadingEvent => ({
  device: 'lamp',
  property: 'power',
  value,
  quality: 'ok',
  at,
  cause: null,
  now,
});

describe('the house', () => {
  it('keeps the latest of everything', () => {
    const live = newHouse();
    live.takeReading(reading('ON', '2026-11-21T09:05:00.000Z'));
    live.takeAvailability({ device: 'lamp', availability: 'offline', fault: 'No answer.', now });
    const device = live.device('lamp');
    expect(device?.property('power')?.reading?.value).toBe('ON');
    expect(device?.fault).toBe('No answer.');
    live.takeReading({ ...reading('ON'), device: 'unknown' });
  });

  it('remembers since when a state holds, though it is reported again', () => {
    const live = newHouse();
    live.takeReading(reading('ON', '2026-11-21T09:05:00.000Z'));
    live.takeReading(reading('ON', '2026-11-21T09:10:00.000Z'));
    const known = live.device('lamp')?.property('power')?.reading;
    expect(known?.since).toBe(Date.parse('2026-11-21T09:05:00.000Z'));
    expect(known?.at).toBe(Date.parse('2026-11-21T09:10:00.000Z'));
  });

  it('keeps a device and its command when a whole house arrives that describes it the same', () => {
    const live = newHouse();
    const before = live.device('lamp');
    live.takeHouse(house([lamp]));
    expect(live.device('lamp')).toBe(before);
    live.takeHouse(house([{ ...lamp, name: 'Lantern' }]));
    expect(live.device('lamp')).not.toBe(before);
    live.takeHouse(house([]));
    expect(live.devices).toEqual([]);
  });

  it('puts rooms in the order of their first device, and the roomless last', () => {
    const device = (id: string, room: string | null) => ({ ...lamp, id, room });
    const live = newHouse([
      device('a', null),
      device('b', 'Hall'),
      device('c', 'Attic'),
      device('d', 'Hall'),
    ]);
    expect(live.rooms.map(({ name, devices }) => [name, devices.map(({ info }) => info.id)])).toEqual([
      ['Hall', ['b', 'd']],
      ['Attic', ['c']],
      [null, ['a']],
    ]);
  });
});

describe('a command', () => {
  function scene(set: () => Promise<{ id: string }> = () => Promise.resolve({ id: 'x1' })) {
    const live = newHouse();
    const device = live.device('lamp')!;
    const property = device.property('power')!;
    const announce = vi.fn();
    const commands = new Commands({
      set,
      now: () => 0,
      announce,
      nameOf: ({ name }) => name,
      sentence: (error) => error.message,
      noReason: () => 'No reason.',
      noOutcome: () => 'No outcome.',
    });
    const result = (ok: boolean, reason: string | null = null, id: string | null = 'x1') =>
      commands.takeResult({ device: 'lamp', property: 'power', id, ok, reason, now });
    const report = (value: string) => {
      live.takeReading(reading(value));
      commands.takeState(property);
    };
    return { live, device, property, announce, commands, result, report };
  }

  it('is pending until the state comes back, and never shows it before', async () => {
    const { device, property, commands, result, report } = scene();
    await commands.send(device, property, 'ON');
    expect(property.pending?.asked).toBe('ON');
    expect(property.reading?.value).toBe('OFF');
    report('ON');
    expect(property.pending).toBeNull();
    result(true);
    expect(property.refusal).toBeNull();
  });

  // A cover that was told to open is not "OPEN" for half a minute, and an output that blinks never is "BLINK".
  it('is done with its outcome where no state says so', async () => {
    const { device, property, commands, result, report } = scene();
    await commands.send(device, property, 'BLINK', { becomes: null });
    report('ON');
    expect(property.pending?.asked).toBe('BLINK');
    result(true);
    expect(property.pending).toBeNull();
    await commands.send(device, property, 'BLINK', { becomes: null });
    result(false, 'It rests.');
    expect(property.refusal).toContain('It rests.');
  });

  // The stream was lost between the command and its outcome: the state came inside the whole house, the result never.
  it('is settled by a whole house that holds the wanted value', async () => {
    const { live, device, property, commands } = scene();
    await commands.send(device, property, 'ON');
    const told = (value: string): House =>
      house([
        { ...lamp, properties: lamp.properties.map((p) => ({ ...p, reading: { ...p.reading!, value } })) },
      ]);
    live.takeHouse(told('OFF'));
    commands.takeHouse(live);
    expect(property.pending).not.toBeNull();
    live.takeHouse(told('ON'));
    commands.takeHouse(live);
    expect(property.pending).toBeNull();
    vi.advanceTimersByTime(OUTCOME_MS);
    expect(property.refusal).toBeNull();
  });

  it('ends without a word when a whole house describes its device anew', async () => {
    const { live, device, property, announce, commands } = scene();
    await commands.send(device, property, 'ON');
    live.takeHouse(house([{ ...lamp, name: 'Lantern' }]));
    commands.takeHouse(live);
    vi.advanceTimersByTime(OUTCOME_MS);
    expect(property.pending).toBeNull();
    expect(announce).not.toHaveBeenCalled();
  });

  it('that is refused goes back, says why, and forgets it after a while', async () => {
    const { device, property, announce, commands, result } = scene();
    await commands.send(device, property, 'ON');
    result(false, 'Window is open.');
    expect(property.pending).toBeNull();
    expect(property.refusal).toBe(gatewayWords('Window is open.'));
    expect(announce).toHaveBeenCalledWith('Lamp', gatewayWords('Window is open.'));
    vi.advanceTimersByTime(REFUSAL_MS);
    expect(property.refusal).toBeNull();
  });

  it('is settled by a result that overtakes the answer to its own request', async () => {
    let answer: (value: { id: string }) => void = () => {};
    const { device, property, commands, result } = scene(() => new Promise((resolve) => (answer = resolve)));
    const sent = commands.send(device, property, 'ON');
    result(false, 'Too soon.');
    answer({ id: 'x1' });
    await sent;
    expect(property.refusal).toBe(gatewayWords('Too soon.'));
  });

  it('that is done but was so already ends by itself', async () => {
    const { device, property, commands, result } = scene();
    await commands.send(device, property, 'ON');
    result(true);
    expect(property.pending).not.toBeNull();
    vi.advanceTimersByTime(STATE_MS);
    expect(property.pending).toBeNull();
    expect(property.refusal).toBeNull();
  });

  it('without an outcome says so', async () => {
    const { device, property, commands } = scene();
    await commands.send(device, property, 'ON');
    vi.advanceTimersByTime(OUTCOME_MS);
    expect(property.refusal).toBe('No outcome.');
  });

  it('that the gateway does not take says what the gateway said', async () => {
    const { device, property, commands } = scene(() =>
      Promise.reject(new ApiError(409, 'refused', 'Not now.')),
    );
    await commands.send(device, property, 'ON');
    expect(property.refusal).toBe('Not now.');
  });

  it('is not sent twice, and other people’s results are none of ours', async () => {
    const set = vi.fn(() => Promise.resolve({ id: 'x1' }));
    const { device, property, commands, result } = scene(set);
    await commands.send(device, property, 'ON');
    await commands.send(device, property, 'ON');
    expect(set).toHaveBeenCalledTimes(1);
    result(false, 'Not yours.', 'other');
    result(false, 'Not yours.', null);
    expect(property.pending).not.toBeNull();
  });
});
