import decodeQR from 'qr/decode.js';
import { describe, expect, it } from 'vitest';
import type { Pairing } from '../api/generated';
import { addressOf, appsFor, hostsOf, originFor, textOf, transportsOf } from './pairing';
import { qrOf, type QrCode } from './qr';

const pairing: Pairing = {
  client: {
    name: 'phone',
    login: 'José:phone',
    rights: 'operator',
    created: '2026-11-21T09:14:00Z',
    last_seen: null,
    connected: false,
    address: null,
  },
  password: 'ab/c:d@e',
  hosts: ['casa.local'],
  addresses: ['192.168.1.20', 'fd00::20'],
  ports: { mqtt: 1883, mqtts: 8883, ws: 8080, wss: null },
  path: '/mqtt',
  base: 'home',
  authority: true,
};

describe('what an app is told', () => {
  it('is one address that a URL parser reads back, whatever is in names and passwords', () => {
    for (const [host, transport] of [
      ['casa.local', 'mqtt'],
      ['fd00::20', 'mqtts'],
      ['192.168.1.20', 'ws'],
    ] as const) {
      const url = new URL(addressOf(pairing, { host, transport }));
      expect(url.protocol).toBe(`${transport}:`);
      expect(url.hostname.replace(/[[\]]/g, '')).toBe(host);
      expect(url.port || '80').toBe(String(pairing.ports[transport]));
      expect(decodeURIComponent(url.username)).toBe('José:phone');
      expect(decodeURIComponent(url.password)).toBe('ab/c:d@e');
      expect(url.pathname).toBe(transport === 'ws' ? '/mqtt' : '');
    }
  });

  it('offers only what the gateway serves, and the host of the page first', () => {
    expect(transportsOf(pairing)).toEqual(['mqtt', 'mqtts', 'ws']);
    expect(hostsOf(pairing, '192.168.1.20')).toEqual(['192.168.1.20', 'casa.local', 'fd00::20']);
    expect(hostsOf(pairing, '[fd00::20]')[0]).toBe('fd00::20');
  });

  it('names no host that leads a phone to itself, unless there is no other', () => {
    for (const own of ['localhost', '127.0.0.1', '[::1]']) {
      expect(hostsOf(pairing, own)).toEqual(['casa.local', '192.168.1.20', 'fd00::20']);
      const page = { origin: `http://${own}:9000`, hostname: own };
      const target = { host: 'fd00::20', transport: 'mqtts' } as const;
      expect(originFor(pairing, target, page)).toBe('http://[fd00::20]:8080');
      // A gateway that listens on this machine alone.
      const alone = { ...pairing, hosts: [], addresses: ['127.0.0.1'] };
      expect(hostsOf(alone, own)).toContain('127.0.0.1');
      expect(originFor(alone, { ...target, host: '127.0.0.1' }, page)).toBe(page.origin);
    }
  });

  it('sends a phone to fetch what makes it trust HTTPS over plain HTTP, whatever this page came over', () => {
    const target = { host: '192.168.1.20', transport: 'mqtts' } as const;
    const plain = { origin: 'http://casa.local:8080', hostname: 'casa.local' };
    expect(originFor(pairing, target, plain)).toBe(plain.origin);
    for (const hostname of ['casa.local', '127.0.0.1']) {
      const page = { origin: `https://${hostname}:8443`, hostname };
      expect(originFor(pairing, target, page)).toBe('http://192.168.1.20:8080');
    }
  });

  it('has host, port, user and password for every app', () => {
    for (const transport of transportsOf(pairing)) {
      const apps = appsFor(pairing, { host: 'casa.local', transport });
      for (const { app, fields } of apps) {
        const all = fields.map(({ value }) => value).join(' ');
        for (const part of ['casa.local', String(pairing.ports[transport]), 'José:phone', 'ab/c:d@e']) {
          expect(all, `${app} over ${transport}`).toContain(part);
        }
      }
    }
    const web = appsFor(pairing, { host: 'casa.local', transport: 'ws' }).map(({ app }) => app);
    expect(web, 'they speak no WebSocket').not.toContain('Tasmota');
    const command = appsFor({ ...pairing, password: "it's" }, { host: 'casa.local', transport: 'mqtts' });
    expect(command.at(-1)?.fields[0]?.value).toContain(`--cafile ca.crt -u 'José:phone' -P 'it'\\''s'`);
  });
});

/** Paints a code as a screen does, black on white, and reads it as a camera does. */
function scan({ size, path }: QrCode): string {
  const scale = 4;
  const width = size * scale;
  const data = new Uint8Array(width * width * 4).fill(255);
  for (const [, x, y, w] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    for (let row = Number(y) * scale; row < (Number(y) + 1) * scale; row += 1) {
      for (let column = Number(x) * scale; column < (Number(x) + Number(w)) * scale; column += 1) {
        data.fill(0, (row * width + column) * 4, (row * width + column) * 4 + 3);
      }
    }
  }
  return decodeQR({ width, height: width, data });
}

describe('the QR code', () => {
  it('is read back as it was written', () => {
    const target = { host: 'casa.local', transport: 'mqtts' } as const;
    const authority = { file: 'http://casa.local/ca.crt', sha256: Array(32).fill('E9').join(':') };
    expect(textOf(pairing, target, null)).not.toContain('CA');
    expect(textOf(pairing, target, authority)).toMatch(
      /^CA: http:\/\/casa\.local\/ca\.crt\nCA SHA-256: (E9:?){32}$/m,
    );
    for (const text of [
      addressOf(pairing, target),
      textOf(pairing, target, authority),
      'http://casa.local/certificate',
    ]) {
      expect(scan(qrOf(text))).toBe(text);
    }
  });
});
