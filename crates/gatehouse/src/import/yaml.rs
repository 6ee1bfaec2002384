//! Values of a YAML document as people wrote them: `yes` is true for mqtt-io's parser, and texts may stand without
//! quotes.

use serde_json::{Map, Value};

/// A mapping of the document.
#[derive(Clone, Copy)]
pub(super) struct Entry<'v>(&'v Map<String, Value>);

impl<'v> Entry<'v> {
    /// The document itself.
    pub(super) fn root(value: &'v Value) -> Option<Self> {
        value.as_object().map(Self)
    }

    /// A mapping in it.
    pub(super) fn entry(self, key: &str) -> Option<Self> {
        self.0.get(key).and_then(Value::as_object).map(Self)
    }

    /// The mappings of a list; nothing where there is none.
    pub(super) fn list(self, key: &str) -> impl Iterator<Item = Self> {
        let list = self.0.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_object).map(Self)
    }

    /// A scalar as text.
    pub(super) fn text(self, key: &str) -> Option<String> {
        match self.0.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            // What YAML 1.1 makes of an unquoted ON or OFF is what mqtt-io would publish.
            Value::Bool(flag) => Some(if *flag { "True" } else { "False" }.to_owned()),
            _ => None,
        }
    }

    /// A number, also one that stands in quotes or in hexadecimal digits.
    pub(super) fn number(self, key: &str) -> Option<f64> {
        match self.0.get(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => match text.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16).ok().map(f64::from),
                None => text.parse().ok(),
            },
            _ => None,
        }
        .filter(|number| number.is_finite())
    }

    /// A whole number from 0 on.
    pub(super) fn whole(self, key: &str) -> Option<u32> {
        let number = self.number(key).filter(|number| number.fract() == 0.0)?;
        (0.0..=f64::from(u32::MAX)).contains(&number).then_some(number as u32)
    }

    /// True for what YAML 1.1 takes for true.
    pub(super) fn flag(self, key: &str) -> bool {
        match self.0.get(key) {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => matches!(text.to_lowercase().as_str(), "yes" | "on" | "true" | "y"),
            _ => false,
        }
    }

    /// The keys that it has.
    pub(super) fn keys(self) -> impl Iterator<Item = &'v str> {
        self.0.keys().map(String::as_str)
    }

    /// The mapping as one line, for a comment.
    pub(super) fn shown(self) -> String {
        serde_json::to_string(self.0).unwrap_or_default()
    }
}
