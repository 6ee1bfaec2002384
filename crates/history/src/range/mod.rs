//! Range queries: what was recorded of one series, gathered into the buckets of a chart.
//!
//! Wide buckets are made of rollups, narrow ones of samples: those in chunks, the recent rows, and what waits for its
//! commit (`grid` decides, `read` reads, `gather` computes). Where a bucket has several rollups and nothing is special about
//! them, SQLite puts them together (`whole`). Everything is read in pieces, so that a query's memory does
//! not grow with its range, and in one transaction, so that it sees the file as it was at one moment.

pub(crate) mod gather;
pub(crate) mod grid;
#[cfg(test)]
pub(crate) mod naive;
pub(crate) mod read;
pub(crate) mod recent;
pub(crate) mod sealed;
pub(crate) mod whole;

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Quality, Timestamp};

use crate::before::Before;
use crate::entry::GapReason;
use crate::names::{Kind, SeriesName};

pub(crate) use read::read;
pub(crate) use recent::in_order;

/// What is asked of the file, and the key by which it is found.
#[cfg(test)]
pub(crate) const STATEMENTS: [(&str, &str); 8] = [
    (recent::PAGE, "recent USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    (sealed::CHUNKS, "chunk USING INDEX sqlite_autoindex_chunk_1 (series=? AND start>? AND start<?)"),
    (sealed::LAST, "chunk USING INDEX sqlite_autoindex_chunk_1 (series=? AND start<?)"),
    (read::HOURS, "hour USING PRIMARY KEY (series=? AND start>? AND start<?)"),
    (read::DAYS, "day USING PRIMARY KEY (series=? AND start>? AND start<?)"),
    (whole::HOURS, "each USING PRIMARY KEY (series=? AND start>? AND start<?)"),
    (whole::DAYS, "each USING PRIMARY KEY (series=? AND start>? AND start<?)"),
    (read::OUTAGES, "outage USING INTEGER PRIMARY KEY (rowid<?)"),
];

/// Most buckets of one answer: more than any screen has columns.
pub const MAX_POINTS: u32 = 4_000;

/// Longest range: a hundred years of 365.25 days.
pub const MAX_RANGE: Duration = Duration::from_secs(3_155_760_000);

/// What a chart asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeQuery {
    /// Whose readings.
    pub series: SeriesName,
    /// The first moment of the range.
    pub from: Timestamp,
    /// The first moment after the range.
    pub to: Timestamp,
    /// Most points of the answer, 1 to [`MAX_POINTS`]; a chart asks for as many as it has columns.
    pub points: u32,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Numbers or a switch; nothing when neither was ever recorded.
    pub kind: Option<Kind>,
    /// The unit of its numbers, where it is known.
    pub unit: Option<Arc<str>>,
    /// The length of a bucket. Buckets begin at whole multiples of it (UTC); the first and the last one are cut by the
    /// ends of the range, and a single one is as long as the range.
    pub bucket: Duration,
    /// Time of the first reading that was ever recorded; nothing when there is none.
    pub recording_since: Option<Timestamp>,
    /// The last reading before the range, when its value still holds when the range begins.
    pub before: Option<Before>,
    /// The buckets in which something is known, in the order of time.
    pub points: Vec<Point>,
    /// The stretches in which nothing is known although something was before, in the order of time. One that is shorter
    /// than a bucket of an hour or more may be left out, and of more than [`MAX_POINTS`] those that come last.
    pub gaps: Vec<Gap>,
}

/// What is known of one bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The start of the bucket, or of the range within it.
    pub at: Timestamp,
    /// The smallest reading.
    pub min: f64,
    /// The mean over the time in which the value is known; the value that held when the bucket began counts until the
    /// first reading, so the mean may lie outside of `min` and `max`.
    pub mean: f64,
    /// The largest reading.
    pub max: f64,
    /// The last reading.
    pub last: f64,
    /// How many readings.
    pub count: u32,
    /// The worst quality among them.
    pub quality: Quality,
    /// There is no reading, and an earlier value holds unchanged: it is `min`, `mean`, `max` and `last`.
    pub held: bool,
}

/// A stretch of time in which nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its start, or that of the range.
    pub from: Timestamp,
    /// Its end: the next reading, the end of the range, or the present.
    pub to: Timestamp,
    /// Why.
    pub why: GapReason,
}
