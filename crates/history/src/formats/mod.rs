//! Rows as other programs read and write them: CSV, JSON Lines, Parquet, and InfluxDB's line protocol (written only).
//!
//! A row is one sample of one series, or the mark that a series fell silent. Times are RFC 3339 in UTC with
//! milliseconds. What was written reads back as the same rows, to the last digit of every number; `docs/history.md` has the
//! columns.
//!
//! Architecture invariant: nothing here knows a database. What is read comes from elsewhere and may be anything: a reader
//! keeps at most one record in memory ([`MAX_RECORD_BYTES`]; one row group of a Parquet file), never panics, says where each
//! mistake is, and goes on behind it.

mod csv;
mod heads;
mod influx;
mod jsonl;
mod limited;
mod mistake;
mod parquet;
mod read;
mod sniff;
mod topics;
mod words;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use gatehouse_model::{Quality, Timestamp, Value};

use crate::{Kind, SeriesName};

pub use read::{ReadProblem, RowReader};
pub use write::RowWriter;

/// Longest record of a file that is read, in bytes: a topic and a text at their limits, each byte escaped.
pub const MAX_RECORD_BYTES: usize = 512 * 1024;

/// Most series of a file that is read: as many as are recorded.
pub const MAX_HEADS: usize = crate::intake::MAX_SERIES;

/// Longest unit, in bytes: units are short, and the longest of a catalogue has some twenty.
pub const MAX_UNIT_BYTES: usize = 64;

/// What a row says of its series. Shared by the rows of a series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Which series it is.
    pub name: SeriesName,
    /// What kind of values it has.
    pub kind: Kind,
    /// The unit of its numbers, as people write it; nothing when there is none.
    pub unit: Option<Arc<str>>,
}

/// One sample of a series, or the mark that it fell silent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The series.
    pub head: Arc<Head>,
    /// When it was true.
    pub at: Timestamp,
    /// What was true.
    pub entry: Entry,
}

/// What a series says at one moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// It has this value from now on.
    Reading {
        /// The value.
        value: Value,
        /// How far it can be trusted.
        quality: Quality,
    },
    /// From now on nothing is known of it, until its next reading.
    Silence,
}

/// The word that stands in the place of a quality where a series falls silent.
pub(crate) const SILENCE: &str = "silence";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Comma-separated values, RFC 4180, with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// The line protocol of InfluxDB, with times in nanoseconds. It can only be written.
    Influx,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::JsonLines, Self::Parquet, Self::Influx];

    /// The word for it on the command line and in addresses, which is also the end of a file's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
            Self::Parquet => "parquet",
            Self::Influx => "influx",
        }
    }

    /// What HTTP calls it.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::JsonLines => "application/jsonl; charset=utf-8",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Influx => "text/plain; charset=utf-8",
        }
    }

    /// The format of a file, by the end of its name; nothing when that says nothing.
    pub fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "parquet" => Some(Self::Parquet),
            "influx" | "lp" => Some(Self::Influx),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no format: choose csv, jsonl, parquet or influx")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, UnknownFormat> {
        Self::ALL
            .into_iter()
            .find(|format| format.word() == word)
            .ok_or_else(|| UnknownFormat(word.to_owned()))
    }
}
