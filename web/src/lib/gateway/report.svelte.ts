/** How the gateway is, asked again and again while a page shows it. */

import { ApiError } from '../api/client';
import type { SystemReport } from '../api/generated';
import { errorSentence } from '../i18n/errors';
import { i18n } from '../i18n/i18n.svelte';
import { systemCalls } from './calls';

/** Figures of a machine that somebody looks at; each costs the gateway some small files. */
const REFRESH_MS = 5_000;

export class Report {
  now = $state.raw<SystemReport | null>(null);
  /** Why there is none, in a sentence. */
  failure = $state<string | null>(null);

  /** Asks until the answer is called; nothing while the tab is hidden. */
  watch(): () => void {
    let dropped = false;
    const load = async () => {
      try {
        const report = await systemCalls.report();
        if (dropped) return;
        this.now = report;
        this.failure = null;
      } catch (error) {
        if (!dropped) this.failure = error instanceof ApiError ? errorSentence(error, i18n.t) : '';
      }
    };
    void load();
    const timer = setInterval(() => {
      if (!document.hidden) void load();
    }, REFRESH_MS);
    return () => {
      dropped = true;
      clearInterval(timer);
    };
  }
}
