/** Topics: what may be asked for, what may be published to, and how they stand in a tree. Pure. */

/** What is wrong with a topic or a filter. */
export type TopicProblem = 'empty' | 'tooLong' | 'tooDeep' | 'misplaced' | 'wildcard' | 'reserved';

/** MQTT 5.0 section 4.7.3. */
const MAX_TOPIC_BYTES = 65_535;

/** The gateway's own limit (`MAX_TOPIC_LEVELS` of its model). */
const MAX_TOPIC_LEVELS = 128;

function tooLong(text: string): boolean {
  return new TextEncoder().encode(text).length > MAX_TOPIC_BYTES;
}

/** What is wrong with a filter: a wildcard fills a whole level, and `#` the last one. */
export function filterProblem(filter: string): TopicProblem | null {
  if (filter === '') return 'empty';
  if (tooLong(filter)) return 'tooLong';
  const levels = filter.split('/');
  if (levels.length > MAX_TOPIC_LEVELS) return 'tooDeep';
  const misplaced = levels.some(
    (level, index) => /[+#]/.test(level) && level !== '+' && (level !== '#' || index < levels.length - 1),
  );
  return misplaced ? 'misplaced' : null;
}

/** What is wrong with a topic to publish to. */
export function topicProblem(topic: string): TopicProblem | null {
  if (topic === '') return 'empty';
  if (tooLong(topic)) return 'tooLong';
  if (topic.split('/').length > MAX_TOPIC_LEVELS) return 'tooDeep';
  if (/[+#]/.test(topic)) return 'wildcard';
  return topic.startsWith('$') ? 'reserved' : null;
}

/** A level of the topics, and what is below it. */
export interface TopicNode {
  /** The word of this level; it may be empty. */
  name: string;
  /** The topic up to here. */
  topic: string;
  /** Whether a message is retained under this very topic. */
  holds: boolean;
  /** Retained messages here and below. */
  count: number;
  /** Topics here and below that only passed. */
  passing: number;
  children: TopicNode[];
}

/**
 * The topics as a tree, in their order. Those that only passed stand after the retained ones of their level: nothing
 * moves away under a finger when another one comes.
 */
export function treeOf(topics: readonly string[], passing: readonly string[] = []): TopicNode[] {
  interface Growing extends TopicNode {
    byName: Map<string, Growing>;
  }
  const make = (name: string, topic: string): Growing => ({
    name,
    topic,
    holds: false,
    count: 0,
    passing: 0,
    children: [],
    byName: new Map(),
  });
  const root = make('', '');
  const grow = (topic: string, kept: boolean) => {
    let node = root;
    const levels = topic.split('/');
    for (const [depth, level] of levels.entries()) {
      let child = node.byName.get(level);
      if (child === undefined) {
        child = make(level, levels.slice(0, depth + 1).join('/'));
        node.byName.set(level, child);
        node.children.push(child);
      }
      if (kept) child.count += 1;
      else child.passing += 1;
      node = child;
    }
    node.holds ||= kept;
  };
  for (const topic of topics) grow(topic, true);
  for (const topic of passing) grow(topic, false);
  return root.children;
}

/** User properties as they are typed: one a line, `name=value`. Nothing when a line has no name. */
export function readProperties(text: string): { name: string; value: string }[] | null {
  const properties: { name: string; value: string }[] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    const name = line.slice(0, at).trim();
    if (at < 1 || name === '') return null;
    properties.push({ name, value: line.slice(at + 1).trim() });
  }
  return properties;
}
