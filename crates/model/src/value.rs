//! What a sensor says and an output shows: a value with its time and its quality.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Cause, DeviceId, PropertyId, Timestamp};

/// Longest text value, in bytes: a state word, not a document.
pub const MAX_TEXT_BYTES: usize = 1_024;

/// A scalar. In JSON a number is a number, a switch is `"ON"` or `"OFF"`, a text is a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(into = "serde_json::Value")]
pub enum Value {
    /// A finite number, in the unit of its property.
    Number(f64),
    /// On or off; for a contact, on is open; for motion, on is detected.
    Switch(bool),
    /// A word.
    Text(Arc<str>),
}

impl Value {
    /// A number, or nothing when it is not finite: infinity and not-a-number are no readings.
    pub fn number(number: f64) -> Option<Self> {
        // Adding zero turns -0 into 0, which nobody wants to read on a wall.
        number.is_finite().then_some(Self::Number(number + 0.0))
    }

    /// The number, or 1 and 0 for on and off; nothing for a text. History and charts draw this.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Switch(on) => Some(f64::from(u8::from(*on))),
            Self::Text(_) => None,
        }
    }

    /// Reads the bare scalar of a state topic: `ON` and `OFF` are switches, a number is a number, the rest is text.
    pub fn from_payload(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        match text {
            "" => None,
            "ON" => Some(Self::Switch(true)),
            "OFF" => Some(Self::Switch(false)),
            _ => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Self::number(number),
                _ if text.len() <= MAX_TEXT_BYTES => Some(Self::Text(text.into())),
                _ => None,
            },
        }
    }
}

/// The bare scalar as it is published.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Switch(true) => f.write_str("ON"),
            Self::Switch(false) => f.write_str("OFF"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            // A whole number looks whole, as it does in the bare scalar; up to 2^53 each of them has an exact `f64`.
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 9.0e15 => (number as i64).into(),
            Value::Number(number) => number.into(),
            other => other.to_string().into(),
        }
    }
}

/// How far a value can be trusted. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quality {
    /// Read at the first try and believable.
    Ok,
    /// Made up by the simulated board.
    Simulated,
    /// Read after at least one failed try.
    Retried,
    /// Outside the sensor's range and set to its limit.
    Clamped,
    /// Read, but hard to believe (a power-on value, an impossible jump).
    Suspect,
    /// Older than it should be: the sensor has gone silent.
    Stale,
}

impl Quality {
    /// The word that topics, JSON and history use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Simulated => "simulated",
            Self::Retried => "retried",
            Self::Clamped => "clamped",
            Self::Suspect => "suspect",
            Self::Stale => "stale",
        }
    }

    /// The quality for a word of [`Quality::as_str`].
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Simulated, Self::Retried, Self::Clamped, Self::Suspect, Self::Stale]
            .into_iter()
            .find(|quality| quality.as_str() == word)
    }
}

/// One value of one property, honest about when it was true and how far it can be trusted.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Whose value it is.
    pub device: DeviceId,
    /// Which of its values.
    pub property: PropertyId,
    /// The value, in the property's unit.
    pub value: Value,
    /// How far it can be trusted.
    pub quality: Quality,
    /// When it was true (not when it was written).
    pub at: Timestamp,
    /// Who or what made it so: for outputs always, for sensors never.
    pub cause: Option<Cause>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_what_they_write() {
        for value in
            [Value::Number(21.5), Value::Number(-0.125), Value::Switch(true), Value::Text("open".into())]
        {
            assert_eq!(Value::from_payload(value.to_string().as_bytes()), Some(value));
        }
        assert_eq!(Value::Number(-0.0 + 0.0).to_string(), "0");
        assert_eq!(Value::number(-0.0).unwrap().to_string(), "0");
    }

    #[test]
    fn infinity_is_no_reading() {
        assert_eq!(Value::number(f64::NAN), None);
        assert_eq!(Value::number(f64::INFINITY), None);
        assert_eq!(Value::from_payload(b"NaN"), Some(Value::Text("NaN".into())));
        assert_eq!(Value::from_payload(b""), None);
        assert_eq!(Value::from_payload(&[0xff]), None);
    }
}
