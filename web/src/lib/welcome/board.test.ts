import { describe, expect, it } from 'vitest';
import type { Board, BoardScan } from '../api/generated';
import { boardLine as line, foundThing as thing } from '../wiring/fixtures';
import { addable, freeLines, linesInUse, troublesOf, untold } from './board';

const board: Board = {
  name: 'raspberrypi',
  model: 'Raspberry Pi 4',
  header_pins: 40,
  simulated: false,
  lines: [
    line(4),
    line(5, { owner: 'spi0 CS0' }),
    line(6, { device: 'lamp' }),
    line(2, { used_for: { kind: 'i2c', name: 'i2c-1', function: 'I2C1_SDA' } }),
    line(46, { header_pin: null, owner: 'led' }),
  ],
  lines_problem: 'No rights.',
  buses: [
    { name: 'i2c-1', description: '', problem: null },
    { name: 'spi-0.0', description: '', problem: 'Switched off: dtparam=spi=on.' },
  ],
  found: [],
};
const scan: BoardScan = {
  at: '2026-11-22T00:00:00Z',
  buses: [
    {
      name: 'i2c-1',
      description: '',
      problem: 'Stuck.',
      things: [
        thing('0x76'),
        thing('0x40', { held_by: 'device' }),
        thing('0x50', { configuration: null, note: 'A memory.' }),
      ],
    },
  ],
  kernel: [thing('28-00', { held_by: 'kernel' })],
};

describe('the first look at a board', () => {
  it('says what has to be mended, and where', () => {
    expect(troublesOf(board, scan).map(({ where, what }) => `${where}: ${what}`)).toEqual([
      'raspberrypi: No rights.',
      'i2c-1: Stuck.',
      'spi-0.0: Switched off: dtparam=spi=on.',
      '0x50 i2c-1: A memory.',
    ]);
    expect(troublesOf({ ...board, lines_problem: null, buses: [] }, null)).toEqual([]);
  });

  it('offers what nobody uses', () => {
    expect(addable(scan).map(({ place }) => place)).toEqual(['0x76']);
    expect(addable(null)).toEqual([]);
  });

  it('tells pins in use from free ones', () => {
    expect(linesInUse(board)).toEqual({
      shown: [board.lines[1], board.lines[2], board.lines[3]],
      others: 1,
    });
    expect(freeLines(board)).toEqual([board.lines[0]]);
    expect(freeLines({ ...board, header_pins: null }).length).toBe(1);
  });
});

describe('what the check-up tells as well', () => {
  it('is left out of what the board tells', () => {
    const troubles = [
      { where: 'i2c-1', what: 'Stuck.' },
      { where: 'spi-0.0', what: 'Switched off.' },
    ];
    expect(untold(troubles, [{ kind: 'spi-off' }, { kind: 'clock-not-set' }])).toEqual([troubles[0]]);
    expect(untold(troubles, [])).toEqual(troubles);
  });
});

describe('the pins that are offered', () => {
  it('end with those of the memory of a HAT', () => {
    const lines = [line(0, { header_pin: 27 }), line(1, { header_pin: 28 }), line(7, { header_pin: 26 })];
    expect(freeLines({ ...board, lines }).map(({ header_pin }) => header_pin)).toEqual([26, 27, 28]);
  });
});
