//! History in SQLite: records every reading that passes through the broker, and answers what a chart asks.
//!
//! Architecture invariant: this room knows only `model`. It takes a stream of messages and never asks who sends it.
//!
//! Architecture invariant: one connection writes, others only read. Under write-ahead logging a reader never waits
//! for the writer nor the writer for a reader, so a query cannot hold up the recording, and a time limit ends a query
//! that runs away.
//!
//! Architecture invariant: what is lost in a power cut is at most what arrived within [`Options::commit_every`] and
//! the time that one commit takes; `kill -9` loses no more than that. See `database` for why.
//!
//! Architecture invariant: nothing is lost silently. What is not recorded is counted by its reason in [`Status`].

mod apart;
mod archive;
mod as_of;
mod asking;
mod before;
mod chunk;
mod clocks;
mod damage;
mod database;
mod diary;
mod door;
mod entry;
mod error;
mod file;
pub mod formats;
pub mod home_assistant;
mod import;
mod intake;
mod names;
mod notes;
mod options;
mod outages;
mod pace;
mod quality;
mod range;
mod recorder;
mod remarks;
mod result_codes;
mod retention;
mod rollup;
mod row;
mod rows;
mod salvage;
pub mod schema;
mod seal;
pub mod snapshot;
mod sources;
mod status;
mod still;
#[cfg(test)]
mod tests;
mod text_range;
mod texts;
mod time_limit;
mod upkeep;
mod waiting;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::Stream;
use gatehouse_model::{Clock, Message, Scheme, Timestamp};
use sqlx::SqlitePool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use archive::Archive;
pub use as_of::{AsOf, SeriesInfo};
pub use before::Before;
pub use clocks::ClockTrust;
pub use diary::{Event, EventKind, EventQuery, GatewayWord, MAX_EVENTS};
pub use entry::GapReason;
pub use error::{HistoryError, InvalidRange};
pub use import::{Import, Imported, Refused};
pub use names::{Kind, KindError, SeriesName, SeriesNameError};
pub use options::Options;
pub use pace::{Rates, Wear};
pub use range::{Gap, MAX_POINTS, MAX_RANGE, Point, RangeQuery, Series};
pub use retention::{Keep, Retention};
pub use rows::{MAX_PATTERNS, RowsProgress, RowsQuery, RowsReader};
pub use sources::{MAX_JSON_BYTES, MAX_TOPIC_FIELDS, MAX_TOPIC_RULES, TopicRule};
pub use status::{NotRecorded, Status};
pub use text_range::{MAX_TEXTS, TextAt, TextQuery, Texts};

use database::Opened;
use door::Door;
use notes::{Note, Notes};
use status::Counters;
use waiting::Recording;

/// The history of a house, in one file. Cheap to clone: all clones are the same history.
#[derive(Clone, Debug)]
pub struct History {
    path: Arc<PathBuf>,
    options: Options,
    clock: Arc<dyn Clock>,
    writer: SqlitePool,
    readers: SqlitePool,
    counters: Arc<Counters>,
    recording: Arc<Recording>,
    notes: Arc<Notes>,
    trust: ClockTrust,
    door: Arc<Door>,
}

