/** What was recorded of values that are not in the house any more, as the charts need them. Pure. */

import type { HistorySeriesInfo } from '../api/generated';
import type { PropertyInfo } from '../api/types';
import type { LiveDevice } from '../house/house.svelte';
import type { Messages } from '../i18n/en';
import { idName } from '../tiles/names';

/** Figures behind the point: how many its sensor deserved is gone with it. */
const DECIMALS = 2;

/** Before the name of a series that is a whole topic: it never was a value of a device. */
export const TOPIC = 'topic:';

export interface GoneSeries {
  /** `device/property` */
  series: string;
  deviceId: string;
  info: PropertyInfo;
}

/**
 * Those of what was recorded that no device says any more. A value that says words today and measured something before
 * is one of them: what it measured is there to be drawn, and nobody measures it.
 */
export function goneSeries(
  recorded: readonly HistorySeriesInfo[],
  devices: readonly LiveDevice[],
): GoneSeries[] {
  const kinds = new Map(
    devices.flatMap(({ info: { id }, properties }) =>
      properties.map(({ info }) => [`${id}/${info.id}` as string, info.kind] as const),
    ),
  );
  return recorded.flatMap(({ series, kind, unit }): GoneSeries[] => {
    const [deviceId, id] = series.split('/');
    if (series.startsWith(TOPIC) || deviceId === undefined || id === undefined) return [];
    const present = kinds.get(series);
    if (present !== undefined && (present !== 'text' || kind === 'text')) return [];
    const bounds = { class: null, lowest: null, highest: null };
    const info = { id, name: id, kind, unit, decimals: DECIMALS, settable: false, ...bounds };
    return [{ series, deviceId, info }];
  });
}

/** As the lists call it. The name that its owner gave it is not known any more; the ids are. */
export const goneName = ({ deviceId, info }: GoneSeries, t: Messages): string =>
  `${deviceId}, ${idName(info, t)}`;
