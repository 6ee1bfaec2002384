/** What the settings of a device ask of the gateway. */

import { call } from '../api/client';
import type {
  Catalogue,
  ConfigurationChanged,
  ConfigurationDeviceEdit,
  ConfigurationDeviceView,
  ConfigurationDraft,
} from '../api/generated';

const path = (id: string) => `/api/v1/configuration/devices/${encodeURIComponent(id)}`;

export const deviceCalls = {
  view: (id: string) => call<ConfigurationDeviceView>('GET', path(id)),
  draft: (id: string, edit: ConfigurationDeviceEdit) =>
    call<ConfigurationDraft>('POST', `${path(id)}/draft`, edit),
  remove: (id: string) => call<ConfigurationChanged>('DELETE', path(id)),
  catalogue: () => call<Catalogue>('GET', '/api/v1/catalogue'),
};
