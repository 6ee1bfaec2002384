import { describe, expect, it } from 'vitest';
import { ApiError } from '../api/client';
import type { MessageView } from '../api/generated';
import { clearTopics, retainedBelow } from './branch';

const retained = (topic: string, own = false) => ({ topic, own }) as MessageView;

it('what may be cleared below a level is neither the level itself nor the gateway’s own', () => {
  const all = [
    retained('a'),
    retained('a/b'),
    retained('a/c/d'),
    retained('ab/c'),
    retained('a/state', true),
  ];
  expect(retainedBelow('a', all)).toEqual({ topics: ['a/b', 'a/c/d'], own: 1 });
  expect(retainedBelow('$SYS', [retained('$SYS/uptime')])).toEqual({ topics: [], own: 1 });
});

describe('clearing a branch', () => {
  it('asks for one topic after the other, and passes over one that is gone already', async () => {
    const asked: string[] = [];
    const progress: number[] = [];
    let under = 0;
    const result = await clearTopics(
      ['a', 'b', 'c'],
      async (topic) => {
        under += 1;
        expect(under, 'one at a time').toBe(1);
        await Promise.resolve();
        asked.push(topic);
        under -= 1;
        if (topic === 'b') throw new ApiError(404, 'not_retained', 'Nothing is retained under this topic.');
      },
      (cleared) => progress.push(cleared),
    );
    expect([asked, progress, result]).toEqual([['a', 'b', 'c'], [1, 1, 2], { cleared: 2, stopped: null }]);
  });

  it('stops at the first refusal and says how far it came', async () => {
    const asked: string[] = [];
    const error = new ApiError(409, 'refused', 'b is what the gateway itself says');
    const result = await clearTopics(
      ['a', 'b', 'c'],
      (topic) => {
        asked.push(topic);
        return topic === 'b' ? Promise.reject(error) : Promise.resolve();
      },
      () => {},
    );
    expect([asked, result]).toEqual([['a', 'b'], { cleared: 1, stopped: { topic: 'b', error } }]);
  });
});
