import { describe, expect, it } from 'vitest';
import { devicePath, parseRoute } from './router';

describe('addresses', () => {
  it('lead to their pages', () => {
    expect(parseRoute('/', '')).toEqual({ page: 'home' });
    expect(parseRoute('/settings', '')).toEqual({ page: 'settings' });
    expect(parseRoute('/devices/kitchen', '?property=humidity&range=24h')).toEqual({
      page: 'device',
      device: 'kitchen',
      property: 'humidity',
      range: '24h',
    });
  });

  it('that are wrong lead nowhere, and a wrong range to the usual one', () => {
    for (const path of ['/nowhere', '/devices', '/devices/a/b', '/settings/more', '/devices/%E0%A4%A']) {
      expect(parseRoute(path, '')).toEqual({ page: 'unknown' });
    }
    expect(parseRoute('/devices/a', '?range=9y')).toMatchObject({ range: '1h' });
  });

  it('come back as they were made', () => {
    const path = devicePath('ático 1', 'température', '7d');
    const [route, query] = path.split('?');
    expect(parseRoute(decodeURI(route ?? ''), `?${query}`)).toEqual({
      page: 'device',
      device: 'ático 1',
      property: 'température',
      range: '7d',
    });
    expect(devicePath('kitchen')).toBe('/devices/kitchen');
  });
});
