//! From the subscriptions that match a topic to who receives its messages, and how.

use std::collections::HashMap;
use std::sync::Arc;

use gatehouse_model::{Qos, TopicName};

use super::subscriptions::{Entry, Subscriber};

/// Topics whose receivers are remembered. A house has some thousands at most; when they are full all are forgotten,
/// which costs one look into the tree for each.
const REMEMBERED_ROUTES: usize = 4_096;

/// To whom of the receivers of a topic a target applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Whoever published.
    Everybody,
    /// Only when somebody else published: a subscription with No Local. [MQTT-3.8.3-3]
    NotThePublisher,
    /// Only when the receiver itself published: what is left of its subscriptions without those with No Local.
    ThePublisher,
}

/// One receiver of a topic. However many of its subscriptions match, it gets one copy, with the greatest QoS and all
/// subscription identifiers. [MQTT-3.3.4-3], [MQTT-3.3.4-4]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) subscriber: Subscriber,
    pub(crate) qos: Qos,
    pub(crate) retain_as_published: bool,
    pub(crate) identifiers: Option<Arc<[u32]>>,
    pub(crate) audience: Audience,
}

/// Receivers by topic, until a subscription or a right changes.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    known: HashMap<TopicName, Arc<[Target]>>,
}

impl Routes {
    pub(crate) fn get(&self, topic: &TopicName) -> Option<Arc<[Target]>> {
        self.known.get(topic).cloned()
    }

    pub(crate) fn insert(&mut self, topic: TopicName, targets: Arc<[Target]>) {
        if self.known.len() >= REMEMBERED_ROUTES {
            self.known.clear();
        }
        self.known.insert(topic, targets);
    }

    /// A subscription or a right has changed.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

/// Makes one target, or two where No Local matters, of the matching subscriptions of each receiver.
pub(crate) fn targets(mut entries: Vec<Entry>) -> Vec<Target> {
    entries.sort_by_key(|entry| entry.subscriber);
    let mut targets = Vec::with_capacity(entries.len());
    for of_one in entries.chunk_by(|a, b| a.subscriber == b.subscriber) {
        let silent = of_one.iter().filter(|entry| entry.options.no_local).count();
        if silent == 0 {
            targets.extend(merge(of_one.iter(), Audience::Everybody));
        } else {
            targets.extend(merge(of_one.iter(), Audience::NotThePublisher));
            targets
                .extend(merge(of_one.iter().filter(|entry| !entry.options.no_local), Audience::ThePublisher));
        }
    }
    targets
}

fn merge<'a>(entries: impl Iterator<Item = &'a Entry> + Clone, audience: Audience) -> Option<Target> {
    let subscriber = entries.clone().next()?.subscriber;
    let qos = entries.clone().map(|entry| entry.options.qos).max()?;
    let retain_as_published = entries.clone().any(|entry| entry.options.retain_as_published);
    let identifiers: Vec<u32> = entries.filter_map(|entry| entry.identifier).collect();
    let identifiers = (!identifiers.is_empty()).then(|| identifiers.into());
    Some(Target { subscriber, qos, retain_as_published, identifiers, audience })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Options;

    fn entry(number: u32, qos: Qos, no_local: bool, identifier: Option<u32>) -> Entry {
        let options = Options { qos, no_local, ..Options::default() };
        Entry { subscriber: Subscriber::Session(number), options, identifier }
    }

    #[test]
    fn overlapping_subscriptions_make_one_target() {
        let found = targets(vec![
            entry(2, Qos::AtMostOnce, false, None),
            entry(1, Qos::AtMostOnce, false, Some(7)),
            entry(1, Qos::ExactlyOnce, false, Some(9)),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].qos, found[0].identifiers.as_deref()), (Qos::ExactlyOnce, Some(&[7, 9][..])));
        assert_eq!(found[1].identifiers, None);
    }

    #[test]
    fn no_local_is_silent_to_the_publisher_only() {
        let found = targets(vec![
            entry(1, Qos::ExactlyOnce, true, Some(7)),
            entry(1, Qos::AtMostOnce, false, Some(9)),
        ]);
        assert_eq!(found[0].audience, Audience::NotThePublisher);
        assert_eq!((found[0].qos, found[0].identifiers.as_deref()), (Qos::ExactlyOnce, Some(&[7, 9][..])));
        assert_eq!(found[1].audience, Audience::ThePublisher);
        assert_eq!((found[1].qos, found[1].identifiers.as_deref()), (Qos::AtMostOnce, Some(&[9][..])));
        assert_eq!(targets(vec![entry(1, Qos::AtMostOnce, true, None)]).len(), 1);
    }
}
