//! Sealing: each hour, a little after its end, its rows become chunks with rollups beside them, and leave `recent`.
//!
//! One transaction seals at most [`SLICE_ROWS`] rows of all series, the oldest first, so that a commit waits for a
//! moment only; what is left is for the next one. Everything belongs to that transaction, so a power cut at any time
//! leaves each row either in `recent` or in a chunk with its rollups. Rows that came late are merged into the chunks
//! where they belong, and the hours and days that they change are computed again.

pub(crate) mod again;
mod chunks;
mod days;
mod hours;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use self::chunks::Which;
use crate::damage::Found;
use crate::rollup::Outage;
use crate::row::{Row, keys_from};

/// Milliseconds of an hour.
pub(crate) const HOUR: i64 = 3_600_000;

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

/// How long after its end an hour is sealed: most of what is late has come by then. Short, since sealing writes what is
/// younger once more.
const LATE: i64 = 120_000;

/// Most rows of one transaction: an hour of a busy house, in about 2 MB.
const SLICE_ROWS: i64 = 30_000;

/// Most younger rows that are taken out and put back so that the table can be emptied at once, which does not write each
/// of its pages. When there are more, sealing is far behind, and rows are deleted one by one.
const KEPT_ROWS: i64 = 10_000;

/// The key of `meta` for the end of the last hour that was sealed.
const SEALED_UNTIL: &str = "sealed_until";

/// What one transaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Rows that left `recent`.
    pub(crate) rows: usize,
    /// Chunks that could not be read when something should be added to them.
    pub(crate) damaged: Vec<Found>,
    /// Whether more is due at once.
    pub(crate) more: bool,
    /// The end of the last hour that is sealed now.
    pub(crate) sealed_until: i64,
}

/// The end of the last hour that may be sealed at this time.
pub(crate) const fn due_until(now: i64) -> i64 {
    floor(now.saturating_sub(LATE), HOUR)
}

/// The largest multiple of `unit` that is not after `at`.
pub(crate) const fn floor(at: i64, unit: i64) -> i64 {
    at.div_euclid(unit).saturating_mul(unit)
}

/// Seals what is due at `now`, or the oldest [`SLICE_ROWS`] of it, in one transaction.
///
/// # Errors
/// When SQLite cannot read or write; nothing is changed then.
pub(crate) async fn seal(connection: &mut SqliteConnection, now: i64) -> Result<Progress, sqlx::Error> {
    seal_slice(connection, now, SLICE_ROWS).await
}

async fn seal_slice(
    connection: &mut SqliteConnection,
    now: i64,
    limit: i64,
) -> Result<Progress, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let target = due_until(now);
    let rows: Vec<(i64, f64, i64)> =
        sqlx::query_as("SELECT key, value, quality FROM recent WHERE key < ?1 ORDER BY key LIMIT ?2")
            .bind(keys_from(target))
            .bind(limit)
            .fetch_all(&mut *transaction)
            .await?;
    let known: Option<i64> = sealed_until(&mut transaction).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count == limit);
    let last = rows.last().map(|(key, ..)| *key);
    let complete_to = if more { last.map_or(target, |key| floor(key >> 20, HOUR)) } else { target };
    // A clock that was ahead is set back: what it called sealed has still to come.
    let until = known.filter(|known| *known <= target).map_or(complete_to, |known| known.max(complete_to));

    let mut progress = Progress { rows: rows.len(), damaged: Vec::new(), more, sealed_until: until };
    for (series, rows) in by_series(rows) {
        progress.damaged.extend(seal_series(&mut transaction, series, &rows, until).await?);
    }
    progress.more |= again::settle(&mut transaction, until).await?;
    let first_open_day = known.map_or(i64::MAX, |known| floor(known, DAY));
    days::complete(&mut transaction, first_open_day, until).await?;
    if let Some(last) = last {
        remove(&mut transaction, last).await?;
    }
    if known != Some(until) {
        sqlx::query(
            "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
        )
        .bind(SEALED_UNTIL)
        .bind(until)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(progress)
}

/// The end of the last hour that was sealed; nothing in a file that was never sealed.
pub(crate) async fn sealed_until(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT value FROM meta WHERE key = ?1")
        .bind(SEALED_UNTIL)
        .fetch_optional(connection)
        .await
}

fn by_series(rows: Vec<(i64, f64, i64)>) -> BTreeMap<i64, Vec<Row>> {
    let mut series: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for (key, value, quality) in rows {
        // Other programs can write what no reading is; it would stop the sealing for ever.
        if !value.is_finite() {
            tracing::warn!(series = key & 0xf_ffff, "a value in history is not finite and is left out");
            continue;
        }
        let row = Row { at: key >> 20, value, quality: quality.clamp(0, 6) as u8 };
        series.entry(key & 0xf_ffff).or_default().push(row);
    }
    series
}

