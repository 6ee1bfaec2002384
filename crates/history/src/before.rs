//! The value that held when a range begins: a switch that changed yesterday is still on in today's chart.
//!
//! The last chunk before the range knows it, unless a row came after that. The key of the rows starts with the time, so
//! looking for one series means walking back over all others' rows. There are few of them, since rows are sealed each
//! hour; should sealing be behind, the walk ends at the latest entry that is known otherwise, and at [`LOOK_BACK_TIME`].

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Quality, Timestamp};
use sqlx::sqlite::SqliteConnection;

use crate::entry::Entry;
use crate::result_codes::was_interrupted;
use crate::row::keys_from;
use crate::time_limit::limit_time;

/// Longest time that a query looks back for the value before its range: a person who opens a chart does not notice it.
/// A million samples (26 MB, six days at two readings a second) took 55 ms on an x86-64 server with the file in memory;
/// on a small board with a card it was not measured, and the limit holds there too.
pub(crate) const LOOK_BACK_TIME: Duration = Duration::from_millis(250);

/// The last reading before a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Before {
    /// When it was read.
    pub at: Timestamp,
    /// Its value, in the property's unit; on and off are 1 and 0.
    pub value: f64,
    /// Its quality.
    pub quality: Quality,
}

/// Walks back from the range along the key; the plus sign keeps SQLite from building an index.
pub(crate) const BEFORE: &str = "
    SELECT key >> 20, value, quality FROM recent
    WHERE key < ?2 AND key >= ?3 AND (key & 1048575) = ?1 ORDER BY key DESC LIMIT 1";

/// The last row of `series` before `from` and not before `earliest`; nothing also when `limit` is not enough.
pub(crate) async fn look_back(
    connection: &mut SqliteConnection,
    clock: &Arc<dyn Clock>,
    limit: Duration,
    series: i64,
    (earliest, from): (i64, i64),
) -> Result<Option<Entry>, sqlx::Error> {
    if earliest >= from {
        return Ok(None);
    }
    limit_time(connection, clock, limit).await?;
    let found: Result<Option<(i64, f64, i64)>, _> = sqlx::query_as(BEFORE)
        .bind(series)
        .bind(keys_from(from))
        .bind(keys_from(earliest))
        .fetch_optional(&mut *connection)
        .await;
    match found {
        Ok(found) => Ok(found.map(|(at, value, quality)| Entry::of_row(at, value, quality))),
        Err(error) if was_interrupted(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
