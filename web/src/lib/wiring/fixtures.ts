/** Lines and things of a board, for tests. */

import type { BoardLine, FoundThing } from '../api/generated';

/** A line that nobody has and nothing is known of. */
export const boardLine = (line: number, more: Partial<BoardLine> = {}): BoardLine => ({
  line,
  header_pin: line + 1,
  name: `GPIO${line}`,
  owner: null,
  direction: 'input',
  device: null,
  holder: 'nobody',
  used_for: null,
  functions: [],
  pull: null,
  power_on_pull: null,
  pulled_up_by_board: false,
  fires_when_active: [],
  level: null,
  active: null,
  warnings: [],
  ...more,
});

/** A chip that nobody uses and nothing is known of. */
export const foundThing = (place: string, more: Partial<FoundThing> = {}): FoundThing => ({
  bus: 'i2c-1',
  place,
  held_by: 'nobody',
  holder: null,
  candidates: [],
  note: null,
  configuration: '[[device]]\n',
  ...more,
});
