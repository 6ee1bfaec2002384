//! The rows of `hour`.

use sqlx::sqlite::SqliteConnection;

use super::chunks::{self, Placed};
use super::{HOUR, outages};
use crate::rollup::{COLUMNS, Outage, Rollup};
use crate::row::Row;

/// Computes an hour of a series again from the rows that were placed; `outages` are those of their window. Gives whether
/// the value at its end is another one than before.
///
/// Where rows were deleted since the hour was computed (their age, a damaged chunk), it stays as it is: a rollup of all
/// is worth more than one of what came late.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    series: i64,
    hour: i64,
    placed: &Placed,
    outages: &[Outage],
) -> Result<bool, sqlx::Error> {
    let known = read(connection, series, hour).await?;
    let in_hour = |row: &&Row| (hour..hour + HOUR).contains(&row.at);
    let before = placed.before.iter().filter(in_hour).filter(|row| !row.is_silence()).count();
    let counted = known.and_then(|known| known.samples).map_or(0, |samples| samples.count);
    if usize::try_from(counted).is_ok_and(|counted| counted > before) {
        return Ok(false);
    }
    let carried = carried(connection, series, hour).await?;
    let rollup = Rollup::of((hour, hour + HOUR), carried, placed.rows.iter().filter(in_hour), outages);
    store(connection, "hour", series, hour, &rollup).await?;
    Ok(known.is_none_or(|known| known.held != rollup.held))
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
    let placed = chunks::place(connection, series, window, &[]).await?;
    let outages = outages(connection, window.0, window.1).await?;
    write(connection, series, next, &placed, &outages).await?;
    Ok(())
}

async fn read(
    connection: &mut SqliteConnection,
    series: i64,
    hour: i64,
) -> Result<Option<Rollup>, sqlx::Error> {
    sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM hour WHERE series = ?1 AND start = ?2"
    )))
    .bind(series)
    .bind(hour)
    .fetch_optional(connection)
    .await
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
