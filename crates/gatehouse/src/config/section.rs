//! One table of the file: values of the kind that is asked for, with their places; what nobody asked for is unknown.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use gatehouse_model::span::parse_duration;
use toml_edit::{Item, TableLike, Value};

use super::nearest::{listed, nearest, suggestion};
use super::problems::{Finding, Findings};

/// Longest name for people, in characters: it has to fit on a phone.
const MAX_NAME_CHARACTERS: usize = 64;

/// A value with its place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

impl<T> Spanned<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: change(self.value), span: self.span }
    }
}

/// A table that is being read.
pub(super) struct Section<'d> {
    table: &'d dyn TableLike,
    /// Its header, where missing keys are reported.
    pub(super) span: Range<usize>,
    /// What its sentences begin with, such as `` `boiler`:  ``.
    prefix: String,
    asked: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub(super) fn new(table: &'d dyn TableLike, span: Range<usize>, prefix: String) -> Self {
        Self { table, span, prefix, asked: Vec::new() }
    }

    /// What sentences about this table begin with from now on.
    pub(super) fn set_prefix(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// An error at a place, with the prefix of this table.
    pub(super) fn error(
        &self,
        span: Range<usize>,
        what: impl AsRef<str>,
        hint: impl Into<String>,
    ) -> Finding {
        Finding::error(span, format!("{}{}", self.prefix, what.as_ref()), hint)
    }

    /// A warning at a place, with the prefix of this table.
    pub(super) fn warning(
        &self,
        span: Range<usize>,
        what: impl AsRef<str>,
        hint: impl Into<String>,
    ) -> Finding {
        Finding::warning(span, format!("{}{}", self.prefix, what.as_ref()), hint)
    }

    /// A key that must be there and is not.
    pub(super) fn missing(&self, key: &str, hint: impl Into<String>) -> Finding {
        self.error(self.span.clone(), format!("`{key}` is missing"), hint)
    }

    pub(super) fn item(&mut self, key: &'static str) -> Option<Spanned<&'d Item>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (key, item) = self.table.get_key_value(key)?;
        let span = item.span().or_else(|| key.span()).unwrap_or_else(|| self.span.clone());
        Some(Spanned { value: item, span })
    }

    /// All keys of this table with their places; none of them is unknown.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Spanned<&'d str>, &'d Item)> {
        let span = self.span.clone();
        self.table.iter().map(move |(word, item)| {
            let key = self.table.get_key_value(word).and_then(|(key, _)| key.span());
            (Spanned { value: word, span: key.unwrap_or_else(|| span.clone()) }, item)
        })
    }

    /// A value of another kind than what was asked for.
    pub(super) fn wrong_kind(&self, key: &str, found: &Spanned<&Item>, hint: impl Into<String>) -> Finding {
        let kind = kind_of(found.value);
        self.error(found.span.clone(), format!("`{key}` is {kind}"), hint)
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings,
    ) -> Option<Spanned<&'d str>> {
        let found = self.item(key)?;
        match found.value.as_str() {
            Some(text) => Some(Spanned { value: text, span: found.span }),
            None => {
                let hint = format!("write a text in quotes: {key} = \"{example}\"");
                findings.push(self.wrong_kind(key, &found, hint));
                None
            }
        }
    }

    /// A list of texts. `hint` shows how one is written.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        hint: &str,
        findings: &mut Findings,
    ) -> Option<Vec<Spanned<&'d str>>> {
        let found = self.item(key)?;
        let Some(list) = found.value.as_array() else {
            findings.push(self.wrong_kind(key, &found, hint));
            return None;
        };
        let mut texts = Vec::new();
        for value in list {
            let span = value.span().unwrap_or_else(|| found.span.clone());
            match value.as_str() {
                Some(text) => texts.push(Spanned { value: text, span }),
                None => {
                    findings.push(self.error(span, format!("`{key}` has something that is no text"), hint));
                }
            }
        }
        Some(texts)
    }

    /// A name for people: not empty, not endless, on one line.
    pub(super) fn name(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings,
    ) -> Option<String> {
        let text = self.text(key, example, findings)?;
        let complaint = if text.value.trim().is_empty() {
            format!("`{key}` is empty")
        } else if text.value.chars().count() > MAX_NAME_CHARACTERS {
            format!("`{key}` is longer than {MAX_NAME_CHARACTERS} characters")
        } else if text.value.chars().any(char::is_control) {
            format!("`{key}` contains a character that cannot be shown")
        } else {
            return Some(text.value.trim().to_owned());
        };
        let hint = format!("write a short name on one line: {key} = \"{example}\"");
        findings.push(self.error(text.span, complaint, hint));
        None
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let found = self.item(key)?;
        let hint = |given: Option<&str>| match given.and_then(|given| nearest(given, words.iter().copied())) {
            Some(meant) => format!("did you mean \"{meant}\"? It can be {}", listed(&words)),
            None => format!("write {key} = \"{}\"; it can be {}", words[0], listed(&words)),
        };
        let Some(text) = found.value.as_str() else {
            findings.push(self.wrong_kind(key, &found, hint(None)));
            return None;
        };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Some(*choice),
            None => {
                let what = format!("`{key}` cannot be `{text}`");
                findings.push(self.error(found.span, what, hint(Some(text))));
                None
            }
        }
    }

    /// A duration as people write it.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings,
    ) -> Option<Spanned<Duration>> {
        let found = self.item(key)?;
        let hint = |meant: &str| {
            format!("write a number with its unit (ms, s, m, h, d) in quotes: {key} = \"{meant}\"")
        };
        let Some(text) = found.value.as_str() else {
            let meant = found.value.as_integer().filter(|number| *number > 0);
            let meant = meant.map_or_else(|| example.to_owned(), |number| format!("{number}s"));
            findings.push(self.wrong_kind(key, &found, hint(&meant)));
            return None;
        };
        match parse_duration(text) {
            Ok(duration) => Some(Spanned { value: duration, span: found.span }),
            Err(problem) => {
                let meant = duration_meant(text).unwrap_or_else(|| example.to_owned());
                findings.push(self.error(
                    found.span,
                    format!("`{key}`: {}", first_clause(&problem)),
                    hint(&meant),
                ));
                None
            }
        }
    }

    /// A duration within limits.
    pub(super) fn duration_within(
        &mut self,
        key: &'static str,
        (shortest, longest): (Duration, Duration),
        example: &str,
        findings: &mut Findings,
    ) -> Option<Duration> {
        use gatehouse_model::span::format_duration;
        let found = self.duration(key, example, findings)?;
        let complaint = if found.value < shortest {
            format!("`{key}` is too short")
        } else if found.value > longest {
            format!("`{key}` is too long")
        } else {
            return Some(found.value);
        };
        let hint = format!(
            "write something between \"{}\" and \"{}\"",
            format_duration(shortest),
            format_duration(longest)
        );
        findings.push(self.error(found.span, complaint, hint));
        None
    }

    /// A finite number, with or without digits behind the point.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        example: &str,
        findings: &mut Findings,
    ) -> Option<Spanned<f64>> {
        let found = self.item(key)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "settings are small numbers; a larger one is only rounded"
        )]
        let number = found.value.as_float().or_else(|| found.value.as_integer().map(|number| number as f64));
        match number {
            Some(number) if number.is_finite() => Some(Spanned { value: number, span: found.span }),
            Some(_) => {
                let hint = format!("write a number such as {key} = {example}");
                findings.push(self.error(found.span, format!("`{key}` is not a finite number"), hint));
                None
            }
            None => {
                let hint = format!("write a number without quotes: {key} = {example}");
                findings.push(self.wrong_kind(key, &found, hint));
                None
            }
        }
    }

    /// An address and port to listen on.
    pub(super) fn address(
        &mut self,
        key: &'static str,
        example: SocketAddr,
        findings: &mut Findings,
    ) -> Option<SocketAddr> {
        let text = self.text(key, &example.to_string(), findings)?;
        match text.value.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                let meant = port_of(text.value).map_or(example, |port| SocketAddr::new(example.ip(), port));
                let hint = format!("write address and port: {key} = \"{meant}\"");
                findings.push(self.error(
                    text.span,
                    format!("`{}` is no address with a port", text.value),
                    hint,
                ));
                None
            }
        }
    }

    /// A table in this one.
    pub(super) fn table(&mut self, key: &'static str, findings: &mut Findings) -> Option<Section<'d>> {
        let found = self.item(key)?;
        if let Some(table) = found.value.as_table_like() {
            return Some(Section::new(table, found.span, self.prefix.clone()));
        }
        let hint = match found.value {
            Item::ArrayOfTables(_) => format!("write it once, with single brackets: [{key}]"),
            _ => format!("write it as a table, under the line [{key}]"),
        };
        findings.push(self.wrong_kind(key, &found, hint));
        None
    }

    /// Reports every key that nobody asked for. `what` is what the table is, for the sentence.
    pub(super) fn finish(self, what: &str, findings: &mut Findings) {
        for (word, _) in self.entries() {
            if !self.asked.contains(&word.value) {
                let known = suggestion(word.value, &self.asked);
                findings.push(self.error(
                    word.span,
                    format!("`{}` is no setting of {what}", word.value),
                    known,
                ));
            }
        }
    }
}

