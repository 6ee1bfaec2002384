import type { Format } from '../format/format';
import type { Stretch } from '../chart/stretch';

/** Below this a stretch is told with its seconds. */
const SECONDS_BELOW_MS = 10 * 60_000;

/** From when to when a stretch is, with the day once where it is the same. Pure. */
export function stretchText({ from, to }: Stretch, format: Format): string {
  const clock = (at: number) => (to - from < SECONDS_BELOW_MS ? format.clockSeconds(at) : format.clock(at));
  const isOneDay = new Date(from).toDateString() === new Date(to).toDateString();
  if (isOneDay) return `${format.dayMonth(from)}, ${clock(from)} – ${clock(to)}`;
  return `${format.dayMonth(from)}, ${clock(from)} – ${format.dayMonth(to)}, ${clock(to)}`;
}
