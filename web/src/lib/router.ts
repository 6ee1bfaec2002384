/** Addresses of the page and what they mean. Pure. */

export const RANGES = ['15m', '1h', '24h', '7d', '30d', '1y'] as const;
export type Range = (typeof RANGES)[number];
export const DEFAULT_RANGE: Range = '1h';

/** The areas of the page beside the rooms, by the first word of their address. */
export const AREA_NAMES = ['history', 'wiring', 'messages', 'people', 'system'] as const;
export type AreaName = (typeof AREA_NAMES)[number];

export type Route =
  | { page: 'home' }
  | { page: 'area'; area: AreaName; rest: string[]; query: URLSearchParams }
  | { page: 'device'; device: string; property: string | null; range: Range }
  | { page: 'settings' }
  | { page: 'certificate' }
  | { page: 'unknown' };

function decode(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

export function parseRoute(path: string, search: string): Route {
  const segments = path.split('/').filter((segment) => segment !== '');
  const [first, second] = segments;
  if (first === undefined) return { page: 'home' };
  const area = AREA_NAMES.find((name) => name === first);
  if (area !== undefined) {
    const rest = segments.slice(1).map(decode);
    if (rest.some((segment) => segment === null)) return { page: 'unknown' };
    return { page: 'area', area, rest: rest as string[], query: new URLSearchParams(search) };
  }
  if (segments.length === 1 && (first === 'settings' || first === 'certificate')) return { page: first };
  if (first === 'devices' && second !== undefined && segments.length === 2) {
    const device = decode(second);
    if (device === null) return { page: 'unknown' };
    const query = new URLSearchParams(search);
    const asked = query.get('range');
    const range = RANGES.find((known) => known === asked) ?? DEFAULT_RANGE;
    return { page: 'device', device, property: query.get('property'), range };
  }
  return { page: 'unknown' };
}

export function devicePath(device: string, property?: string | null, range?: Range): string {
  const query = new URLSearchParams();
  if (property) query.set('property', property);
  if (range && range !== DEFAULT_RANGE) query.set('range', range);
  const text = query.toString();
  return `/devices/${encodeURIComponent(device)}${text === '' ? '' : `?${text}`}`;
}
