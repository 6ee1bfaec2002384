//! The tree of retained messages: from a topic filter to the last retained message of every topic that matches it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_model::{Message, Moment, TopicFilter, TopicName};

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

/// What a message counts for in limits on bytes: what it says, where, and its properties.
pub(crate) fn message_bytes(message: &Message) -> usize {
    let properties = &message.properties;
    let user: usize = properties.user.iter().map(|(name, value)| name.len() + value.len()).sum();
    let optional = properties.content_type.as_ref().map_or(0, |text| text.len())
        + properties.response_topic.as_ref().map_or(0, |topic| topic.as_str().len())
        + properties.correlation_data.as_ref().map_or(0, bytes::Bytes::len);
    message.topic.as_str().len() + message.payload.len() + user + optional
}

impl RetainedTree {
    /// How many messages are retained.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Their size, as [`message_bytes`] counts it.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many messages that are not the broker's own figures are retained, and their bytes.
    pub(crate) fn others(&self) -> (usize, usize) {
        (self.count - self.own_count, self.bytes - self.own_bytes)
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
        let bytes = message_bytes(&retained.message);
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
        let former = remove_below(&mut self.root, &mut topic.levels())?;
        self.count -= 1;
        self.own_count -= usize::from(is_own(topic));
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

fn is_own(topic: &TopicName) -> bool {
    topic.as_str().starts_with(super::publish::OWN_TOPICS)
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

fn remove_below<'a>(node: &mut Node, levels: &mut impl Iterator<Item = &'a str>) -> Option<Retained> {
    let Some(level) = levels.next() else { return node.here.take() };
    let child = node.below.get_mut(level)?;
    let removed = remove_below(child, levels);
    if child.below.is_empty() && child.here.is_none() {
        node.below.remove(level);
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
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
                let bytes: usize = left.iter().map(|topic| topic.as_str().len() + 3).sum();
                prop_assert_eq!(tree.bytes(), bytes);
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
