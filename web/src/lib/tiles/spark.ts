/** The lines of a small drawing. Pure. */

import type { Sparkline } from '../api/generated';

/** The drawing's own measures: it is stretched to its place. */
export const WIDTH = 96;
export const HEIGHT = 24;

/** Room above and below, so that the line is not cut. */
const EDGE = 2;

/** Whether there is a line to draw: readings that each stand alone have no shape. */
export function hasShape({ mean }: Pick<Sparkline, 'mean'>): boolean {
  return mean.some((value, index) => value !== null && (mean[index + 1] ?? null) !== null);
}

/**
 * The path of a line: a pen that is lifted where nothing is known. A value that does not move lies in the middle. A point
 * between two gaps is a short stroke.
 */
export function pathOf({ at_s: at, mean, min, max }: Sparkline, spanS: number): string {
  const span = Math.max(spanS, 1);
  const height = max - min;
  const x = (second: number) => round((Math.min(second, span) / span) * WIDTH);
  const y = (value: number) =>
    height > 0 ? round(HEIGHT - EDGE - ((value - min) / height) * (HEIGHT - 2 * EDGE)) : HEIGHT / 2;
  let [path, isDown] = ['', false];
  at.forEach((second, index) => {
    const value = mean[index] ?? null;
    if (value === null) {
      isDown = false;
      return;
    }
    path += `${isDown ? 'L' : 'M'}${x(second)} ${y(value)}`;
    const isLonely = !isDown && (mean[index + 1] ?? null) === null;
    if (isLonely) path += `h0.5`;
    isDown = true;
  });
  return path;
}

const round = (value: number) => Math.round(value * 10) / 10;
