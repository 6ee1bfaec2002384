/** Which control a value has. Pure. */

import type { PropertyInfo } from '../api/types';

/**
 * `button` is an output that is on for a moment only, such as the opener of a gate: its class says so. `slider` is a
 * number with an end on both sides, `number` one without.
 */
export type ControlKind = 'switch' | 'button' | 'cover' | 'slider' | 'number' | 'text';

/** The class of an output that is pressed. */
const BUTTON_CLASS = 'button';

/** Nothing when it takes no commands. */
export function controlOf(property: PropertyInfo, driver: string): ControlKind | null {
  if (!property.settable) return null;
  switch (property.kind) {
    case 'switch':
      return property.class === BUTTON_CLASS ? 'button' : 'switch';
    case 'number':
      return property.lowest !== null && property.highest !== null ? 'slider' : 'number';
    case 'text':
      return driver === 'cover' ? 'cover' : 'text';
  }
}

/** How long a button is pressed. */
export const PRESS = '1s';

/** The least step of a slider: a hundredth of the way, or what the value's digits allow, whichever is larger. */
export function stepOf({ lowest, highest, decimals }: PropertyInfo): number {
  const least = 10 ** -decimals;
  if (lowest === null || highest === null) return least;
  const hundredth = (highest - lowest) / 100;
  return Math.max(least, 10 ** Math.floor(Math.log10(hundredth)));
}

/** A number brought into the range of its property and to its digits. */
export function fitting(value: number, { lowest, highest, decimals }: PropertyInfo): number {
  const within = Math.min(Math.max(value, lowest ?? -Infinity), highest ?? Infinity);
  return Number(within.toFixed(decimals));
}

/** What somebody typed as a number, with a comma or a point; nothing when it is none. */
export function typedNumber(text: string): number | null {
  const plain = text.trim().replace(/\s/g, '').replace('−', '-').replace(',', '.');
  if (!/^[-+]?(\d+\.?\d*|\.\d+)$/.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}
