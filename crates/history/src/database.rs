//! The file: how it is opened, checked and closed.
//!
//! Write-ahead logging with `synchronous = FULL`: each commit is flushed to the disk before it counts as done, so a
//! power cut loses what arrived since the last commit and nothing else, which is what [`Options::commit_every`]
//! promises. `NORMAL` would flush only at checkpoints, about once an hour at a house's pace: the file would stay
//! consistent, but how much is lost would be up to the kernel's write-back (30 seconds by default) and the card.
//! One flush in ten seconds is what the promise costs, since commits are grouped.
//!
//! What a memory card is asked to write in a day decides how the file is laid out. Measured with 30 series that are read
//! every 10 s at times of their own and 5 at 1 Hz (691,200 samples a day), a commit each 10 s, sealing each hour and a
//! checkpoint each 8 MB of log; MB a day, of all write calls together. This was a model of the writer in SQLite 3.40 (six
//! hours, times four; chunks of random bytes, 1.4 for each sample), not this program; the last column is each commit,
//! sealing and checkpoint rounded up to whole blocks, which is computed and not observed:
//!
//! | key of the recent rows | page | auto_vacuum | commits | sealing | checkpoints | all | in blocks of 4 KiB |
//! |---|---|---|---|---|---|---|---|
//! | one number (`recent`) | 512 | none | 41.3 | 2.6 | 3.7 | 47.6 | 68.3 |
//! | one number (`recent`) | **512** | **incremental** | 48.5 | 2.7 | 3.6 | **54.9** | 76.6 |
//! | one number, checkpoint each 2 MB | 512 | incremental | 48.5 | 2.7 | 16.9 | 68.2 | 89.9 |
//! | one number, checkpoint each 4 MB | 512 | incremental | 48.5 | 2.7 | 10.3 | 61.6 | 83.3 |
//! | one number, checkpoint each 4 MB | 1,024 | incremental | 64.7 | 2.9 | 12.3 | 80.0 | 92.4 |
//! | one number, checkpoint each 4 MB | 2,048 | incremental | 96.5 | 3.3 | 17.6 | 117.4 | 147.1 |
//! | one number, checkpoint each 4 MB | 4,096 | incremental | 112.6 | 3.4 | 16.6 | 132.7 | 167.5 |
//! | (time, series), `WITHOUT ROWID` | 512 | incremental | 63.5 | 2.8 | 7.6 | 73.9 | 88.9 |
//! | (time, series), `WITHOUT ROWID`, checkpoint each 4 MB | 4,096 | incremental | 204.7 | 3.5 | 21.3 | 229.5 | 263.7 |
//!
//! The program itself, by `scripts/bench history` with ten switches besides: 54.3 MB a day to files, of which 51.3 MB go into
//! the log in 8,900 transactions, and 1.87 bytes a reading once sealed; beside it the model flatters itself a little. Of the
//! log 21.7 MB are leaves of `recent`, 10.5 MB the pages above them, 6.7 MB the map of pages that `auto_vacuum` keeps, 4.7 MB
//! the first page, whose head says how long the file is, and 4.5 MB chunks and rollups. It was 83.1 MB (with some 6 MB
//! that threads write to wake each other, which were counted then) before readings were put in the order of their keys, the
//! pages that sealing frees left the file (22 MB of the map and 2 MB of free pages), and the log grew to 14 MB before each
//! checkpoint.
//!
//! A key of two columns makes an index tree, whose pages SQLite levels out with their neighbours at each split; a table
//! that is appended to in the order of its number fills page after page. Sealing that deletes row by row writes each
//! page once more (17.6 MB a day instead of 2.7), so it empties the table and puts back what is younger; `secure_delete`
//! would undo that. `auto_vacuum` costs 7 MB a day and is what lets the file give space back on a disk that is nearly full.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::Clock;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, SqlitePool};

use crate::file::{PAGE_BYTES, log_is_left, page_bytes};
use crate::result_codes::{primary_code, was_interrupted};
use crate::time_limit::{lift_time_limit, limit_time};
use crate::{HistoryError, Options, retention, salvage, still};

/// How long a query waits for a free reader before it is told that history is busy: about as long as the queries
/// before it may take.
const READER_WAIT: Duration = Duration::from_secs(5);

/// KiB of pages that the writer keeps in memory. It appends, so the last pages of two trees are all it needs.
const WRITER_CACHE_KIB: u32 = 1_024;

/// KiB of pages that each reader keeps in memory: a day of raw readings of a small house.
const READER_CACHE_KIB: u32 = 2_048;

