/** Devices as the configuration writes them, for a line that nobody uses yet. Pure. */

import type { Voltage } from '../api/generated';

/** What is wired to a line that is read. */
export type InputKind = 'contact' | 'button' | 'motion' | 'signal';

const INPUTS: Record<InputKind, string[]> = {
  // Between the line and ground, as most are wired.
  contact: ['pull = "up"', 'active = "low"', 'class = "opening"'],
  button: ['pull = "up"', 'active = "low"', 'clicks = ["single", "double", "long"]'],
  // Motion sensors and the like drive the line themselves.
  motion: ['pull = "down"', 'active = "high"', 'class = "motion"'],
  signal: ['pull = "none"', 'active = "high"'],
};

/** A device that reads a line. */
export function inputAt(line: number, kind: InputKind = 'contact'): string {
  return [
    '[[device]]',
    `id = "input-${line}"`,
    `name = "Input ${line}"`,
    'driver = "input"',
    `pin = ${line}`,
    ...INPUTS[kind],
    '',
  ].join('\n');
}

/** A relay that is off when nobody is there to decide, and never on for longer than an hour. */
export function outputAt(line: number, active: Voltage = 'high'): string {
  return [
    '[[device]]',
    `id = "output-${line}"`,
    `name = "Output ${line}"`,
    'driver = "output"',
    `pin = ${line}`,
    `active = "${active}"`,
    'safe = "off"',
    'max_on = "1h"',
    '',
  ].join('\n');
}

/** The line of the firmware's `config.txt` that makes a line a 1-Wire bus (Raspberry Pi's overlay README, `w1-gpio`). */
export function oneWireOverlay(line: number): string {
  return line === 4 ? 'dtoverlay=w1-gpio' : `dtoverlay=w1-gpio,gpiopin=${line}`;
}

/** Longest id of a device. */
const MAX_ID_LENGTH = 32;

/** A text of a device that stands at the beginning of a line as `key = "…"`; nothing when it is not there. */
export function settingOf(text: string, key: string): string | null {
  return new RegExp(`^${key} = "([^"\\\\]*)"`, 'm').exec(text)?.[1] ?? null;
}

/**
 * The id of a new device, which is part of its topics: its name in small letters without accents, or `otherwise` when
 * nothing of the name is left, as of a Chinese one; with a number when that is taken.
 */
export function idFor(name: string, otherwise: string, isTaken: (id: string) => boolean): string {
  const plain = name
    .normalize('NFD')
    .replace(/\p{Diacritic}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-');
  const trim = (id: string, length: number) => id.slice(0, length).replace(/^-+|-+$/g, '');
  const wanted = trim(plain.replace(/^-+/, ''), MAX_ID_LENGTH) || otherwise;
  for (let number = 2, id = wanted; ; number += 1) {
    if (!isTaken(id)) return id;
    const end = `-${number}`;
    id = trim(wanted, MAX_ID_LENGTH - end.length) + end;
  }
}
