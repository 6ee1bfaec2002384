/** The calls to the gateway's API. Each resolves with the answer or throws an {@link ApiError}. */

import type { History, House, Session, SetAccepted, Value } from './types';

/** Longest wait for an answer. A Pi Zero over poor Wi-Fi answers well within it. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The code of an {@link ApiError} when there was no answer at all. */
export const NO_ANSWER = 'no_answer';

/** What the gateway (or the lack of an answer from it) said instead of what was asked for. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    /** The word for programs, such as `wrong_code`. */
    readonly code: string,
    /** The gateway's own sentence. */
    message: string,
  ) {
    super(message);
  }
}

interface ErrorBody {
  error?: { code?: unknown; message?: unknown };
}

/** One call to the API, for the areas whose calls stand beside their pages. */
export async function call<Answer>(
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), ANSWER_TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      signal: timeout.signal,
      credentials: 'same-origin',
      cache: 'no-store',
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(0, NO_ANSWER, 'The gateway does not answer.');
  } finally {
    clearTimeout(timer);
  }
  if (response.status === 204) return undefined as Answer;
  let answer: unknown;
  try {
    answer = await response.json();
  } catch {
    throw new ApiError(response.status, 'not_json', `The gateway answered ${response.status} without JSON.`);
  }
  if (response.ok) return answer as Answer;
  const { error } = answer as ErrorBody;
  throw new ApiError(
    response.status,
    typeof error?.code === 'string' ? error.code : 'unknown',
    typeof error?.message === 'string' ? error.message : `The gateway answered ${response.status}.`,
  );
}

/** How a value is to be taken: for how long (`5s`), and how slowly (`2s`). */
export interface Way {
  for?: string;
  over?: string;
}

export const api = {
  session: () => call<Session>('GET', '/api/v1/session'),
  login: (name: string, password: string) => call<Session>('POST', '/api/v1/login', { name, password }),
  logout: () => call<void>('POST', '/api/v1/logout'),
  house: () => call<House>('GET', '/api/v1/house'),
  set: (device: string, property: string, value: Value, way: Way = {}) =>
    call<SetAccepted>(
      'POST',
      `/api/v1/devices/${encodeURIComponent(device)}/properties/${encodeURIComponent(property)}/set`,
      { value, ...way },
    ),
  history: (device: string, property: string, from: Date, to: Date, points: number) => {
    const query = new URLSearchParams({
      from: from.toISOString(),
      to: to.toISOString(),
      points: String(points),
    });
    return call<History>(
      'GET',
      `/api/v1/history/${encodeURIComponent(device)}/${encodeURIComponent(property)}?${query}`,
    );
  },
};

export const EVENTS_PATH = '/api/v1/events';
