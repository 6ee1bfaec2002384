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
    /// Open a cover.
    Open,
    /// Close a cover.
    Close,
    /// Stay as it is at this moment: a cover stops, a level stops on its way.
    Stop,
    /// Go on and off in turn.
    Blink {
        /// How long it is on each time; [`DEFAULT_BLINK`] when nothing is said.
        on: Duration,
        /// How long it is off each time; [`DEFAULT_BLINK`] when nothing is said.
        off: Duration,
    },
}

/// How long a blinking output is on, and off, when the command says nothing.
pub const DEFAULT_BLINK: Duration = Duration::from_millis(500);

/// A command as it was asked for; whether it may be done is decided elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What to do.
    pub action: Action,
    /// For how long; afterwards the output goes back to its safe level. Nothing: until told otherwise.
    pub duration: Option<Duration>,
    /// The time that the way to the value takes. Nothing: what the configuration says.
    pub over: Option<Duration>,
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
    /// An empty payload where a text belongs, which some clients send to clear a retained message.
    #[error(
        "the payload is empty: send the text, or an object such as {{\"value\":\"\"}} to send nothing but the end of a line"
    )]
    NoText,
    /// Longer than [`MAX_COMMAND_BYTES`].
    #[error("the payload is longer than {MAX_COMMAND_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the payload is not UTF-8 text")]
    NotText,
    /// Text that is none of the known forms.
    #[error(
        "`{0}` is not a command: send ON, OFF, TOGGLE, OPEN, CLOSE, STOP, true, false, 1, 0, a number, or an object such as {{\"value\":\"ON\",\"for\":\"5s\"}}"
    )]
    Unknown(String),
    /// An object with something wrong in it.
    #[error("the JSON of the command is wrong: {0}")]
    Json(String),
    /// A `for`, `over`, `on` or `off` that is no duration, or that is zero where something must last.
    #[error("{0}")]
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
    over: Option<String>,
    on: Option<String>,
    off: Option<String>,
    id: Option<String>,
    ts: Option<String>,
}

impl Command {
    /// A command without a duration, a way, an id and a time.
    pub fn new(action: Action) -> Self {
        Self { action, duration: None, over: None, id: None, at: None }
    }

    /// Reads the payload of a `…/set` topic: `ON`, `OFF`, `TOGGLE`, `OPEN`, `CLOSE`, `STOP`, `BLINK`, `true`, `false`,
    /// `1`, `0`, a number, or `{"value":…,"for":"5s","over":"2s","id":"…","ts":"2026-11-21T09:14:00Z"}`; with the value
    /// `BLINK` it may say `"on":"500ms"` and `"off":"500ms"`. Whether `1` means on or the number one is for the output to say
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
        let action =
            match (action, lasting("on", object.on.as_deref())?, lasting("off", object.off.as_deref())?) {
                (Action::Blink { on, off }, said_on, said_off) => {
                    Action::Blink { on: said_on.unwrap_or(on), off: said_off.unwrap_or(off) }
                }
                (action, None, None) => action,
                _ => {
                    let problem = "`on` and `off` belong to a command that blinks: \"value\":\"BLINK\"";
                    return Err(CommandError::Json(problem.to_owned()));
                }
            };
        let duration = lasting("for", object.duration.as_deref())?;
        let over = object.over.as_deref().map(parse_duration).transpose();
        let over = over.map_err(|problem| CommandError::Duration(format!("`over`: {problem}")))?;
        if object.id.as_ref().is_some_and(|id| id.len() > MAX_COMMAND_ID_BYTES) {
            return Err(CommandError::Json(format!("`id` is longer than {MAX_COMMAND_ID_BYTES} bytes")));
        }
        let at = object.ts.as_deref().map(Timestamp::parse).transpose();
        let at =
            at.map_err(|_| CommandError::Time(object.ts.unwrap_or_default().chars().take(40).collect()))?;
        Ok(Self { action, duration, over, id: object.id.map(Into::into), at })
    }
}

impl Command {
    /// Reads the payload of a `…/set` topic whose property takes any text: the payload as it is, or
    /// `{"value":"…","id":"…","ts":"…"}`. What begins like an object and is none of that form is text as well, since there
    /// are devices that are spoken to in JSON; a text that looks like that form is sent as the `value` of one.
    ///
    /// # Errors
    /// When the payload is empty, longer than [`MAX_COMMAND_BYTES`] or not UTF-8, or the id is too long.
    pub fn parse_text(payload: &[u8]) -> Result<Self, CommandError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct TextObject {
            value: String,
            id: Option<String>,
            ts: Option<String>,
        }
        if payload.len() > MAX_COMMAND_BYTES {
            return Err(CommandError::TooLong);
        }
        let text = std::str::from_utf8(payload).map_err(|_| CommandError::NotText)?;
        let object: Option<TextObject> =
            if text.starts_with('{') { serde_json::from_str(text).ok() } else { None };
        let Some(TextObject { value, id, ts }) = object else {
            if text.is_empty() {
                return Err(CommandError::NoText);
            }
            return Ok(Self::new(Action::Set(Value::Text(text.into()))));
        };
        if id.as_ref().is_some_and(|id| id.len() > MAX_COMMAND_ID_BYTES) {
            return Err(CommandError::Json(format!("`id` is longer than {MAX_COMMAND_ID_BYTES} bytes")));
        }
        let at = ts.as_deref().map(Timestamp::parse).transpose();
        let at = at.map_err(|_| CommandError::Time(ts.unwrap_or_default().chars().take(40).collect()))?;
        let id = id.map(Into::into);
        Ok(Self { id, at, ..Self::new(Action::Set(Value::Text(value.into()))) })
    }
}

