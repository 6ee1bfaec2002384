//! The rows of `day`, put together from those of `hour` once a day is over.

use sqlx::sqlite::SqliteConnection;

use super::{DAY, HOUR, floor, hours, outages};
use crate::rollup::Rollup;

/// Most days that are completed at once: after a longer pause only the last ones can have rows that no slice touched.
const MAX_DAYS: i64 = 3;

/// Computes the days that are over now and were not when the last hour was sealed: those of all series.
pub(super) async fn complete(
    connection: &mut SqliteConnection,
    first_open: i64,
    until: i64,
) -> Result<(), sqlx::Error> {
    let last = floor(until, DAY);
    if first_open >= last {
        return Ok(());
    }
    let all: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM series ORDER BY id").fetch_all(&mut *connection).await?;
    let mut day = first_open;
    while day < last && day < first_open.saturating_add(MAX_DAYS * DAY) {
        for series in &all {
            write(connection, *series, day).await?;
        }
        day += DAY;
    }
    Ok(())
}

/// Computes a day of a series; one without a row of `hour` has none.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    series: i64,
    day: i64,
) -> Result<(), sqlx::Error> {
    let rows: Vec<(i64, Rollup)> = hours::read(connection, series, (day, day + DAY)).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let outages = outages(connection, day, day + DAY).await?;
    let mut held = hours::carried(connection, series, day).await?;
    let mut at = day;
    let mut all: Option<Rollup> = None;
    let mut add = |stretch: Rollup| all = Some(all.map_or(stretch, |all: Rollup| all.then(&stretch)));
    for (start, rollup) in rows {
        if at < start {
            // Hours in which nothing came.
            add(Rollup::of((at, start), held, [], &outages));
        }
        add(rollup);
        (held, at) = (rollup.held, start + HOUR);
    }
    if at < day + DAY {
        add(Rollup::of((at, day + DAY), held, [], &outages));
    }
    if let Some(all) = all {
        hours::store(connection, "day", series, day, &all).await?;
    }
    Ok(())
}

/// Computes the next day that has a row again, since another value may be carried into it.
pub(super) async fn again_after(
    connection: &mut SqliteConnection,
    series: i64,
    day: i64,
) -> Result<(), sqlx::Error> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT start FROM day WHERE series = ?1 AND start > ?2 ORDER BY start LIMIT 1")
            .bind(series)
            .bind(day)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(next) = next {
        write(connection, series, next).await?;
    }
    Ok(())
}
