//! Values, qualities and times as text.

use std::fmt;

use gatehouse_model::{MAX_TEXT_BYTES, Quality, Timestamp, Value};

use super::{Entry, SILENCE};
use crate::Kind;

/// A number with as many digits as it takes to read the same number back, and an exponent where the digits would be many.
pub(super) struct Digits(pub(super) f64);

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size == 0.0 || (1e-7..1e17).contains(&size) {
            write!(f, "{}", self.0)
        } else {
            write!(f, "{:e}", self.0)
        }
    }
}

/// The word for the quality of an entry.
pub(super) const fn quality_word(entry: &Entry) -> &'static str {
    match entry {
        Entry::Reading { quality, .. } => quality.as_str(),
        Entry::Silence => SILENCE,
    }
}

/// A quality, or nothing for the mark of silence.
pub(super) fn read_quality(word: &str) -> Result<Option<Quality>, String> {
    if word == SILENCE {
        return Ok(None);
    }
    Quality::from_word(word).map(Some).ok_or_else(|| {
        format!("`{}` is no quality: ok, simulated, retried, clamped, suspect, stale or silence", short(word))
    })
}

/// A value as text, of a series of this kind; without a kind it is what it looks like.
pub(super) fn read_value(text: &str, kind: Option<Kind>) -> Result<Value, String> {
    match kind {
        None if is_decimal_comma(text) => Err(format!(
            "`{}` looks like a number with a comma: write it with a point, or with `text` in the column `kind`",
            short(text)
        )),
        None if text.trim().parse::<f64>().is_ok_and(|number| !number.is_finite()) => {
            Err(format!("`{}` is no number that can be recorded", short(text)))
        }
        None => Value::from_payload(text.as_bytes()).ok_or_else(|| {
            format!("`{}` is no value: it is empty or longer than {MAX_TEXT_BYTES} bytes", short(text))
        }),
        Some(Kind::Switch) => match text {
            "ON" | "on" | "true" | "1" => Ok(Value::Switch(true)),
            "OFF" | "off" | "false" | "0" => Ok(Value::Switch(false)),
            _ => Err(format!("`{}` is neither ON nor OFF", short(text))),
        },
        Some(Kind::Number) => match text.trim().parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Number(number)),
            _ if is_decimal_comma(text) => Err(format!(
                "`{}` is no number: write it with a point in the place of the comma",
                short(text)
            )),
            _ => Err(format!("`{}` is no number", short(text))),
        },
        Some(Kind::Text) => {
            if text.len() > MAX_TEXT_BYTES {
                return Err(format!("the text `{}` is longer than {MAX_TEXT_BYTES} bytes", short(text)));
            }
            Ok(Value::Text(text.into()))
        }
    }
}

/// Whether it is what some countries write for a number with a fraction: nobody can tell whether `1,234` is a little more
/// than one or than a thousand.
fn is_decimal_comma(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.trim().trim_start_matches(['-', '+']);
    text.split_once(',').is_some_and(|(whole, fraction)| digits(whole) && digits(fraction))
}

/// The kind of a value.
pub(super) const fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Number(_) => Kind::Number,
        Value::Switch(_) => Kind::Switch,
        Value::Text(_) => Kind::Text,
    }
}

/// A time: RFC 3339 (also as `date` and `mosquitto_sub` write it, with +0100), seconds since 1970 with or without a
/// fraction, or milliseconds, microseconds or nanoseconds, which are told by their 13, 16 or 19 digits.
pub(super) fn read_time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = Timestamp::parse(text) {
        return Ok(time);
    }
    if let Some(time) = seconds(text).or_else(|| fine(text)) {
        return Ok(time);
    }
    // It could be any of two dozen.
    if text.len() < 40 && Timestamp::parse(&format!("{text}Z")).is_ok() {
        return Err(format!("`{}` does not say its zone: write Z for UTC or +01:00 behind it", short(text)));
    }
    Err(format!(
        "`{}` is no time: write it like 2026-11-21T09:14:00.000Z, or as seconds since 1970",
        short(text)
    ))
}

/// Seconds with a fraction, in whole numbers: a float would lose milliseconds far from 1970.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 11 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some(Timestamp::from_millis(whole * 1_000 + thousandths.parse::<i64>().ok()?))
}

/// Whole numbers of parts of a second, of this century.
fn fine(text: &str) -> Option<Timestamp> {
    let parts = match text.len() {
        13 => 1,
        16 => 1_000,
        19 => 1_000_000,
        _ => return None,
    };
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = text.parse().ok().filter(|_| is_number)?;
    Some(Timestamp::from_millis(number / parts))
}

/// The beginning of a text that is quoted in an error.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 40;
    let mut start: String =
        text.chars().take(MOST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        start.push('…');
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_others_write_them() {
        let at = Timestamp::from_millis(1_795_252_440_250);
        for text in [
            "2026-11-21T09:14:00.250Z",
            "2026-11-21T10:14:00.250+01:00",
            "2026-11-21T10:14:00.2504+0100",
            "2026-11-21 09:14:00.250Z",
            "1795252440.25",
            "1795252440.250999999",
            "1795252440250",
            "1795252440250999",
            "1795252440250999999",
        ] {
            assert_eq!(read_time(text), Ok(at), "{text}");
        }
        assert_eq!(read_time("1795252440"), Ok(Timestamp::from_millis(1_795_252_440_000)));
        // A time without a zone could be any of two dozen.
        for text in
            ["2026-11-21T09:14:00", "yesterday", "", "-5", "1e9", "1795252440,25", "999999999999", "."]
        {
            assert!(read_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_could_be_something_else_is_refused() {
        let reason = read_time("2026-11-21 09:14:00").unwrap_err();
        assert!(reason.contains("zone"), "{reason}");
        for text in ["21,5", "-21,5", "1,234"] {
            assert!(read_value(text, None).unwrap_err().contains("comma"), "{text}");
            assert!(read_value(text, Some(Kind::Number)).unwrap_err().contains("comma"), "{text}");
            assert_eq!(read_value(text, Some(Kind::Text)), Ok(Value::Text(text.into())));
        }
        for text in ["NaN", "inf", "-Infinity", "1e999"] {
            assert!(read_value(text, None).is_err(), "{text}");
            assert!(read_value(text, Some(Kind::Number)).is_err(), "{text}");
        }
        assert_eq!(read_value("a, b", None), Ok(Value::Text("a, b".into())));
    }

    #[test]
    fn numbers_have_the_digits_that_they_need_and_no_more() {
        for (number, text) in [
            (21.5, "21.5"),
            (20.0, "20"),
            (-0.0, "-0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e300, "1e300"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (123_456_789_012.0, "123456789012"),
        ] {
            assert_eq!(Digits(number).to_string(), text);
        }
    }

    #[test]
    fn what_is_quoted_stays_short_and_plain() {
        assert_eq!(short("a\u{1b}[31m"), "a\u{fffd}[31m");
        assert_eq!(short(&"x".repeat(1_000)).chars().count(), 41);
    }
}
