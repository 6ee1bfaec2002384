import { SvelteMap } from 'svelte/reactivity';
import type {
  Availability,
  AvailabilityEvent,
  Cause,
  Device,
  Gateway,
  House,
  PropertyInfo,
  Quality,
  Reading,
  ReadingEvent,
  Value,
} from '../api/types';

/** A reading with its times as numbers, milliseconds since 1970 by the gateway's clock. */
export interface LiveReading {
  value: Value;
  quality: Quality;
  at: number;
  /** Since when the value has been this one, as far as the page has seen. */
  since: number;
  cause: Cause | null;
}

/** A command under way: asked for, and not yet answered. */
export interface Pending {
  asked: Value;
  /** The state that says that it was done; nothing when only its outcome can. */
  becomes: Value | null;
  sentAt: number;
}

function live(reading: Reading, earlier: LiveReading | null): LiveReading {
  const at = Date.parse(reading.at);
  const same = earlier !== null && earlier.value === reading.value;
  return {
    value: reading.value,
    quality: reading.quality,
    at,
    since: same ? Math.min(earlier.since, at) : at,
    // A repeated state keeps the cause that made it so.
    cause: reading.cause ?? (same ? earlier.cause : null),
  };
}

/** One value of a device, as it is now. */
export class LiveProperty {
  reading = $state.raw<LiveReading | null>(null);
  pending = $state.raw<Pending | null>(null);
  /** Why the last command was refused, as long as that is news. */
  refusal = $state.raw<string | null>(null);

  constructor(readonly info: PropertyInfo) {}

  take(reading: Reading | null) {
    const earlier = this.reading;
    this.reading = reading === null ? null : live(reading, earlier);
    if (earlier !== null && earlier.value !== this.reading?.value) this.refusal = null;
  }
}

/** One device, as it is now, or as it was at a moment. */
export class LiveDevice {
  availability = $state<Availability>('unknown');
  fault = $state<string | null>(null);
  readonly properties: LiveProperty[];

  constructor(
    readonly info: Omit<Device, 'availability' | 'fault' | 'properties'>,
    properties: LiveProperty[],
    /** The moment of the past that it is shown at, by the gateway's clock; nothing: the present. */
    readonly at: number | null = null,
  ) {
    this.properties = properties;
  }

  property(id: string | null): LiveProperty | undefined {
    return this.properties.find((property) => property.info.id === id);
  }
}

/** A room and what stands in it, in the order of the configuration. Nothing as a name: in no room. */
export interface Room {
  name: string | null;
  devices: LiveDevice[];
}

/** Devices grouped by room, in the order in which the rooms first appear; those in no room come last. */
export function roomsOf(devices: readonly LiveDevice[]): Room[] {
  const rooms = new Map<string, Room>();
  const elsewhere: Room = { name: null, devices: [] };
  for (const device of devices) {
    const name = device.info.room;
    if (name === null) {
      elsewhere.devices.push(device);
      continue;
    }
    const room = rooms.get(name);
    if (room) room.devices.push(device);
    else rooms.set(name, { name, devices: [device] });
  }
  return elsewhere.devices.length === 0 ? [...rooms.values()] : [...rooms.values(), elsewhere];
}

/** Called with each reading that arrives, for charts that grow. */
export type ReadingListener = (device: string, property: string, reading: LiveReading) => void;

/** The latest of everything, kept up to date by the event stream. */
export class LiveHouse {
  gateway = $state.raw<Gateway | null>(null);
  online = $state(false);
  /** Set once the first whole house has arrived. */
  known = $state(false);
  readonly #devices = new SvelteMap<string, LiveDevice>();
  readonly devices = $derived([...this.#devices.values()]);
  readonly rooms = $derived(roomsOf(this.devices));
  readonly #listeners = new Set<ReadingListener>();

  device(id: string): LiveDevice | undefined {
    return this.#devices.get(id);
  }

  takeHouse(house: House) {
    this.gateway = house.gateway;
    this.online = house.online;
    this.#takeInventory(house.devices);
    this.known = true;
  }

  takeReading(event: ReadingEvent) {
    const property = this.#devices.get(event.device)?.property(event.property);
    if (!property) return;
    property.take(event);
    const { reading } = property;
    if (!reading) return;
    for (const listener of this.#listeners) listener(event.device, event.property, reading);
  }

  takeAvailability(event: AvailabilityEvent) {
    const device = this.#devices.get(event.device);
    if (!device) return;
    device.availability = event.availability;
    device.fault = event.fault;
  }

  /** Hears of readings until the returned function is called. */
  onReading(listener: ReadingListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  forget() {
    this.#devices.clear();
    this.gateway = null;
    this.online = false;
    this.known = false;
  }

  /** Takes the devices over; one whose description did not change keeps its place and its commands under way. */
  #takeInventory(devices: Device[]) {
    const same =
      devices.length === this.#devices.size &&
      devices.every((device, index) => describes(device, this.devices[index]));
    if (!same) {
      const kept = new Map(this.#devices);
      this.#devices.clear();
      for (const device of devices) {
        const earlier = kept.get(device.id);
        this.#devices.set(device.id, earlier && describes(device, earlier) ? earlier : newDevice(device));
      }
    }
    for (const device of devices) {
      const known = this.#devices.get(device.id);
      if (!known) continue;
      known.availability = device.availability;
      known.fault = device.fault;
      for (const property of device.properties) known.property(property.id)?.take(property.reading);
    }
  }
}

function newDevice({ availability: _a, fault: _f, properties, ...info }: Device): LiveDevice {
  return new LiveDevice(
    info,
    properties.map(({ reading: _r, ...property }) => new LiveProperty(property)),
  );
}

/** Whether the live device is described by these words still. */
function describes(device: Device, known: LiveDevice | undefined): boolean {
  if (!known) return false;
  const { availability: _a, fault: _f, properties, ...info } = device;
  const told = [info, properties.map(({ reading: _r, ...property }) => property)];
  return JSON.stringify(told) === JSON.stringify([known.info, known.properties.map(({ info: i }) => i)]);
}
