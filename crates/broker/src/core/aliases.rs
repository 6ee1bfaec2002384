//! Topic aliases that the broker sets for a client, so that a topic is written out only once (MQTT 5.0 section
//! 3.3.2.3.4). They last as long as the connection.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use gatehouse_model::TopicName;

use crate::codec::TopicAlias;

/// Shortest topic that is worth an alias: the property takes three bytes.
const LEAST_BYTES: usize = 4;

/// Longest topic that gets an alias, so that the aliases of one connection take some kilobytes at most.
const MOST_BYTES: usize = 256;

/// Topics of which is remembered that they were used once. Half of the aliases go to the topics that come first, so that
/// a client which takes one sees it in use at once; the others only to what is used again: they would else be gone after
/// the retained messages that a client is given, most of which it never hears of again.
const REMEMBERED: usize = 32;

/// An alias is given to another topic when its own was not used in so many messages. Else topics that take turns would
/// take the aliases from each other, and each message would be longer than without.
const UNUSED: u64 = 1_024;

/// The aliases of one connection. Nothing is allocated before the first message.
#[derive(Debug, Default)]
pub(crate) struct OutgoingAliases {
    most: u16,
    table: Option<Box<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    known: HashMap<TopicName, Known>,
    /// A hash of a topic that was used once, by its last bits. 0 is none.
    once: [u16; REMEMBERED],
    /// Counts messages.
    clock: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    alias: u16,
    last_used: u64,
}

impl OutgoingAliases {
    /// For a client that takes aliases up to `most`; 0 is none.
    pub(crate) fn new(most: u16) -> Self {
        Self { most, table: None }
    }

    /// How the topic of the next message is to be written. A new alias holds only once [`OutgoingAliases::set`] says that
    /// the client is sent it.
    pub(crate) fn propose(&mut self, topic: &TopicName) -> TopicAlias {
        if self.most == 0 || !(LEAST_BYTES..=MOST_BYTES).contains(&topic.as_str().len()) {
            return TopicAlias::None;
        }
        let table = self.table.get_or_insert_default();
        table.clock += 1;
        if let Some(known) = table.known.get_mut(topic) {
            known.last_used = table.clock;
            return TopicAlias::Use(known.alias);
        }
        let used = table.known.len();
        if used >= usize::from(self.most).div_ceil(2) && !table.was_used(topic) {
            return TopicAlias::None;
        }
        if used < usize::from(self.most) {
            // Aliases are given in order, and never taken back but for another topic.
            return TopicAlias::Set(used as u16 + 1);
        }
        let oldest = table.known.values().min_by_key(|known| known.last_used);
        match oldest {
            Some(known) if table.clock - known.last_used >= UNUSED => TopicAlias::Set(known.alias),
            _ => TopicAlias::None,
        }
    }

    /// The client is sent this alias with its topic: from now on it stands for the topic.
    pub(crate) fn set(&mut self, alias: u16, topic: &TopicName) {
        let Some(table) = &mut self.table else { return };
        table.known.retain(|_, known| known.alias != alias);
        table.known.insert(topic.clone(), Known { alias, last_used: table.clock });
    }
}

impl Table {
    /// Whether the topic was used lately; from now on it was.
    fn was_used(&mut self, topic: &TopicName) -> bool {
        let mut hasher = DefaultHasher::new();
        topic.hash(&mut hasher);
        let hash = hasher.finish();
        let mark = (hash >> 48) as u16 | 1;
        let slot = &mut self.once[hash as usize % REMEMBERED];
        std::mem::replace(slot, mark) == mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> TopicName {
        TopicName::new(format!("casa/{number}")).unwrap()
    }

    fn send(aliases: &mut OutgoingAliases, topic: &TopicName) -> TopicAlias {
        let proposed = aliases.propose(topic);
        if let TopicAlias::Set(alias) = proposed {
            aliases.set(alias, topic);
        }
        proposed
    }

    #[test]
    fn the_first_and_what_is_used_again_get_an_alias() {
        let mut aliases = OutgoingAliases::new(2);
        let found: Vec<TopicAlias> = (0..4).map(|_| send(&mut aliases, &name(1))).collect();
        assert_eq!(found, [TopicAlias::Set(1), TopicAlias::Use(1), TopicAlias::Use(1), TopicAlias::Use(1)]);
        // What was not sent is proposed anew.
        aliases.propose(&name(2));
        assert_eq!(aliases.propose(&name(2)), TopicAlias::Set(2));
        assert_eq!(send(&mut aliases, &name(2)), TopicAlias::Set(2));
        for _ in 0..3 {
            assert_eq!(send(&mut aliases, &name(3)), TopicAlias::None, "there are two");
        }
        // Topic 1 is used no more, topic 2 is.
        for _ in 0..UNUSED {
            send(&mut aliases, &name(2));
        }
        assert_eq!(send(&mut aliases, &name(3)), TopicAlias::Set(1));
        assert_eq!(send(&mut aliases, &name(2)), TopicAlias::Use(2));
        assert!(matches!(send(&mut aliases, &name(1)), TopicAlias::None));
    }

    #[test]
    fn short_and_very_long_topics_have_none_and_nothing_is_allocated_for_them() {
        let mut aliases = OutgoingAliases::new(2);
        for text in ["t/1".to_owned(), "x".repeat(MOST_BYTES + 1)] {
            let topic = TopicName::new(text).unwrap();
            for _ in 0..3 {
                assert_eq!(send(&mut aliases, &topic), TopicAlias::None);
            }
        }
        assert!(aliases.table.is_none());
        let mut none = OutgoingAliases::new(0);
        assert_eq!([send(&mut none, &name(1)), send(&mut none, &name(1))], [TopicAlias::None; 2]);
        assert!(none.table.is_none());
    }

    #[test]
    fn a_thousand_topics_in_turn_take_few_aliases_from_each_other() {
        let mut aliases = OutgoingAliases::new(8);
        let mut sets = 0;
        for _ in 0..3 {
            for number in 0..1_000 {
                sets += usize::from(matches!(send(&mut aliases, &name(number)), TopicAlias::Set(_)));
            }
        }
        assert!(sets < 100, "{sets}");
        assert!(aliases.table.unwrap().known.len() <= 8);
    }
}