/// What something is, for the sentence "`x` is …".
fn kind_of(item: &Item) -> &'static str {
    match item {
        Item::Value(Value::String(_)) => "a text",
        Item::Value(Value::Integer(_)) => "a whole number",
        Item::Value(Value::Float(_)) => "a number",
        Item::Value(Value::Boolean(_)) => "true or false",
        Item::Value(Value::Datetime(_)) => "a date or a time",
        Item::Value(Value::Array(_)) => "a list",
        Item::Value(Value::InlineTable(_)) | Item::Table(_) => "a table",
        Item::ArrayOfTables(_) => "a list of tables",
        Item::None => "nothing",
    }
}

/// The model's sentence without its examples, which the hint gives better.
fn first_clause(problem: &str) -> &str {
    problem.split(": write").next().unwrap_or(problem)
}

/// What was probably meant by a text such as `2 hours`: its number with the unit that its letters begin with.
fn duration_meant(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (amount, unit) = (text.get(..digits)?.parse::<u32>().ok()?, text.get(digits..)?.trim());
    let unit = match unit {
        "ms" | "msec" | "millis" => "ms",
        _ if unit.starts_with("milli") => "ms",
        "" => "s",
        _ => ["s", "m", "h", "d"].into_iter().find(|letter| unit.starts_with(letter))?,
    };
    Some(format!("{amount}{unit}"))
}

/// The port in a text that is only a port, or a port after a colon.
fn port_of(text: &str) -> Option<u16> {
    text.rsplit(':').next()?.trim().parse().ok()
}
