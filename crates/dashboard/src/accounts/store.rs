//! The file that keeps the accounts.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection as _, SqlitePool};

use super::AccountsError;

/// How long a statement waits for the other process (daemon or command line) to finish its own.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long is waited before connecting is tried again, at first and at last; it doubles from one try to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_millis(800);

/// Connections to the file. Each is a thread; one may write while another reads.
const MAX_CONNECTIONS: u32 = 2;

/// The steps from an empty file to the newest form. `PRAGMA user_version` counts those that were made.
const STEPS: [&str; 7] = [
    "
    CREATE TABLE user (
        key TEXT PRIMARY KEY,           -- the name in small letters: no two names differ only by that
        name TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
        password TEXT NOT NULL,         -- argon2id, PHC string format
        created_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE session (
        token_hash BLOB PRIMARY KEY,    -- SHA-256 of the token in the cookie
        user_key TEXT NOT NULL REFERENCES user (key) ON DELETE CASCADE,
        created_ms INTEGER NOT NULL,
        seen_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX session_by_user ON session (user_key, seen_ms);
    CREATE TABLE setup_code (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        code TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        tries INTEGER NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE user ADD COLUMN rights TEXT;    -- the name of a rights set; without one, that of the role
    CREATE TABLE client (
        user_key TEXT NOT NULL REFERENCES user (key) ON DELETE CASCADE,
        key TEXT NOT NULL,              -- the name in small letters
        name TEXT NOT NULL,
        rights TEXT NOT NULL,           -- the name of a rights set
        password TEXT NOT NULL,         -- argon2id, PHC string format
        created_ms INTEGER NOT NULL,
        login_ms INTEGER,               -- the last time that it logged in
        PRIMARY KEY (user_key, key)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE token (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user_key TEXT NOT NULL REFERENCES user (key) ON DELETE CASCADE,
        key TEXT NOT NULL,              -- the name in small letters
        name TEXT NOT NULL,
        hash BLOB NOT NULL UNIQUE,      -- SHA-256 of the token
        scope TEXT NOT NULL CHECK (scope IN ('read', 'switch', 'administer')),
        created_ms INTEGER NOT NULL,
        used_ms INTEGER,                -- the last time that it was used
        UNIQUE (user_key, key)
    ) STRICT;
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ms INTEGER NOT NULL,
        what TEXT NOT NULL,             -- a word of `Deed`
        refusal INTEGER NOT NULL,       -- 1 when something was refused
        who TEXT,
        address TEXT,
        about TEXT,
        detail TEXT
    ) STRICT;
    CREATE INDEX audit_by_kind ON audit (refusal, id);
",
    "
    CREATE TABLE first_run (
        step TEXT PRIMARY KEY,          -- a word of `FirstRunStep`
        outcome TEXT NOT NULL CHECK (outcome IN ('open', 'done', 'skipped')),
        at_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE TABLE home (
        user_key TEXT PRIMARY KEY REFERENCES user (key) ON DELETE CASCADE,
        arrangement TEXT NOT NULL       -- JSON: how this user arranged the home page
    ) STRICT, WITHOUT ROWID;
",
    "
    ALTER TABLE audit ADD COLUMN shelf TEXT NOT NULL DEFAULT 'changes';   -- a word of `Shelf`
    UPDATE audit SET shelf = CASE
        WHEN what IN ('log-in', 'log-out', 'mqtt-log-in', 'disconnected') THEN 'visits'
        WHEN what IN ('log-in-failed', 'mqtt-log-in-failed', 'set-up-failed') THEN 'wrong-log-ins'
        WHEN refusal = 1 THEN 'refusals'
        ELSE 'changes' END;
    CREATE INDEX audit_by_shelf ON audit (shelf, id);
",
    "
    ALTER TABLE audit ADD COLUMN times INTEGER NOT NULL DEFAULT 1;        -- how often the same was refused
",
];

/// Opens the file, makes it when it is not there (readable by its owner only), and brings it to the newest form.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, AccountsError> {
    protect(path).map_err(|source| AccountsError::File { path: path.to_owned(), source })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // An account that was made is there after a power cut; accounts are written rarely.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT);
    let pool = connect(&options).await?;
    match bring_up_to_date(&pool).await {
        Ok(()) => Ok(pool),
        Err(error) => {
            pool.close().await;
            Err(error)
        }
    }
}

/// Connects. SQLite waits for others with everything but this: while two programs open a file that is new, one of them cannot give it
/// its write-ahead log and hears at once that it is busy (`PRAGMA journal_mode`, which asks no busy handler).
async fn connect(options: &SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let mut pause = FIRST_PAUSE;
    loop {
        let pool = SqlitePoolOptions::new().max_connections(MAX_CONNECTIONS);
        match pool.connect_with(options.clone()).await {
            Err(problem @ sqlx::Error::Database(_)) if !is_answer(&problem) && pause <= LAST_PAUSE => {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            outcome => return outcome,
        }
    }
}

/// Whether an error is an answer of the file: not where all connections are at work, or somebody else holds the file, for
/// longer than any transaction takes.
pub(super) fn is_answer(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut => false,
        // SQLITE_BUSY, with what more it says in its upper bits, <https://www.sqlite.org/rescode.html>.
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<u32>().ok());
            code.is_none_or(|code| code & 0xff != 5)
        }
        _ => true,
    }
}

/// Makes the file before SQLite does, since SQLite would let everybody read it; its journal files take the same mode, and
/// the same owner when root makes them.
fn protect(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    match options.clone().create_new(true).open(path) {
        Ok(file) => {
            return give_to_owner_of_folder(&file, path).inspect_err(|_| drop(std::fs::remove_file(path)));
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let file = options.open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

/// Root who adds a user on the command line, before the service has started once, makes a file that the service could not
/// open. It goes to the owner of its folder. Only a file that was made just now is given away: one that was there may be
/// a link that the owner of the folder has laid to a file of root's.
fn give_to_owner_of_folder(file: &std::fs::File, path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    const ROOT: u32 = 0;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = std::fs::metadata(folder)?;
    if file.metadata()?.uid() != ROOT || folder.uid() == ROOT {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(folder.uid()), Some(folder.gid()))
}

/// The form of this release: the number of its steps.
pub(super) fn newest_form() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// The form of the file at `path`, which is only read; nothing when there is no file, or nothing in it yet.
pub(super) async fn form_of(path: &Path) -> Result<Option<i64>, sqlx::Error> {
    if !path.exists() {
        return Ok(None);
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let form: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok((form > 0).then_some(form))
}

/// Ends all sessions in the file at `path`, of whatever form it is.
pub(super) async fn end_sessions_in(path: &Path) -> Result<(), sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query("DELETE FROM session").execute(&mut connection).await?;
    connection.close().await
}

/// Makes the missing steps in one transaction that locks out other processes, so that two that start together do not
/// make them twice.
async fn bring_up_to_date(pool: &SqlitePool) -> Result<(), AccountsError> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let made: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    let missing = usize::try_from(made).ok().and_then(|made| STEPS.get(made..));
    let Some(missing) = missing else {
        return Err(AccountsError::TooNew { found: made, known: STEPS.len() });
    };
    if missing.is_empty() {
        return Ok(());
    }
    for step in missing {
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
    }
    // A pragma takes no parameters; the text is made of a number only.
    let record = format!("PRAGMA user_version = {}", STEPS.len());
    sqlx::raw_sql(sqlx::AssertSqlSafe(record)).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(())
}
