import type { Range } from '../router';

/** How long each range is, in milliseconds. */
export const RANGE_MS: Record<Range, number> = {
  '15m': 15 * 60_000,
  '1h': 3_600_000,
  '24h': 24 * 3_600_000,
  '7d': 7 * 24 * 3_600_000,
  '30d': 30 * 24 * 3_600_000,
  '1y': 365 * 24 * 3_600_000,
};

/** More points than pixels cannot be seen. */
export const MAX_POINTS = 600;
