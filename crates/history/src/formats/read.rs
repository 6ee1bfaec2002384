//! Rows from a file, in any of the formats that can be read.
//!
//! A row that makes no sense is told with its line and left out, and the rows behind it are read: one line that a logger cut
//! short costs nobody years of others. What makes the file as a whole unreadable ends the reading.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::sync::Arc;

use bytes::Bytes;
use gatehouse_model::{Place, Quality, Scheme, Timestamp, TopicName};

use super::csv::CsvReader;
use super::jsonl::JsonLinesReader;
use super::parquet::ParquetReader;
use super::sniff;
use super::topics::TopicLinesReader;
use super::words::{kind_of, read_quality, read_value, short};
use super::{Entry, Format, Head, MAX_HEADS, MAX_UNIT_BYTES, Row};
use crate::{Kind, SeriesName};

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads rows from a file that may contain anything. It goes on behind a mistake of a row; see [`ReadProblem::is_of_file`].
pub struct RowReader {
    inner: Inner,
    heads: Heads,
    rows: u64,
    mistakes: u64,
    over: bool,
}

enum Inner {
    Csv(Box<CsvReader<Source>>),
    Topics(TopicLinesReader<BufReader<Source>>),
    JsonLines(JsonLinesReader<BufReader<Source>>),
    Parquet(Box<ParquetReader>),
}

/// Where bytes come from.
type Source = Box<dyn std::io::Read + Send>;

/// A row cannot be read, or nothing that follows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{reason}", place = LinePrefix(*.line))]
pub struct ReadProblem {
    /// The line of the mistake, from 1; of a Parquet file the row. Nothing when it is about the file as a whole.
    pub line: Option<u64>,
    /// How many rows were read before it.
    pub rows: u64,
    /// What is wrong, in a sentence.
    pub reason: String,
    /// Nothing behind it can be read.
    pub is_of_file: bool,
}

/// What is wrong with what comes next in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// With a row; others may follow.
    Row(String),
    /// With all that follows.
    File(String),
}

/// What is said of a row is about that row.
impl From<String> for Mistake {
    fn from(reason: String) -> Self {
        Self::Row(reason)
    }
}

/// A line's number in front of a sentence.
struct LinePrefix(Option<u64>);

impl fmt::Display for LinePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(line) => write!(f, "line {line}: "),
            None => Ok(()),
        }
    }
}

impl RowReader {
    /// Reads from an open file. `scheme` says which topics are properties, where a file names topics.
    ///
    /// # Errors
    /// When the file is not of this format from its beginning.
    pub fn of_file(file: File, format: Format, scheme: Option<Scheme>) -> Result<Self, ReadProblem> {
        match format {
            Format::Parquet => {
                Self::with(Inner::Parquet(Box::new(ParquetReader::open(file).map_err(whole)?)), scheme)
            }
            _ => Self::new(Box::new(file), format, scheme),
        }
    }

    /// Reads from anything that gives bytes; Parquet only from a file, see [`RowReader::of_file`].
    ///
    /// # Errors
    /// When this format cannot be read like this.
    pub fn new(source: Source, format: Format, scheme: Option<Scheme>) -> Result<Self, ReadProblem> {
        let inner = match format {
            Format::Csv => {
                let mut source = source;
                let head = sniff::head(&mut source)
                    .map_err(|error| whole(format!("the file cannot be read: {error}")))?;
                let form = sniff::Form::of(&head);
                let source: Source = Box::new(std::io::Cursor::new(head).chain(source));
                match form {
                    sniff::Form::Columns(columns) => Inner::Csv(Box::new(CsvReader::new(source, columns))),
                    sniff::Form::Topics => {
                        Inner::Topics(TopicLinesReader::new(BufReader::with_capacity(BUFFER_BYTES, source)))
                    }
                }
            }
            Format::JsonLines => {
                Inner::JsonLines(JsonLinesReader::new(BufReader::with_capacity(BUFFER_BYTES, source)))
            }
            Format::Parquet => {
                return Err(whole("Parquet is read from a file, not from a stream".to_owned()));
            }
            Format::Influx => {
                let reason =
                    "InfluxDB's line protocol can be written, but not read: use csv, jsonl or parquet";
                return Err(whole(reason.to_owned()));
            }
        };
        Self::with(inner, scheme)
    }

    /// Reads a file that is in memory.
    ///
    /// # Errors
    /// As [`RowReader::of_file`].
    pub fn of_bytes(bytes: Bytes, format: Format, scheme: Option<Scheme>) -> Result<Self, ReadProblem> {
        match format {
            Format::Parquet => {
                Self::with(Inner::Parquet(Box::new(ParquetReader::open(bytes).map_err(whole)?)), scheme)
            }
            _ => Self::new(Box::new(std::io::Cursor::new(bytes)), format, scheme),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "each way to open a reader ends in this and gives the same")]
    fn with(inner: Inner, scheme: Option<Scheme>) -> Result<Self, ReadProblem> {
        Ok(Self { inner, heads: Heads { scheme, ..Heads::default() }, rows: 0, mistakes: 0, over: false })
    }

    /// How many rows were read.
    pub const fn rows(&self) -> u64 {
        self.rows
    }
}

impl fmt::Debug for RowReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowReader").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Iterator for RowReader {
    type Item = Result<Row, ReadProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let (read, line) = match &mut self.inner {
            Inner::Csv(reader) => (reader.next(&mut self.heads), reader.line()),
            Inner::Topics(reader) => (reader.next(&mut self.heads), reader.line()),
            Inner::JsonLines(reader) => (reader.next(&mut self.heads), reader.line()),
            Inner::Parquet(reader) => (reader.next(&mut self.heads), self.rows + self.mistakes + 1),
        };
        match read {
            Ok(Some(row)) => {
                self.rows += 1;
                Some(Ok(row))
            }
            Ok(None) => {
                self.over = true;
                None
            }
            Err(mistake) => {
                self.mistakes += 1;
                self.over = matches!(mistake, Mistake::File(_));
                let (Mistake::Row(reason) | Mistake::File(reason)) = mistake;
                let (line, is_of_file) = (Some(line), self.over);
                Some(Err(ReadProblem { line, rows: self.rows, reason, is_of_file }))
            }
        }
    }
}

/// A problem of the file as a whole.
fn whole(reason: String) -> ReadProblem {
    ReadProblem { line: None, rows: 0, reason, is_of_file: true }
}

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
