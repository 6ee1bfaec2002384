import { ApiError } from '../api/client';
import type { AuditView, MqttConnectionView, RightsView, TokenView, UserView } from '../api/generated';
import { peopleApi } from './api';

/** How often who is connected is asked for while the page is shown. */
const LOOK_EVERY_MS = 3_000;

/** Everybody who may come in, as the gateway last said it. Nothing is asked for while the tab is hidden. */
export class PeopleView {
  users = $state.raw<UserView[] | null>(null);
  rights = $state.raw<RightsView[]>([]);
  connections = $state.raw<MqttConnectionView[]>([]);
  tokens = $state.raw<TokenView[]>([]);
  audit = $state.raw<AuditView[]>([]);
  /** Where the audit log goes on; nothing at its end. */
  auditNext = $state.raw<number | null>(null);
  failure = $state.raw<ApiError | null>(null);

  /** Looks now and from time to time, until the function that it gives is called. */
  watch(): () => void {
    void this.refresh();
    const timer = setInterval(() => {
      if (!document.hidden) void this.#look();
    }, LOOK_EVERY_MS);
    const onShow = () => {
      if (!document.hidden) void this.refresh();
    };
    document.addEventListener('visibilitychange', onShow);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', onShow);
    };
  }

  /** Asks for everything anew. */
  async refresh() {
    await Promise.all([
      this.#look(),
      this.#try(async () => {
        const [{ tokens }, audit] = await Promise.all([peopleApi.tokens(), peopleApi.audit(null)]);
        this.tokens = tokens;
        this.audit = audit.entries;
        this.auditNext = audit.next;
      }),
    ]);
  }

  /** The next page of the audit log. */
  async moreAudit() {
    const before = this.auditNext;
    if (before === null) return;
    await this.#try(async () => {
      const page = await peopleApi.audit(before);
      this.audit = [...this.audit, ...page.entries];
      this.auditNext = page.next;
    });
  }

  async #look() {
    await this.#try(async () => {
      const [people, { connections }] = await Promise.all([peopleApi.people(), peopleApi.connections()]);
      this.users = people.users;
      this.rights = people.rights;
      this.connections = connections;
    });
  }

  async #try(work: () => Promise<void>) {
    try {
      await work();
      this.failure = null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.failure = error;
    }
  }
}
