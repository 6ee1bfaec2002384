/** Sums over what the gateway says of its recording. Pure. */

import type { HistoryStatus } from '../api/generated';

/** Everything that was not recorded, whatever the reason. */
export function notRecordedOf({ not_recorded: reasons }: Pick<HistoryStatus, 'not_recorded'>): number {
  return Object.values(reasons).reduce((sum, count) => sum + count, 0);
}
