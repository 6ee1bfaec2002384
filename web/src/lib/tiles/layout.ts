import type { LiveDevice } from '../house/house.svelte';

/** A device with so many values gets a tile of double width: one value large, the others in a list beside it. */
const WIDE_FROM_PROPERTIES = 3;

export function isWide(device: LiveDevice): boolean {
  return device.properties.length >= WIDE_FROM_PROPERTIES;
}
