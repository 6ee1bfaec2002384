import { describe, expect, it } from 'vitest';
import { isLoopback, isPlain, secureOrigin } from './plain';

describe('a page without TLS', () => {
  it('is one that others can read', () => {
    for (const [protocol, hostname, plain] of [
      ['http:', 'casa.local', true],
      ['http:', '192.168.1.20', true],
      ['http:', '[fd00::20]', true],
      ['http:', '127.evil.example', true],
      ['http:', 'localhost', false],
      ['http:', 'casa.localhost', false],
      ['http:', '127.0.0.1', false],
      ['http:', '[::1]', false],
      ['https:', 'casa.local', false],
    ] as const) {
      expect(isPlain({ protocol, hostname }), `${protocol}//${hostname}`).toBe(plain);
    }
    expect(isLoopback('::1')).toBe(true);
  });

  it('has a counterpart with TLS', () => {
    expect(secureOrigin('casa.local', 8443)).toBe('https://casa.local:8443');
    expect(secureOrigin('[fd00::20]', 8443)).toBe('https://[fd00::20]:8443');
    expect(secureOrigin('casa.local', 443)).toBe('https://casa.local');
  });
});
