//! What SQLite's result codes tell, for those who go on after one.

/// Whether a time limit of [`limit_time`](crate::time_limit::limit_time) ended it (SQLITE_INTERRUPT).
pub(crate) fn was_interrupted(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(9)
}

/// Whether another program held the file for longer than [`LOCK_WAIT`](crate::database::LOCK_WAIT) (SQLITE_BUSY).
pub(crate) fn was_locked(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(5)
}

/// Whether there is no room, on the disk or by a limit (SQLITE_FULL).
pub(crate) fn was_full(error: &sqlx::Error) -> bool {
    primary_code(error) == Some(13)
}

/// The primary result code, <https://www.sqlite.org/rescode.html>.
pub(crate) fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
