//! What a series is called and what its samples are.

use std::fmt;
use std::str::FromStr;

use gatehouse_model::path::PathError;
use gatehouse_model::{DeviceId, PropertyId, PropertyPath, TopicError, TopicName};

/// Stands before the topic of a series that is no property: no id of a device has a colon in it.
const TOPIC_PREFIX: &str = "topic:";

/// What is recorded. As text: `kitchen/temperature`, or `topic:` and a whole topic, such as `topic:zigbee2mqtt/lamp/power`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SeriesName {
    /// A property of a device.
    Property(DeviceId, PropertyId),
    /// A topic outside the gateway's scheme that the configuration names.
    Topic(TopicName),
}

/// Why a text is not the name of a series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesNameError {
    /// It looks like a property and is none.
    #[error("{0}; a topic is written with `topic:` before it")]
    Property(#[from] PathError),
    /// What follows `topic:` is no topic.
    #[error(transparent)]
    Topic(#[from] TopicError),
}

impl SeriesName {
    /// The word of the column `source`.
    pub(crate) const fn source(&self) -> &'static str {
        match self {
            Self::Property(..) => "property",
            Self::Topic(_) => "topic",
        }
    }

    /// The text of the column `name`.
    pub(crate) fn stored(&self) -> String {
        match self {
            Self::Property(device, property) => format!("{device}/{property}"),
            Self::Topic(topic) => topic.as_str().to_owned(),
        }
    }

    /// The name for the columns `source` and `name`; nothing when this release could not have written them.
    pub(crate) fn from_stored(source: &str, name: &str) -> Option<Self> {
        match source {
            "property" => {
                let PropertyPath { device, property } = name.parse().ok()?;
                Some(Self::Property(device, property))
            }
            "topic" => TopicName::new(name).ok().map(Self::Topic),
            _ => None,
        }
    }
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(device, property) => write!(f, "{device}/{property}"),
            Self::Topic(topic) => write!(f, "{TOPIC_PREFIX}{topic}"),
        }
    }
}

impl FromStr for SeriesName {
    type Err = SeriesNameError;

    fn from_str(text: &str) -> Result<Self, SeriesNameError> {
        if let Some(topic) = text.strip_prefix(TOPIC_PREFIX) {
            return Ok(Self::Topic(TopicName::new(topic)?));
        }
        let PropertyPath { device, property } = text.parse()?;
        Ok(Self::Property(device, property))
    }
}

impl From<PropertyPath> for SeriesName {
    fn from(path: PropertyPath) -> Self {
        Self::Property(path.device, path.property)
    }
}

/// What the samples of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Finite numbers in a unit.
    Number,
    /// On and off, stored as 1 and 0.
    Switch,
    /// Words, stored as the ids of their texts.
    Text,
}

impl Kind {
    /// The word of the column `kind`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Switch => "switch",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no kind of series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of series: they are number, switch and text")]
pub struct KindError(String);

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(word: &str) -> Result<Self, KindError> {
        [Self::Number, Self::Switch, Self::Text]
            .into_iter()
            .find(|kind| kind.as_str() == word)
            .ok_or_else(|| KindError(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_what_they_write_and_a_topic_is_never_taken_for_a_property() {
        for text in ["kitchen/temperature", "topic:kitchen/temperature", "topic:a", "topic:topic:/ático/x"] {
            let name: SeriesName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(SeriesName::from_stored(name.source(), &name.stored()), Some(name));
        }
        for text in ["", "kitchen", "kitchen/json", "a/b/c", "Kitchen/x", "topic:", "topic:a/#"] {
            assert!(text.parse::<SeriesName>().is_err(), "{text}");
        }
        assert_eq!(SeriesName::from_stored("file", "a/b"), None);
    }

    #[test]
    fn kinds_read_what_they_write() {
        for kind in [Kind::Number, Kind::Switch, Kind::Text] {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("numbers".parse::<Kind>().is_err());
    }
}
