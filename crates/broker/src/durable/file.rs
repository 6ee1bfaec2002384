//! The file: how it is opened and checked, and how one that is damaged is moved aside.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Timestamp};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use super::load::{Care, Loaded, load};
use super::write::STATEMENTS;
use super::{StoreOpenError, StoreOptions};
use crate::store::StoreError;

/// Bytes of a page. Memory cards and their file systems write 4 KiB at least, so smaller pages would save nothing.
pub(super) const PAGE_BYTES: u32 = 4_096;

/// KiB of pages that are kept in memory: the ends of the tables that grow, and some of the pages that acknowledgements
/// go back to.
const CACHE_KIB: u32 = 4_096;

/// Pages in the log at which they are moved into the file, after the commit that filled it. Two megabytes are moved in
/// some ten milliseconds on a disk and in less than half a second on a memory card, and a start reads them at once.
const CHECKPOINT_PAGES: u32 = 512;

/// Bytes to which the log is cut back after something made it grow: a large commit, or a program that read for long.
const LOG_BYTES: u32 = 4 * 1_024 * 1_024;

/// How long a commit waits for a lock of another program, such as the `sqlite3` tool, before it is reported as failed.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Longest time that opening spends on the check after an unclean stop: the gateway is to be ready within a second. What
/// the broker keeps is some megabytes, which are checked in some ten milliseconds.
const CHECK_TIME_LIMIT: Duration = Duration::from_millis(500);

/// Virtual machine steps of SQLite between two looks at the clock: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Which file it is, so that another one in its place, or none, is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId(u64, u64);

impl FileId {
    /// The file at `path`.
    fn of(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|file| Self(file.dev(), file.ino()))
    }
}

/// The database and its log. What is written into a log that has lost its name is gone with the process, so that the log
/// is watched as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Files {
    database: Option<FileId>,
    /// Nothing as long as SQLite has not made it.
    log: Option<FileId>,
}

impl Files {
    /// Those at `path`.
    pub(super) fn of(path: &Path) -> Self {
        Self { database: FileId::of(path).ok(), log: FileId::of(&beside(path, "-wal")).ok() }
    }

    /// The database at `path`, whose log is not made yet.
    pub(super) fn fresh(path: &Path) -> Self {
        Self { log: None, ..Self::of(path) }
    }

    /// Whether they are still those at `path`.
    pub(super) fn are_still_at(&self, path: &Path) -> bool {
        let now = Self::of(path);
        self.database.is_some()
            && self.database == now.database
            && (self.log.is_none() || self.log == now.log)
    }

    /// Looks for the log, which SQLite makes when it needs it first.
    pub(super) fn find_log(&mut self, path: &Path) {
        if self.log.is_none() {
            self.log = Self::of(path).log;
        }
    }
}

/// What opening gave.
pub(super) struct Opened {
    pub(super) connection: SqliteConnection,
    pub(super) loaded: Loaded,
}

/// Why a file could not be opened.
pub(super) enum OpenProblem {
    Damaged(String),
    Other(StoreOpenError),
}

/// Opens and reads, or says that the file is damaged.
pub(super) async fn open_and_read(
    path: &Path,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, OpenProblem> {
    let explain = |source| explain_open(path, source);
    let unclean = std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0);
    protect(path)
        .map_err(|source| OpenProblem::Other(StoreOpenError::File { path: path.to_owned(), source }))?;
    let mut connection = connect(path, options).await.map_err(explain)?;
    let found = read(path, &mut connection, clock, unclean).await;
    match found {
        Ok(loaded) => Ok(Opened { connection, loaded }),
        Err(problem) => {
            // Nothing was written, and the error that is told is the first one.
            let _ = connection.close().await;
            Err(problem)
        }
    }
}

async fn read(
    path: &Path,
    connection: &mut SqliteConnection,
    clock: &Arc<dyn Clock>,
    unclean: bool,
) -> Result<Loaded, OpenProblem> {
    MIGRATIONS.run(&mut *connection).await.map_err(|error| explain_migration(path, error))?;
    if unclean {
        check(path, connection, clock).await?;
    }
    load(connection, clock.now(), Care::Strict).await.map_err(|source| explain_open(path, source))
}