/// Seals rows of one series, in the order of time. Gives the chunks that were found to be damaged.
async fn seal_series(
    connection: &mut SqliteConnection,
    series: i64,
    rows: &[Row],
    until: i64,
) -> Result<Vec<Found>, sqlx::Error> {
    let mut damaged = Vec::new();
    for group in groups(rows) {
        damaged.extend(place(connection, series, group, until, Which::Later).await?.damaged);
    }
    Ok(damaged)
}

/// What came of rows that were put into chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    /// Rows that are new.
    pub(crate) rows: usize,
    /// Chunks that could not be read.
    pub(crate) damaged: Vec<Found>,
}

/// Puts rows from elsewhere that are older than `until`, the end of the last sealed hour, directly into chunks, and
/// computes their hours and days again. They are of one series, in the order of time and each time once; of rows that
/// are known already what is there stays.
///
/// # Errors
/// When SQLite cannot read or write: the transaction is to be given up.
pub(crate) async fn add(
    connection: &mut SqliteConnection,
    series: i64,
    rows: &[Row],
    until: i64,
) -> Result<Added, sqlx::Error> {
    let mut added = Added::default();
    for day in rows.chunk_by(|row, next| floor(row.at, DAY) == floor(next.at, DAY)) {
        let placed = place(connection, series, day, until, Which::Known).await?;
        added.rows += placed.rows;
        added.damaged.extend(placed.damaged);
    }
    Ok(added)
}

/// Puts rows of one series and one day, in the order of time, into chunks, and computes what is beside them.
async fn place(
    connection: &mut SqliteConnection,
    series: i64,
    rows: &[Row],
    until: i64,
    which: Which,
) -> Result<Added, sqlx::Error> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Added::default()) };
    let window = (floor(first.at, HOUR), floor(last.at, HOUR) + HOUR);
    let mut placed = chunks::place(connection, series, window, rows, which).await?;
    let added = Added { rows: placed.new.len(), damaged: std::mem::take(&mut placed.damaged) };
    if !placed.changed {
        return Ok(added);
    }
    let outages = outages(connection, window.0, window.1).await?;
    let mut hours: Vec<i64> = placed.new.iter().map(|row| floor(row.at, HOUR)).collect();
    hours.dedup();
    if hours::write(connection, series, &hours, &placed, &outages).await? {
        hours::again_after(connection, series, hours.last().copied().unwrap_or(window.0)).await?;
    }
    let day = floor(first.at, DAY);
    if day + DAY <= until {
        days::write(connection, series, day).await?;
        days::again_after(connection, series, day).await?;
    }
    Ok(added)
}

/// Cuts rows into those of one UTC day whose hours follow each other, so that what lies between is not read for them.
fn groups(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|row, next| {
        floor(row.at, DAY) == floor(next.at, DAY) && floor(next.at, HOUR) - floor(row.at, HOUR) <= HOUR
    })
}

/// Removes the rows up to this key.
async fn remove(connection: &mut SqliteConnection, last: i64) -> Result<(), sqlx::Error> {
    let kept: Vec<(i64, f64, i64)> =
        sqlx::query_as("SELECT key, value, quality FROM recent WHERE key > ?1 ORDER BY key LIMIT ?2")
            .bind(last)
            .bind(KEPT_ROWS + 1)
            .fetch_all(&mut *connection)
            .await?;
    if i64::try_from(kept.len()).is_ok_and(|count| count > KEPT_ROWS) {
        sqlx::query("DELETE FROM recent WHERE key <= ?1").bind(last).execute(connection).await?;
        return Ok(());
    }
    sqlx::query("DELETE FROM recent").execute(&mut *connection).await?;
    for (key, value, quality) in kept {
        sqlx::query("INSERT INTO recent (key, value, quality) VALUES (?1, ?2, ?3)")
            .bind(key)
            .bind(value)
            .bind(quality)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The outages that may lie between two times, in the order of their starts.
async fn outages(connection: &mut SqliteConnection, from: i64, to: i64) -> Result<Vec<Outage>, sqlx::Error> {
    let found: Vec<(i64, i64)> =
        sqlx::query_as("SELECT start, stop FROM outage WHERE start < ?2 AND stop >= ?1 ORDER BY start")
            .bind(from)
            .bind(to)
            .fetch_all(connection)
            .await?;
    Ok(found.into_iter().map(|(start, stop)| Outage { start, stop }).collect())
}
