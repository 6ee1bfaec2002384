//! The store in a file: SQLite, one writer, and commits that are grouped across all clients.
//!
//! Write-ahead logging with `synchronous = FULL`: a commit is one flush of the log, whatever is in it. While one commit is
//! on its way, everything that is submitted waits for the next, so that the slower the disk the larger the groups, and
//! throughput is bounded by rows and not by flushes.

mod file;
mod load;
mod open;
mod record;
mod salvage;
mod state;
#[cfg(test)]
mod tests;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use gatehouse_model::Clock;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::store::{Change, Progress, Snapshot, Store, StoreError, Ticket};
use file::Opened;
use state::{State, bytes_of_changes};
use writer::Writer;

/// What can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Time between two sweeps of lazy retained changes, and so what a power cut may take of QoS 0 readings. Each sweep
    /// writes every topic once that has changed: some 200 bytes a topic, in whole pages of 4 KiB, twice (log and file). A
    /// house of 100 sensors costs a sweep about 60 KB, and five minutes make 18 MB a day of that; written as they come,
    /// once a second each, it would be tens of gigabytes, and a memory card of 32 GB bears some tens of terabytes.
    pub lazy_interval: Duration,
    /// Longest time that deliveries which came to their end wait for a commit when nothing else is to be written. Nobody is
    /// told of them, and the next message takes them along: a client that acknowledges what it receives costs half the
    /// flushes so. A power cut within that time repeats a QoS 1 delivery; of a QoS 2 delivery only its release is repeated,
    /// since that it was received is committed at once.
    pub ends_within: Duration,
    /// Most bytes of the file: what is left of a small card belongs to the system. At this limit commits fail as on a full
    /// disk. All that the broker keeps by its own limits fits into less than half of the default.
    pub max_file_bytes: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            lazy_interval: Duration::from_secs(300),
            ends_within: Duration::from_secs(1),
            max_file_bytes: 512 * 1_024 * 1_024,
        }
    }
}

/// Why the file could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreOpenError {
    /// The file is not there and cannot be made, or may not be written.
    #[error(
        "{} cannot be made or written: {source}. Check that its directory exists, and that the gateway may write there", path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite cannot work with it.
    #[error(
        "{} cannot be opened: {source}. Check that its directory has space left, and that the gateway may write there", path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// Another program has locked it.
    #[error(
        "{} is held by another program: {source}. Close it, such as a `sqlite3` in which a transaction is open, and start again", path.display()
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// The file has a schema that this release does not know.
    #[error(
        "{} was written by another release of Gatehouse ({detail}). Install the newest release, or move the file aside: its sessions and retained messages are lost then", path.display()
    )]
    OtherRelease {
        /// The file.
        path: PathBuf,
        /// Which part of the schema does not fit.
        detail: String,
    },
    /// The file is damaged and cannot be moved.
    #[error(
        "{} is damaged ({detail}) and could not be moved aside: {source}. Move it yourself, together with the files beside it that end in -wal and -shm", path.display()
    )]
    Aside {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
        /// Why it could not be moved.
        source: std::io::Error,
    },
    /// A new file was made in the place of a damaged one, and is damaged as well.
    #[error("{} was just made in the place of a damaged file, and is damaged as well ({detail}): the disk fails", path.display())]
    StillDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// What could be read of a damaged file cannot be written into the new one.
    #[error("{} was damaged, and what is left of it could not be copied: {source}", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
}

/// Keeps what has to outlive the process in a SQLite file.
///
/// Everything that was submitted stays in memory until it is committed, however long that takes: a promise is not dropped.
/// What bounds it is the broker, which takes nothing in while [`Store::uncommitted_bytes`] is above its limit.
#[derive(Debug)]
pub struct SqliteStore {
    shared: Arc<Shared>,
    told: watch::Receiver<Told>,
    /// Which time of failing was told last.
    told_failures: u64,
    stage: Stage,
}

/// How far a store is.
enum Stage {
    /// Opened and read, and not loaded yet.
    Opened(Box<Ready>),
    /// The writer works.
    Running(JoinHandle<Result<(), StoreError>>),
    /// Nothing is left to do.
    Closed,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Opened(_) => "Opened",
            Self::Running(_) => "Running",
            Self::Closed => "Closed",
        })
    }
}

/// What the writer will be made of.
struct Ready {
    path: PathBuf,
    options: StoreOptions,
    told: watch::Sender<Told>,
    connection: SqliteConnection,
    state: State,
    snapshot: Snapshot,
}

/// What the store and its writer share.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    queue: Mutex<Queue>,
    wake: Notify,
    commits: AtomicU64,
    /// How often it was asked whether the writer answers.
    asked: AtomicU64,
    /// The last of these questions that it has answered.
    answered: watch::Sender<u64>,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was submitted and is not taken yet.
#[derive(Debug, Default)]
struct Queue {
    rounds: Vec<Round>,
    /// Bytes of these rounds.
    bytes: usize,
    /// Bytes that the writer has taken and not committed.
    held: usize,
    closing: bool,
}

