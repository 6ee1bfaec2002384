//! How long a statement may take.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Moment};
use sqlx::sqlite::SqliteConnection;

use crate::HistoryError;
use crate::result_codes::{was_interrupted, was_locked};

/// Virtual machine steps of SQLite between two looks at the clock: some tens of microseconds.
const STEPS_BETWEEN_LOOKS: i32 = 1_000;

/// Lets what this connection runs from now on last `limit` at most; then it fails, and [`was_interrupted`] tells.
pub(crate) async fn limit_time(
    connection: &mut SqliteConnection,
    clock: &Arc<dyn Clock>,
    limit: Duration,
) -> Result<(), sqlx::Error> {
    let clock = Arc::clone(clock);
    let deadline: Moment = clock.moment() + limit;
    let mut handle = connection.lock_handle().await?;
    handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || clock.moment() < deadline);
    Ok(())
}

pub(crate) async fn lift_time_limit(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    connection.lock_handle().await?.remove_progress_handler();
    Ok(())
}

/// Says in the room's words what went wrong with a query that had `limit` to finish.
pub(crate) fn explain_read(error: sqlx::Error, limit: Duration) -> HistoryError {
    match error {
        sqlx::Error::PoolTimedOut => HistoryError::Busy,
        error if was_interrupted(&error) => HistoryError::TimeLimit { limit },
        error if was_locked(&error) => HistoryError::Busy,
        error => HistoryError::Read(error),
    }
}