impl History {
    /// Opens the file at `path`, making it when there is none and bringing an older one up to date.
    ///
    /// After an unclean stop the file is checked, for as long as that is quick. `path` may be a link to a file on another
    /// disk: what is beside the file is there too.
    ///
    /// # Errors
    /// When the file cannot be opened or made, is damaged, or was written by a newer release.
    pub async fn open(path: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Self, HistoryError> {
        let path = &file::behind_links(path);
        let Opened { writer, readers, rows, page_bytes } = database::open(path, &options, &clock).await?;
        let door = Door::opened(path.to_owned(), options.clone(), Arc::clone(&clock), page_bytes);
        let counters = Counters::new(rows, clock.moment());
        Ok(Self::new(path, options, clock, (writer, readers), counters, door))
    }

    /// Opens the file as [`History::open`] does. Where that fails the history is there all the same: what is recorded waits
    /// in a bounded buffer, queries fail and say so, and [`History::record`] tries to open the file again, as often as it
    /// tries a commit that failed. [`History::trouble`] tells why.
    pub async fn open_in_any_case(path: &Path, options: Options, clock: Arc<dyn Clock>) -> Self {
        let path = &file::behind_links(path);
        let problem = match Self::open(path, options.clone(), Arc::clone(&clock)).await {
            Ok(history) => return history,
            Err(problem) => problem,
        };
        let door = Door::closed(path.to_owned(), options.clone(), Arc::clone(&clock), &problem);
        Self::behind(door, path, options, clock)
    }

    /// Opens the file to read it only, on a disk that `what`, as in "is full" or "fails": nothing is written to it nor beside it,
    /// and the file is neither brought up to date nor tried again. What is recorded waits in a bounded buffer and is lost in
    /// the end. No other process may write to the file meanwhile.
    pub fn open_still(path: &Path, options: Options, clock: Arc<dyn Clock>, what: &str) -> Self {
        let path = &file::behind_links(path);
        let door = Door::still(path.to_owned(), options.clone(), Arc::clone(&clock), what);
        Self::behind(door, path, options, clock)
    }

    /// The history of a file behind a door that is closed.
    fn behind(door: Door, path: &Path, options: Options, clock: Arc<dyn Clock>) -> Self {
        let reason = door.reason().unwrap_or_default();
        match door.is_still() {
            true => tracing::error!("{reason}"),
            false => tracing::error!("{reason}. Meanwhile readings wait in memory, and it is tried again"),
        }
        let counters = Counters::new(None, clock.moment());
        counters.in_trouble(clock.now(), reason);
        let pools = database::pools(path, &options, file::page_bytes(path), door.is_still());
        Self::new(path, options, clock, pools, counters, door)
    }

    fn new(
        path: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        (writer, readers): (SqlitePool, SqlitePool),
        counters: Counters,
        door: Door,
    ) -> Self {
        Self {
            path: Arc::new(path.to_owned()),
            options,
            clock,
            writer,
            readers,
            counters: Arc::new(counters),
            recording: Arc::default(),
            notes: Arc::default(),
            trust: ClockTrust::any(),
            door: Arc::new(door),
        }
    }

    /// Why nothing can be written, in a sentence for people, as long as that lasts; it changes when that begins and ends.
    pub fn trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.counters.trouble()
    }

    /// The same history, which believes the wall clock once `trust` does. Until then what is heard is held in memory, for
    /// [`Options::wait_for_clock`] at most while the clock shows a possible time.
    #[must_use]
    pub fn trusting_clock(self, trust: ClockTrust) -> Self {
        Self { trust, ..self }
    }

    /// Records the readings and the events among `messages` until they end or `shutdown` is cancelled; then records what is already
    /// waiting in the stream, commits and returns. One recording at a time: [`History::range`] looks into the buffer of
    /// the one that started last.
    ///
    /// While the disk refuses, readings wait in a bounded buffer; when it is full, the oldest of the series that fills it
    /// most are dropped, and counted.
    ///
    /// # Errors
    /// When the last commit fails: the readings still in the buffer are lost. Of a file that is only read they always are, which
    /// is told and is no error.
    pub async fn record(
        &self,
        scheme: Scheme,
        messages: impl Stream<Item = Message> + Send + Unpin,
        shutdown: CancellationToken,
    ) -> Result<(), HistoryError> {
        recorder::Recorder::new(self, scheme).run(messages, shutdown).await
    }

    /// What was recorded of one series in a range of time, gathered into buckets. A series that was never recorded, or
    /// has texts only, has no points. Readings that still wait for their commit are in it.
    ///
    /// # Errors
    /// When the query is not valid, too many queries run, or it takes longer than [`Options::query_time_limit`].
    pub async fn range(&self, query: RangeQuery) -> Result<Series, HistoryError> {
        range::read(self, &query).await
    }

