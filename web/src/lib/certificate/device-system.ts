/** Which system a device has, as far as its browser tells. Pure. */

export type DeviceSystem = 'android' | 'ios' | 'macos' | 'windows' | 'linux' | 'firefox';

export function systemOf(agent: string, touchPoints: number): DeviceSystem {
  if (/iPhone|iPad|iPod/.test(agent)) return 'ios';
  // An iPad says that it is a Mac, and no Mac has a touch screen.
  if (/Macintosh/.test(agent) && touchPoints > 1) return 'ios';
  if (/Android/.test(agent)) return 'android';
  // On a computer Firefox has a list of its own.
  if (/Firefox\//.test(agent)) return 'firefox';
  if (/Macintosh/.test(agent)) return 'macos';
  if (/Windows/.test(agent)) return 'windows';
  return 'linux';
}
