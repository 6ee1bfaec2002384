/**
 * The header as it lies on the desk, and who has which of its pins. Pure. Places of the supply pins: Raspberry Pi
 * documentation, "GPIO and the 40-pin header"; the 26-pin header of the first boards is its upper part.
 */

import type { Board, BoardLine } from '../api/generated';

export type PinKind = '3v3' | '5v' | 'ground' | 'free' | 'input' | 'output' | 'taken' | 'none';

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

/** What a line is: ours when a device of the configuration stands at it, else whose the kernel says. */
export function kindOf(line: BoardLine): PinKind {
  if (line.device !== null) return line.direction === 'output' ? 'output' : 'input';
  return line.owner === null ? 'free' : 'taken';
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
