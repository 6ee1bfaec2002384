//! The task that writes: everything that was submitted since the last commit goes into the next one.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::file::{Files, beside, connect, explain_commit};
use super::salvage::RESTORED;
use super::state::State;
use super::write::write;
use super::{Shared, StoreOptions, Told};
use crate::store::{Change, StoreError, Ticket};

/// Time from a commit that failed to the next try, at first; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest time between two tries: what a person who made room waits for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Topics that wait for the sweep of lazy changes, beyond which it comes at once: as many as the broker keeps retained, so
/// that only topics that come and go can be more.
const LAZY_TOPICS: usize = 65_536;

/// Time from a commit to the look at the space that it may have left free.
const BEFORE_TIDYING: Duration = Duration::from_secs(30);

/// Time between two steps of giving space back, for the card to do what else it has to.
const BETWEEN_TIDYING: Duration = Duration::from_millis(250);

/// Free pages that stay in the file for what comes next: 4 MB.
const SPARE_PAGES: i64 = 1_024;

/// Pages that are given back in one step: 1 MB, so that a commit never waits long for it.
const GIVE_BACK: &str = "PRAGMA incremental_vacuum(256)";

/// Writes what was submitted.
pub(super) struct Writer {
    path: PathBuf,
    options: StoreOptions,
    shared: Arc<Shared>,
    told: watch::Sender<Told>,
    state: State,
    /// After a failure the next try closes it and opens the file again. Until then it is kept, since it holds what was
    /// in the file when somebody takes that away. Nothing when the file could not be opened again.
    connection: Option<SqliteConnection>,
    /// What the connection has open.
    files: Files,
    /// The last round that is in `state`.
    taken: Ticket,
    /// Somebody may be waiting for one of the rounds that were taken since the last commit, even where nothing of it is left
    /// to be written.
    is_awaited: bool,
    failing: bool,
    pause: Duration,
}

/// A timer that may be set.
type Timer = Option<Pin<Box<Sleep>>>;

