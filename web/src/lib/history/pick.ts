/** Which values a chart draws, and from when to when: all of it stands in the address. Pure. */

import { bounded, type Stretch } from '../chart/stretch';
import { RANGES, type Range } from '../router';
import { againstText, readAgainst, type Against } from './against';
import { timeOfAddress } from './moment';

/** Values of one chart: as many as there are colours that people tell apart. */
export const MOST_SERIES = 6;

export interface Picked {
  /** `device/property`, each once. */
  series: string[];
  /** The last so many minutes or days, moving with the time. */
  range: Range;
  /** A stretch that stands still; it goes before the range. */
  stretch: Stretch | null;
  /** What it is compared with; nothing: with nothing. */
  compare: Against | null;
}

export function readPicked(query: URLSearchParams): Picked {
  const asked = query.get('range');
  const [from, to] = [timeOfAddress(query.get('from')), timeOfAddress(query.get('to'))];
  return {
    series: [...new Set(query.getAll('s').filter((name) => name.includes('/')))].slice(0, MOST_SERIES),
    range: RANGES.find((known) => known === asked) ?? '24h',
    stretch: from !== null && to !== null && from < to ? bounded({ from, to }) : null,
    compare: readAgainst(query.get('compare')),
  };
}

export function pickedPath({ series, range, stretch, compare }: Picked): string {
  const query = new URLSearchParams();
  for (const name of series) query.append('s', name);
  if (stretch) {
    query.set('from', String(Math.round(stretch.from)));
    query.set('to', String(Math.round(stretch.to)));
  } else if (range !== '24h') {
    query.set('range', range);
  }
  if (compare !== null) query.set('compare', againstText(compare));
  const text = query.toString();
  return text === '' ? '/history' : `/history?${text}`;
}
