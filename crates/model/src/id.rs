//! Ids of devices and properties: legal in MQTT topics, Home Assistant and Homie alike.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest id, in characters.
pub const MAX_ID_LENGTH: usize = 32;

/// Property names that stand for something else in the topic scheme.
pub const RESERVED_PROPERTIES: [&str; 3] = ["availability", "json", "event"];

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("an id needs at least one character")]
    Empty,
    /// Longer than [`MAX_ID_LENGTH`].
    #[error("`{0}` is longer than {MAX_ID_LENGTH} characters")]
    TooLong(String),
    /// A character outside `[a-z0-9-]`.
    #[error("`{id}` contains `{character}`: ids are made of a-z, 0-9 and -")]
    Character {
        /// The text as given.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// One of [`RESERVED_PROPERTIES`].
    #[error("`{0}` has a meaning of its own in the topic scheme and cannot name a property")]
    Reserved(String),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.chars().count() > MAX_ID_LENGTH {
        return Err(IdError::TooLong(text.to_owned()));
    }
    match text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
        Some(character) => Err(IdError::Character { id: text.to_owned(), character }),
        None => Ok(()),
    }
}

macro_rules! id_type {
    ($name:ident, $what:literal, $extra:expr) => {
        #[doc = concat!("The id of a ", $what, ": 1 to 32 characters of `[a-z0-9-]`.")]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text and makes an id of it.
            ///
            /// # Errors
            /// When the text breaks a rule of [`IdError`].
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                let extra: fn(&str) -> Result<(), IdError> = $extra;
                extra(text)?;
                Ok(Self(text.into()))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
    };
}

id_type!(DeviceId, "device", |_| Ok(()));
id_type!(PropertyId, "property", |text| {
    if RESERVED_PROPERTIES.contains(&text) { Err(IdError::Reserved(text.to_owned())) } else { Ok(()) }
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_and_plain() {
        assert!(DeviceId::new("front-door-2").is_ok());
        assert!(DeviceId::new(&"a".repeat(32)).is_ok());
        assert_eq!(DeviceId::new(""), Err(IdError::Empty));
        assert!(matches!(DeviceId::new(&"a".repeat(33)), Err(IdError::TooLong(_))));
        assert!(matches!(DeviceId::new("Kitchen"), Err(IdError::Character { character: 'K', .. })));
        assert!(matches!(DeviceId::new("a/b"), Err(IdError::Character { character: '/', .. })));
        assert!(matches!(PropertyId::new("json"), Err(IdError::Reserved(_))));
        assert!(DeviceId::new("json").is_ok());
    }
}
