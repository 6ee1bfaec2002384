import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backOffMs } from './back-off';
import {
  answerMs,
  EVENT_NAMES,
  EventStream,
  HIDDEN_MS,
  LOST_MS,
  OPEN_MS,
  SILENCE_MS,
  type EventName,
} from './stream';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class FakeSource {
  closed = false;
  /** 0 connecting, 1 answered. */
  readyState = 0;
  onerror: (() => void) | null = null;
  readonly #listeners = new Map<string, (event: { data: string; lastEventId: string }) => void>();
  addEventListener(name: string, listener: (event: { data: string; lastEventId: string }) => void) {
    this.#listeners.set(name, listener);
  }
  say(name: EventName, data = '{}', lastEventId = '') {
    this.readyState = 1;
    this.#listeners.get(name)?.({ data, lastEventId });
  }
  close() {
    this.closed = true;
  }
}

describe('the event stream', () => {
  type Answer = 'logged-in' | 'logged-out' | 'no-answer';
  function scene(probe: () => Promise<Answer>, hidden = false) {
    const sources: FakeSource[] = [];
    const states: string[] = [];
    const places: (string | null)[] = [];
    const onLoggedOut = vi.fn();
    const stream = new EventStream<EventName>({
      names: EVENT_NAMES,
      hidden,
      open: (after) => {
        places.push(after);
        const source = new FakeSource();
        sources.push(source);
        return source as unknown as EventSource;
      },
      probe,
      random: () => 0,
      onEvent: () => {},
      onState: (state) => {
        if (states.at(-1) !== state) states.push(state);
      },
      onLoggedOut,
    });
    stream.start();
    return { stream, sources, states, places, onLoggedOut, last: () => sources.at(-1)! };
  }

  it('is live with its first event, and opens again after a loss', async () => {
    const { sources, states, last } = scene(() => Promise.resolve('no-answer'));
    last().say('house');
    last().onerror?.();
    expect(sources[0]?.closed).toBe(true);
    expect(states).toEqual(['connecting', 'live', 'lost']);
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    expect(sources).toHaveLength(2);
    last().say('house');
    expect(states.at(-1)).toBe('live');
  });

  it('ends when the log-in has ended', async () => {
    const { sources, onLoggedOut, last } = scene(() => Promise.resolve('logged-out'));
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onLoggedOut).toHaveBeenCalledTimes(1);
    expect(sources).toHaveLength(1);
  });

  it('is kept by the word of the clock alone, however quiet the house', async () => {
    const { sources, states, last } = scene(() => Promise.resolve('logged-in'));
    last().say('house');
    for (let ticks = 0; ticks < 20; ticks += 1) {
      await vi.advanceTimersByTimeAsync(2_000);
      last().say('clock');
    }
    expect(states).toEqual(['connecting', 'live']);
    expect(sources).toHaveLength(1);
  });

  // A proxy may hold a dead stream open while other requests pass: the gateway answers, and no event ever comes.
  it('is lost when it says nothing for long, though the gateway answers', async () => {
    const { sources, states, last } = scene(() => Promise.resolve('logged-in'));
    last().say('house');
    await vi.advanceTimersByTimeAsync(LOST_MS - 1);
    expect(states.at(-1)).toBe('live');
    await vi.advanceTimersByTimeAsync(1);
    expect(states.at(-1)).toBe('lost');
    expect(sources[0]?.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    last().say('house');
    expect(sources).toHaveLength(2);
    expect(states.at(-1)).toBe('live');
  });

  it('is asked after when it says nothing for a while, and lost when nobody answers', async () => {
    const { states, last } = scene(() => Promise.resolve('no-answer'));
    last().say('house');
    await vi.advanceTimersByTimeAsync(SILENCE_MS);
    expect(states.at(-1)).toBe('lost');
  });

  it('is let go by a hidden tab, and taken up again at once when that is looked at', async () => {
    const { stream, sources, last } = scene(() => Promise.resolve('logged-in'));
    last().say('house');
    stream.setHidden(true);
    expect(HIDDEN_MS).toBeLessThanOrEqual(1_000);
    await vi.advanceTimersByTimeAsync(HIDDEN_MS - 1);
    expect(sources[0]?.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(sources[0]?.closed).toBe(true);
    stream.setHidden(false);
    expect(sources).toHaveLength(2);
  });

  it('goes on where it was, and begins anew after a log-out', async () => {
    const { stream, places, last } = scene(() => Promise.resolve('logged-in'));
    last().say('house', '{}', '7-1');
    last().say('reading', '{}', '7-2');
    last().say('clock', '{}', '');
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    expect(places).toEqual([null, '7-2']);
    stream.stop();
    stream.start();
    expect(places).toEqual([null, '7-2', null]);
  });

  it('gives the whole house its time to come over poor Wi-Fi', async () => {
    const { sources, states, last } = scene(() => Promise.resolve('logged-in'));
    last().readyState = 1;
    await vi.advanceTimersByTimeAsync(OPEN_MS - 1);
    expect(sources[0]?.closed).toBe(false);
    last().say('house');
    expect(states).toEqual(['connecting', 'live']);
  });

  it('says soon that nobody answers, and still waits for the first answer', async () => {
    const { sources, states, last } = scene(() => Promise.resolve('no-answer'));
    await vi.advanceTimersByTimeAsync(LOST_MS);
    expect(states).toEqual(['connecting', 'lost']);
    await vi.advanceTimersByTimeAsync(OPEN_MS - LOST_MS - 1);
    expect(sources.map(({ closed }) => closed)).toEqual([false]);
    last().say('house');
    expect(states.at(-1)).toBe('live');
  });

  // Through a proxy that kills connections without a word it took half a minute to come back: each try waited for an answer
  // to another question first, over a connection that was as dead.
  it('tries again without waiting for the answer whether the gateway lives', async () => {
    const { sources, states, last } = scene(() => new Promise(() => {}));
    last().say('house');
    await vi.advanceTimersByTimeAsync(LOST_MS + backOffMs(1, 0));
    expect(sources).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(answerMs(1) + backOffMs(2, 0));
    expect(sources.map(({ closed }) => closed)).toEqual([true, true, false]);
    last().say('house');
    expect(states.at(-1)).toBe('live');
  });

  it('waits longer each time for an answer that does not come', () => {
    expect([0, 1, 2, 3, 4, 50].map(answerMs)).toEqual([LOST_MS, LOST_MS, 9_000, 18_000, OPEN_MS, OPEN_MS]);
  });

  it('takes no late word about a log-in for the present one', async () => {
    const answers: ((answer: Answer) => void)[] = [];
    const { stream, onLoggedOut, last } = scene(() => new Promise((answer) => answers.push(answer)));
    last().say('house');
    last().onerror?.();
    stream.stop();
    stream.start();
    answers[0]!('logged-out');
    await vi.advanceTimersByTimeAsync(0);
    expect(onLoggedOut).not.toHaveBeenCalled();
    last().say('house');
    last().onerror?.();
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    last().say('house');
    answers[1]!('logged-out');
    await vi.advanceTimersByTimeAsync(0);
    expect(onLoggedOut, 'a stream stands').not.toHaveBeenCalled();
  });

  // Six tabs that were opened behind others held the six connections that a browser has for a host; the seventh never loaded.
  it('is not opened by a tab behind others, whatever happens, until somebody looks at it', async () => {
    const { stream, sources, states, last } = scene(() => Promise.resolve('logged-in'), true);
    stream.hurry();
    stream.setHidden(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sources).toHaveLength(0);
    stream.setHidden(false);
    last().say('house');
    expect(states).toEqual(['connecting', 'live']);
  });

  it('that was let go by a hidden tab is not opened again by the network, nor one that was lost there', async () => {
    const { stream, sources, last } = scene(() => Promise.resolve('logged-in'));
    last().say('house');
    stream.setHidden(true);
    last().onerror?.();
    stream.hurry();
    await vi.advanceTimersByTimeAsync(HIDDEN_MS + 60_000);
    stream.hurry();
    expect(sources.map(({ closed }) => closed)).toEqual([true]);
  });

  it('that waits for its next try waits until somebody looks', async () => {
    const { stream, sources, last } = scene(() => Promise.resolve('logged-in'));
    last().onerror?.();
    stream.setHidden(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sources).toHaveLength(1);
    stream.setHidden(false);
    expect(sources).toHaveLength(2);
  });

  it('is said to be lost within five seconds by a tab that comes back to a dead network', async () => {
    const { stream, sources, states, last } = scene(() => new Promise(() => {}));
    last().say('house');
    stream.setHidden(true);
    await vi.advanceTimersByTimeAsync(60_000);
    stream.setHidden(false);
    states.length = 0;
    await vi.advanceTimersByTimeAsync(LOST_MS);
    expect(states).toEqual(['lost']);
    await vi.advanceTimersByTimeAsync(backOffMs(1, 0));
    expect(sources).toHaveLength(3);
  });

  it('is said to be lost while a gateway that has answered takes long to say the first word', async () => {
    const { stream, sources, states, last } = scene(() => Promise.resolve('logged-in'));
    last().say('house');
    stream.setHidden(true);
    await vi.advanceTimersByTimeAsync(HIDDEN_MS);
    stream.setHidden(false);
    last().readyState = 1;
    await vi.advanceTimersByTimeAsync(OPEN_MS - 1);
    expect(states.at(-1)).toBe('lost');
    expect(last().closed).toBe(false);
    last().say('house');
    expect(states.at(-1)).toBe('live');
    const opened = sources.length;
    await vi.advanceTimersByTimeAsync(LOST_MS - 1);
    expect(sources).toHaveLength(opened);
  });

  it('tells within five seconds that it is lost', () => {
    expect(LOST_MS).toBeLessThan(5_000);
    expect(SILENCE_MS).toBeLessThan(LOST_MS);
  });

  it('stays closed once stopped', async () => {
    const { stream, sources, last } = scene(() => Promise.resolve('no-answer'));
    last().onerror?.();
    stream.stop();
    stream.hurry();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sources).toHaveLength(1);
  });
});

describe('the back-off', () => {
  it('doubles up to its limit, and spreads tabs out', () => {
    expect([1, 2, 3, 4, 5, 50].map((failures) => backOffMs(failures, 0))).toEqual([
      1_000, 2_000, 4_000, 8_000, 15_000, 15_000,
    ]);
    expect(backOffMs(1, 1)).toBe(750);
  });
});
