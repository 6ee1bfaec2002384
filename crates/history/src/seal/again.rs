//! Rollups that are computed again: those of hours that were sealed before an outage in them was known, and those that a
//! damaged file has lost.

use std::collections::BTreeSet;

use sqlx::sqlite::SqliteConnection;

use super::{DAY, HOUR, chunks, days, floor, hours, outages, sealed_until};

/// The keys of `meta` for the range of time in which outages were noted late, as long as its rollups do not know of them.
const FROM: &str = "outages_from";
const TO: &str = "outages_to";

/// Longest range whose rollups one transaction computes again.
const SPAN: i64 = 2 * DAY;

/// Notes an outage whose hours are sealed in part: [`settle`] computes them again.
pub(crate) async fn outage_is_late(
    connection: &mut SqliteConnection,
    start: i64,
    stop: i64,
) -> Result<(), sqlx::Error> {
    if sealed_until(connection).await?.is_none_or(|until| start >= until) {
        return Ok(());
    }
    for (key, value, which) in [(FROM, start, "min"), (TO, stop, "max")] {
        let statement = format!(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = {which}(value, excluded.value)"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key).bind(value).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Computes again what outages change that were noted late, or a part of it. Gives whether more is left.
pub(super) async fn settle(connection: &mut SqliteConnection, until: i64) -> Result<bool, sqlx::Error> {
    let range: (Option<i64>, Option<i64>) = sqlx::query_as(
        "SELECT (SELECT value FROM meta WHERE key = ?1), (SELECT value FROM meta WHERE key = ?2)",
    )
    .bind(FROM)
    .bind(TO)
    .fetch_one(&mut *connection)
    .await?;
    let (Some(from), Some(to)) = range else { return Ok(false) };
    let to = to.min(until);
    let first = floor(from, HOUR);
    let end = to.min(first.saturating_add(SPAN));
    for series in all_series(connection).await? {
        let starts: Vec<i64> = sqlx::query_scalar(
            "SELECT start FROM hour WHERE series = ?1 AND start >= ?2 AND start < ?3 ORDER BY start",
        )
        .bind(series)
        .bind(first)
        .bind(end)
        .fetch_all(&mut *connection)
        .await?;
        for start in starts {
            hour(connection, series, start).await?;
        }
        // What is carried into the first hour behind it is another value.
        hours::again_after(connection, series, end.max(first + HOUR) - 1).await?;
        let mut day = floor(first, DAY);
        while day < end.max(first + 1) && day + DAY <= until {
            days::write(connection, series, day).await?;
            day += DAY;
        }
        if day + DAY <= until {
            days::again_after(connection, series, day - DAY).await?;
        }
    }
    if end < to {
        sqlx::query("UPDATE meta SET value = ?2 WHERE key = ?1")
            .bind(FROM)
            .bind(end)
            .execute(connection)
            .await?;
        return Ok(true);
    }
    sqlx::query("DELETE FROM meta WHERE key IN (?1, ?2)").bind(FROM).bind(TO).execute(connection).await?;
    Ok(false)
}

/// Computes the rollups that are missing from the chunks of a file that was salvaged. Gives how many hours that were.
pub(crate) async fn rebuild(connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let until = sealed_until(connection).await?.unwrap_or(i64::MAX);
    let mut made = 0;
    for series in all_series(connection).await? {
        let chunks: Vec<(i64, i64)> =
            sqlx::query_as("SELECT start, stop FROM chunk WHERE series = ?1 ORDER BY start")
                .bind(series)
                .fetch_all(&mut *connection)
                .await?;
        let there: BTreeSet<i64> = starts(connection, "hour", series).await?;
        let within = |(start, stop): (i64, i64)| {
            // A chunk lies within one day.
            (0..=DAY / HOUR).map(move |n| floor(start, HOUR) + n * HOUR).take_while(move |hour| *hour <= stop)
        };
        let missing: BTreeSet<i64> =
            chunks.into_iter().flat_map(within).filter(|hour| !there.contains(hour)).collect();
        for start in missing {
            made += u64::from(hour(connection, series, start).await?);
        }
        let days: BTreeSet<i64> =
            starts(connection, "hour", series).await?.iter().map(|hour| floor(*hour, DAY)).collect();
        let there = starts(connection, "day", series).await?;
        for day in days.difference(&there).filter(|day| **day + DAY <= until) {
            days::write(connection, series, *day).await?;
        }
    }
    Ok(made)
}

/// Computes an hour from its chunks. Gives whether it has any row.
async fn hour(connection: &mut SqliteConnection, series: i64, start: i64) -> Result<bool, sqlx::Error> {
    let window = (start, start + HOUR);
    let placed = chunks::place(connection, series, window, &[], chunks::Which::Later).await?;
    if placed.rows.is_empty() {
        return Ok(false);
    }
    let outages = outages(connection, window.0, window.1).await?;
    hours::write(connection, series, &[start], &placed, &outages).await?;
    Ok(true)
}

async fn all_series(connection: &mut SqliteConnection) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM series ORDER BY id").fetch_all(connection).await
}

async fn starts(
    connection: &mut SqliteConnection,
    table: &'static str,
    series: i64,
) -> Result<BTreeSet<i64>, sqlx::Error> {
    let statement = format!("SELECT start FROM {table} WHERE series = ?1");
    let starts: Vec<i64> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).bind(series).fetch_all(connection).await?;
    Ok(starts.into_iter().collect())
}
