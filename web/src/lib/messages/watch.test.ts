import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MessageView } from '../api/generated';
import { backOffMs } from '../house/back-off';
import { HIDDEN_MS, LOST_MS } from '../house/stream';
import { MessageWatch } from './watch.svelte';

class FakeSource extends EventTarget {
  static opened: FakeSource[] = [];
  readyState = 0;
  onerror: (() => void) | null = null;
  constructor(readonly url: string) {
    super();
    FakeSource.opened.push(this);
  }
  say(name: string, data: unknown = {}) {
    this.readyState = 1;
    this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
  }
  close() {
    this.readyState = 2;
  }
}

const message = (topic: string) => ({ topic, payload: '1', payload_bytes: 1 }) as MessageView;
const passed = (topic: string, leftOut = 0) => ({ messages: [message(topic)], left_out: leftOut });
const last = () => FakeSource.opened.at(-1)!;

function scene() {
  const document = Object.assign(new EventTarget(), { hidden: false });
  vi.stubGlobal('document', document);
  const onGap = vi.fn();
  const watch = new MessageWatch({ now: () => Date.now(), onMessages: () => {}, onGap });
  const end = watch.watch('house/#');
  const look = (hidden: boolean) => {
    document.hidden = hidden;
    document.dispatchEvent(new Event('visibilitychange'));
  };
  const rows = () =>
    watch.list.map(({ message: m, gap }) => (gap ? `gap of ${gap.to - gap.from} ms` : (m?.topic ?? '')));
  return { watch, end, look, rows, onGap };
}

describe('the messages that pass', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    vi.stubGlobal('window', new EventTarget());
    vi.stubGlobal('EventSource', FakeSource);
    vi.spyOn(Math, 'random').mockReturnValue(0);
    FakeSource.opened = [];
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  // A stream that a proxy held open without a word looked live for ever.
  it('are said to be lost when not even the clock speaks, and the list says what it missed', async () => {
    const { watch, rows, onGap } = scene();
    last().say('clock');
    last().say('messages', passed('a', 3));
    expect([watch.state, rows(), watch.leftOut]).toEqual(['live', ['a'], 3]);
    const heard = Date.now();
    await vi.advanceTimersByTimeAsync(LOST_MS);
    expect([watch.state, watch.lostSince]).toEqual(['lost', heard]);
    expect(last().readyState, 'closed').toBe(2);
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    expect(FakeSource.opened).toHaveLength(2);
    last().say('clock');
    last().say('messages', passed('b'));
    expect([watch.state, rows()]).toEqual(['live', ['b', `gap of ${LOST_MS + backOffMs(1, 0)} ms`, 'a']]);
    expect(onGap).toHaveBeenCalledTimes(1);
  });

  it('are not believed while the page does not hear the gateway', async () => {
    const { watch, rows } = scene();
    last().say('clock');
    watch.setConnected(false);
    expect([watch.state, last().readyState]).toEqual(['lost', 2]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSource.opened).toHaveLength(1);
    watch.setConnected(true);
    last().say('clock');
    expect([watch.state, rows()]).toEqual(['live', ['gap of 60000 ms']]);
  });

  it('that were paused stand still, and the gap comes with what goes on', async () => {
    const { watch, rows } = scene();
    last().say('messages', passed('a'));
    watch.pause(true);
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    last().say('messages', passed('b', 1));
    expect([rows(), watch.whilePaused]).toEqual([['a'], 2]);
    watch.pause(false);
    expect(rows()).toEqual([`gap of ${backOffMs(1, 0)} ms`, 'a']);
  });

  it('are not watched by a hidden tab, and by nobody once it is over', async () => {
    const { look, end, rows } = scene();
    last().say('clock');
    look(true);
    await vi.advanceTimersByTimeAsync(HIDDEN_MS);
    window.dispatchEvent(new Event('online'));
    expect(FakeSource.opened.map(({ readyState }) => readyState)).toEqual([2]);
    look(false);
    last().say('clock');
    expect(rows()).toEqual([`gap of ${HIDDEN_MS} ms`]);
    end();
    look(true);
    look(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSource.opened.map(({ readyState }) => readyState)).toEqual([2, 2]);
  });
});
