import { describe, expect, it } from 'vitest';
import type { Board, BoardLine } from '../api/generated';
import { idFor, inputAt, outputAt, settingOf } from './configuration';
import { headerPinOf, neighbour, pinsOf } from './header';

const line = (number: number, pin: number, more: Partial<BoardLine> = {}): BoardLine => ({
  line: number,
  header_pin: pin,
  name: `GPIO${number}`,
  owner: null,
  direction: 'input',
  device: null,
  ...more,
});

const board: Board = {
  name: 'Raspberry Pi 4',
  model: 'Raspberry Pi 4 B',
  header_pins: 40,
  simulated: false,
  lines: [
    line(2, 3, { owner: 'i2c' }),
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
    expect(of('taken')).toEqual([3]);
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

  it('knows where the wires of a chip go', () => {
    expect(headerPinOf('SDA')).toBe(3);
    expect(headerPinOf('any line')).toBeNull();
  });
});

it('a device that is offered for a line says what is mandatory', () => {
  expect(inputAt(4)).toContain('pin = 4');
  expect(outputAt(22)).toContain('safe = "off"');
  expect(outputAt(22)).toContain('max_on = "1h"');
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
