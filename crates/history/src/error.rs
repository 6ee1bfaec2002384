//! What can go wrong, in sentences that say what to do next.

use std::path::PathBuf;
use std::time::Duration;

use crate::diary::MAX_EVENTS;
use crate::diary::store::MAX_SEARCH_BYTES;
use crate::{MAX_POINTS, MAX_RANGE, MAX_TEXTS};

/// Why history could not be opened, recorded or read.
///
/// A query fails in four ways that call for different answers: the caller's mistake ([`Self::InvalidRange`]), a bad moment
/// ([`Self::Busy`]), too much asked for at once ([`Self::TimeLimit`]), and history being broken ([`Self::Read`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The file is not there and cannot be made, or may not be written.
    #[error(
        "the history database {} cannot be opened: {source}. Check that its directory exists, has space left, and that the gateway may write there", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// The file is not a database, or its check found errors.
    #[error(
        "the history database {} is damaged: {detail}. Move it aside, together with the files beside it that end in -wal and -shm, and start again: a new one is made", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        detail: String,
    },
    /// The file has a schema that this release does not know: a newer one wrote it.
    #[error(
        "the history database {} was written by another release of Gatehouse ({detail}). Install the newest release, or move the file aside", path.display()
    )]
    OtherRelease {
        /// The file.
        path: PathBuf,
        /// Which part of the schema does not fit.
        detail: String,
    },
    /// The file has not all tables of this release yet, and whoever found that only reads it.
    #[error(
        "the history database {} is not up to date: {}, and that of this release is {needed}. The gateway was stopped while it made the file, or an earlier release wrote it. Nothing is wrong with it: the gateway completes it when it starts", path.display(), schema_of(*found)
    )]
    Behind {
        /// The file.
        path: PathBuf,
        /// The schema of the file; nothing when it has no tables.
        found: Option<i64>,
        /// The schema of this release.
        needed: i64,
    },
    /// A query that makes no sense; nothing was read.
    #[error(transparent)]
    InvalidRange(#[from] InvalidRange),
    /// The query was cut off.
    #[error("the query took longer than {limit:?} and was cut off: ask for a shorter range")]
    TimeLimit {
        /// The limit.
        limit: Duration,
    },
    /// All readers are taken, or another program holds the file.
    #[error("history is busy: ask again in a moment")]
    Busy,
    /// SQLite could not read.
    #[error(
        "history cannot be read: {0}. If this stays, check the disk's space and health: `dmesg` names a card that fails"
    )]
    Read(#[source] sqlx::Error),
    /// An import cannot be written.
    #[error(
        "what is imported cannot be written: {0}. What was written before stays; import the same file again when the disk has room and is healthy"
    )]
    Import(#[source] sqlx::Error),
    /// The last commit failed.
    #[error(
        "{readings} readings could not be saved before the end: {source}. Check the disk's space and health"
    )]
    Unsaved {
        /// How many.
        readings: usize,
        /// What SQLite says.
        source: sqlx::Error,
    },
}

fn schema_of(found: Option<i64>) -> String {
    found.map_or_else(|| "it has no tables yet".to_owned(), |found| format!("its schema is {found}"))
}

/// Why a range query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// The end is not later than the start.
    #[error("`from` must be earlier than `to`")]
    Empty,
    /// Longer than [`MAX_RANGE`].
    #[error("the range is longer than {} days", MAX_RANGE.as_secs() / 86_400)]
    TooLong,
    /// None, or more than [`MAX_POINTS`].
    #[error("`points` must be between 1 and {MAX_POINTS}")]
    Points,
    /// None, or more than [`MAX_EVENTS`].
    #[error("`limit` must be between 1 and {MAX_EVENTS}")]
    Events,
    /// A text that is longer than any event's.
    #[error("what is looked for is longer than {MAX_SEARCH_BYTES} bytes")]
    Search,
    /// None, or more than [`MAX_TEXTS`].
    #[error("`limit` must be between 1 and {MAX_TEXTS}")]
    Texts,
}
