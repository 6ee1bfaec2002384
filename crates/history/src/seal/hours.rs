//! The rows of `hour`.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteConnection;

use super::chunks::{self, Placed, Which};
use super::{HOUR, outages};
use crate::rollup::{COLUMNS, Outage, Rollup};
use crate::row::Row;

/// Computes the hours of a series again from the rows that were placed: those of `changed`, which are in the order of time and
/// in the window of one day, and the hours between them, into which another value may be carried. `outages` are those of
/// the window. Gives whether the value at the end of the last one is another one than before.
///
/// Where rows were deleted since an hour was computed (their age, a damaged chunk), it stays as it is: a rollup of all
/// is worth more than one of what came late.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    series: i64,
    changed: &[i64],
    placed: &Placed,
    outages: &[Outage],
) -> Result<bool, sqlx::Error> {
    let (Some(first), Some(last)) = (changed.first().copied(), changed.last().copied()) else {
        return Ok(false);
    };
    let known = read(connection, series, (first, last + HOUR)).await?;
    let known: BTreeMap<i64, Rollup> = known.into_iter().collect();
    let mut hours: BTreeSet<i64> = known.keys().copied().collect();
    hours.extend(changed);
    let mut held = carried(connection, series, first).await?;
    let mut end = first;
    let mut held_changed = false;
    for hour in hours {
        // As `carried` has it: what held ends with an outage in the hours in which nothing came.
        if outages.iter().any(|outage| (end..hour).contains(&outage.start)) {
            held = None;
        }
        let rollup = match known.get(&hour) {
            Some(known) if known.count() > samples(of_hour(&placed.before, hour)) => *known,
            _ => Rollup::of((hour, hour + HOUR), held, of_hour(&placed.rows, hour), outages),
        };
        let before = known.get(&hour);
        if before != Some(&rollup) {
            store(connection, "hour", series, hour, &rollup).await?;
        }
        held_changed = before.is_none_or(|before| before.held != rollup.held);
        (held, end) = (rollup.held, hour + HOUR);
    }
    Ok(held_changed)
}

/// Those of rows in the order of time that are in an hour.
fn of_hour(rows: &[Row], hour: i64) -> &[Row] {
    let from = rows.partition_point(|row| row.at < hour);
    let to = rows.partition_point(|row| row.at < hour + HOUR);
    rows.get(from..to).unwrap_or_default()
}

/// How many are samples, and no marks of silence.
fn samples(rows: &[Row]) -> i64 {
    i64::try_from(rows.iter().filter(|row| !row.is_silence()).count()).unwrap_or(i64::MAX)
}

/// Computes the next hour that has a row again, since another value is carried into it.
pub(super) async fn again_after(
    connection: &mut SqliteConnection,
    series: i64,
    hour: i64,
) -> Result<(), sqlx::Error> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT start FROM hour WHERE series = ?1 AND start > ?2 ORDER BY start LIMIT 1")
            .bind(series)
            .bind(hour)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(next) = next else { return Ok(()) };
    let window = (next, next + HOUR);
    let placed = chunks::place(connection, series, window, &[], Which::Later).await?;
    let outages = outages(connection, window.0, window.1).await?;
    write(connection, series, &[next], &placed, &outages).await?;
    Ok(())
}

/// The hours of a series in a stretch of time that have a row, in order.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    series: i64,
    (from, to): (i64, i64),
) -> Result<Vec<(i64, Rollup)>, sqlx::Error> {
    #[derive(sqlx::FromRow)]
    struct Hour {
        start: i64,
        #[sqlx(flatten)]
        rollup: Rollup,
    }
    let statement = format!(
        "SELECT start, {COLUMNS} FROM hour WHERE series = ?1 AND start >= ?2 AND start < ?3 ORDER BY start"
    );
    let rows: Vec<Hour> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
        .bind(series)
        .bind(from)
        .bind(to)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|Hour { start, rollup }| (start, rollup)).collect())
}

/// The value that holds when this hour begins.
pub(super) async fn carried(
    connection: &mut SqliteConnection,
    series: i64,
    hour: i64,
) -> Result<Option<f64>, sqlx::Error> {
    let before: Option<(i64, Option<f64>)> = sqlx::query_as(
        "SELECT start, held FROM hour WHERE series = ?1 AND start < ?2 ORDER BY start DESC LIMIT 1",
    )
    .bind(series)
    .bind(hour)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((start, Some(held))) = before else { return Ok(None) };
    let ended: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM outage WHERE start >= ?1 AND start < ?2 LIMIT 1")
            .bind(start + HOUR)
            .bind(hour)
            .fetch_optional(connection)
            .await?;
    Ok(ended.is_none().then_some(held))
}

/// Writes a row of `hour` or `day`.
pub(super) async fn store(
    connection: &mut SqliteConnection,
    table: &'static str,
    series: i64,
    start: i64,
    rollup: &Rollup,
) -> Result<(), sqlx::Error> {
    let statement = format!(
        "INSERT OR REPLACE INTO {table} (series, start, {COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    );
    let samples = rollup.samples.as_ref();
    sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(series)
        .bind(start)
        .bind(samples.map_or(0, |samples| samples.count))
        .bind(samples.map(|samples| samples.lowest))
        .bind(samples.map(|samples| samples.highest))
        .bind(samples.map_or(0.0, |samples| samples.sum))
        .bind(samples.map(|samples| samples.first))
        .bind(samples.map(|samples| samples.last))
        .bind(samples.map(|samples| samples.first_at))
        .bind(samples.map(|samples| samples.last_at))
        .bind(rollup.weighted)
        .bind(rollup.covered)
        .bind(samples.map_or(0, |samples| i64::from(samples.worst)))
        .bind(rollup.held)
        .execute(connection)
        .await?;
    Ok(())
}
