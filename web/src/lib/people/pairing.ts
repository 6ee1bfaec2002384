/** What MQTT apps are told of the gateway: addresses to scan, and fields to copy. Pure. */

import type { Pairing } from '../api/generated';
import { isLoopback } from '../plain/plain';

export const TRANSPORTS = ['mqtt', 'mqtts', 'ws', 'wss'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Where one app is to connect, and as whom. */
export interface Target {
  host: string;
  transport: Transport;
}

/** The transports that this gateway offers. */
export function transportsOf({ ports }: Pairing): Transport[] {
  return TRANSPORTS.filter((transport) => ports[transport] !== null);
}

/**
 * Host names and addresses, in the order in which they are worth a try. A name that leads back to whoever asks, as the page
 * has at a screen of the gateway or through a tunnel, is there only when the gateway knows no other.
 */
export function hostsOf(pairing: Pairing, pageHost: string): string[] {
  const own = pageHost.replace(/^\[|\]$/g, '');
  // The name by which this very page was reached works in this network, so it comes first.
  const all = [...new Set([own, ...pairing.hosts, ...pairing.addresses])].filter((host) => host !== '');
  const reachable = all.filter((host) => !isLoopback(host));
  return reachable.length > 0 ? reachable : all;
}

/** An IPv6 address stands in brackets within an address (RFC 3986 section 3.2.2). */
function inAddress(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

export function portOf({ ports }: Pairing, transport: Transport): number {
  return ports[transport] ?? ports.mqtt;
}

function isWeb(transport: Transport): boolean {
  return transport === 'ws' || transport === 'wss';
}

export function isSecure(transport: Transport): boolean {
  return transport === 'mqtts' || transport === 'wss';
}

/** `mqtt://ana%3Aphone:password@gateway.local:1883`; a colon in the user's name would end it, so it is escaped. */
export function addressOf(pairing: Pairing, { host, transport }: Target): string {
  const user = encodeURIComponent(pairing.client.login);
  const password = encodeURIComponent(pairing.password);
  const path = isWeb(transport) ? pairing.path : '';
  return `${transport}://${user}:${password}@${inAddress(host)}:${portOf(pairing, transport)}${path}`;
}

/** The same without the secret, for people who type it. */
export function serverOf(pairing: Pairing, { host, transport }: Target): string {
  const path = isWeb(transport) ? pairing.path : '';
  return `${transport}://${inAddress(host)}:${portOf(pairing, transport)}${path}`;
}

/**
 * Where a phone finds what makes it trust this gateway: over plain HTTP, which it need not trust yet. That is the page's own
 * address when it is plain and leads no phone to itself. Without a plain port, as behind a proxy, it is the page's in any case.
 */
export function originFor(
  { ports }: Pairing,
  { host }: Target,
  page: { origin: string; hostname: string },
): string {
  const leadsHome = isLoopback(page.hostname) && !isLoopback(host);
  const isPlain = page.origin.startsWith('http:');
  if ((isPlain && !leadsHome) || !ports.ws) return page.origin;
  // The host that the phone is told is one that it reaches; what answers on the page's own name may be a proxy.
  return new URL(`http://${inAddress(host)}:${ports.ws}`).origin;
}

/** The gateway's authority: where its file is, and its fingerprint. */
export interface Authority {
  file: string;
  sha256: string;
}

/** All settings as lines of text, which a phone's camera shows for copying. */
export function textOf(pairing: Pairing, target: Target, authority: Authority | null): string {
  return [
    `Server: ${serverOf(pairing, target)}`,
    `Host: ${target.host}`,
    `Port: ${portOf(pairing, target.transport)}`,
    `User: ${pairing.client.login}`,
    `Password: ${pairing.password}`,
    `Client ID: ${clientIdOf(pairing)}`,
    `Base topic: ${pairing.base}`,
    ...(authority === null ? [] : [`CA: ${authority.file}`, `CA SHA-256: ${authority.sha256}`]),
  ].join('\n');
}

/** A client identifier that no other phone has: two with the same one would throw each other out. */
export function clientIdOf({ client }: Pairing): string {
  return client.login.replace(':', '-');
}

/** A field of an app, in the app's own words. */
export interface AppField {
  label: string;
  value: string;
}

export interface AppSettings {
  app: string;
  fields: AppField[];
}

/** Text in double quotes for a shell or YAML: backslashes and quotes are escaped. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** Text in single quotes for a shell (POSIX, 2.2.2). */
function shell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The settings of common apps and devices. Labels are those of the apps, which are in English. */
export function appsFor(pairing: Pairing, target: Target): AppSettings[] {
  const { host, transport } = target;
  const port = String(portOf(pairing, transport));
  const user = pairing.client.login;
  const { password, base } = pairing;
  const secure = isSecure(transport);
  const web = isWeb(transport);
  const id = clientIdOf(pairing);
  const login: AppField[] = [
    { label: 'Username', value: user },
    { label: 'Password', value: password },
  ];
  const apps: AppSettings[] = [
    {
      app: 'IoT MQTT Panel (Android)',
      fields: [
        { label: 'Client ID', value: id },
        { label: 'Broker Web/IP address', value: host },
        { label: 'Port number', value: port },
        {
          label: 'Network protocol',
          value: { mqtt: 'TCP', mqtts: 'TCP-SSL', ws: 'Websocket', wss: 'Websocket-SSL' }[transport],
        },
        ...login,
      ],
    },
    {
      app: 'MQTTAnalyzer (iPhone, iPad, Mac)',
      fields: [
        { label: 'Hostname', value: host },
        { label: 'Port', value: port },
        { label: 'Protocol', value: web ? 'Websocket' : 'MQTT' },
        ...(web ? [{ label: 'Basepath', value: pairing.path }] : []),
        { label: 'TLS', value: secure ? 'on' : 'off' },
        { label: 'Client ID', value: id },
        ...login,
        { label: 'Topic', value: `${base}/#` },
      ],
    },
    {
      app: 'Home Assistant (MQTT integration)',
      fields: [
        { label: 'Broker', value: host },
        { label: 'Port', value: port },
        ...login,
        { label: 'Transport', value: web ? 'WebSocket' : 'TCP' },
      ],
    },
  ];
  if (!web) {
    apps.splice(
      1,
      0,
      {
        app: 'MQTT Dash (Android)',
        fields: [
          { label: 'Address', value: host },
          { label: 'Port', value: port },
          { label: 'Enable connection encryption', value: secure ? 'on' : 'off' },
          { label: 'User name', value: user },
          { label: 'User password', value: password },
          { label: 'Client ID', value: id },
        ],
      },
      {
        app: 'MQTTool (iPhone, iPad)',
        fields: [
          { label: 'Host', value: host },
          { label: 'Port', value: port },
          { label: 'Client ID', value: id },
          ...login,
        ],
      },
    );
    const esphome = ['mqtt:', `  broker: ${quoted(host)}`, `  port: ${port}`, `  username: ${quoted(user)}`];
    apps.push(
      {
        app: 'Tasmota',
        fields: [
          {
            label: 'Console',
            value: `Backlog MqttHost ${host}; MqttPort ${port}; MqttUser ${user}; MqttPassword ${password}`,
          },
        ],
      },
      {
        app: 'ESPHome',
        fields: [{ label: 'YAML', value: [...esphome, `  password: ${quoted(password)}`].join('\n') }],
      },
      {
        app: 'mosquitto_sub',
        fields: [
          {
            label: 'Command',
            value: `mosquitto_sub -h ${shell(host)} -p ${port}${secure ? ' --cafile ca.crt' : ''} -u ${shell(user)} -P ${shell(password)} -v -t ${shell(`${base}/#`)}`,
          },
        ],
      },
    );
  }
  return apps;
}
