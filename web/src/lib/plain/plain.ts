/** Whether others can read what goes between this page and the gateway. Pure. */

/** What of `location` matters. */
export interface Place {
  protocol: string;
  hostname: string;
}

/** Names and addresses that never leave the machine (RFC 6761 section 6.3, RFC 1122, RFC 4291). */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d+){3}$/.test(name)
  );
}

export function isPlain({ protocol, hostname }: Place): boolean {
  return protocol === 'http:' && !isLoopback(hostname);
}

/** Where the same gateway is with TLS, as a browser writes it: an IPv6 address comes in brackets already. */
export function secureOrigin(hostname: string, port: number): string {
  return new URL(`https://${hostname}:${port}/`).origin;
}
