/** What the gateway and the page say to each other: the JSON of `/api/v1`. Times are RFC 3339 in UTC. */

export type Role = 'admin' | 'operator' | 'viewer';

export interface User {
  name: string;
  role: Role;
}

export interface Session {
  setup_needed: boolean;
  gateway_name: string;
  user: User | null;
}

/** How far a value can be trusted, from best to worst. */
export type Quality = 'ok' | 'simulated' | 'retried' | 'clamped' | 'suspect' | 'stale';

/** A number, `"ON"`, `"OFF"`, or a word. */
export type Value = number | string;

/** Who or what asked for a state. `sentence` is in English; the fields beside it say the same to a program. */
export interface Cause {
  sentence: string;
  by?: string;
  user?: string;
  client_id?: string;
  name?: string;
  reason?: string;
}

export interface Reading {
  value: Value;
  quality: Quality;
  at: string;
  cause: Cause | null;
}

export type PropertyKind = 'number' | 'switch' | 'text';

export interface Property {
  id: string;
  name: string;
  kind: PropertyKind;
  unit: string;
  decimals: number;
  settable: boolean;
  class: string | null;
  reading: Reading | null;
}

export type Availability = 'online' | 'offline' | 'unknown';

export interface Device {
  id: string;
  name: string;
  room: string | null;
  driver: string;
  connection: string;
  simulated: boolean;
  period_ms: number | null;
  availability: Availability;
  fault: string | null;
  properties: Property[];
}

export interface Gateway {
  name: string;
  version: string;
  board: string;
  base: string;
  demo: boolean;
  mqtt_port: number;
}

export interface House {
  /** The gateway's clock: ages are taken from it, since a phone and a Pi may disagree. */
  now: string;
  gateway: Gateway;
  online: boolean;
  devices: Device[];
}

export interface ReadingEvent extends Reading {
  device: string;
  property: string;
}

export interface AvailabilityEvent {
  device: string;
  availability: Availability;
  fault: string | null;
}

export interface ResultEvent {
  device: string;
  property: string;
  id: string | null;
  ok: boolean;
  reason: string | null;
}

export interface OnlineEvent {
  online: boolean;
}

export interface HistoryPoint {
  at: string;
  min: number;
  mean: number;
  max: number;
  last: number;
  count: number;
  quality: Quality;
}

export interface History {
  from: string;
  to: string;
  bucket_ms: number;
  unit: string;
  recording_since: string | null;
  points: HistoryPoint[];
}
