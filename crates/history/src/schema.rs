//! Which schema a file has, told without changing the file: before an upgrade, what is about to be changed is copied.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::HistoryError;
use crate::database::{LOCK_WAIT, explain_open, found_schema, newest_schema};

/// The schema that this release works with. An older file is brought up to it when it is opened; one that is newer is left
/// alone.
pub fn newest() -> i64 {
    newest_schema()
}

/// The schema of the file at `path`; nothing when there is no file, or nothing in it yet.
///
/// # Errors
/// When the file cannot be read, or is damaged.
pub async fn of(path: &Path) -> Result<Option<i64>, HistoryError> {
    if !path.exists() {
        return Ok(None);
    }
    let explain = |error| explain_open(path, error);
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging();
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(explain)?;
    let found = found_schema(&mut connection).await.map_err(explain);
    let closed = connection.close().await.map_err(explain);
    found.and_then(|found| closed.map(|()| found))
}
