//! From a row in the words of a file to a row of a series.

use std::collections::HashMap;
use std::sync::Arc;

use gatehouse_model::{Place, Quality, Scheme, Timestamp, TopicName};

use super::words::{kind_of, read_quality, read_value, short};
use super::{Entry, Head, MAX_HEADS, MAX_UNIT_BYTES, Row};
use crate::{Kind, SeriesName};

/// A row in the words of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) time: Timestamp,
    /// The name of the series, or a topic.
    pub(super) series: Named<'a>,
    pub(super) kind: Option<&'a str>,
    pub(super) unit: Option<&'a str>,
    /// Nothing where the file has none.
    pub(super) value: Option<&'a str>,
    pub(super) quality: Option<&'a str>,
}

/// How a file names what a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// As `SeriesName` is written.
    Series(&'a str),
    /// By its whole topic.
    Topic(&'a str),
}

/// The series of a file: each is kept once.
#[derive(Debug, Default)]
pub(super) struct Heads {
    scheme: Option<Scheme>,
    known: HashMap<Head, Arc<Head>>,
    /// The texts that made the last one: rows of a series often follow each other.
    last: Option<(String, Arc<Head>)>,
}

impl Heads {
    /// Where a file names topics, `scheme` says which of them are properties.
    pub(super) fn of(scheme: Option<Scheme>) -> Self {
        Self { scheme, ..Self::default() }
    }

    /// Makes a row of its parts.
    pub(super) fn row(&mut self, parts: &Parts<'_>) -> Result<Row, String> {
        let kind = parts.kind.filter(|word| !word.is_empty()).map(|word| word.parse::<Kind>()).transpose();
        let kind = kind.map_err(|error| error.to_string())?;
        let quality = match parts.quality.filter(|word| !word.is_empty()) {
            None => Some(Quality::Ok),
            Some(word) => read_quality(word)?,
        };
        let (kind, entry) = match quality {
            None => (kind, Entry::Silence),
            Some(quality) => {
                let text = match parts.value {
                    Some(text) if !text.is_empty() || kind == Some(Kind::Text) => text,
                    _ => {
                        return Err(
                            "there is no value; a series that falls silent has the quality `silence`".into(),
                        );
                    }
                };
                let value = read_value(text, kind)?;
                (Some(kind.unwrap_or_else(|| kind_of(&value))), Entry::Reading { value, quality })
            }
        };
        let head = self.head(parts, kind)?;
        Ok(Row { head, at: parts.time, entry })
    }

    fn head(&mut self, parts: &Parts<'_>, kind: Option<Kind>) -> Result<Arc<Head>, String> {
        let unit = parts.unit.filter(|unit| !unit.is_empty());
        let (Named::Series(text) | Named::Topic(text)) = parts.series;
        if let Some((last, head)) = &self.last
            && last == text
            && kind.is_none_or(|kind| kind == head.kind)
            && unit == head.unit.as_deref()
        {
            return Ok(Arc::clone(head));
        }
        if unit.is_some_and(|unit| unit.len() > MAX_UNIT_BYTES) {
            return Err(format!(
                "the unit `{}` is longer than {MAX_UNIT_BYTES} bytes",
                short(unit.unwrap_or_default())
            ));
        }
        // A mark of silence without a kind, of a series that has not spoken: a number, as most are.
        let kind = kind.unwrap_or(Kind::Number);
        let head = Head { name: self.name(parts.series)?, kind, unit: unit.map(Arc::from) };
        let head = match self.known.get(&head) {
            Some(known) => Arc::clone(known),
            None if self.known.len() >= MAX_HEADS => {
                return Err(format!("the file has more than {MAX_HEADS} series"));
            }
            None => {
                let shared = Arc::new(head.clone());
                self.known.insert(head, Arc::clone(&shared));
                shared
            }
        };
        self.last = Some((text.to_owned(), Arc::clone(&head)));
        Ok(head)
    }

    fn name(&self, named: Named<'_>) -> Result<SeriesName, String> {
        match named {
            Named::Series(text) => {
                text.parse().map_err(|error| format!("`{}` is no series: {error}", short(text)))
            }
            Named::Topic(text) => {
                let topic = TopicName::new(text)
                    .map_err(|error| format!("`{}` is no topic: {error}", short(text)))?;
                match self.scheme.as_ref().and_then(|scheme| scheme.place(&topic)) {
                    Some(Place::Property(device, property)) => Ok(SeriesName::Property(device, property)),
                    _ => Ok(SeriesName::Topic(topic)),
                }
            }
        }
    }
}
