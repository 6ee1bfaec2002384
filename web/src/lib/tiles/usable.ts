import { app } from '../app.svelte';
import type { LiveDevice, LiveProperty } from '../house/house.svelte';
import { i18n } from '../i18n/i18n.svelte';
import { propertyName } from './names';

/**
 * Whether the controls of a device do something right now: who looks may not, who is not heard cannot, and nobody switches
 * the past.
 */
export function isUsable(device: LiveDevice): boolean {
  return device.at === null && app.maySwitch && app.connected && device.availability !== 'offline';
}

/** What a control is called: its device, and which of its values when it has several. */
export function controlName(device: LiveDevice, property: LiveProperty): string {
  return device.properties.length > 1
    ? `${device.info.name}, ${propertyName(property.info, i18n.t)}`
    : device.info.name;
}