/// Waits for a timer; for ever when it is not set.
async fn elapsed(timer: &mut Timer) {
    match timer {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        options: StoreOptions,
        shared: Arc<Shared>,
        told: watch::Sender<Told>,
        connection: SqliteConnection,
        state: State,
    ) -> Self {
        let files = Files::of(&path);
        Self {
            path,
            options,
            shared,
            told,
            state,
            connection: Some(connection),
            files,
            taken: Ticket::default(),
            is_awaited: false,
            failing: false,
            pause: FIRST_PAUSE,
        }
    }

    /// Works until the store is closed.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        let (mut sweep, mut ends): (Timer, Timer) = (None, None);
        let (mut retry, mut tidy): (Timer, Timer) = (None, None);
        loop {
            let (mut sweeps, mut tries, mut tidies) = (false, !self.failing, false);
            let mut patient = !self.failing;
            tokio::select! {
                () = self.shared.wake.notified() => {}
                () = elapsed(&mut sweep) => (sweeps, sweep) = (true, None),
                () = elapsed(&mut ends) => (patient, ends) = (false, None),
                () = elapsed(&mut retry) => (tries, retry) = (true, None),
                () = elapsed(&mut tidy) => (tidies, tidy) = (true, None),
            }
            let question = self.shared.asked.load(Ordering::Acquire);
            let closing = self.take_in();
            if sweeps || closing || self.state.lazy.len() > LAZY_TOPICS {
                self.state.sweep();
            } else if sweep.is_none() && !self.state.lazy.is_empty() {
                sweep = Some(Box::pin(sleep(self.options.lazy_interval)));
            }
            let has_ends_only = self.state.group.has_ends_only() && !self.state.group.is_empty();
            let waits = patient && !closing && !self.is_awaited && has_ends_only;
            if waits {
                // The next commit of something else takes them along, or this timer ends their wait.
                ends.get_or_insert_with(|| Box::pin(sleep(self.options.ends_within)));
            } else if tries || closing {
                match self.commit().await {
                    Ok(true) => {
                        (retry, ends) = (None, None);
                        tidy.get_or_insert_with(|| Box::pin(sleep(BEFORE_TIDYING)));
                    }
                    Ok(false) => {}
                    Err(error) if closing => return Err(error),
                    Err(_) => {
                        retry = Some(Box::pin(sleep(self.pause)));
                        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                    }
                }
            }
            if closing {
                return self.close().await;
            }
            if tidies && self.give_back().await {
                tidy = Some(Box::pin(sleep(BETWEEN_TIDYING)));
            }
            let is_new = |last: &mut u64| std::mem::replace(last, question) != question;
            self.shared.answered.send_if_modified(is_new);
        }
    }

    /// Takes what was submitted. Gives whether the store is to be closed.
    fn take_in(&mut self) -> bool {
        let (rounds, closing) = {
            let mut queue = self.shared.queue();
            queue.held += std::mem::take(&mut queue.bytes);
            (std::mem::take(&mut queue.rounds), queue.closing)
        };
        for round in rounds {
            self.taken = round.ticket;
            self.is_awaited |= round.changes.iter().any(|change| !matches!(change, Change::Delivered(..)));
            self.state.apply(round.at, round.changes);
        }
        // What cancelled out takes no memory any more.
        self.shared.queue().held = self.state.group_bytes();
        closing
    }

    /// Commits the group and tells so. Gives whether there was something to write.
    async fn commit(&mut self) -> Result<bool, StoreError> {
        let wrote = !self.state.group.is_empty();
        if wrote && let Err(error) = self.write_group().await {
            self.failed(&error);
            return Err(error);
        }
        if std::mem::take(&mut self.failing) {
            self.pause = FIRST_PAUSE;
            tracing::info!(file = %self.path.display(), "the broker's file can be written again");
        }
        let ticket = self.taken;
        self.is_awaited = false;
        self.told.send_if_modified(|told| {
            let news = told.committed < ticket || told.failing.is_some();
            told.committed = ticket;
            told.failing = None;
            news
        });
        Ok(wrote)
    }

    async fn write_group(&mut self) -> Result<(), StoreError> {
        let explain = |path: &Path, error| explain_commit(path, &error);
        if !self.files.are_still_at(&self.path) {
            self.put_back().await?;
        } else if self.failing
            && let Some(connection) = self.connection.take()
        {
            // SQLite may have rolled back by itself, of which the connection's count of transactions knows nothing; and a
            // file that could be opened once may be another one when it is opened again.
            let _ = connection.close().await;
            // It takes its log with it.
            self.files = Files::fresh(&self.path);
        }
        let connection = match &mut self.connection {
            Some(connection) => connection,
            None => {
                let mut connection =
                    connect(&self.path, &self.options).await.map_err(|error| explain(&self.path, error))?;
                // The log may have a hole where a flush failed. Moving it into the file and beginning another one keeps the
                // hole from what is written next. Where this fails as well, the commit below says why.
                if let Err(error) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await {
                    tracing::debug!(%error, "the log could not be moved before the next try");
                }
                self.connection.insert(connection)
            }
        };
        write(connection, &self.state).await.map_err(|error| explain(&self.path, error))?;
        self.files.find_log(&self.path);
        self.state.committed();
        self.shared.queue().held = 0;
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn failed(&mut self, error: &StoreError) {
        self.state.failed();
        self.failing = true;
        self.told.send_if_modified(|told| {
            let news = told.failing.is_none();
            told.failures += u64::from(news);
            told.failing = Some(error.clone());
            news
        });
    }

    /// Somebody has deleted, moved or replaced the file or its log. What they held is still in those that are open. They
    /// stay open until there is a file with all of it in its place: where the disk is full, or something is in the way
    /// that cannot be replaced, the next try needs them again.
    async fn put_back(&mut self) -> Result<(), StoreError> {
        let gone = |detail: String| {
            StoreError::Failed(format!(
                "{} was deleted or replaced while the broker had it open, and could not be made again: {detail}",
                self.path.display()
            ))
        };
        let Some(connection) = &mut self.connection else {
            return Err(gone("it is not open any more; restart the gateway".to_owned()));
        };
        let fresh = beside(&self.path, RESTORED);
        let _ = std::fs::remove_file(&fresh);
        sqlx::query("VACUUM INTO ?1")
            .bind(fresh.to_string_lossy().into_owned())
            .execute(&mut *connection)
            .await
            .map_err(|error| gone(error.to_string()))?;
        // A log with its name would be taken for the new file's.
        for ending in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(beside(&self.path, ending));
        }
        install(&fresh, &self.path).map_err(|error| gone(error.to_string()))?;
        self.files = Files::fresh(&self.path);
        if let Some(connection) = self.connection.take() {
            // It deletes the log that has its name, so that it comes before another one has that name.
            let _ = connection.close().await;
        }
        let connection = connect(&self.path, &self.options).await;
        self.connection = Some(connection.map_err(|error| explain_commit(&self.path, &error))?);
        tracing::warn!(file = %self.path.display(), "the broker's file was deleted or replaced while it was in use; it was made again");
        Ok(())
    }

    /// Gives space back to the file system when much is free. Gives whether there may be more.
    async fn give_back(&mut self) -> bool {
        let Some(connection) = &mut self.connection else { return false };
        give_back(connection).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "free space could not be given back; it is used again");
            false
        })
    }

    async fn close(self) -> Result<(), StoreError> {
        // Everything is committed; SQLite moves the log into the file, or the next start does.
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "the broker's file was not closed in order");
        }
        Ok(())
    }
}

/// One step of giving space back, when more than some spare pages are free. Gives whether it did something.
pub(super) async fn give_back(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let free: i64 = sqlx::query_scalar("PRAGMA freelist_count").fetch_one(&mut *connection).await?;
    if free <= SPARE_PAGES {
        return Ok(false);
    }
    connection.execute(GIVE_BACK).await?;
    Ok(true)
}

/// Puts a finished file into its place, so that it survives a power cut.
fn install(fresh: &Path, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let file = std::fs::File::open(fresh)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.sync_all()?;
    std::fs::rename(fresh, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)?.sync_all()
}
