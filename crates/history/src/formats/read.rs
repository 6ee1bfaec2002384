//! Rows from a file, in any of the formats that can be read.
//!
//! A row that makes no sense is told with its line and left out, and the rows behind it are read: one line that a logger cut
//! short costs nobody years of others. What makes the file as a whole unreadable ends the reading.

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _};

use bytes::Bytes;
use gatehouse_model::Scheme;

use super::csv::CsvReader;
use super::heads::Heads;
use super::jsonl::JsonLinesReader;
use super::mistake::Mistake;
use super::parquet::ParquetReader;
use super::sniff;
use super::topics::TopicLinesReader;
use super::{Format, Row};

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
        Ok(Self { inner, heads: Heads::of(scheme), rows: 0, mistakes: 0, over: false })
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
