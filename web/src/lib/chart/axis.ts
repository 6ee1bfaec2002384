/** The words of the axes. Pure. */

import type { Format } from '../format/format';

const DAY_S = 86_400;

/** Labels of the time axis in local time: the clock, with the date under it where the day changes. */
export function timeLabels(seconds: readonly number[], stepS: number, format: Format): string[] {
  let day = '';
  return seconds.map((second, index) => {
    const at = second * 1_000;
    if (stepS >= DAY_S) return format.dayMonth(at);
    const clock = stepS < 60 ? format.clockSeconds(at) : format.clock(at);
    const today = new Date(at).toDateString();
    const changed = index > 0 && today !== day;
    day = today;
    return changed ? `${clock}\n${format.dayMonth(at)}` : clock;
  });
}

/** Digits that write every label of a value axis as what it is (a step of 0.25 needs two), but no more than the sensor's own and one. */
export function labelDecimals(step: number, decimals: number): number {
  if (!(step > 0)) return decimals;
  const isWhole = (value: number) => Math.abs(value - Math.round(value)) < 1e-6;
  let digits = 0;
  while (digits <= decimals && !isWhole(step * 10 ** digits)) digits += 1;
  return digits;
}

/** Labels of the value axis, with the unit. */
export function valueLabels(
  values: readonly number[],
  step: number,
  decimals: number,
  unit: string,
  format: Format,
): string[] {
  const digits = labelDecimals(step, decimals);
  return values.map((value) => {
    const { text, unit: scaled } = format.scaled(value, digits, unit);
    return scaled === '' ? text : `${text}\u00a0${scaled}`;
  });
}

/** The smallest height of the value axis, so that the last digit's noise is not blown up into mountains. */
const SMALLEST_SPAN_DIGITS = 10;

/** The range of the value axis: what is to be seen with a little air, never flatter than the sensor can tell. */
export function valueRange(min: number | null, max: number | null, decimals: number): [number, number] {
  if (min === null || max === null) return [0, 1];
  const smallest = SMALLEST_SPAN_DIGITS * 10 ** -decimals;
  const span = Math.max(max - min, smallest);
  const middle = (min + max) / 2;
  const low = middle - span * 0.56;
  // What is never negative is not drawn as if it could be.
  return [min >= 0 && low < 0 ? 0 : low, middle + span * 0.56];
}
