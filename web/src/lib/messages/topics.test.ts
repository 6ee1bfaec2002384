import { describe, expect, it } from 'vitest';
import { filterProblem, readProperties, topicProblem, treeOf } from './topics';

describe('filters', () => {
  it('take wildcards that fill a level', () => {
    for (const filter of ['#', '+', 'a/+/b', 'a/#', '/', '$SYS/#', '+/+/#']) {
      expect(filterProblem(filter), filter).toBeNull();
    }
  });

  it('refuse others', () => {
    for (const filter of ['a#', '#/a', 'a/b+', 'a+/b', '##']) {
      expect(filterProblem(filter), filter).toBe('misplaced');
    }
    expect(filterProblem('')).toBe('empty');
    expect(filterProblem('é'.repeat(33_000))).toBe('tooLong');
    expect(filterProblem('/'.repeat(127))).toBeNull();
    expect(filterProblem('/'.repeat(128))).toBe('tooDeep');
  });
});

it('a topic to publish to has no wildcards and is not the broker’s', () => {
  expect(topicProblem('a/b c/é')).toBeNull();
  expect(topicProblem('')).toBe('empty');
  expect(topicProblem('a/+')).toBe('wildcard');
  expect(topicProblem('$SYS/x')).toBe('reserved');
});

it('topics stand in a tree', () => {
  const tree = treeOf(['casa', 'casa/boiler/power', 'casa/boiler/temperature', 'casa//x']);
  expect(tree).toHaveLength(1);
  const casa = tree[0]!;
  expect([casa.name, casa.holds, casa.count]).toEqual(['casa', true, 4]);
  expect(casa.children.map(({ topic, holds, count }) => [topic, holds, count])).toEqual([
    ['casa/boiler', false, 2],
    ['casa/', false, 1],
  ]);
  expect(casa.children[1]!.children[0]!.topic).toBe('casa//x');
});

it('topics that only passed stand after the retained ones of their level', () => {
  const tree = treeOf(['casa/x', 'z'], ['a/b', 'casa/door', 'casa/door/bell']);
  expect(tree.map(({ topic, holds, count, passing }) => [topic, holds, count, passing])).toEqual([
    ['casa', false, 1, 2],
    ['z', true, 1, 0],
    ['a', false, 0, 1],
  ]);
  expect(tree[0]!.children.map(({ topic, holds }) => [topic, holds])).toEqual([
    ['casa/x', true],
    ['casa/door', false],
  ]);
});

it('user properties are typed one a line', () => {
  expect(readProperties('a=1\n\n b = x=y ')).toEqual([
    { name: 'a', value: '1' },
    { name: 'b', value: 'x=y' },
  ]);
  expect(readProperties('')).toEqual([]);
  expect(readProperties('=x')).toBeNull();
  expect(readProperties('word')).toBeNull();
});
