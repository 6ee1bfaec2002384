/** Waits until a gateway that restarts is back. What asks and what waits come in as arguments. */

import { ApiError } from '../api/client';

interface Watch {
  report: () => Promise<{ run: string }>;
  pause: () => Promise<void>;
  /** Before each question. */
  onturn: () => void;
  /** Nobody looks any more. */
  isStopped: () => boolean;
}

/** The status of an answer to somebody who is not logged in: the gateway is back, and the session was over. */
const UNAUTHORIZED = 401;

/** Whether another run than `former` answers; false when nobody looks any more. */
export async function isBack(former: string, { report, pause, onturn, isStopped }: Watch): Promise<boolean> {
  for (;;) {
    await pause();
    if (isStopped()) return false;
    onturn();
    try {
      if ((await report()).run !== former) return true;
    } catch (error) {
      // No answer, or one of a gateway that ends or begins: go on asking.
      if (error instanceof ApiError && error.status === UNAUTHORIZED) return true;
    }
  }
}
