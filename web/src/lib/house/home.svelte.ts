import { call } from '../api/client';
import { earlyHome } from '../early';
import { AS_CONFIGURED, type HomeArrangement } from './arrangement';

const PATH = '/api/v1/me/home';

/** The arrangement of the user who is logged in, as the gateway keeps it. */
class Home {
  arrangement = $state.raw<HomeArrangement>(AS_CONFIGURED);
  /** Whose it is; nothing before it was loaded. */
  #of: string | null = null;
  #saves: Promise<unknown> = Promise.resolve();

  /** Loads it for this user, once. An order that does not load is no reason to show no house. */
  async load(user: string) {
    if (this.#of === user) return;
    this.#of = user;
    this.arrangement = AS_CONFIGURED;
    try {
      const loaded = (await earlyHome()) ?? (await call<HomeArrangement>('GET', PATH));
      if (this.#of === user) this.arrangement = loaded;
    } catch {
      if (this.#of === user) this.#of = null;
    }
  }

  /** Shows another one at once and has it kept, one after the other. Rejects when the gateway does not. */
  save(arrangement: HomeArrangement): Promise<void> {
    this.arrangement = arrangement;
    const kept = this.#saves.then(() => call<void>('PUT', PATH, arrangement));
    this.#saves = kept.catch(() => undefined);
    return kept;
  }
}

export const home = new Home();
