import { app } from '../app.svelte';
import type { LiveDevice, LiveProperty } from '../house/house.svelte';
import type { Facts } from './state';

/** What the page knows of one value right now. */
export function factsOf(device: LiveDevice, property: LiveProperty): Facts {
  return {
    property: property.info,
    driver: device.info.driver,
    periodMs: device.info.period_ms,
    availability: device.availability,
    fault: device.fault,
    reading: property.reading,
    pendingSince: property.pending?.sentAt ?? null,
    refusal: property.refusal,
    // What was known at a moment stays so, whoever hears the gateway now.
    connected: device.at !== null || app.connected,
  };
}

/** The value that stands large on a tile: the one that can be switched, else the first. */
export function heroOf(device: LiveDevice): LiveProperty | undefined {
  const settable = device.properties.find(({ info }) => info.settable && info.kind === 'switch');
  return settable ?? device.properties[0];
}

/** The value whose history stands on the page of a device: the large one, or where that is a text the first that is not. */
export function chartOf(device: LiveDevice): LiveProperty | undefined {
  const hero = heroOf(device);
  if (hero?.info.kind !== 'text') return hero;
  return device.properties.find(({ info }) => info.kind !== 'text') ?? hero;
}
