import { beforeEach, describe, expect, it, vi } from 'vitest';
import SCRIPT from '../../public/early.js?raw';
import { EVENT_NAMES } from './house/stream';

class FakeSource extends EventTarget {
  static readonly CLOSED = 2;
  static opened: FakeSource[] = [];
  readyState = 1;
  readonly names = new Set<string>();
  constructor(readonly url: string) {
    super();
    FakeSource.opened.push(this);
  }
  override addEventListener(name: string, listener: EventListenerOrEventListenerObject | null) {
    this.names.add(name);
    super.addEventListener(name, listener);
  }
  say(name: string, data: string, id: string) {
    this.dispatchEvent(new MessageEvent(name, { data, lastEventId: id }));
  }
  close() {
    this.readyState = FakeSource.CLOSED;
  }
}

const SESSION = {
  setup_needed: false,
  gateway_name: 'Casa',
  first_run: false,
  user: { name: 'eva', role: 'viewer' },
};
let asked: string[];

/** Runs the script as the document does, with a gateway that says that this is the session. */
async function run(session: unknown, pathname = '/', hidden = false) {
  vi.stubGlobal('document', { hidden });
  vi.stubGlobal('location', { pathname });
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path);
    return Promise.resolve({
      ok: true,
      json: () => Promise.resolve(path.endsWith('session') ? session : { favourites: [] }),
    });
  });
  new Function(SCRIPT)();
  await new Promise((done) => setTimeout(done));
}

describe('what is asked before the page is there', () => {
  beforeEach(() => {
    vi.resetModules();
    vi.stubGlobal('window', globalThis);
    vi.stubGlobal('EventSource', FakeSource);
    delete (globalThis as { gatehouseEarly?: unknown }).gatehouseEarly;
    FakeSource.opened = [];
    asked = [];
  });

  it('is taken over, and each event is heard once by who comes later', async () => {
    await run(SESSION);
    const [source] = FakeSource.opened;
    expect(asked).toEqual(['/api/v1/session', '/api/v1/me/home']);
    expect([...source!.names].sort()).toEqual([...EVENT_NAMES].sort());
    source!.say('house', '{"now":1}', '7');
    const { earlyHome, earlySession, earlyStream } = await import('./early');
    expect(await earlySession()).toEqual(SESSION);
    expect(await earlyHome()).toEqual({ favourites: [] });
    const stream = earlyStream();
    expect(stream).toBe(source);
    const heard: string[] = [];
    stream!.addEventListener('house', (event) => heard.push(`${event.data} ${event.lastEventId}`));
    await Promise.resolve();
    source!.say('house', '{"now":2}', '8');
    expect(heard).toEqual(['{"now":1} 7', '{"now":2} 8']);
    expect([earlyStream(), await earlyHome()], 'nothing is taken twice').toEqual([null, null]);
  });

  it('asks no more of a gateway where nobody is logged in, and no order of rooms for another page', async () => {
    await run({ ...SESSION, user: null });
    expect([asked, FakeSource.opened]).toEqual([['/api/v1/session'], []]);
    delete (globalThis as { gatehouseEarly?: unknown }).gatehouseEarly;
    await run(SESSION, '/devices/heater');
    expect(asked.filter((path) => path.includes('/me/'))).toEqual([]);
  });

  it('opens no stream for a tab behind others', async () => {
    await run(SESSION, '/', true);
    const { earlySession, earlyStream } = await import('./early');
    expect([FakeSource.opened, await earlySession(), earlyStream()]).toEqual([[], SESSION, null]);
  });

  it('does nothing when the page was here first, out of the cache of the browser', async () => {
    const { earlySession, earlyStream } = await import('./early');
    await run(SESSION);
    expect([asked, FakeSource.opened, await earlySession(), earlyStream()]).toEqual([[], [], null, null]);
  });

  it('is given up when the network dies under it, and the page asks itself', async () => {
    vi.useFakeTimers();
    try {
      vi.stubGlobal('document', { hidden: false });
      vi.stubGlobal('location', { pathname: '/' });
      vi.stubGlobal('fetch', (path: string, { signal }: RequestInit) => {
        asked.push(path);
        return new Promise((_, refuse) => signal?.addEventListener('abort', () => refuse(signal.reason)));
      });
      new Function(SCRIPT)();
      const { earlySession } = await import('./early');
      let session: unknown = 'none yet';
      void earlySession().then((found) => (session = found));
      await vi.advanceTimersByTimeAsync(9_000);
      expect(session).toBe('none yet');
      await vi.advanceTimersByTimeAsync(1_000);
      expect([session, asked, vi.getTimerCount()]).toEqual([null, ['/api/v1/session'], 0]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is given up with a stream that was refused, and when somebody leaves', async () => {
    await run(SESSION);
    const early = await import('./early');
    FakeSource.opened[0]!.close();
    expect(early.earlyStream()).toBeNull();
    early.forgetEarly();
    expect([await early.earlySession(), await early.earlyHome()]).toEqual([null, null]);
  });
});