    /// Begins to read what was recorded, row by row, for an export. Readings that still wait for their commit are in it, but
    /// for those of series that are new with them. Each step of it has [`Options::query_time_limit`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read_rows(&self, query: &RowsQuery) -> Result<RowsReader, HistoryError> {
        let store = rows::Store {
            readers: self.readers.clone(),
            clock: Arc::clone(&self.clock),
            limit: self.options.query_time_limit,
            recording: Some(Arc::clone(&self.recording)),
            notes: Arc::clone(&self.notes),
        };
        RowsReader::open(store, query).await
    }

    /// Begins to import rows. Nothing may be recorded meanwhile: this is for a gateway that does not run.
    pub fn import(&self) -> Import {
        Import::new(self.writer.clone(), self.clock.now())
    }

    /// The events that `query` asks for, newest first. Those of the last moments are in it once they are committed,
    /// which they are at once while the disk works.
    ///
    /// # Errors
    /// When the query is not valid, too many queries run, or it takes longer than [`Options::query_time_limit`].
    pub async fn events(&self, query: &EventQuery) -> Result<Vec<Event>, HistoryError> {
        diary::store::read(self, query).await
    }

    /// The topics outside the gateway's scheme that are recorded: whoever calls [`History::record`] subscribes to them.
    pub fn topics(&self) -> &[TopicRule] {
        &self.options.topics
    }

    /// Ends once the recorder has nothing on its way to the disk, whether or not that went well. It does not end as long as a
    /// write hangs, nor while nothing is recorded.
    pub async fn pulse(&self) {
        if self.notes.ask().await.is_err() {
            // The recorder has dropped the question, so it is gone.
            std::future::pending::<()>().await;
        }
    }

    /// The gateway is about to stop; `why` is a sentence for people. Called before its parts end, so that what they say
    /// of their end is not taken for news.
    pub fn stopping(&self, why: &str) {
        self.notes.put(Note::Stops(why.to_owned()));
    }

    /// Notes that something happened to the gateway, in a sentence for people.
    pub fn note(&self, word: GatewayWord, sentence: &str) {
        self.notes.put(Note::Tell(word, sentence.to_owned()));
    }

    /// What was lost or given up, in sentences for the page, the newest first: at most a hundred; none while the file cannot
    /// be opened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn notices(&self) -> Result<Vec<(Timestamp, String)>, HistoryError> {
        if !self.door.is_open() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, String)> =
            sqlx::query_as("SELECT at, sentence FROM notice ORDER BY at DESC, id DESC LIMIT 100")
                .fetch_all(&self.readers)
                .await
                .map_err(HistoryError::Read)?;
        Ok(rows.into_iter().map(|(at, sentence)| (Timestamp::from_millis(at), sentence)).collect())
    }

    /// The texts of one series in a range of time, each with the time from which it held. A series that was never
    /// recorded has none.
    ///
    /// # Errors
    /// As for [`History::range`].
    pub async fn texts(&self, query: TextQuery) -> Result<Texts, HistoryError> {
        text_range::read(self, &query).await
    }

    /// What was known at a moment, of every series: the last reading at or before it, unless its source fell silent, the
    /// gateway did not record, or what was recorded is damaged. In the order of names.
    ///
    /// # Errors
    /// When too many queries run, or it takes longer than [`Options::query_time_limit`].
    pub async fn as_of(&self, at: Timestamp) -> Result<Vec<AsOf>, HistoryError> {
        as_of::read(self, at).await
    }

    /// Every series that was ever recorded and is in the file, in the order of names.
    ///
    /// # Errors
    /// As for [`History::as_of`].
    pub async fn series(&self) -> Result<Vec<SeriesInfo>, HistoryError> {
        as_of::list(self).await
    }

    /// Size, counts and troubles.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self) -> Result<Status, HistoryError> {
        status::read(self).await
    }

    /// Moves everything from the log into the database file and closes it. Recording must have ended; other clones
    /// are of no use afterwards.
    pub async fn close(self) {
        if self.door.is_open() {
            database::close(&self.writer, &self.readers).await;
        } else {
            self.readers.close().await;
            self.writer.close().await;
        }
    }
}
