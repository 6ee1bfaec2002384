//! Samples of a time that was there twice. After the clock was set back by two hours, the next two hours have the same
//! times as those that were recorded before. Both are right by the clock of their moment, and neither may take the
//! other's place: the later one stands a few milliseconds on.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use crate::chunk::Chunk;
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

/// What there is of a series from `at` on, for as far as a sample is moved, in the order of time: recent or sealed.
async fn taken(
    transaction: &mut SqliteConnection,
    series: i64,
    at: i64,
) -> Result<Vec<(i64, f64, i64)>, sqlx::Error> {
    let end = at.saturating_add(FURTHEST);
    let recent: Vec<(i64, f64, i64)> = sqlx::query_as(
        "SELECT key >> 20, value, quality FROM recent
         WHERE key >= ?2 AND key < ?3 AND key & 1048575 = ?1 ORDER BY key",
    )
    .bind(series)
    .bind(row::keys_from(at))
    .bind(row::keys_from(end))
    .fetch_all(&mut *transaction)
    .await?;
    let chunks: Vec<(i64, i64, i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT start, stop, count, checksum, data FROM chunk
         WHERE series = ?1 AND start < ?3 AND stop >= ?2 ORDER BY start",
    )
    .bind(series)
    .bind(at)
    .bind(end)
    .fetch_all(transaction)
    .await?;
    let mut taken = BTreeMap::new();
    for (start, stop, count, checksum, data) in chunks {
        let chunk = Chunk { series, start, stop, count, checksum, data };
        // One that is damaged has nothing that could be lost any more; whoever reads it says so.
        let rows = chunk.decode().unwrap_or_default().into_iter();
        let here = rows.filter(|row| (at..end).contains(&row.at));
        taken.extend(here.map(|row| (row.at, (row.value, i64::from(row.quality)))));
    }
    // A row of `recent` takes the place of what is sealed.
    taken.extend(recent.into_iter().map(|(at, value, quality)| (at, (value, quality))));
    Ok(taken.into_iter().map(|(at, (value, quality))| (at, value, quality)).collect())
}