/// A duration of the object that is not zero.
fn lasting(key: &str, text: Option<&str>) -> Result<Option<Duration>, CommandError> {
    match text.map(parse_duration).transpose() {
        Ok(Some(Duration::ZERO)) => {
            Err(CommandError::Duration(format!("`{key}`: a command cannot last for zero time")))
        }
        Ok(duration) => Ok(duration),
        Err(problem) => Err(CommandError::Duration(format!("`{key}`: {problem}"))),
    }
}

fn parse_word(word: &str) -> Result<Action, CommandError> {
    match word {
        "ON" | "on" | "true" => Ok(Action::Set(Value::Switch(true))),
        "OFF" | "off" | "false" => Ok(Action::Set(Value::Switch(false))),
        "TOGGLE" | "toggle" => Ok(Action::Toggle),
        "OPEN" | "open" => Ok(Action::Open),
        "CLOSE" | "close" => Ok(Action::Close),
        "STOP" | "stop" => Ok(Action::Stop),
        "BLINK" | "blink" => Ok(Action::Blink { on: DEFAULT_BLINK, off: DEFAULT_BLINK }),
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
                id: Some("x1".into()),
                duration: Some(Duration::from_secs(5)),
                ..Command::new(Action::Toggle)
            })
        );
        let dimmed = Command::parse(br#"{"value":40,"over":"2s"}"#).unwrap();
        assert_eq!(
            (dimmed.action, dimmed.over),
            (Action::Set(Value::Number(40.0)), Some(Duration::from_secs(2)))
        );
        assert_eq!(Command::parse(b"OPEN"), Ok(Command::new(Action::Open)));
        assert_eq!(Command::parse(b"CLOSE"), Ok(Command::new(Action::Close)));
        assert_eq!(Command::parse(b"STOP"), Ok(Command::new(Action::Stop)));
        let blinking = Command::parse(br#"{"value":"BLINK","on":"1s","for":"10s"}"#).unwrap();
        assert_eq!(blinking.action, Action::Blink { on: Duration::from_secs(1), off: DEFAULT_BLINK });
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
        assert!(matches!(Command::parse(br#"{"value":"BLINK","on":"0s"}"#), Err(CommandError::Duration(_))));
        assert!(matches!(Command::parse(br#"{"value":"ON","over":"2"}"#), Err(CommandError::Duration(_))));
        let switches = Command::parse(br#"{"value":"ON","off":"5s"}"#).unwrap_err();
        assert!(switches.to_string().contains("BLINK"), "{switches}");
        assert!(matches!(Command::parse(br#"{"value":"ON","ts":"now"}"#), Err(CommandError::Time(_))));
        assert_eq!(Command::parse(&[b'1'; 2000]), Err(CommandError::TooLong));
    }

    #[test]
    fn texts_are_taken_as_they_are_and_objects_of_the_known_form_are_opened() {
        let text = |text: &str| Ok(Command::new(Action::Set(Value::Text(text.into()))));
        for plain in [
            "ON",
            " 21.5 ",
            "{\"state\":1}",
            "{\"value\":1}",
            "{\"value\":\"x\",\"for\":\"5s\"}",
            "{",
            "a\nb",
        ] {
            assert_eq!(Command::parse_text(plain.as_bytes()), text(plain), "{plain}");
        }
        let named =
            Command::parse_text(br#"{"value":"AT+CSQ","id":"x1","ts":"2026-11-21T09:14:00Z"}"#).unwrap();
        assert_eq!(named.action, Action::Set(Value::Text("AT+CSQ".into())));
        assert_eq!((named.id.as_deref(), named.at.is_some()), (Some("x1"), true));
        assert_eq!(Command::parse_text(br#"{"value":""}"#), text(""));
        assert_eq!(Command::parse_text(b""), Err(CommandError::NoText));
        assert_eq!(Command::parse_text(&[0xff]), Err(CommandError::NotText));
        assert_eq!(Command::parse_text(&[b'x'; 2000]), Err(CommandError::TooLong));
        assert!(matches!(Command::parse_text(br#"{"value":"x","ts":"now"}"#), Err(CommandError::Time(_))));
    }

    proptest! {
        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&payload);
            let _ = Command::parse_text(&payload);
        }
    }
}
