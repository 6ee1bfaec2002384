import Activity from '@lucide/svelte/icons/activity';
import Blinds from '@lucide/svelte/icons/blinds';
import Cable from '@lucide/svelte/icons/cable';
import Clock from '@lucide/svelte/icons/clock';
import Cpu from '@lucide/svelte/icons/cpu';
import DoorClosed from '@lucide/svelte/icons/door-closed';
import DoorOpen from '@lucide/svelte/icons/door-open';
import Droplets from '@lucide/svelte/icons/droplets';
import Footprints from '@lucide/svelte/icons/footprints';
import Gauge from '@lucide/svelte/icons/gauge';
import HardDrive from '@lucide/svelte/icons/hard-drive';
import Heater from '@lucide/svelte/icons/heater';
import Lightbulb from '@lucide/svelte/icons/lightbulb';
import Network from '@lucide/svelte/icons/network';
import Power from '@lucide/svelte/icons/power';
import RotateCw from '@lucide/svelte/icons/rotate-cw';
import Sun from '@lucide/svelte/icons/sun';
import Thermometer from '@lucide/svelte/icons/thermometer';
import TriangleAlert from '@lucide/svelte/icons/triangle-alert';
import Zap from '@lucide/svelte/icons/zap';
import type { Component } from 'svelte';
import type { LiveDevice, LiveProperty } from '../house/house.svelte';

export type Icon = Component<{ size?: number }>;

const BY_CLASS: Record<string, Icon> = {
  temperature: Thermometer,
  humidity: Droplets,
  moisture: Droplets,
  light: Lightbulb,
  heat: Heater,
  heating: Heater,
  motion: Footprints,
  occupancy: Footprints,
  presence: Footprints,
  illuminance: Sun,
  pressure: Gauge,
  atmospheric_pressure: Gauge,
  power: Zap,
  energy: Zap,
  voltage: Zap,
  current: Zap,
  problem: TriangleAlert,
  duration: Clock,
  data_size: HardDrive,
  data_rate: Network,
  outlet: Power,
  switch: Power,
};

const DOORS = ['door', 'garage_door', 'opening', 'window'];

/** The icon of a device: what it is, and for a door whether it stands open. */
export function iconOf(device: LiveDevice, property: LiveProperty | undefined): Icon {
  const { class: word, kind, settable } = property?.info ?? { class: null, kind: 'text', settable: false };
  if (device.info.driver === 'host') return Cpu;
  if (device.info.driver === 'encoder') return RotateCw;
  if (device.info.driver === 'cover') return Blinds;
  // An expander or a multiplexer: other devices hang at it.
  if (property === undefined) return Cable;
  if (word !== null && DOORS.includes(word)) return property?.reading?.value === 'ON' ? DoorOpen : DoorClosed;
  const known = word === null ? undefined : BY_CLASS[word];
  if (known) return known;
  return kind === 'switch' && settable ? Power : Activity;
}
