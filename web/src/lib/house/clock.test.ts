import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Format } from '../format/format';
import { en } from '../i18n/en';
import { GatewayClock } from './clock.svelte';

const PHONE = Date.parse('2026-11-21T09:00:00.000Z');
const HOUR_MS = 3_600_000;
const format = new Format('en-GB', en.units);

beforeEach(() => void vi.useFakeTimers({ now: PHONE }));
afterEach(() => void vi.useRealTimers());

describe('the gateway’s clock', () => {
  it.each([-7, 5])('gives ages by the gateway on a phone that is off by %d hours', (hours) => {
    const gateway = PHONE + hours * HOUR_MS;
    const clock = new GatewayClock();
    clock.set(gateway);
    expect(clock.now).toBe(gateway);
    vi.advanceTimersByTime(12_000);
    expect(format.ago(gateway, clock.now)).toBe('12\u00a0s ago');
  });

  // Five hundred ages that moved on in one instant were one frame that came late, each second.
  it('moves many ages within the second, and not all in one instant', () => {
    const clock = new GatewayClock();
    clock.set(PHONE);
    const [first, second, third] = [clock.apart(), clock.apart(), clock.apart()];
    const rounded = (now: number) => Math.round((now - PHONE) / 25) * 25;
    vi.advanceTimersByTime(5_010);
    expect([first, second, third].map(({ now }) => rounded(now))).toEqual([5_000, 4_125, 4_250]);
    vi.advanceTimersByTime(490);
    expect([first, second, third].map(({ now }) => rounded(now))).toEqual([5_000, 5_125, 5_250]);
  });

  it('does not follow a phone whose clock is set', () => {
    const clock = new GatewayClock();
    clock.set(PHONE);
    vi.setSystemTime(PHONE + 3 * HOUR_MS);
    vi.advanceTimersByTime(1_000);
    expect(clock.now).toBe(PHONE + 1_000);
  });

  // It followed forward only, so that after a step back every age was too great by the step until the next log-in.
  it.each([-2, 2])('follows a gateway whose clock is set by %d hours', (hours) => {
    const clock = new GatewayClock();
    clock.set(PHONE);
    vi.advanceTimersByTime(30_000);
    const corrected = PHONE + 30_000 + hours * HOUR_MS;
    clock.set(corrected);
    vi.advanceTimersByTime(4_000);
    expect(format.ago(corrected, clock.now)).toBe('4\u00a0s ago');
    expect(clock.jumps).toBe(1);
  });

  it('takes drift and the way through the network for no jump, nor the first word', () => {
    const clock = new GatewayClock();
    clock.set(PHONE + HOUR_MS);
    clock.set(PHONE + HOUR_MS - 400);
    expect(clock.jumps).toBe(0);
    expect(clock.exact()).toBe(PHONE + HOUR_MS - 400);
    clock.set(Number.NaN);
    expect(clock.exact()).toBe(PHONE + HOUR_MS - 400);
  });
});
