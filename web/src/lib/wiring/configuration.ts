/** Devices as the configuration writes them, for a line that nobody uses yet. Pure. */

/** A contact between the line and ground, as most are wired. */
export function inputAt(line: number): string {
  return [
    '[[device]]',
    `id = "input-${line}"`,
    `name = "Input ${line}"`,
    'driver = "input"',
    `pin = ${line}`,
    'pull = "up"',
    'active = "low"',
    '',
  ].join('\n');
}

/** A relay that is off when nobody is there to decide, and never on for longer than an hour. */
export function outputAt(line: number): string {
  return [
    '[[device]]',
    `id = "output-${line}"`,
    `name = "Output ${line}"`,
    'driver = "output"',
    `pin = ${line}`,
    'safe = "off"',
    'max_on = "1h"',
    '',
  ].join('\n');
}
