//! A copy of a database while it is in use, and the check of such a copy.
//!
//! `VACUUM INTO` (<https://www.sqlite.org/lang_vacuum.html#vacuum_with_an_into_clause>) writes what one reader sees at one
//! moment into a new file, without free pages. Whoever writes goes on meanwhile; the log grows by what is written until the
//! copy is done.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection};

use crate::still;

/// How long a copy waits for a lock of another process.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Findings of a check that are told: the first ones say enough.
const FINDINGS: u32 = 3;

/// Why a database could not be copied or is no good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is no such file, or it cannot be read.
    #[error("the database {} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// The copy cannot be written.
    #[error("the copy {} cannot be written: {detail}. Check that there is room for it", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        detail: String,
    },
    /// The check found errors.
    #[error("the database {} is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it found.
        detail: String,
    },
}

/// Copies the database at `source`, which may be in use, to `copy`, which must not be there. `progress` hears how many bytes
/// of how many are written, at most: free pages are left out.
///
/// # Errors
/// When the one cannot be read or the other not written; then nothing is left of the copy.
pub async fn take(
    source: &Path,
    copy: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), SnapshotError> {
    let read = |error| SnapshotError::Read { path: source.to_owned(), source: error };
    let write = |detail: String| SnapshotError::Write { path: copy.to_owned(), detail };
    if copy.exists() {
        return Err(write("there is a file of this name already".to_owned()));
    }
    let mut connection = open(source).await.map_err(read)?;
    let pages: i64 =
        sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut connection).await.map_err(read)?;
    let page: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut connection).await.map_err(read)?;
    let total = u64::try_from(pages.saturating_mul(page)).unwrap_or(0);
    let name = copy.to_str().ok_or_else(|| write("its name is no UTF-8".to_owned()))?.to_owned();
    let mut copying = Box::pin(sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut connection));
    let mut tick = tokio::time::interval(TELL_EVERY);
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut copying => break outcome.map(|_| ()),
            _ = tick.tick() => progress(std::fs::metadata(copy).map_or(0, |file| file.len()).min(total), total),
        }
    };
    drop(copying);
    // On the disk, and not only on its way there.
    let outcome = match outcome {
        Ok(()) => File::open(copy).and_then(|file| file.sync_all()).map_err(|error| write(error.to_string())),
        Err(error) => Err(write(error.to_string())),
    };
    if outcome.is_err() {
        let _ = std::fs::remove_file(copy);
    }
    outcome?;
    connection.close().await.map_err(read)?;
    progress(total, total);
    Ok(())
}

/// Checks a database that nobody uses, whole: each page, each index, each constraint.
///
/// # Errors
/// When anything is found.
pub async fn check(path: &Path) -> Result<(), SnapshotError> {
    let read = |error| SnapshotError::Read { path: path.to_owned(), source: error };
    let mut connection = open(path).await.map_err(read)?;
    let pragma = format!("PRAGMA integrity_check({FINDINGS})");
    let found: Result<Vec<String>, _> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(pragma)).fetch_all(&mut connection).await;
    let _ = connection.close().await;
    match found {
        Ok(found) if found == ["ok"] => Ok(()),
        Ok(found) => Err(SnapshotError::Damaged { path: path.to_owned(), detail: found.join("; ") }),
        Err(error) => Err(SnapshotError::Damaged { path: path.to_owned(), detail: error.to_string() }),
    }
}

async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    still::options(path, still::is_still(path))
        .busy_timeout(LOCK_WAIT)
        .pragma("temp_store", "FILE")
        .pragma("mmap_size", "0")
        .disable_statement_logging()
        .connect()
        .await
}
