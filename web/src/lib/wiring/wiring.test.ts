import { describe, expect, it } from 'vitest';
import type { Board, BoardLine } from '../api/generated';
import { idFor, inputAt, oneWireOverlay, outputAt, settingOf } from './configuration';
import { boardLine } from './fixtures';
import { functionsOf, headerPinOf, isInTrouble, levelOf, lineName, neighbour, pinsOf } from './header';

const line = (number: number, pin: number, more: Partial<BoardLine> = {}) =>
  boardLine(number, { header_pin: pin, ...more });

const i2c = { kind: 'i2c', name: 'i2c-1', function: 'I2C1_SDA' } as const;

const board: Board = {
  name: 'Raspberry Pi 4',
  model: 'Raspberry Pi 4 B',
  header_pins: 40,
  simulated: false,
  lines: [
    line(2, 3, { used_for: i2c }),
    line(10, 19, { owner: 'onewire@a', holder: 'kernel' }),
    line(9, 21, { owner: 'gpiomon', holder: 'other' }),
    line(4, 7),
    line(17, 11, { device: 'front-door', owner: 'gatehouse' }),
    line(22, 15, { device: 'boiler', owner: 'gatehouse', direction: 'output' }),
  ],
  lines_problem: null,
  buses: [],
  found: [],
};

describe('the header', () => {
  it('has every pin once, with its supply pins where the board has them', () => {
    const pins = pinsOf(board);
    expect(pins.map(({ number }) => number)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    const of = (kind: string) => pins.filter((pin) => pin.kind === kind).map(({ number }) => number);
    expect(of('3v3')).toEqual([1, 17]);
    expect(of('5v')).toEqual([2, 4]);
    expect(of('ground')).toEqual([6, 9, 14, 20, 25, 30, 34, 39]);
    expect(of('free')).toEqual([7]);
    expect(of('input')).toEqual([11]);
    expect(of('output')).toEqual([15]);
    expect(of('kernel'), 'also what the kernel shows as free').toEqual([3, 19]);
    expect(of('taken')).toEqual([21]);
  });

  it('is walked with the arrow keys and not left by them', () => {
    expect(neighbour(1, 'ArrowRight', 40)).toBe(2);
    expect(neighbour(1, 'ArrowLeft', 40)).toBeNull();
    expect(neighbour(1, 'ArrowUp', 40)).toBeNull();
    expect(neighbour(40, 'ArrowDown', 40)).toBeNull();
    expect(neighbour(38, 'ArrowDown', 40)).toBe(40);
    expect(neighbour(5, 'End', 26)).toBe(26);
    expect(neighbour(5, 'x', 40)).toBeNull();
  });

  it('has the level that the device tells, else the one that the board told, else none', () => {
    const low = line(17, 11, { device: 'door', active: 'low', level: 'low' });
    expect(levelOf(low, 'ON')).toBe('low');
    expect(levelOf(low, 'OFF')).toBe('high');
    expect(levelOf(low, null)).toBe('low');
    expect(levelOf(line(18, 12, { device: 'dimmer', level: 'high' }), 40)).toBe('high');
    expect(levelOf(line(5, 29), null)).toBeNull();
  });

  it('says what else a line can be, and which lines are in trouble', () => {
    const functions = ['GPCLK0', '', 'DPI_D0', 'GPIO'];
    expect(functionsOf(line(4, 7, { functions }))).toEqual([
      { alternate: 0, name: 'GPCLK0' },
      { alternate: 2, name: 'DPI_D0' },
    ]);
    const note = {
      kind: 'plugged-on',
      note: true,
      device: null,
      other: null,
      better: [],
      boot_line: null,
    } as const;
    const told = (more: object) => line(0, 27, { warnings: [{ ...note, better: [], ...more }] });
    expect(isInTrouble(told({}))).toBe(false);
    expect(isInTrouble(told({ note: false }))).toBe(true);
    expect(isInTrouble(null)).toBe(false);
    expect(lineName(4, board.lines)).toBe('GPIO4 (7)');
    expect(lineName(40, board.lines)).toBe('GPIO40');
  });

  it('knows where the wires of a chip go', () => {
    expect(headerPinOf('SDA')).toBe(3);
    expect(headerPinOf('any line')).toBeNull();
  });
});

it('a device that is offered for a line says what is mandatory', () => {
  expect(inputAt(4)).toContain('pin = 4');
  expect(outputAt(22)).toContain('safe = "off"');
  expect(outputAt(22)).toContain('max_on = "1h"');
  expect(outputAt(22, 'low')).toContain('active = "low"');
  expect(inputAt(4, 'motion')).toContain('class = "motion"');
  expect(oneWireOverlay(4)).toBe('dtoverlay=w1-gpio');
  expect(oneWireOverlay(17)).toBe('dtoverlay=w1-gpio,gpiopin=17');
});

it('a new device is named in its topics as people name it, and never as another one', () => {
  const nobody = () => false;
  expect(idFor('Puerta del jardín', 'input-4', nobody)).toBe('puerta-del-jardin');
  expect(idFor('  ¡Luz! 2 ', 'input-4', nobody)).toBe('luz-2');
  expect(idFor('前门', 'input-4', nobody)).toBe('input-4');
  const taken = new Set(['lamp', 'lamp-2']);
  expect(idFor('Lamp', 'x', (id) => taken.has(id))).toBe('lamp-3');
  const long = idFor('a'.repeat(50), 'x', (id) => id.length === 32 && !id.endsWith('-2'));
  expect(long).toBe(`${'a'.repeat(30)}-2`);
  expect(settingOf(inputAt(4), 'name')).toBe('Input 4');
  expect(settingOf(inputAt(4), 'room')).toBeNull();
});
