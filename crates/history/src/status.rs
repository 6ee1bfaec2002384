//! What the recorder did, counted, and how large the file is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatehouse_model::{Moment, Timestamp};
use tokio::sync::watch;

use crate::intake::Verdict;
use crate::pace::Pace;
use crate::time_limit::explain_read;
use crate::{History, HistoryError, Rates, file};

/// Size, counts and troubles of a history. Counts are since it was opened unless they say otherwise.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Readings in the file, about; nothing when it held too many at the start to be counted quickly.
    pub rows: Option<u64>,
    /// Properties that were ever recorded.
    pub series: u64,
    /// Bytes of the database file and its log.
    pub file_bytes: u64,
    /// Bytes written to the disk, about: pages of the log and of the file, without what the file system and the card add.
    pub bytes_written: u64,
    /// How fast it grows: exact when somebody looks at least every minute.
    pub rates: Rates,
    /// Time of the first reading in the file.
    pub recording_since: Option<Timestamp>,
    /// Readings that were stored.
    pub recorded: u64,
    /// Replays of retained messages that were stored already.
    pub replayed: u64,
    /// Readings that wait for their commit.
    pub waiting: u64,
    /// Messages that are held until the clock is set.
    pub held: u64,
    /// Readings that were not recorded, by reason.
    pub not_recorded: NotRecorded,
    /// The stated loss window.
    pub commit_every: Duration,
    /// The last commit.
    pub last_commit: Option<Timestamp>,
    /// The last trouble with the disk, and when; it may be over.
    pub last_error: Option<(Timestamp, String)>,
    /// Since when nothing can be written, as long as that lasts: readings wait in memory, and it is tried again.
    pub refused_since: Option<Timestamp>,
    /// Chunks that were found to be damaged since the start: their samples are missing in what is read, and all others are
    /// there. Each is in [`History::notices`] as well.
    pub damaged_chunks: u64,
}

/// Readings that were not recorded, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotRecorded {
    /// Dropped from the full buffer while the disk refused, or took them more slowly than they arrived.
    pub buffer_full: u64,
    /// Dated before 2020 or more than a day ahead of the gateway's clock.
    pub wrong_time: u64,
    /// Retained messages without a time, of which nobody knows when they were read.
    pub unknown_time: u64,
    /// Of one series more than the limit.
    pub too_many_series: u64,
    /// Texts beyond the number of different ones that are kept.
    pub texts: u64,
    /// Messages that were held while the clock was not set, and had to go for newer ones.
    pub before_the_clock: u64,
    /// Events of devices that made too many, or that waited too long for the disk.
    pub events: u64,
}

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Samples that were new or replaced another value of the same time.
    pub(crate) stored: u64,
    /// Samples that were there already.
    pub(crate) known: u64,
    /// Samples whose texts are more than the file keeps.
    pub(crate) texts_refused: u64,
    /// Bytes written, about.
    pub(crate) bytes: u64,
}

/// The counters that the recorder turns and [`Status`] shows.
#[derive(Debug)]
pub(crate) struct Counters {
    rows_at_open: Mutex<Option<u64>>,
    recorded: AtomicU64,
    replayed: AtomicU64,
    waiting: AtomicU64,
    held: AtomicU64,
    bytes_written: AtomicU64,
    buffer_full: AtomicU64,
    wrong_time: AtomicU64,
    unknown_time: AtomicU64,
    too_many_series: AtomicU64,
    texts: AtomicU64,
    before_the_clock: AtomicU64,
    events: AtomicU64,
    /// Time of the last commit; whoever wants to see one happen watches it.
    last_commit: watch::Sender<Option<Timestamp>>,
    last_error: Mutex<Option<(Timestamp, String)>>,
    refused_since: Mutex<Option<Timestamp>>,
    /// Why nothing can be written.
    trouble: watch::Sender<Option<Arc<str>>>,
    pace: Mutex<Pace>,
}

impl Counters {
    pub(crate) fn new(rows_at_open: Option<u64>, now: Moment) -> Self {
        Self {
            rows_at_open: Mutex::new(rows_at_open),
            recorded: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            held: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            buffer_full: AtomicU64::new(0),
            wrong_time: AtomicU64::new(0),
            unknown_time: AtomicU64::new(0),
            too_many_series: AtomicU64::new(0),
            texts: AtomicU64::new(0),
            before_the_clock: AtomicU64::new(0),
            events: AtomicU64::new(0),
            last_commit: watch::Sender::new(None),
            last_error: Mutex::new(None),
            refused_since: Mutex::new(None),
            trouble: watch::Sender::new(None),
            pace: Mutex::new(Pace::new(now)),
        }
    }

