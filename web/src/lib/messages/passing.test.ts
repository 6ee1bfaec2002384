import { describe, expect, it } from 'vitest';
import type { MessageView } from '../api/generated';
import { PassingTopics } from './passing.svelte';

const message = (topic: string, payload = '1') =>
  ({ topic, payload, payload_bytes: payload.length }) as MessageView;
const shown = (passing: PassingTopics) =>
  passing.topics.map((topic) => {
    const { message: last, notKept } = passing.last.get(topic)!;
    return `${topic} ${last.payload}${notKept ? ' not kept' : ''}`;
  });

describe('topics that only pass', () => {
  it('join with their last message, and are said not to be kept only when a later question knows', () => {
    const passing = new PassingTopics();
    passing.take([message('a', '1'), message('b'), message('a', '2')], 1);
    expect(shown(passing)).toEqual(['a 2', 'b 1']);
    // The first question was on its way when they passed: its answer may be older than they are.
    passing.compare(new Set(), 1, true);
    expect(shown(passing)).toEqual(['a 2', 'b 1']);
    // Not all of what is retained was read: it may be among the rest.
    passing.compare(new Set(['x']), 2, false);
    expect(shown(passing)).toEqual(['a 2', 'b 1']);
    passing.compare(new Set(['b']), 3, true);
    expect(shown(passing)).toEqual(['a 2 not kept']);
    passing.take([message('a', '3')], 3);
    expect(shown(passing)).toEqual(['a 3 not kept']);
  });

  it('are as many as there is room for, and the messages of the others are counted', () => {
    const passing = new PassingTopics(2);
    passing.take([message('a'), message('b'), message('c'), message('d'), message('a', '2')], 1);
    passing.take([message('c')], 1);
    expect(shown(passing)).toEqual(['a 2', 'b 1']);
    expect(passing.leftOut).toBe(3);
    // What turns out to be retained makes room.
    passing.compare(new Set(['a']), 2, true);
    passing.take([message('c')], 2);
    expect(shown(passing)).toEqual(['b 1 not kept', 'c 1']);
    passing.clear();
    expect([shown(passing), passing.leftOut]).toEqual([[], 0]);
  });

  it('do not begin with the empty message that clears a topic', () => {
    const passing = new PassingTopics();
    passing.take([message('a', '')], 1);
    expect(shown(passing)).toEqual([]);
    passing.take([message('a'), message('a', '')], 1);
    expect(shown(passing)).toEqual(['a ']);
  });

  it('leave the tree as it is while no topic is new', () => {
    const passing = new PassingTopics();
    passing.take([message('a')], 1);
    const { topics } = passing;
    passing.take([message('a', '2'), message('a', '3')], 1);
    passing.compare(new Set(['x']), 2, true);
    expect(passing.topics).toBe(topics);
    expect(shown(passing)).toEqual(['a 3 not kept']);
  });
});
