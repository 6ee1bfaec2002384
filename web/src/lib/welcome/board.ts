/** What a first look at the board has to tell. Pure. */

import type { Board, BoardScan, FoundThing } from '../api/generated';
import { kindOf } from '../wiring/header';

/** Something that keeps a part of the board from being used, with its mend in the gateway's own words. */
export interface Trouble {
  where: string;
  what: string;
}

/** What has to be mended: the lines, then the buses, as the look at them says or else as the board does. */
export function troublesOf(board: Board, scan: BoardScan | null): Trouble[] {
  const lines = board.lines_problem === null ? [] : [{ where: board.name, what: board.lines_problem }];
  const scanned = new Map(scan?.buses.map((bus) => [bus.name, bus.problem]));
  const buses = board.buses.flatMap(({ name, problem }) => {
    const what = problem ?? scanned.get(name) ?? null;
    return what === null ? [] : [{ where: name, what }];
  });
  const notes = thingsOf(scan).flatMap(({ place, bus, note, held_by }) =>
    note === null || held_by === 'device' ? [] : [{ where: `${place} ${bus}`, what: note }],
  );
  return [...lines, ...buses, ...notes];
}

/** What the check-up of the machine tells of a bus, by the start of the bus's name. */
const TOLD_BY_CHECK_UP: Record<string, string> = {
  'i2c-off': 'i2c',
  'spi-off': 'spi',
  'one-wire-off': 'w1',
  'serial-off': 'serial',
};

/** Leaves out what the check-up of the machine tells as well, with its mend. */
export function untold(troubles: readonly Trouble[], findings: readonly { kind: string }[]): Trouble[] {
  const told = findings.flatMap(({ kind }) => TOLD_BY_CHECK_UP[kind] ?? []);
  return troubles.filter(({ where }) => !told.some((start) => where.startsWith(start)));
}

/** Everything that answers. */
export function thingsOf(scan: BoardScan | null): FoundThing[] {
  if (scan === null) return [];
  return [...scan.buses.flatMap(({ things }) => things), ...scan.kernel];
}

/** What was found, is used by nobody, and can be. */
export function addable(scan: BoardScan | null): FoundThing[] {
  return thingsOf(scan).filter((thing) => thing.configuration !== null && thing.held_by === 'nobody');
}

/** Lines of the header that are in use, and how many others the system itself holds. */
export function linesInUse(board: Board) {
  const used = board.lines.filter((line) => kindOf(line) !== 'free');
  const shown = used.filter(({ header_pin, device }) => header_pin !== null || device !== null);
  return { shown, others: used.length - shown.length };
}

/** Pins of a 40-pin header that boards read the memory of a HAT with: nothing else should hang there. */
const HAT_PINS = [27, 28];

/**
 * Lines at which something can be wired: those that come out at the header, or all when no header is known. What is
 * meant for other things comes last.
 */
export function freeLines(board: Board) {
  const free = board.lines.filter((line) => kindOf(line) === 'free');
  if (board.header_pins === null) return free;
  const isHat = ({ header_pin }: { header_pin: number | null }) =>
    board.header_pins === 40 && header_pin !== null && HAT_PINS.includes(header_pin);
  const out = free.filter(({ header_pin }) => header_pin !== null);
  return [...out.filter((line) => !isHat(line)), ...out.filter(isHat)];
}
