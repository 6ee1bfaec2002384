/** What the first run asks of the gateway. */

import { call } from '../api/client';
import type {
  ConfigurationChanged,
  FirstRun,
  FirstRunStep,
  GatewayChange,
  GatewaySettings,
  Session,
  SetupCheckRequest,
  SetupRequest,
  StepOutcome,
} from '../api/generated';

export const welcomeCalls = {
  check: (request: SetupCheckRequest) => call<void>('POST', '/api/v1/setup/check', request),
  setUp: (request: SetupRequest) => call<Session>('POST', '/api/v1/setup', request),
  steps: () => call<FirstRun>('GET', '/api/v1/first-run'),
  note: (step: FirstRunStep, state: StepOutcome) =>
    call<FirstRun>('PUT', `/api/v1/first-run/${step}`, { state }),
  gateway: () => call<GatewaySettings>('GET', '/api/v1/configuration/gateway'),
  changeGateway: (change: GatewayChange) =>
    call<ConfigurationChanged>('PATCH', '/api/v1/configuration/gateway', change),
};
