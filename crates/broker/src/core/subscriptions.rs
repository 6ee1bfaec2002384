//! The tree of subscriptions: from a topic name to everybody who asked for it.

use std::collections::HashMap;

use gatehouse_model::{TopicFilter, TopicName};

use crate::codec::Options;

/// Who receives: a session of a network client, an in-process subscription, or one of a shared subscription's group. The numbers are given by whoever owns
/// them and are used again only after all entries of the former owner are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Subscriber {
    Session(u32),
    Local(u32),
    Group(u32),
}

/// One subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) subscriber: Subscriber,
    pub(crate) options: Options,
    pub(crate) identifier: Option<u32>,
}

/// All subscriptions. Filters share the levels that they have in common; depth is bounded by
/// [`gatehouse_model::topic::MAX_TOPIC_LEVELS`].
#[derive(Debug, Default)]
pub(crate) struct SubscriptionTree {
    root: Node,
    count: usize,
    /// Levels in the tree.
    levels: usize,
    /// Bytes of filters, each counted for every subscription.
    filter_bytes: usize,
}

/// What a subscription takes besides the text of its filter: its entry here and the one in its session, in tables that
/// are half empty when they have just grown.
const SUBSCRIPTION_BYTES: usize = 300;

/// What a level takes in the tree: a table of one name has room for four, and most levels of filters that differ have
/// one name.
const LEVEL_BYTES: usize = 4 * size_of::<(Box<str>, Node)>() + 64;

#[derive(Debug, Default)]
struct Node {
    /// Below this level, by the name of the next.
    named: HashMap<Box<str>, Node>,
    /// Below this level, whatever the name of the next: `+`.
    any: Option<Box<Node>>,
    /// Filters that end in `#` here: they match this level and everything below.
    rest: Vec<Entry>,
    /// Filters that end here.
    here: Vec<Entry>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.named.is_empty() && self.any.is_none() && self.rest.is_empty() && self.here.is_empty()
    }
}

impl SubscriptionTree {
    /// How many subscriptions there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// What all subscriptions take, levels of the tree included.
    pub(crate) fn bytes(&self) -> usize {
        self.filter_bytes + self.count * SUBSCRIPTION_BYTES + self.levels * LEVEL_BYTES
    }

    /// What one more subscription would take.
    pub(crate) fn new_bytes(&self, filter: &TopicFilter) -> usize {
        let mut new_levels = 0;
        let mut node = Some(&self.root);
        for level in filter.levels().filter(|level| *level != "#") {
            node = node.and_then(|node| match level {
                "+" => node.any.as_deref(),
                name => node.named.get(name),
            });
            new_levels += usize::from(node.is_none());
        }
        filter.as_str().len() + SUBSCRIPTION_BYTES + new_levels * LEVEL_BYTES
    }

    /// Adds a subscription, or replaces the one that this subscriber has for the filter. [MQTT-3.8.4-3]
    pub(crate) fn insert(&mut self, filter: &TopicFilter, entry: Entry) {
        let mut node = &mut self.root;
        let mut ends_in_rest = false;
        for level in filter.levels() {
            match level {
                "#" => ends_in_rest = true,
                "+" => {
                    self.levels += usize::from(node.any.is_none());
                    node = node.any.get_or_insert_default();
                }
                name => {
                    if !node.named.contains_key(name) {
                        self.levels += 1;
                        node.named.insert(name.into(), Node::default());
                    }
                    let Some(child) = node.named.get_mut(name) else { return };
                    node = child;
                }
            }
        }
        let entries = if ends_in_rest { &mut node.rest } else { &mut node.here };
        match entries.iter_mut().find(|known| known.subscriber == entry.subscriber) {
            Some(known) => *known = entry,
            None => {
                entries.push(entry);
                self.count += 1;
                self.filter_bytes += filter.as_str().len();
            }
        }
    }

    /// Takes a subscription away; tells whether there was one.
    pub(crate) fn remove(&mut self, filter: &TopicFilter, subscriber: Subscriber) -> bool {
        let Some(levels) = remove_below(&mut self.root, &mut filter.levels(), subscriber) else {
            return false;
        };
        self.count -= 1;
        self.levels -= levels;
        self.filter_bytes -= filter.as_str().len();
        true
    }

    /// Appends every subscription that matches `topic`, in no order.
    pub(crate) fn matching(&self, topic: &TopicName, found: &mut Vec<Entry>) {
        let levels: Vec<&str> = topic.levels().collect();
        // Wildcards in the first level do not match topics of the broker's own. [MQTT-4.7.2-1]
        if topic.as_str().starts_with('$') {
            if let Some((first, below)) = levels.split_first()
                && let Some(child) = self.root.named.get(*first)
            {
                collect(child, below, found);
            }
        } else {
            collect(&self.root, &levels, found);
        }
    }
}

