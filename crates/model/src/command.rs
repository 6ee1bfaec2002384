//! What can be asked of an output, and the answer to it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::span::parse_duration;
use crate::{Cause, Timestamp, Value};

/// Longest payload of a command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 1_024;

/// Longest command id, in bytes.
pub const MAX_COMMAND_ID_BYTES: usize = 128;

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Take this value.
    Set(Value),
    /// Change over.
    Toggle,
}

/// A command as it was asked for; whether it may be done is decided elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What to do.
    pub action: Action,
    /// For how long; afterwards the output goes back to its safe level. Nothing: until told otherwise.
    pub duration: Option<Duration>,
    /// The asker's name for this command; it comes back in the result.
    pub id: Option<Arc<str>>,
    /// When it was asked for, by the asker's clock.
    pub at: Option<Timestamp>,
}

/// Why a payload is not a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// An empty payload, which some clients send to clear a retained message.
    #[error(
        "the payload is empty: send ON, OFF, TOGGLE, a number, or an object such as {{\"value\":\"ON\",\"for\":\"5s\"}}"
    )]
    Empty,
    /// Longer than [`MAX_COMMAND_BYTES`].
    #[error("the payload is longer than {MAX_COMMAND_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the payload is not UTF-8 text")]
    NotText,
    /// Text that is none of the known forms.
    #[error(
        "`{0}` is not a command: send ON, OFF, TOGGLE, true, false, 1, 0, a number, or an object such as {{\"value\":\"ON\",\"for\":\"5s\"}}"
    )]
    Unknown(String),
    /// An object with something wrong in it.
    #[error("the JSON of the command is wrong: {0}")]
    Json(String),
    /// A `for` that is no duration, or is zero.
    #[error("`for`: {0}")]
    Duration(String),
    /// A `ts` that is no time.
    #[error("`{0}` is no time: write it as in 2026-11-21T09:14:00Z")]
    Time(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandObject {
    value: serde_json::Value,
    #[serde(rename = "for")]
    duration: Option<String>,
    id: Option<String>,
    ts: Option<String>,
}

impl Command {
    /// A command without a duration, an id and a time.
    pub fn new(action: Action) -> Self {
        Self { action, duration: None, id: None, at: None }
    }

    /// Reads the payload of a `…/set` topic: `ON`, `OFF`, `TOGGLE`, `true`, `false`, `1`, `0`, a number, or
    /// `{"value":…,"for":"5s","id":"…","ts":"2026-11-21T09:14:00Z"}`. Whether `1` means on or the number one is for the output to say
    /// ([`Action`] carries it as a number).
    ///
    /// # Errors
    /// When the payload is none of these.
    pub fn parse(payload: &[u8]) -> Result<Self, CommandError> {
        if payload.len() > MAX_COMMAND_BYTES {
            return Err(CommandError::TooLong);
        }
        let text = std::str::from_utf8(payload).map_err(|_| CommandError::NotText)?.trim();
        if text.is_empty() {
            return Err(CommandError::Empty);
        }
        if !text.starts_with('{') {
            return Ok(Self::new(parse_word(text)?));
        }
        let object: CommandObject =
            serde_json::from_str(text).map_err(|error| CommandError::Json(error.to_string()))?;
        let action = match &object.value {
            serde_json::Value::String(word) => parse_word(word)?,
            serde_json::Value::Bool(on) => Action::Set(Value::Switch(*on)),
            serde_json::Value::Number(number) => parse_word(&number.to_string())?,
            _ => {
                return Err(CommandError::Json(
                    "`value` is neither a text, a number nor true or false".to_owned(),
                ));
            }
        };
        let duration =
            object.duration.as_deref().map(parse_duration).transpose().map_err(CommandError::Duration)?;
        if duration == Some(Duration::ZERO) {
            return Err(CommandError::Duration("a command cannot last for zero time".to_owned()));
        }
        if object.id.as_ref().is_some_and(|id| id.len() > MAX_COMMAND_ID_BYTES) {
            return Err(CommandError::Json(format!("`id` is longer than {MAX_COMMAND_ID_BYTES} bytes")));
        }
        let at = object.ts.as_deref().map(Timestamp::parse).transpose();
        let at =
            at.map_err(|_| CommandError::Time(object.ts.unwrap_or_default().chars().take(40).collect()))?;
        Ok(Self { action, duration, id: object.id.map(Into::into), at })
    }
}

fn parse_word(word: &str) -> Result<Action, CommandError> {
    match word {
        "ON" | "on" | "true" => Ok(Action::Set(Value::Switch(true))),
        "OFF" | "off" | "false" => Ok(Action::Set(Value::Switch(false))),
        "TOGGLE" | "toggle" => Ok(Action::Toggle),
        other => match other.parse::<f64>().ok().and_then(Value::number) {
            Some(number) => Ok(Action::Set(number)),
            None => Err(CommandError::Unknown(other.chars().take(40).collect())),
        },
    }
}

/// The answer to a command, as it is published on `…/result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandResult {
    /// The asker's name for the command.
    pub id: Option<Arc<str>>,
    /// Whether it was done.
    pub ok: bool,
    /// When it was not: why, in a sentence for people.
    pub reason: Option<Arc<str>>,
    /// Who asked.
    pub cause: Cause,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_the_topic_table() {
        let set = |value| Ok(Command::new(Action::Set(value)));
        assert_eq!(Command::parse(b"ON"), set(Value::Switch(true)));
        assert_eq!(Command::parse(b"false"), set(Value::Switch(false)));
        assert_eq!(Command::parse(b"TOGGLE"), Ok(Command::new(Action::Toggle)));
        assert_eq!(Command::parse(b"1"), set(Value::Number(1.0)));
        assert_eq!(Command::parse(b" 42.5\n"), set(Value::Number(42.5)));
        assert_eq!(
            Command::parse(br#"{"value":"ON","for":"5s","id":"x1"}"#),
            Ok(Command {
                action: Action::Set(Value::Switch(true)),
                duration: Some(Duration::from_secs(5)),
                id: Some("x1".into()),
                at: None,
            })
        );
        assert_eq!(Command::parse(br#"{"value":true}"#), set(Value::Switch(true)));
        let timed = Command::parse(br#"{"value":"ON","ts":"2026-11-21T09:14:00+01:00"}"#).unwrap();
        assert_eq!(timed.at, Timestamp::parse("2026-11-21T08:14:00Z").ok());
    }

    #[test]
    fn wrong_payloads_say_what_is_wrong() {
        assert_eq!(Command::parse(b""), Err(CommandError::Empty));
        assert_eq!(Command::parse(&[0xff, 0xfe]), Err(CommandError::NotText));
        assert!(matches!(Command::parse(b"maybe"), Err(CommandError::Unknown(_))));
        assert!(matches!(Command::parse(b"inf"), Err(CommandError::Unknown(_))));
        assert!(matches!(Command::parse(br#"{"value":[]}"#), Err(CommandError::Json(_))));
        assert!(matches!(Command::parse(br#"{"value":"ON","fro":"5s"}"#), Err(CommandError::Json(_))));
        assert!(matches!(Command::parse(br#"{"value":"ON","for":"soon"}"#), Err(CommandError::Duration(_))));
        assert!(matches!(Command::parse(br#"{"value":"ON","for":"0s"}"#), Err(CommandError::Duration(_))));
        assert!(matches!(Command::parse(br#"{"value":"ON","ts":"now"}"#), Err(CommandError::Time(_))));
        assert_eq!(Command::parse(&[b'1'; 2000]), Err(CommandError::TooLong));
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&payload);
        }
    }
}