/// Rows that a reader's thread may be ahead of whoever takes them: fewer would make both wait for each other again and again.
const ROWS_AHEAD: usize = 256;

/// Connections that read: two charts at once. Each has a thread and a cache, and a small Pi has neither to spare.
const READERS: u32 = 2;

/// Bytes to which the log is cut back after something made it grow (a long query, an import).
const LOG_BYTES: u32 = 16 * 1_024 * 1_024;

/// Prepared statements that a connection keeps: more than sealing and an import take turns with.
const STATEMENTS: usize = 32;

/// How long a connection waits for a lock of another process, such as the `sqlite3` tool.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Longest time that opening spends on the check after an unclean stop: the gateway is to be ready within a second.
const CHECK_TIME_LIMIT: Duration = Duration::from_millis(400);

/// Longest time that opening spends on counting rows.
const COUNT_TIME_LIMIT: Duration = Duration::from_millis(100);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// An open file.
pub(crate) struct Opened {
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
    /// How many samples it holds; nothing when counting would take long.
    pub(crate) rows: Option<u64>,
    /// Bytes of its pages.
    pub(crate) page_bytes: u32,
}

/// Opens the file. One that is damaged is moved aside, and what it still gives is in the one that is opened.
pub(crate) async fn open(
    path: &Path,
    options: &Options,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, HistoryError> {
    let in_place = |source| HistoryError::Open { path: path.to_owned(), source: sqlx::Error::Io(source) };
    salvage::finish(path).map_err(in_place)?;
    let detail = match open_whole(path, options, clock).await {
        Err(HistoryError::Damaged { detail, .. }) => detail,
        other => return other,
    };
    tracing::error!(%detail, "history's file is damaged: what can be read of it is copied into a new one");
    let fresh = salvage::fresh_path(path);
    // Without room for the copy nothing is begun: this is tried again each minute.
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if retention::free_bytes(path).is_some_and(|free| free < length) {
        return Err(in_place(std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            format!("it is damaged ({detail}), and there is no room for a copy of what can be read of it"),
        )));
    }
    let opened = open_whole(&fresh, options, clock).await?;
    let mut connection = opened.writer.acquire().await.map_err(|source| explain_open(&fresh, source))?;
    let salvaged = salvage::copy(&mut connection, path).await;
    drop(connection);
    close(&opened.writer, &opened.readers).await;
    let salvaged = match salvaged {
        Ok(salvaged) => salvaged,
        Err(source) => {
            // The damaged file stays in its place, and the unfinished one does not take the room that is left.
            salvage::fresh_path(path);
            return Err(HistoryError::Open { path: path.to_owned(), source });
        }
    };
    let aside = salvage::replace(path, clock.now()).map_err(in_place)?;
    let sentence = salvaged.sentence(&detail, &aside);
    tracing::error!("{sentence}");
    let opened = open_whole(path, options, clock).await?;
    let mut connection = opened.writer.acquire().await.map_err(|source| explain_open(path, source))?;
    if let Err(error) = salvage::tell(&mut connection, clock.now(), &sentence).await {
        tracing::warn!(%error, "what was lost could not be noted for the page");
    }
    drop(connection);
    Ok(opened)
}

/// The connections to a file: one that writes and those that read. Each is made when it is used first.
///
/// Those that read a file that [nobody can write](still::is_still) count on it for as long as they are there.
pub(crate) fn pools(
    path: &Path,
    options: &Options,
    page_bytes: u32,
    is_still: bool,
) -> (SqlitePool, SqlitePool) {
    let usual = |base: SqliteConnectOptions| {
        base.foreign_keys(true)
            .busy_timeout(LOCK_WAIT)
            .statement_cache_capacity(STATEMENTS)
            .thread_name(|_| "history".to_owned())
            // Sorting happens in memory; no query of this room sorts more than the points of a chart.
            .pragma("temp_store", "MEMORY")
            // A read error of the card arrives as an error and not as a signal that kills the process.
            .pragma("mmap_size", "0")
            .disable_statement_logging()
    };
    let writer_options = usual(SqliteConnectOptions::new().filename(path))
        .create_if_missing(true)
        .page_size(PAGE_BYTES)
        // Deleted readings can give their space back later; this can be chosen for an empty file only.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
        .pragma("journal_size_limit", LOG_BYTES.to_string())
        // The writer makes the checkpoints itself, after a commit, and counts their pages.
        .pragma("wal_autocheckpoint", "0")
        .pragma("secure_delete", "OFF");
    let max_pages = (options.max_file_bytes / u64::from(page_bytes)).max(1);
    let writer_options = writer_options.pragma("max_page_count", max_pages.to_string());
    // One connection that stays: a second writer would only wait for the first.
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(writer_options);
    let reader_options = usual(still::options(path, is_still))
        .row_buffer_size(ROWS_AHEAD)
        .pragma("query_only", "ON")
        .pragma("cache_size", format!("-{READER_CACHE_KIB}"));
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .acquire_timeout(READER_WAIT)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(reader_options);
    (writer, readers)
}