fn collect(node: &Node, levels: &[&str], found: &mut Vec<Entry>) {
    found.extend_from_slice(&node.rest);
    let Some((level, below)) = levels.split_first() else {
        found.extend_from_slice(&node.here);
        return;
    };
    if let Some(child) = node.named.get(*level) {
        collect(child, below, found);
    }
    if let Some(child) = &node.any {
        collect(child, below, found);
    }
}

/// Removes the entry and, on the way back, the levels that it leaves empty. Gives how many those were, or nothing when
/// there is no such entry.
fn remove_below<'a>(
    node: &mut Node,
    levels: &mut impl Iterator<Item = &'a str>,
    subscriber: Subscriber,
) -> Option<usize> {
    let take_out = |entries: &mut Vec<Entry>| {
        let place = entries.iter().position(|entry| entry.subscriber == subscriber)?;
        entries.swap_remove(place);
        Some(0)
    };
    match levels.next() {
        None => take_out(&mut node.here),
        Some("#") => take_out(&mut node.rest),
        Some("+") => {
            let child = node.any.as_mut()?;
            let below = remove_below(child, levels, subscriber)?;
            let emptied = child.is_empty();
            if emptied {
                node.any = None;
            }
            Some(below + usize::from(emptied))
        }
        Some(name) => {
            let child = node.named.get_mut(name)?;
            let below = remove_below(child, levels, subscriber)?;
            let emptied = child.is_empty();
            if emptied {
                node.named.remove(name);
            }
            Some(below + usize::from(emptied))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(number: u32) -> Entry {
        Entry { subscriber: Subscriber::Session(number), options: Options::default(), identifier: None }
    }

    fn any_filter() -> impl Strategy<Value = TopicFilter> {
        let level =
            prop_oneof!["[ab]{0,2}", Just("+".to_owned()), Just("$s".to_owned()), Just("á".to_owned())];
        (proptest::collection::vec(level, 1..5), any::<bool>()).prop_filter_map(
            "a valid filter",
            |(levels, rest)| {
                let text = levels.join("/");
                TopicFilter::new(if rest { format!("{text}/#") } else { text }).ok()
            },
        )
    }

    fn any_topic() -> impl Strategy<Value = TopicName> {
        let level = prop_oneof!["[ab]{0,2}", Just("$s".to_owned()), Just("á".to_owned())];
        proptest::collection::vec(level, 1..6)
            .prop_filter_map("a valid topic", |levels| TopicName::new(levels.join("/")).ok())
    }

    proptest! {
        /// The tree finds exactly what asking each filter finds, before and after some are taken away.
        #[test]
        fn the_tree_agrees_with_the_filters(
            filters in proptest::collection::vec(any_filter(), 0..40),
            topics in proptest::collection::vec(any_topic(), 1..20),
            kept in any::<u64>(),
        ) {
            let mut tree = SubscriptionTree::default();
            for (number, filter) in (0..).zip(&filters) {
                let expected = tree.bytes() + tree.new_bytes(filter);
                tree.insert(filter, entry(number));
                prop_assert_eq!(tree.bytes(), expected);
            }
            prop_assert_eq!(tree.len(), filters.len());
            let stays = |number: u32| kept & (1 << (number % 64)) != 0;
            for round in 0..2 {
                for topic in &topics {
                    let mut found = Vec::new();
                    tree.matching(topic, &mut found);
                    let mut found: Vec<Subscriber> = found.iter().map(|entry| entry.subscriber).collect();
                    found.sort_unstable();
                    let expected: Vec<Subscriber> = (0..)
                        .zip(&filters)
                        .filter(|(number, filter)| filter.matches(topic) && (round == 0 || stays(*number)))
                        .map(|(number, _)| Subscriber::Session(number))
                        .collect();
                    prop_assert_eq!(found, expected, "{}", topic);
                }
                for (number, filter) in (0..).zip(&filters) {
                    if round == 0 && !stays(number) {
                        prop_assert!(tree.remove(filter, Subscriber::Session(number)));
                        prop_assert!(!tree.remove(filter, Subscriber::Session(number)));
                    }
                }
            }
            for (number, filter) in (0..).zip(&filters) {
                tree.remove(filter, Subscriber::Session(number));
            }
            prop_assert!(tree.root.is_empty() && tree.len() == 0, "empty levels are taken away");
            prop_assert_eq!(tree.bytes(), 0);
        }
    }

    #[test]
    fn a_second_subscription_replaces_the_first() {
        let mut tree = SubscriptionTree::default();
        let filter = TopicFilter::new("casa/+/luz").unwrap();
        tree.insert(&filter, entry(1));
        tree.insert(&filter, Entry { identifier: Some(7), ..entry(1) });
        let mut found = Vec::new();
        tree.matching(&TopicName::new("casa/ático/luz").unwrap(), &mut found);
        assert_eq!(found, [Entry { identifier: Some(7), ..entry(1) }]);
    }
}
