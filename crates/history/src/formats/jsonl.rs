//! JSON Lines: one object a line.
//!
//! `{"time":"2026-11-21T09:14:00.250Z","series":"kitchen/temperature","kind":"number","unit":"°C","value":21.5,"quality":"ok"}`.
//! `unit` may be null or missing; `value` is a number, `"ON"` or `"OFF"`, a text, or null where `quality` is `silence`.
//! `kind` and `quality` may be missing: the kind is then what the value looks like, the quality `ok`. In the place of `series` there
//! may be a whole `topic`.

use std::borrow::Cow;
use std::io::{self, BufRead, Write};

use gatehouse_model::Value;
use serde::{Deserialize, Serialize};

use super::heads::{Heads, Named, Parts};
use super::limited::{Line, Lines};
use super::mistake::Mistake;
use super::words::{Digits, quality_word, read_time};
use super::{Entry, Row};

#[derive(Debug)]
pub(super) struct JsonLinesWriter<W> {
    sink: W,
}

/// The part of an object before the value; numbers are written by our own hand, with all their digits.
#[derive(Serialize)]
struct Written<'a> {
    time: gatehouse_model::Timestamp,
    series: &'a str,
    kind: &'a str,
    unit: Option<&'a str>,
}

impl<W: Write> JsonLinesWriter<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink }
    }

    pub(super) fn write(&mut self, row: &Row) -> io::Result<()> {
        let head = &row.head;
        let mut line = serde_json::to_string(&Written {
            time: row.at,
            series: &head.name.to_string(),
            kind: head.kind.as_str(),
            unit: head.unit.as_deref(),
        })?;
        line.pop();
        line.push_str(",\"value\":");
        match &row.entry {
            Entry::Reading { value: Value::Number(number), .. } => {
                line.push_str(&Digits(*number).to_string());
            }
            Entry::Reading { value, .. } => line.push_str(&serde_json::to_string(&value.to_string())?),
            Entry::Silence => line.push_str("null"),
        }
        writeln!(self.sink, "{line},\"quality\":\"{}\"}}", quality_word(&row.entry))
    }

    pub(super) fn finish(self) -> W {
        self.sink
    }
}

/// An object as it is read. What else is in it is passed over.
#[derive(Deserialize)]
struct Read<'a> {
    #[serde(borrow)]
    time: Scalar<'a>,
    #[serde(borrow, default)]
    series: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    unit: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    value: Scalar<'a>,
    #[serde(borrow, default)]
    quality: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Scalar<'a> {
    #[default]
    Nothing,
    Number(f64),
    Switch(bool),
    Text(#[serde(borrow)] Cow<'a, str>),
}

#[derive(Debug)]
pub(super) struct JsonLinesReader<R> {
    lines: Lines<R>,
}

impl<R: BufRead> JsonLinesReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { lines: Lines::new(source) }
    }

    /// The line where the last record began.
    pub(super) fn line(&self) -> u64 {
        self.lines.number()
    }

    pub(super) fn next(&mut self, heads: &mut Heads) -> Result<Option<Row>, Mistake> {
        loop {
            match self.lines.next()? {
                Line::End => return Ok(None),
                Line::Text(text) if text.trim().is_empty() => {}
                Line::Text(text) => return Ok(Some(row(text, heads)?)),
            }
        }
    }
}

fn row(text: &str, heads: &mut Heads) -> Result<Row, String> {
    let read: Read<'_> =
        serde_json::from_str(text).map_err(|error| format!("this is no row in JSON: {error}"))?;
    let time = match &read.time {
        Scalar::Text(text) => read_time(text)?,
        Scalar::Number(number) => read_time(&number.to_string())?,
        Scalar::Nothing | Scalar::Switch(_) => return Err("`time` is neither a text nor a number".to_owned()),
    };
    let number;
    let value = match &read.value {
        Scalar::Nothing => None,
        Scalar::Number(value) => {
            // Through text, so that a number and the same number as a text mean the same: clients that log MQTT as JSON
            // quote everything.
            number = Digits(*value).to_string();
            Some(number.as_str())
        }
        Scalar::Switch(true) => Some("ON"),
        Scalar::Switch(false) => Some("OFF"),
        Scalar::Text(text) => Some(text.as_ref()),
    };
    let series = match (&read.series, &read.topic) {
        (Some(series), _) => Named::Series(series),
        (None, Some(topic)) => Named::Topic(topic),
        (None, None) => return Err("there is neither a `series` nor a `topic`".to_owned()),
    };
    heads.row(&Parts {
        time,
        series,
        kind: read.kind.as_deref(),
        unit: read.unit.as_deref(),
        value,
        quality: read.quality.as_deref(),
    })
}
