/** Stretches of time, and how they are zoomed and moved. Pure. */

/** The shortest and the longest stretch that can be drawn: two seconds, and twenty years. */
const SHORTEST_MS = 2_000;
const LONGEST_MS = 20 * 366 * 86_400_000;

/** A stretch of time, in milliseconds since 1970. */
export interface Stretch {
  from: number;
  to: number;
}

/** The stretch, neither too short nor too long to be drawn. */
export function bounded({ from, to }: Stretch): Stretch {
  const span = Math.min(Math.max(to - from, SHORTEST_MS), LONGEST_MS);
  const middle = (from + to) / 2;
  return { from: Math.round(middle - span / 2), to: Math.round(middle + span / 2) };
}

/** Zooms around a point of the stretch: a factor of 2 shows twice as much. At the limits it stays where it is. */
export function zoomed(stretch: Stretch, factor: number, around = (stretch.from + stretch.to) / 2): Stretch {
  const span = Math.max(stretch.to - stretch.from, 1);
  const by = Math.min(Math.max(span * factor, SHORTEST_MS), LONGEST_MS) / span;
  return bounded({
    from: around - (around - stretch.from) * by,
    to: around + (stretch.to - around) * by,
  });
}

/** Moves by a share of the stretch; never so far that nothing but the future is seen. */
export function moved(stretch: Stretch, share: number, now: number): Stretch {
  const span = stretch.to - stretch.from;
  const to = Math.min(stretch.to + share * span, Math.max(now, stretch.to));
  return { from: to - span, to };
}
