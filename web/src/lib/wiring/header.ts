/**
 * The header as it lies on the desk, and who has which of its pins. Pure. Places of the supply pins: Raspberry Pi
 * documentation, "GPIO and the 40-pin header"; the 26-pin header of the first boards is its upper part.
 */

import type { Board, BoardLine, Voltage } from '../api/generated';

export type PinKind = '3v3' | '5v' | 'ground' | 'free' | 'input' | 'output' | 'kernel' | 'taken' | 'none';

export interface Pin {
  /** Its physical number, 1 at the corner. */
  number: number;
  kind: PinKind;
  /** What is printed beside it: `3.3 V`, `GPIO4`. */
  label: string;
  /** Its line; nothing at supply pins. */
  line: BoardLine | null;
}

const SUPPLY_3V3 = [1, 17];
const SUPPLY_5V = [2, 4];
const GROUND = [6, 9, 14, 20, 25, 30, 34, 39];

/**
 * What a line is: ours when a device of the configuration stands at it, else a driver's, also where the kernel shows the
 * line as free because it is a part of a bus, else whose the kernel says.
 */
export function kindOf(line: BoardLine): PinKind {
  if (line.device !== null) return line.direction === 'output' ? 'output' : 'input';
  if (line.used_for !== null || line.holder === 'kernel') return 'kernel';
  return line.owner === null ? 'free' : 'taken';
}

/**
 * The voltage of a line now. What its device says of itself is newer than what the board said when it was asked; of a
 * line that nobody here holds it is not known.
 */
export function levelOf(line: BoardLine, value: string | number | null): Voltage | null {
  if (line.active === null || (value !== 'ON' && value !== 'OFF')) return line.level;
  const other = line.active === 'high' ? 'low' : 'high';
  return value === 'ON' ? line.active : other;
}

/** Whether something is wrong with a line, beyond what is only good to know. */
export function isInTrouble(line: BoardLine | null): boolean {
  return line?.warnings.some(({ note }) => !note) ?? false;
}

/** What a line can be beside a plain one: the names of its functions with their numbers. */
export function functionsOf(line: BoardLine): { alternate: number; name: string }[] {
  return line.functions
    .map((name, alternate) => ({ alternate, name }))
    .filter(({ name }) => name !== '' && name !== 'GPIO');
}

/** A line with its pin, as people find it: `GPIO12 (32)`; only the line where it does not come out. */
export function lineName(number: number, lines: readonly BoardLine[]): string {
  const pin = lines.find(({ line }) => line === number)?.header_pin ?? null;
  return pin === null ? `GPIO${number}` : `GPIO${number} (${pin})`;
}

/** The lines that 1-Wire has. */
export function oneWireLines(lines: readonly BoardLine[]): BoardLine[] {
  return lines.filter(({ used_for: used }) => used?.kind === 'one-wire');
}

export function pinsOf(board: Board): Pin[] {
  const byPin = new Map(board.lines.map((line) => [line.header_pin, line]));
  return Array.from({ length: board.header_pins ?? 0 }, (_, index): Pin => {
    const number = index + 1;
    const supply = (kind: PinKind, label: string): Pin => ({ number, kind, label, line: null });
    if (SUPPLY_3V3.includes(number)) return supply('3v3', '3.3 V');
    if (SUPPLY_5V.includes(number)) return supply('5v', '5 V');
    if (GROUND.includes(number)) return supply('ground', 'GND');
    const line = byPin.get(number);
    if (!line) return supply('none', '–');
    return { number, kind: kindOf(line), label: `GPIO${line.line}`, line };
  });
}

/** The pin that an arrow key leads to: rows of two, pin 1 and 2 in the first. */
export function neighbour(number: number, key: string, pins: number): number | null {
  const isLeft = number % 2 === 1;
  const moves: Record<string, number | null> = {
    ArrowUp: number - 2,
    ArrowDown: number + 2,
    ArrowLeft: isLeft ? null : number - 1,
    ArrowRight: isLeft ? number + 1 : null,
    Home: 1,
    End: pins,
  };
  const to = moves[key];
  return to != null && to >= 1 && to <= pins ? to : null;
}

/** Where on the header the wires of a chip go: the first pin that has the function. */
const PINS_OF_WORDS: Record<string, number> = {
  '3V3': 1,
  '5V': 2,
  GND: 6,
  SDA: 3,
  SCL: 5,
  MOSI: 19,
  MISO: 21,
  SCLK: 23,
  CE: 24,
  TXD: 8,
  RXD: 10,
};

/** The header pin of such a word; nothing when it is a sentence. */
export function headerPinOf(word: string): number | null {
  return PINS_OF_WORDS[word] ?? null;
}
