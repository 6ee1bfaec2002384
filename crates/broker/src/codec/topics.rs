//! Topic names of one connection: the few that it uses all the time, and its aliases.

use gatehouse_model::TopicName;
use gatehouse_model::topic::TopicError;

use super::{Reason, WireError};

/// Topics that are remembered for one connection. A sensor publishes to a handful; a remembered one is neither
/// validated nor allocated again.
const REMEMBERED: usize = 16;

/// The topic names that a connection used lately, by a cheap hash of their text.
#[derive(Debug, Default)]
pub(crate) struct RecentTopics {
    slots: Vec<Option<TopicName>>,
}

impl RecentTopics {
    /// The topic name for this text.
    pub(crate) fn name(&mut self, text: &str) -> Result<TopicName, WireError> {
        if self.slots.is_empty() {
            self.slots.resize(REMEMBERED, None);
        }
        let hash = text
            .bytes()
            .rev()
            .take(8)
            .fold(text.len(), |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let slot = &mut self.slots[hash % REMEMBERED];
        if let Some(name) = slot
            && name.as_str() == text
        {
            return Ok(name.clone());
        }
        let name = TopicName::new(text).map_err(|error| match error {
            // [MQTT-1.5.4-2], [MQTT-1.5.3-2] of 3.1.1
            TopicError::Null => WireError::new(Reason::Malformed, "a text has a null character"),
            _ => WireError::new(Reason::TopicNameInvalid, "the topic is not a valid topic name"),
        })?;
        *slot = Some(name.clone());
        Ok(name)
    }
}

/// The topic aliases that a client has set (MQTT 5.0 section 3.3.2.3.4). They last as long as the connection.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    topics: Vec<Option<TopicName>>,
    maximum: u16,
}

impl Aliases {
    pub(crate) fn new(maximum: u16) -> Self {
        Self { topics: Vec::new(), maximum }
    }

    /// Sets an alias when there is a topic, or looks it up when there is none.
    pub(crate) fn resolve(&mut self, alias: u16, topic: Option<TopicName>) -> Result<TopicName, WireError> {
        if alias == 0 || alias > self.maximum {
            return Err(WireError::new(Reason::TopicAliasInvalid, "the topic alias is outside of the range"));
        }
        let index = usize::from(alias) - 1;
        if let Some(topic) = topic {
            if self.topics.len() <= index {
                self.topics.resize(index + 1, None);
            }
            self.topics[index] = Some(topic.clone());
            return Ok(topic);
        }
        let known = self.topics.get(index).cloned().flatten();
        known.ok_or(WireError::new(Reason::Protocol, "the topic alias was never set"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_topic_is_the_right_one() {
        let mut recent = RecentTopics::default();
        for _ in 0..2 {
            for number in 0..100 {
                let text = format!("casa/ático/{number}");
                assert_eq!(recent.name(&text).unwrap().as_str(), text);
            }
        }
        assert!(recent.name("a/#").is_err() && recent.name("").is_err());
    }

    #[test]
    fn aliases_are_set_used_and_bounded() {
        let mut aliases = Aliases::new(2);
        let topic = TopicName::new("casa/ático").unwrap();
        assert_eq!(aliases.resolve(2, None).unwrap_err().reason, Reason::Protocol);
        assert_eq!(aliases.resolve(2, Some(topic.clone())), Ok(topic.clone()));
        assert_eq!(aliases.resolve(2, None), Ok(topic.clone()));
        for alias in [0, 3] {
            let refused = aliases.resolve(alias, Some(topic.clone())).unwrap_err();
            assert_eq!(refused.reason, Reason::TopicAliasInvalid);
        }
    }
}
