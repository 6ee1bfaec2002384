//! The tree of retained messages: from a topic filter to the last retained message of every topic that matches it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_model::{Message, Moment, TopicFilter, TopicName};

use super::own_topics::is_own;
use super::weight::message_bytes;

/// A retained message and when it came, since its expiry counts from then.
#[derive(Clone, Debug)]
pub(crate) struct Retained {
    pub(crate) message: Arc<Message>,
    pub(crate) received: Moment,
    /// Counts what has ever been retained; given by the tree.
    pub(crate) number: u64,
}

/// Everything retained. Names of one level are in order, so that deliveries are too.
#[derive(Debug, Default)]
pub(crate) struct RetainedTree {
    root: Node,
    count: usize,
    bytes: usize,
    /// The broker's own figures among them.
    own_count: usize,
    own_bytes: usize,
    last_number: u64,
}

#[derive(Debug, Default)]
struct Node {
    below: BTreeMap<Box<str>, Node>,
    here: Option<Retained>,
}

/// What one name below a level takes in the tree, its text not counted. The map is full by half or more, and its
/// allocation holds eleven names.
const NAME_BYTES: usize = 2 * size_of::<(Box<str>, Node)>() + 16;

/// What the first name below a level takes, with the allocation that later ones find room in.
const FIRST_NAME_BYTES: usize = 12 * size_of::<(Box<str>, Node)>() + 16;

impl Node {
    /// What a new name below this level takes.
    fn name_bytes(&self, name: &str) -> usize {
        name.len() + if self.below.is_empty() { FIRST_NAME_BYTES } else { NAME_BYTES }
    }
}

impl RetainedTree {
    /// How many messages are retained.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// What they take: each as [`message_bytes`] counts it, and the levels of their topics.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages that are not the broker's own figures are retained, and their bytes.
    pub(crate) fn others(&self) -> (usize, usize) {
        (self.count - self.own_count, self.bytes - self.own_bytes)
    }

    /// What the levels of a topic would take that the tree does not have yet.
    pub(crate) fn new_level_bytes(&self, topic: &TopicName) -> usize {
        // The root's own allocation is nobody's, so that what comes and goes below one name counts the same.
        let mut bytes = 0;
        let mut node = Some(&self.root);
        for (depth, level) in topic.levels().enumerate() {
            let below = node.and_then(|node| node.below.get(level));
            if below.is_none() {
                bytes += match node {
                    _ if depth == 0 => level.len() + NAME_BYTES,
                    Some(node) => node.name_bytes(level),
                    None => level.len() + FIRST_NAME_BYTES,
                };
            }
            node = below;
        }
        bytes
    }

    /// The number of the message that was retained last.
    pub(crate) fn last_number(&self) -> u64 {
        self.last_number
    }

    /// The retained message of a topic.
    pub(crate) fn get(&self, topic: &TopicName) -> Option<&Retained> {
        let mut node = &self.root;
        for level in topic.levels() {
            node = node.below.get(level)?;
        }
        node.here.as_ref()
    }

    /// Retains a message in the place of the one that its topic had, which is given back.
    pub(crate) fn insert(&mut self, mut retained: Retained) -> Option<Retained> {
        self.last_number += 1;
        retained.number = self.last_number;
        let bytes = message_bytes(&retained.message) + self.new_level_bytes(&retained.message.topic);
        let own = is_own(&retained.message.topic);
        self.bytes += bytes;
        self.own_bytes += if own { bytes } else { 0 };
        let mut node = &mut self.root;
        let topic = retained.message.topic.clone();
        for level in topic.levels() {
            if !node.below.contains_key(level) {
                node.below.insert(level.into(), Node::default());
            }
            node = node.below.get_mut(level)?;
        }
        let former = node.here.replace(retained);
        match &former {
            Some(former) => self.forget_bytes(former),
            None => {
                self.count += 1;
                self.own_count += usize::from(own);
            }
        }
        former
    }

    /// Forgets the retained message of a topic, which is given back.
    pub(crate) fn remove(&mut self, topic: &TopicName) -> Option<Retained> {
        let (former, level_bytes) = remove_below(&mut self.root, &mut topic.levels(), true)?;
        self.count -= 1;
        self.own_count -= usize::from(is_own(topic));
        self.bytes -= level_bytes;
        self.own_bytes -= if is_own(topic) { level_bytes } else { 0 };
        self.forget_bytes(&former);
        Some(former)
    }

    fn forget_bytes(&mut self, former: &Retained) {
        let bytes = message_bytes(&former.message);
        self.bytes -= bytes;
        self.own_bytes -= if is_own(&former.message.topic) { bytes } else { 0 };
    }

    /// Appends every retained message that matches, ordered by topic level.
    pub(crate) fn matching(&self, filter: &TopicFilter, found: &mut Vec<Retained>) {
        let levels: Vec<&str> = filter.levels().collect();
        collect(&self.root, &levels, true, found);
    }
}