async fn open_whole(path: &Path, options: &Options, clock: &Arc<dyn Clock>) -> Result<Opened, HistoryError> {
    let unclean = log_is_left(path);
    let explain = |source| explain_open(path, source);
    let page_bytes = page_bytes(path);
    let (writer, readers) = pools(path, options, page_bytes, false);
    let prepared = async {
        let mut connection = writer.acquire().await.map_err(explain)?;
        MIGRATIONS.run(&mut *connection).await.map_err(|error| explain_migration(path, error))?;
        if unclean {
            check(path, &mut connection, clock).await?;
        }
        count_rows(&mut connection, clock).await.map_err(explain)
    };
    let rows = match prepared.await {
        Ok(rows) => rows,
        Err(error) => {
            // Nobody holds a file that is about to be moved aside.
            writer.close().await;
            return Err(error);
        }
    };
    Ok(Opened { writer, readers, rows, page_bytes })
}

async fn check(
    path: &Path,
    connection: &mut SqliteConnection,
    clock: &Arc<dyn Clock>,
) -> Result<(), HistoryError> {
    limit_time(connection, clock, CHECK_TIME_LIMIT).await.map_err(|source| explain_open(path, source))?;
    let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut *connection).await;
    lift_time_limit(connection).await.map_err(|source| explain_open(path, source))?;
    match found {
        Ok(verdict) if verdict == "ok" => {
            tracing::info!("history was not closed in order; its check found no damage");
            Ok(())
        }
        Ok(detail) => Err(HistoryError::Damaged { path: path.to_owned(), detail }),
        Err(error) if was_interrupted(&error) => {
            tracing::info!("history was not closed in order; it is too large to be checked at start");
            Ok(())
        }
        Err(error) => Err(explain_open(path, error)),
    }
}

async fn count_rows(
    connection: &mut SqliteConnection,
    clock: &Arc<dyn Clock>,
) -> Result<Option<u64>, sqlx::Error> {
    limit_time(connection, clock, COUNT_TIME_LIMIT).await?;
    let rows = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM recent").fetch_one(&mut *connection).await;
    lift_time_limit(connection).await?;
    match rows {
        Ok(rows) => Ok(u64::try_from(rows).ok()),
        Err(error) if was_interrupted(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn explain_open(path: &Path, source: sqlx::Error) -> HistoryError {
    // SQLITE_CORRUPT and SQLITE_NOTADB.
    match primary_code(&source) {
        Some(11 | 26) => HistoryError::Damaged { path: path.to_owned(), detail: source.to_string() },
        _ => HistoryError::Open { path: path.to_owned(), source },
    }
}

/// Whether a file that is only read has the schema of this release.
pub(crate) async fn check_schema(path: &Path, readers: &SqlitePool) -> Result<(), HistoryError> {
    let explain = |error| explain_open(path, error);
    let mut connection = readers.acquire().await.map_err(explain)?;
    let found = found_schema(&mut connection).await.map_err(explain)?;
    let needed = newest_schema();
    match found {
        Some(found) if found == needed => Ok(()),
        Some(found) if found > needed => {
            let detail = format!("its schema is {found}, that of this release {needed}");
            Err(HistoryError::OtherRelease { path: path.to_owned(), detail })
        }
        _ => Err(HistoryError::Behind { path: path.to_owned(), found, needed }),
    }
}

/// The schema of this release.
pub(crate) fn newest_schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The schema of an open file; nothing in one that has none yet, as a gateway leaves that was killed in its first moments.
pub(crate) async fn found_schema(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let has_any = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'");
    let has_any: i64 = has_any.fetch_one(&mut *connection).await?;
    if has_any == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(connection).await
}

fn explain_migration(path: &Path, error: MigrateError) -> HistoryError {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            explain_open(path, source)
        }
        other => HistoryError::OtherRelease { path: path.to_owned(), detail: other.to_string() },
    }
}

pub(crate) async fn close(writer: &SqlitePool, readers: &SqlitePool) {
    readers.close().await;
    // Closing the last connection would do the same, but could not say that it failed.
    if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await {
        tracing::warn!(%error, "history's log was not moved into the file; the next start does it");
    }
    writer.close().await;
}
