/** What the system area asks of the gateway about itself, its log and its restart. */

import { call } from '../api/client';
import type { LogLevel, LogPage, RestartBegun, SystemReport } from '../api/generated';

export const systemCalls = {
  report: () => call<SystemReport>('GET', '/api/v1/system'),
  logs: (level: LogLevel, after: number | null) => {
    const query = new URLSearchParams({ level, limit: '1000' });
    if (after !== null) query.set('after', String(after));
    return call<LogPage>('GET', `/api/v1/logs?${query}`);
  },
  restart: (run: string) => call<RestartBegun>('POST', '/api/v1/restart', { run }),
};
