//! A file that could not be opened at the start is tried again with each commit.
//!
//! A full disk, one that is read-only, a file that another release wrote: none of these is a reason for a house to lose its
//! outputs and its broker. Until the file opens, readings wait in the recorder's bounded buffer, as they do while an open file
//! refuses. One that lies where nobody can write is shown as it is (`still`), and stays so until the next start.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gatehouse_model::Clock;

use crate::database;
use crate::status::Counters;
use crate::{HistoryError, Options, file, still};

/// Whether the file is open, and how it is opened.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    options: Options,
    clock: Arc<dyn Clock>,
    is_open: AtomicBool,
    /// It is on a file system that let nobody write, or whoever opened it wants nothing written: it is read as a file that
    /// does not change, and stays closed.
    is_still: bool,
    page_bytes: AtomicU32,
    /// Why the last try failed, for people.
    reason: Mutex<Option<String>>,
}

impl Door {
    /// The door to a file that is open.
    pub(crate) fn opened(path: PathBuf, options: Options, clock: Arc<dyn Clock>, page_bytes: u32) -> Self {
        let (is_open, page_bytes) = (AtomicBool::new(true), AtomicU32::new(page_bytes));
        Self { path, options, clock, is_open, is_still: false, page_bytes, reason: Mutex::new(None) }
    }

    /// The door to a file that cannot be opened for now.
    pub(crate) fn closed(
        path: PathBuf,
        options: Options,
        clock: Arc<dyn Clock>,
        problem: &HistoryError,
    ) -> Self {
        if still::is_still(&path) {
            return Self::still(path, options, clock, "is read-only");
        }
        let page_bytes = file::page_bytes(&path);
        let door = Self::opened(path, options, clock, page_bytes);
        door.close(problem.to_string());
        door
    }

    /// The door to a file that is only read, since its disk `what`.
    pub(crate) fn still(path: PathBuf, options: Options, clock: Arc<dyn Clock>, what: &str) -> Self {
        let page_bytes = file::page_bytes(&path);
        let door = Self { is_still: true, ..Self::opened(path, options, clock, page_bytes) };
        door.close(format!(
            "the disk with {} {what}: what history holds is shown, and nothing more is recorded until the gateway starts on a \
             disk that can be written",
            door.path.display()
        ));
        door
    }

    fn close(&self, reason: String) {
        self.is_open.store(false, Ordering::Relaxed);
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Whether it is only read until the gateway starts again.
    pub(crate) const fn is_still(&self) -> bool {
        self.is_still
    }

    /// Bytes of a page of the file.
    pub(crate) fn page_bytes(&self) -> u64 {
        u64::from(self.page_bytes.load(Ordering::Relaxed))
    }

    /// Why the file is not open, for people.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the file where that has not been done: it is made, brought up to date, checked and salvaged as at the start.
    pub(crate) async fn open(&self, counters: &Counters) -> Result<(), sqlx::Error> {
        if self.is_open() {
            return Ok(());
        }
        if self.is_still {
            return Err(sqlx::Error::Io(std::io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        let problem = match self.try_to_open().await? {
            Ok((rows, page_bytes)) => {
                counters.opened(rows);
                self.page_bytes.store(page_bytes, Ordering::Relaxed);
                *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.is_open.store(true, Ordering::Release);
                return Ok(());
            }
            Err(problem) => problem,
        };
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.to_string());
        Err(match problem {
            HistoryError::Open { source, .. } => source,
            other => sqlx::Error::Io(std::io::Error::other(other.to_string())),
        })
    }

    /// Opens the file and closes it again: the connections of the history are made by themselves, now that they can. Gives
    /// how many rows it holds and the bytes of its pages. On a thread of its own, since it may copy a whole file.
    async fn try_to_open(&self) -> Result<Result<(Option<u64>, u32), HistoryError>, sqlx::Error> {
        let (path, options, clock) = (self.path.clone(), self.options.clone(), Arc::clone(&self.clock));
        let runtime = tokio::runtime::Handle::current();
        let opening = tokio::task::spawn_blocking(move || {
            runtime.block_on(async {
                let opened = database::open(&path, &options, &clock).await?;
                database::close(&opened.writer, &opened.readers).await;
                Ok((opened.rows, opened.page_bytes))
            })
        });
        opening.await.map_err(|error| sqlx::Error::Io(std::io::Error::other(error)))
    }
}