/// The changes of one round.
#[derive(Debug)]
struct Round {
    ticket: Ticket,
    /// When it was submitted, in milliseconds of the wall clock.
    at: i64,
    changes: Vec<Change>,
}

/// What the writer tells.
#[derive(Debug, Default)]
struct Told {
    committed: Ticket,
    failing: Option<StoreError>,
    /// How many times commits began to fail.
    failures: u64,
}

impl SqliteStore {
    /// Opens the file at `path`, which is made when there is none, for its owner only, and brought up to date when it is
    /// older. One that is damaged is moved aside, and what can be read of it is copied into a new one; the snapshot's
    /// warnings say so.
    ///
    /// # Errors
    /// When the file cannot be opened or made, or was written by a newer release.
    pub async fn open(
        path: &Path,
        options: StoreOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreOpenError> {
        let Opened { connection, loaded } = open::open(path, &options, &clock).await?;
        let (sender, told) = watch::channel(Told::default());
        let (queue, wake) = (Mutex::default(), Notify::new());
        let (commits, asked, answered) = (AtomicU64::new(0), AtomicU64::new(0), watch::Sender::new(0));
        let ready = Ready {
            path: path.to_owned(),
            options,
            told: sender,
            connection,
            state: loaded.state,
            snapshot: loaded.snapshot,
        };
        Ok(Self {
            shared: Arc::new(Shared { clock, queue, wake, commits, asked, answered }),
            told,
            told_failures: 0,
            stage: Stage::Opened(Box::new(ready)),
        })
    }

    /// The schema that this release works with. An older file is brought up to it when it is opened.
    pub fn newest_schema() -> i64 {
        file::newest_schema()
    }

    /// The schema of the file at `path`, which is only read; nothing when there is no file, or nothing in it yet.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub async fn schema_of(path: &Path) -> Result<Option<i64>, StoreOpenError> {
        file::schema_of(path).await.map_err(|source| StoreOpenError::Open { path: path.to_owned(), source })
    }

    /// A way to ask how many transactions were committed since the file was opened, each with one flush of the disk.
    pub fn commits(&self) -> impl Fn() -> u64 + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || shared.commits.load(Ordering::Relaxed)
    }

    /// A way to ask whether the store still works: what it gives ends once the writer has done everything that was submitted
    /// before, well or not. It does not end as long as a write hangs, nor before the store is loaded and after it is closed.
    pub fn pulse(&self) -> impl Fn() -> BoxFuture<'static, ()> + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let mut answered = shared.answered.subscribe();
                let question = shared.asked.fetch_add(1, Ordering::AcqRel) + 1;
                shared.wake.notify_one();
                // The sender is in what this holds, so it is there.
                let _ = answered.wait_for(|last| *last >= question).await;
            })
        }
    }

    fn ask_to_close(&self) {
        self.shared.queue().closing = true;
        self.shared.wake.notify_one();
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn keeps(&self) -> bool {
        true
    }

    async fn load(&mut self) -> Result<Snapshot, StoreError> {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Opened(ready) => {
                let Ready { path, options, told, connection, state, snapshot } = *ready;
                let writer = Writer::new(path, options, Arc::clone(&self.shared), told, connection, state);
                self.stage = Stage::Running(tokio::spawn(writer.run()));
                Ok(snapshot)
            }
            other => {
                self.stage = other;
                Err(StoreError::Failed("it was loaded already".to_owned()))
            }
        }
    }

    fn submit(&mut self, ticket: Ticket, changes: Vec<Change>) {
        let at = self.shared.clock.now().as_millis();
        let bytes = bytes_of_changes(&changes);
        {
            let mut queue = self.shared.queue();
            queue.bytes += bytes;
            queue.rounds.push(Round { ticket, at, changes });
        }
        self.shared.wake.notify_one();
    }

    fn uncommitted_bytes(&self) -> usize {
        let queue = self.shared.queue();
        queue.bytes + queue.held
    }

    async fn progress(&mut self, after: Ticket) -> Progress {
        loop {
            {
                let told = self.told.borrow_and_update();
                if told.committed > after {
                    return Progress::Committed(told.committed);
                }
                if let Some(error) = &told.failing
                    && self.told_failures != told.failures
                {
                    self.told_failures = told.failures;
                    return Progress::Failing(error.clone());
                }
            }
            if self.told.changed().await.is_err() {
                return Progress::Gone(StoreError::Failed("its writer has died".to_owned()));
            }
        }
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Running(writer) => {
                self.ask_to_close();
                writer.await.unwrap_or_else(|died| Err(StoreError::Failed(died.to_string())))
            }
            // Nothing was submitted.
            Stage::Opened(_) | Stage::Closed => Ok(()),
        }
    }
}

/// A store that is dropped without being closed writes what it was given all the same, if the process lives that long.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.ask_to_close();
    }
}