    /// The file that could not be opened is open now, and holds so many rows.
    pub(crate) fn opened(&self, rows: Option<u64>) {
        *self.rows_at_open.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }

    /// Nothing can be written, for this reason.
    pub(crate) fn in_trouble(&self, now: Timestamp, reason: String) {
        self.refused_since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(now);
        let told: Arc<str> = reason.as_str().into();
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, reason));
        self.trouble.send_if_modified(|trouble| {
            let is_new = trouble.as_ref() != Some(&told);
            *trouble = Some(told);
            is_new
        });
    }

    pub(crate) fn trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.trouble.subscribe()
    }

    pub(crate) fn count(&self, verdict: Verdict) {
        let counter = match verdict {
            Verdict::Taken { dropped, .. } => {
                self.buffer_full.fetch_add(dropped as u64, Ordering::Relaxed);
                return;
            }
            Verdict::TooManyTexts => &self.texts,
            Verdict::UnknownTime => &self.unknown_time,
            Verdict::WrongTime => &self.wrong_time,
            Verdict::TooManySeries => &self.too_many_series,
            Verdict::TakenBack => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn before_the_clock(&self, dropped: u64) {
        self.before_the_clock.fetch_add(dropped, Ordering::Relaxed);
    }

    pub(crate) fn too_many_events(&self, dropped: u64) {
        self.events.fetch_add(dropped, Ordering::Relaxed);
    }

    pub(crate) fn set_held(&self, held: usize) {
        self.held.store(held as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting as u64, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, committed: Committed, now: Timestamp) {
        self.recorded.fetch_add(committed.stored, Ordering::Relaxed);
        self.replayed.fetch_add(committed.known, Ordering::Relaxed);
        self.texts.fetch_add(committed.texts_refused, Ordering::Relaxed);
        self.bytes_written.fetch_add(committed.bytes, Ordering::Relaxed);
        *self.refused_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.trouble.send_if_modified(|trouble| trouble.take().is_some());
        self.last_commit.send_replace(Some(now));
    }

    pub(crate) fn wrote(&self, bytes: u64) {
        self.bytes_written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Changes with each commit.
    #[cfg(test)]
    pub(crate) fn commits(&self) -> watch::Receiver<Option<Timestamp>> {
        self.last_commit.subscribe()
    }
}

pub(crate) async fn read(history: &History) -> Result<Status, HistoryError> {
    let limit = history.options.query_time_limit;
    let (series, since): (i64, Option<i64>) = if history.door.is_open() {
        sqlx::query_as("SELECT count(*), min(since) FROM series")
            .fetch_one(&history.readers)
            .await
            .map_err(|error| explain_read(error, limit))?
    } else {
        (0, None)
    };
    let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let counters = &history.counters;
    let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let recorded = value(&counters.recorded);
    let written = value(&counters.bytes_written);
    let now = history.clock.moment();
    let rates = counters.pace.lock().unwrap_or_else(PoisonError::into_inner).look(now, recorded, written);
    let last_error = counters.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let last_commit = *counters.last_commit.borrow();
    let rows = *counters.rows_at_open.lock().unwrap_or_else(PoisonError::into_inner);
    let refused_since = *counters.refused_since.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Status {
        rows: rows.map(|rows| rows + recorded),
        series: u64::try_from(series).unwrap_or(0),
        file_bytes: size(&history.path) + size(&file::log_path(&history.path)),
        bytes_written: written,
        rates,
        recording_since: since.map(Timestamp::from_millis),
        recorded,
        replayed: value(&counters.replayed),
        waiting: value(&counters.waiting),
        held: value(&counters.held),
        not_recorded: NotRecorded {
            buffer_full: value(&counters.buffer_full),
            wrong_time: value(&counters.wrong_time),
            unknown_time: value(&counters.unknown_time),
            too_many_series: value(&counters.too_many_series),
            texts: value(&counters.texts),
            before_the_clock: value(&counters.before_the_clock),
            events: value(&counters.events),
        },
        commit_every: history.options.commit_every,
        last_commit,
        last_error,
        refused_since,
        damaged_chunks: history.notes.damage().count() as u64,
    })
}
