import { describe, expect, it } from 'vitest';
import { arrangementOf, AS_CONFIGURED, ELSEWHERE, firstOf, layoutOf, movedTo, ordered } from './arrangement';

const device = (id: string, room: string | null) => ({ info: { id, room } });
const rooms = [
  { name: 'Hall', devices: ['door', 'light', 'bell'].map((id) => device(id, 'Hall')) },
  { name: 'Bath', devices: [device('fan', 'Bath')] },
  { name: null, devices: [device('machine', null)] },
];
const shown = (layout: ReturnType<typeof layoutOf<ReturnType<typeof device>>>) => [
  layout.favourites.map(({ info }) => info.id),
  ...layout.rooms.map(({ name, devices }) => [name, ...devices.map(({ info }) => info.id)]),
];

describe('the arrangement of the rooms', () => {
  it('is that of the configuration when nothing is said', () => {
    expect(shown(layoutOf(rooms, AS_CONFIGURED))).toEqual([
      [],
      ['Hall', 'door', 'light', 'bell'],
      ['Bath', 'fan'],
      [null, 'machine'],
    ]);
  });

  it('puts favourites above all rooms, and a room that is empty then away', () => {
    const layout = layoutOf(rooms, { favourites: ['fan', 'gone', 'light'], rooms: [], devices: [] });
    expect(shown(layout)).toEqual([
      ['fan', 'light'],
      ['Hall', 'door', 'bell'],
      [null, 'machine'],
    ]);
  });

  it('orders rooms and devices, and puts what is new behind', () => {
    const layout = layoutOf(rooms, { favourites: [], rooms: [ELSEWHERE, 'Bath'], devices: ['bell', 'door'] });
    expect(shown(layout)).toEqual([
      [],
      [null, 'machine'],
      ['Bath', 'fan'],
      ['Hall', 'bell', 'door', 'light'],
    ]);
  });

  it('gives the same layout after it was kept, and remembers places that are empty now', () => {
    const asked = { favourites: ['fan'], rooms: ['Bath', 'Hall'], devices: ['fan', 'light', 'gone'] };
    const layout = layoutOf(rooms, asked);
    const kept = arrangementOf(layout, asked);
    expect(shown(layoutOf(rooms, kept))).toEqual(shown(layout));
    expect(kept.rooms).toEqual(['Hall', ELSEWHERE, 'Bath']);
    expect(kept.devices).toEqual(['light', 'door', 'bell', 'machine', 'fan', 'gone']);
    expect(new Set(kept.devices).size).toBe(kept.devices.length);
  });

  it('moves one of a list', () => {
    expect(movedTo(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
    expect(movedTo(['a', 'b', 'c'], 2, -5)).toEqual(['c', 'a', 'b']);
    expect(movedTo(['a'], 3, 0)).toEqual(['a']);
    expect(ordered(['x', 'y', 'z'], ['z'], (item) => item)).toEqual(['z', 'x', 'y']);
  });
});

describe('what is drawn first', () => {
  const names = ({ favourites, rooms: shownRooms }: ReturnType<typeof layoutOf>) => [
    favourites.map(({ info }) => info.id),
    ...shownRooms.map(({ devices }) => devices.map(({ info }) => info.id)),
  ];

  it('is whole rooms, one more than would do', () => {
    const all = layoutOf(rooms, AS_CONFIGURED);
    const counts = all.rooms.map(({ devices }) => devices.length);
    expect(names(firstOf(all, counts[0]!))).toEqual(names(all).slice(0, 2));
    expect(names(firstOf(all, counts[0]! + 1))).toEqual(names(all).slice(0, 3));
    expect(firstOf(all, 1_000)).toEqual(all);
  });

  it('is all favourites, and no room where they fill the screen', () => {
    const all = layoutOf(rooms, { favourites: ['fan', 'light'], rooms: [], devices: [] });
    expect(names(firstOf(all, 2))).toEqual([['fan', 'light']]);
  });
});