/// The schema of this release.
pub(super) fn newest_schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// The schema of the file at `path`, which is only read; nothing when there is no file, or nothing in it yet.
pub(super) async fn schema_of(path: &Path) -> Result<Option<i64>, sqlx::Error> {
    if !path.exists() {
        return Ok(None);
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let has_any = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'");
    let has_any: i64 = has_any.fetch_one(&mut connection).await?;
    let found = match has_any {
        0 => None,
        _ => {
            sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
                .fetch_one(&mut connection)
                .await?
        }
    };
    connection.close().await?;
    Ok(found)
}

/// A connection to the file, which must be there.
pub(super) async fn connect(path: &Path, options: &StoreOptions) -> Result<SqliteConnection, sqlx::Error> {
    let max_pages = (options.max_file_bytes / u64::from(PAGE_BYTES)).max(1);
    SqliteConnectOptions::new()
        .filename(path)
        .page_size(PAGE_BYTES)
        // What was drained gives its space back; this can be chosen for an empty file only.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        // Each commit is flushed to the disk before it counts as done: an acknowledgement stands on it.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(LOCK_WAIT)
        .statement_cache_capacity(STATEMENTS)
        .thread_name(|_| "broker-store".to_owned())
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("journal_size_limit", LOG_BYTES.to_string())
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES.to_string())
        .pragma("max_page_count", max_pages.to_string())
        .pragma("temp_store", "MEMORY")
        // A read error of the card arrives as an error and not as a signal that kills the process.
        .pragma("mmap_size", "0")
        .disable_statement_logging()
        .connect()
        .await
}

/// The file beside the database whose name ends so.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes the file before SQLite does, since SQLite would let everybody read it; its log takes the same mode.
fn protect(path: &Path) -> std::io::Result<()> {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Looks for damage after an unclean stop, for as long as that is quick.
async fn check(
    path: &Path,
    connection: &mut SqliteConnection,
    clock: &Arc<dyn Clock>,
) -> Result<(), OpenProblem> {
    let explain = |source| explain_open(path, source);
    let (deadline, watch) = (clock.moment() + CHECK_TIME_LIMIT, Arc::clone(clock));
    connection
        .lock_handle()
        .await
        .map_err(explain)?
        .set_progress_handler(STEPS_BETWEEN_LOOKS, move || watch.moment() < deadline);
    let found = sqlx::query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut *connection).await;
    connection.lock_handle().await.map_err(explain)?.remove_progress_handler();
    match found {
        Ok(verdict) if verdict == "ok" => {
            tracing::debug!("the broker's file was not closed in order; its check found no damage");
            Ok(())
        }
        Ok(detail) => Err(OpenProblem::Damaged(detail)),
        // SQLITE_INTERRUPT: the time is over.
        Err(error) if primary_code(&error) == Some(9) => Ok(()),
        Err(error) => Err(explain(error)),
    }
}

/// Renames a damaged file and the files beside it.
pub(super) fn move_aside(path: &Path, now: Timestamp) -> std::io::Result<PathBuf> {
    // Some file systems do not take colons.
    let time = now.to_string().replace(':', "-");
    let aside = beside(path, &format!(".damaged-{time}"));
    // The log first: the file without its log would be taken for whole.
    for ending in ["-wal", "-shm", ""] {
        match std::fs::rename(beside(path, ending), beside(&aside, ending)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    Ok(aside)
}

/// The primary result code, <https://www.sqlite.org/rescode.html>.
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn explain_open(path: &Path, source: sqlx::Error) -> OpenProblem {
    match primary_code(&source) {
        // SQLITE_CORRUPT and SQLITE_NOTADB.
        Some(11 | 26) => OpenProblem::Damaged(source.to_string()),
        // SQLITE_BUSY and SQLITE_LOCKED.
        Some(5 | 6) => OpenProblem::Other(StoreOpenError::Held { path: path.to_owned(), source }),
        _ => OpenProblem::Other(StoreOpenError::Open { path: path.to_owned(), source }),
    }
}

fn explain_migration(path: &Path, error: MigrateError) -> OpenProblem {
    match error {
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            explain_open(path, source)
        }
        other => OpenProblem::Other(StoreOpenError::OtherRelease {
            path: path.to_owned(),
            detail: other.to_string(),
        }),
    }
}

/// What a commit that failed means for people.
pub(super) fn explain_commit(path: &Path, error: &sqlx::Error) -> StoreError {
    let path = path.display();
    match primary_code(error) {
        // SQLITE_FULL
        Some(13) => StoreError::Full(format!("{path} cannot grow ({error}); make room on its disk")),
        // SQLITE_BUSY and SQLITE_LOCKED
        Some(5 | 6) => StoreError::Failed(format!(
            "another program holds {path} ({error}); close it, such as a `sqlite3` in which a transaction is open"
        )),
        // SQLITE_READONLY
        Some(8) => StoreError::Failed(format!(
            "{path} may not be written ({error}); see whether its disk was mounted read-only, as happens after errors"
        )),
        // SQLITE_IOERR
        Some(10) => StoreError::Failed(format!(
            "{path} cannot be written ({error}); see `dmesg` for what the disk says"
        )),
        _ => StoreError::Failed(format!("{path} cannot be written ({error})")),
    }
}
