import { api, ApiError, EVENTS_PATH } from './api/client';
import type {
  AvailabilityEvent,
  ClockEvent,
  House,
  OnlineEvent,
  ReadingEvent,
  ResultEvent,
  Session,
} from './api/types';
import { earlySession, earlyStream, forgetEarly } from './early';
import { GatewayClock } from './house/clock.svelte';
import { Commands } from './house/commands';
import { LiveHouse } from './house/house.svelte';
import { EVENT_NAMES, EventStream, type EventName, type StreamState } from './house/stream';
import { errorSentence } from './i18n/errors';
import { i18n } from './i18n/i18n.svelte';
import { propertyName } from './tiles/names';

/** Where the visitor stands: the gate comes before the house. */
export type Phase = 'loading' | 'unreachable' | 'setup' | 'login' | 'in';

/** How often a gateway that did not answer at the first visit is asked again. */
const UNREACHABLE_RETRY_MS = 3_000;

/** The page as a whole: who is logged in, the house as it is now, and the stream that keeps it so. */
class App {
  phase = $state<Phase>('loading');
  session = $state.raw<Session | null>(null);
  /** Steps of the first run wait, and the visitor has not put them off. */
  firstRun = $state(false);
  /** The log-in ended while the page was open, so the log-in page says so. */
  loginEnded = $state(false);
  stream = $state<StreamState>('connecting');
  /** When the gateway was last heard, by its own clock; nothing before the first word. */
  lastHeard = $state<number | null>(null);
  /** What a screen reader is told: outcomes of what the user did. */
  announcement = $state('');

  readonly clock = new GatewayClock();
  readonly house = new LiveHouse();
  readonly user = $derived(this.session?.user ?? null);
  readonly maySwitch = $derived(this.user !== null && this.user.role !== 'viewer');
  /** Whether the values on the page are the house's present ones. */
  readonly connected = $derived(this.stream === 'live' && this.house.online);
  readonly name = $derived(this.house.gateway?.name ?? this.session?.gateway_name ?? 'Gatehouse');

  readonly commands = new Commands({
    set: (device, property, value, way) => api.set(device, property, value, way),
    now: () => this.clock.exact(),
    announce: (name, reason) => (this.announcement = i18n.t.control.refused(name, reason)),
    nameOf: (property) => propertyName(property, i18n.t),
    sentence: (error) => errorSentence(error, i18n.t),
    noReason: () => i18n.t.control.refusedUnknown,
    noOutcome: (ms) => i18n.t.control.noOutcome(i18n.format.duration(ms)),
  });

  readonly #events = new EventStream<EventName>({
    names: EVENT_NAMES,
    hidden: document.hidden,
    open: (after) =>
      after === null
        ? (earlyStream() ?? new EventSource(EVENTS_PATH))
        : new EventSource(`${EVENTS_PATH}?after=${encodeURIComponent(after)}`),
    probe: () => this.#probe(),
    random: () => Math.random(),
    onEvent: (name, data) => this.#take(name, data),
    onState: (state) => (this.stream = state),
    onLoggedOut: () => this.#leave(true),
  });

  constructor() {
    window.addEventListener('online', () => this.#events.hurry());
    document.addEventListener('visibilitychange', () => this.#events.setHidden(document.hidden));
  }

  /** Asks the gateway who is here, until it answers. */
  async start() {
    try {
      this.enter((await earlySession()) ?? (await api.session()));
    } catch {
      this.phase = 'unreachable';
      setTimeout(() => void this.start(), UNREACHABLE_RETRY_MS);
    }
  }

  /** Goes where the session says: to the set-up, to the log-in, or in. */
  enter(session: Session) {
    this.session = session;
    if (session.user) {
      this.loginEnded = false;
      this.firstRun = session.first_run;
      this.phase = 'in';
      // Opened while somebody still looked, and nobody would take it over before they look again.
      if (document.hidden) earlyStream()?.close();
      this.#events.start();
    } else {
      this.phase = session.setup_needed ? 'setup' : 'login';
    }
  }

  /** The first run is over, or put off until the page is opened anew. */
  leaveFirstRun() {
    this.firstRun = false;
  }

  async logOut() {
    await api.logout();
    this.#leave(false);
  }

  /** The gateway has ended this log-in because the visitor asked for it. */
  left() {
    this.#leave(false);
  }

  #leave(ended: boolean) {
    this.#events.stop();
    forgetEarly();
    this.house.forget();
    this.lastHeard = null;
    this.loginEnded = ended;
    this.session = {
      setup_needed: false,
      gateway_name: this.session?.gateway_name ?? '',
      first_run: false,
      https_port: this.session?.https_port ?? null,
      authority_sha256: this.session?.authority_sha256 ?? null,
      user: null,
    };
    this.phase = 'login';
  }

  async #probe(): Promise<'logged-in' | 'logged-out' | 'no-answer'> {
    try {
      const session = await api.session();
      return session.user ? 'logged-in' : 'logged-out';
    } catch (error) {
      return error instanceof ApiError && error.status === 401 ? 'logged-out' : 'no-answer';
    }
  }

  #take(name: EventName, data: string) {
    let event: unknown;
    try {
      event = JSON.parse(data);
    } catch {
      console.warn(`The gateway sent an event "${name}" that is not JSON; it is left out.`);
      return;
    }
    const { now } = event as Partial<ClockEvent>;
    if (now !== undefined) this.clock.set(Date.parse(now));
    switch (name) {
      case 'house':
        this.house.takeHouse(event as House);
        this.commands.takeHouse(this.house);
        break;
      case 'reading':
        this.#takeReading(event as ReadingEvent);
        break;
      case 'availability':
        this.house.takeAvailability(event as AvailabilityEvent);
        break;
      case 'result':
        this.commands.takeResult(event as ResultEvent);
        break;
      case 'online':
        this.house.online = (event as OnlineEvent).online;
        break;
      case 'clock':
        break;
    }
    this.lastHeard = this.clock.exact();
  }

  #takeReading(event: ReadingEvent) {
    this.house.takeReading(event);
    const property = this.house.device(event.device)?.property(event.property);
    if (property?.pending) this.commands.takeState(property);
  }
}

export const app = new App();
