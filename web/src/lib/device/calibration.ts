/** What makes the right number of the one that is shown. Pure. */

export interface Correction {
  factor: number;
  offset: number;
}

export interface Point {
  shows: number;
  shouldBe: number;
}

/** Off by the same amount everywhere. */
export function byOffset({ shows, shouldBe }: Point): Correction {
  return { factor: 1, offset: shouldBe - shows };
}

/** The straight line through two points; nothing when it shows (nearly) the same at both, or should be the same. */
export function byTwoPoints(a: Point, b: Point): Correction | null {
  const [run, rise] = [b.shows - a.shows, b.shouldBe - a.shouldBe];
  const least = 1e-9 * Math.max(Math.abs(a.shows), Math.abs(b.shows), 1);
  if (Math.abs(run) <= least || rise === 0) return null;
  const factor = rise / run;
  return { factor, offset: a.shouldBe - factor * a.shows };
}
