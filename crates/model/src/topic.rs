//! Topic names and topic filters (MQTT 5.0 section 4.7, MQTT 3.1.1 section 4.7).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest topic, in bytes: the length field of an MQTT string has 16 bits. [MQTT-4.7.3-3]
pub const MAX_TOPIC_BYTES: usize = 65_535;

/// Most levels of a topic. The subscription tree descends one step a level; nothing in a house needs more.
pub const MAX_TOPIC_LEVELS: usize = 128;

/// Why a text is not a topic name or filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// [MQTT-4.7.3-1]: at least one character.
    #[error("a topic needs at least one character")]
    Empty,
    /// Longer than [`MAX_TOPIC_BYTES`].
    #[error("a topic has at most {MAX_TOPIC_BYTES} bytes")]
    TooLong,
    /// More levels than [`MAX_TOPIC_LEVELS`].
    #[error("a topic has at most {MAX_TOPIC_LEVELS} levels")]
    TooDeep,
    /// [MQTT-4.7.3-2]: no U+0000.
    #[error("a topic must not contain the null character")]
    Null,
    /// [MQTT-3.3.2-2]: a name that is published to has no wildcards.
    #[error("`+` and `#` are wildcards: they belong into subscriptions, not into the topic of a message")]
    WildcardInName,
    /// [MQTT-4.7.1-1], [MQTT-4.7.1-2]: a wildcard stands alone in its level, and `#` in the last one only.
    #[error("a wildcard fills a whole level, and `#` stands in the last level only")]
    MisplacedWildcard,
}

fn check_common(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > MAX_TOPIC_BYTES {
        return Err(TopicError::TooLong);
    }
    if text.bytes().any(|byte| byte == 0) {
        return Err(TopicError::Null);
    }
    if text.bytes().filter(|byte| *byte == b'/').count() >= MAX_TOPIC_LEVELS {
        return Err(TopicError::TooDeep);
    }
    Ok(())
}

/// The topic of a message: any UTF-8 text without wildcards. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Checks a text and makes a topic name of it.
    ///
    /// # Errors
    /// When the text breaks a rule of [`TopicError`].
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, TopicError> {
        let text = text.into();
        check_common(&text)?;
        if text.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
            return Err(TopicError::WildcardInName);
        }
        Ok(Self(text))
    }

    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels between the slashes; a level may be empty.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

/// What a subscription asks for: a topic in which `+` stands for one level and a last `#` for all that follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicFilter(Arc<str>);

impl TopicFilter {
    /// Checks a text and makes a topic filter of it.
    ///
    /// # Errors
    /// When the text breaks a rule of [`TopicError`].
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, TopicError> {
        let text = text.into();
        check_common(&text)?;
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            let is_last = levels.peek().is_none();
            let well_placed = match level {
                "+" => true,
                "#" => is_last,
                other => !other.contains(['+', '#']),
            };
            if !well_placed {
                return Err(TopicError::MisplacedWildcard);
            }
        }
        Ok(Self(text))
    }

    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The levels between the slashes.
    pub fn levels(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether a message on `topic` matches. A wildcard in the first level does not match a topic that starts with
    /// `$`. [MQTT-4.7.2-1]
    pub fn matches(&self, topic: &TopicName) -> bool {
        if topic.0.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.levels();
        for level in self.levels() {
            match level {
                "#" => return true,
                "+" => {
                    if names.next().is_none() {
                        return false;
                    }
                }
                exact => {
                    if names.next() != Some(exact) {
                        return false;
                    }
                }
            }
        }
        names.next().is_none()
    }
}

macro_rules! topic_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = TopicError;
            fn try_from(text: String) -> Result<Self, TopicError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(topic: $name) -> Self {
                topic.0.as_ref().to_owned()
            }
        }
    };
}

topic_text!(TopicName);
topic_text!(TopicFilter);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(filter: &str, topic: &str) -> bool {
        TopicFilter::new(filter).unwrap().matches(&TopicName::new(topic).unwrap())
    }

    #[test]
    fn the_examples_of_the_standard() {
        for topic in
            ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"]
        {
            assert!(matches("sport/tennis/player1/#", topic));
        }
        assert!(matches("sport/#", "sport"));
        assert!(matches("#", "sport/tennis"));
        assert!(matches("sport/tennis/+", "sport/tennis/player1"));
        assert!(!matches("sport/tennis/+", "sport/tennis/player1/ranking"));
        assert!(!matches("sport/+", "sport"));
        assert!(matches("sport/+", "sport/"));
        assert!(matches("+/+", "/finance") && matches("/+", "/finance") && !matches("+", "/finance"));
        assert!(!matches("#", "$SYS/broker/uptime") && !matches("+/broker/uptime", "$SYS/broker/uptime"));
        assert!(matches("$SYS/#", "$SYS/broker/uptime"));
    }

    #[test]
    fn any_language_is_a_topic() {
        assert!(matches("casa/+/luz", "casa/ático/luz"));
        assert!(matches("家/#", "家/客厅/温度"));
    }

    #[test]
    fn what_is_not_a_topic() {
        assert_eq!(TopicName::new(""), Err(TopicError::Empty));
        assert_eq!(TopicName::new("a/+/b"), Err(TopicError::WildcardInName));
        assert_eq!(TopicName::new("a\0b"), Err(TopicError::Null));
        assert_eq!(TopicName::new("a".repeat(65_536)), Err(TopicError::TooLong));
        assert_eq!(TopicName::new("/".repeat(128)), Err(TopicError::TooDeep));
        assert!(TopicName::new("/".repeat(127)).is_ok());
        for filter in ["a/#/b", "a#", "a+", "+a/b", "#/a"] {
            assert_eq!(TopicFilter::new(filter), Err(TopicError::MisplacedWildcard), "{filter}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_a_filter_that_matches_itself_only(a in "[a-c/]{1,6}", b in "[a-c/]{1,6}") {
            prop_assert_eq!(matches(&a, &b), a == b);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = TopicName::new(text.clone());
            let _ = TopicFilter::new(text);
        }
    }
}
