/** The calls about people, their phones, tokens and the audit log. */

import { call } from '../api/client';
import type {
  AuditPage,
  ClientCredential,
  MqttConnections,
  Pairing,
  PairingRequest,
  People,
  Scope,
  TokenMade,
  Tokens,
  UserChange,
  UserRequest,
  UserView,
} from '../api/generated';

const user = (name: string) => `/api/v1/users/${encodeURIComponent(name)}`;
const client = (owner: string, name: string) => `${user(owner)}/clients/${encodeURIComponent(name)}`;

export const peopleApi = {
  people: () => call<People>('GET', '/api/v1/users'),
  addUser: (request: UserRequest) => call<UserView>('POST', '/api/v1/users', request),
  changeUser: (name: string, change: UserChange) => call<UserView>('PATCH', user(name), change),
  removeUser: (name: string) => call<void>('DELETE', user(name)),
  clients: (owner: string) => call<ClientCredential[]>('GET', `${user(owner)}/clients`),
  changeClient: (owner: string, name: string, rights: string) =>
    call<void>('PATCH', client(owner, name), { rights }),
  removeClient: (owner: string, name: string) => call<void>('DELETE', client(owner, name)),
  pair: (request: PairingRequest) => call<Pairing>('POST', '/api/v1/pairing', request),
  connections: () => call<MqttConnections>('GET', '/api/v1/connections'),
  disconnect: (id: string) => call<void>('POST', `/api/v1/connections/${encodeURIComponent(id)}/disconnect`),
  tokens: () => call<Tokens>('GET', '/api/v1/tokens'),
  addToken: (name: string, scope: Scope) => call<TokenMade>('POST', '/api/v1/tokens', { name, scope }),
  removeToken: (id: number) => call<void>('DELETE', `/api/v1/tokens/${id}`),
  refused: () => call<AuditPage>('GET', '/api/v1/audit?limit=5&refused=true'),
  audit: (before: number | null) =>
    call<AuditPage>('GET', `/api/v1/audit?limit=20${before === null ? '' : `&before=${before}`}`),
};