fn collect(node: &Node, levels: &[&str], first: bool, found: &mut Vec<Retained>) {
    let Some((level, below)) = levels.split_first() else {
        found.extend(node.here.clone());
        return;
    };
    // Wildcards in the first level do not match topics of the broker's own. [MQTT-4.7.2-1]
    let visible = |name: &str| !first || !name.starts_with('$');
    match *level {
        "#" => collect_all(node, &visible, found),
        "+" => {
            for (_, child) in node.below.iter().filter(|(name, _)| visible(name)) {
                collect(child, below, false, found);
            }
        }
        name => {
            if let Some(child) = node.below.get(name) {
                collect(child, below, false, found);
            }
        }
    }
}

fn collect_all(node: &Node, visible: &dyn Fn(&str) -> bool, found: &mut Vec<Retained>) {
    found.extend(node.here.clone());
    for (_, child) in node.below.iter().filter(|(name, _)| visible(name)) {
        collect_all(child, &|_| true, found);
    }
}

/// Takes the message out, and on the way back the levels that it leaves empty. Gives what those took.
fn remove_below<'a>(
    node: &mut Node,
    levels: &mut impl Iterator<Item = &'a str>,
    is_root: bool,
) -> Option<(Retained, usize)> {
    let Some(level) = levels.next() else { return node.here.take().map(|former| (former, 0)) };
    let child = node.below.get_mut(level)?;
    let (former, mut bytes) = remove_below(child, levels, false)?;
    if child.below.is_empty() && child.here.is_none() {
        node.below.remove(level);
        bytes += if is_root { level.len() + NAME_BYTES } else { node.name_bytes(level) };
    }
    Some((former, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::weight::MESSAGE_BYTES;
    use gatehouse_model::{Origin, Qos};
    use proptest::prelude::*;

    fn retained(topic: &TopicName, payload: &[u8]) -> Retained {
        let payload = payload.to_vec();
        let message = Message::new(topic.clone(), payload, Qos::AtMostOnce, true, Origin::part("test"));
        Retained { message: Arc::new(message), received: Moment::default(), number: 0 }
    }

    fn any_topic() -> impl Strategy<Value = TopicName> {
        let level = prop_oneof!["[ab]{0,2}", Just("$s".to_owned()), Just("á".to_owned())];
        proptest::collection::vec(level, 1..5)
            .prop_filter_map("a valid topic", |levels| TopicName::new(levels.join("/")).ok())
    }

    fn any_filter() -> impl Strategy<Value = TopicFilter> {
        let level =
            prop_oneof!["[ab]{0,2}", Just("+".to_owned()), Just("$s".to_owned()), Just("#".to_owned())];
        proptest::collection::vec(level, 1..5)
            .prop_filter_map("a valid filter", |levels| TopicFilter::new(levels.join("/")).ok())
    }

    /// What the levels take, counted anew: the first name below a level takes more than the others.
    fn level_bytes(node: &Node, is_root: bool) -> usize {
        let own = node.below.len() * NAME_BYTES
            + node.below.keys().map(|name| name.len()).sum::<usize>()
            + if node.below.is_empty() || is_root { 0 } else { FIRST_NAME_BYTES - NAME_BYTES };
        own + node.below.values().map(|child| level_bytes(child, false)).sum::<usize>()
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_the_filters(
            topics in proptest::collection::btree_set(any_topic(), 0..40),
            filters in proptest::collection::vec(any_filter(), 1..20),
            kept in any::<u64>(),
        ) {
            let mut tree = RetainedTree::default();
            for topic in &topics {
                tree.insert(retained(topic, b"former"));
                tree.insert(retained(topic, b"new"));
            }
            let mut left = topics.clone();
            for round in 0..2 {
                prop_assert_eq!(tree.len(), left.len());
                let bytes: usize = left.iter().map(|topic| MESSAGE_BYTES + topic.as_str().len() + 3).sum();
                prop_assert_eq!(tree.bytes(), bytes + level_bytes(&tree.root, true));
                for filter in &filters {
                    let mut found = Vec::new();
                    tree.matching(filter, &mut found);
                    let mut found: Vec<TopicName> =
                        found.iter().map(|retained| retained.message.topic.clone()).collect();
                    found.sort();
                    let expected: Vec<TopicName> =
                        left.iter().filter(|topic| filter.matches(topic)).cloned().collect();
                    prop_assert_eq!(found, expected, "{}", filter);
                }
                for (number, topic) in topics.iter().enumerate() {
                    if round == 0 && kept & (1 << (number % 64)) == 0 {
                        prop_assert!(tree.remove(topic).is_some() && tree.remove(topic).is_none());
                        left.remove(topic);
                    }
                    prop_assert_eq!(tree.get(topic).is_some(), left.contains(topic));
                }
            }
            for topic in &topics {
                tree.remove(topic);
            }
            prop_assert!(tree.root.below.is_empty() && tree.bytes() == 0 && tree.others() == (0, 0));
        }
    }
}
