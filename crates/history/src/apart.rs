//! Samples of a time that was there twice. After the clock was set back by two hours, the next two hours have the same
//! times as those that were recorded before. Both are right by the clock of their moment, and neither may take the
//! other's place: the later one stands a few milliseconds on.

use sqlx::sqlite::SqliteConnection;

use crate::intake::Sample;
use crate::row;

/// Furthest that a sample is moved, in milliseconds: a time can be there many times on a night on which a clock goes
/// wild, but not more often than this.
const FURTHEST: i64 = 1_000;

/// Stores a sample beside others of its series and time. Whether the file has changed: the same sample is stored once.
pub(crate) async fn store(
    transaction: &mut SqliteConnection,
    series: i64,
    sample: &Sample,
) -> Result<bool, sqlx::Error> {
    let taken = taken(transaction, series, sample.at).await?;
    let mut at = sample.at;
    for (ts, value, quality) in taken {
        if ts > at {
            break;
        }
        if value.to_bits() == sample.value.to_bits() && quality == sample.quality {
            return Ok(false);
        }
        at = ts.saturating_add(1);
    }
    if at.saturating_sub(sample.at) >= FURTHEST {
        return Ok(false);
    }
    sqlx::query("INSERT INTO recent (key, value, quality) VALUES (?1, ?2, ?3)")
        .bind(row::key(at, series))
        .bind(sample.value)
        .bind(sample.quality)
        .execute(transaction)
        .await?;
    Ok(true)
}

/// What there is of a series from `at` on, for as far as a sample is moved.
async fn taken(
    transaction: &mut SqliteConnection,
    series: i64,
    at: i64,
) -> Result<Vec<(i64, f64, i64)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT key >> 20, value, quality FROM recent
         WHERE key >= ?2 AND key < ?3 AND key & 1048575 = ?1 ORDER BY key",
    )
    .bind(series)
    .bind(row::keys_from(at))
    .bind(row::keys_from(at.saturating_add(FURTHEST)))
    .fetch_all(transaction)
    .await
}
