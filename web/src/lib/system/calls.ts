/** What the system area asks of the gateway about its configuration. */

import { call } from '../api/client';
import type {
  Configuration,
  ConfigurationChange,
  ConfigurationChanged,
  ConfigurationCheck,
  ConfigurationDevice,
  ConfigurationVersions,
  ConfigurationVersionText,
} from '../api/generated';

const PATH = '/api/v1/configuration';

export const configurationCalls = {
  read: () => call<Configuration>('GET', PATH),
  check: (text: string) => call<ConfigurationCheck>('POST', `${PATH}/check`, { text }),
  change: (change: ConfigurationChange) => call<ConfigurationChanged>('PUT', PATH, change),
  /** `version` is the one that waits, as it was shown. */
  confirm: (version: string) => call<void>('POST', `${PATH}/confirm`, { version }),
  takeBack: () => call<void>('POST', `${PATH}/take-back`, {}),
  addDevice: (device: ConfigurationDevice) => call<ConfigurationChanged>('POST', `${PATH}/devices`, device),
  versions: () => call<ConfigurationVersions>('GET', `${PATH}/versions`),
  version: (id: string) =>
    call<ConfigurationVersionText>('GET', `${PATH}/versions/${encodeURIComponent(id)}`),
};
