/** How somebody arranged the rooms: favourites, and an order of rooms and of what stands in them. Pure. */

import type { HomeArrangement } from '../api/generated';

export type { HomeArrangement };

export const AS_CONFIGURED: HomeArrangement = { favourites: [], rooms: [], devices: [] };

/** What stands in no room has no name; in an arrangement this stands for one. */
export const ELSEWHERE = '\u2014';

/** Puts what an order names in front, in that order; the rest stays behind as it was. */
export function ordered<Item>(
  items: readonly Item[],
  order: readonly string[],
  keyOf: (item: Item) => string,
): Item[] {
  const places = new Map(order.map((key, place) => [key, place]));
  const placeOf = (item: Item) => places.get(keyOf(item)) ?? Infinity;
  // Sorting keeps the order of those whose places are alike; two of Infinity are.
  return [...items].sort((a, b) => (placeOf(a) === placeOf(b) ? 0 : placeOf(a) - placeOf(b)));
}

/** A list with one of its items at another place; places beyond its ends are its ends. */
export function movedTo<Item>(items: readonly Item[], from: number, to: number): Item[] {
  const moved = [...items];
  const [item] = moved.splice(from, 1);
  if (item === undefined) return moved;
  moved.splice(Math.min(Math.max(to, 0), moved.length), 0, item);
  return moved;
}

/** A device with what an arrangement asks of it. */
interface Placed {
  info: { id: string; room: string | null };
}

export interface Layout<Device> {
  favourites: Device[];
  rooms: { name: string | null; devices: Device[] }[];
}

/** The rooms as they are arranged. A favourite stands above all rooms, and not in its own. */
export function layoutOf<Device extends Placed>(
  rooms: readonly { name: string | null; devices: readonly Device[] }[],
  arrangement: HomeArrangement,
): Layout<Device> {
  const all = rooms.flatMap(({ devices }) => devices);
  const starred = new Set(arrangement.favourites);
  const favourites = all.filter(({ info }) => starred.has(info.id));
  return {
    favourites: ordered(favourites, arrangement.favourites, ({ info }) => info.id),
    rooms: ordered(rooms, arrangement.rooms, ({ name }) => name ?? ELSEWHERE)
      .map(({ name, devices }) => {
        const here = devices.filter(({ info }) => !starred.has(info.id));
        return { name, devices: ordered(here, arrangement.devices, ({ info }) => info.id) };
      })
      .filter(({ devices }) => devices.length > 0),
  };
}

/** So many tiles fill the screen of a phone. */
export const FIRST_TILES = 6;

/** The beginning of a layout: whole rooms, so that nothing moves when the others follow, until there are so many tiles. */
export function firstOf<Device>({ favourites, rooms }: Layout<Device>, tiles: number): Layout<Device> {
  let count = favourites.length;
  const first = rooms.filter(({ devices }) => {
    const fits = count < tiles;
    count += devices.length;
    return fits;
  });
  return { favourites, rooms: first };
}

/** The arrangement that gives this layout. Rooms whose devices are all favourites keep their former place. */
export function arrangementOf<Device extends Placed>(
  layout: Layout<Device>,
  former: HomeArrangement,
): HomeArrangement {
  const rooms = layout.rooms.map(({ name }) => name ?? ELSEWHERE);
  const devices = layout.rooms.flatMap(({ devices: here }) => here.map(({ info }) => info.id));
  const left = (names: readonly string[], now: readonly string[]) =>
    names.filter((name) => !now.includes(name));
  return {
    favourites: layout.favourites.map(({ info }) => info.id),
    rooms: [...rooms, ...left(former.rooms, rooms)].slice(0, MOST_NAMES),
    devices: [...devices, ...left(former.devices, devices)].slice(0, MOST_NAMES),
  };
}

/** As many names as the gateway keeps in each list. */
const MOST_NAMES = 512;
