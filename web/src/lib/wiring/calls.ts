/** What the wiring area asks of the gateway. */

import { call } from '../api/client';
import type { Board, BoardScan, Catalogue, Probes } from '../api/generated';

export const wiringCalls = {
  board: () => call<Board>('GET', '/api/v1/board'),
  scan: () => call<BoardScan>('POST', '/api/v1/board/scan'),
  probes: () => call<Probes>('GET', '/api/v1/board/probes'),
  catalogue: () => call<Catalogue>('GET', '/api/v1/catalogue'),
};
