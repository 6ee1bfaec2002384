//! Range queries: the readings of one property, gathered into the buckets of a chart by SQLite.

use std::collections::HashSet;
use std::time::Duration;

use gatehouse_model::{DeviceId, PropertyId, Quality, Timestamp};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::before::{self, Before};
use crate::intake::Sample;
use crate::names::SeriesName;
use crate::waiting::Held;
use crate::{History, HistoryError, InvalidRange, bucket, database};

/// Most buckets of one answer: more than any screen has columns. The table `step` has one row for each.
pub const MAX_POINTS: u32 = 4_000;

/// Longest range: a hundred years of 365.25 days.
pub const MAX_RANGE: Duration = Duration::from_secs(3_155_760_000);

/// What a chart asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeQuery {
    /// Whose readings.
    pub device: DeviceId,
    /// Which of its properties.
    pub property: PropertyId,
    /// The first moment of the range.
    pub from: Timestamp,
    /// The first moment after the range.
    pub to: Timestamp,
    /// Most points of the answer, 1 to [`MAX_POINTS`]; a chart asks for as many as it has columns.
    pub points: u32,
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The length of a bucket; the last one may be cut by the end of the range.
    pub bucket: Duration,
    /// Time of the first reading that was ever recorded of this property; nothing when there is none.
    pub recording_since: Option<Timestamp>,
    /// The last reading before the range, whose value still holds when the range begins. Nothing when there is none, or
    /// when it lies so far back that it could not be found quickly.
    pub before: Option<Before>,
    /// The buckets that have readings, in the order of time. A bucket without readings is absent: a gap.
    pub points: Vec<Point>,
}

/// The readings of one bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The start of the bucket.
    pub at: Timestamp,
    /// The smallest value.
    pub min: f64,
    /// The mean of the values, each counted alike.
    pub mean: f64,
    /// The largest value.
    pub max: f64,
    /// The value of the last reading.
    pub last: f64,
    /// How many readings.
    pub count: u32,
    /// The worst quality among them.
    pub quality: Quality,
}

/// Reads the range bucket by bucket. `step` comes first (CROSS JOIN keeps that order), so the groups arrive in order
/// and SQLite neither sorts nor keeps more than one of them; the plus sign keeps it from building an index of the whole
/// table for the one query. The value of the last reading is fetched by its key.
pub(crate) const RANGE: &str = "
    SELECT bucket.n, bucket.lowest, bucket.mean, bucket.highest, final.value AS last, bucket.count, bucket.worst,
           bucket.last_ts
    FROM (
        SELECT step.n AS n, min(sample.value) AS lowest, avg(sample.value) AS mean, max(sample.value) AS highest,
               count(*) AS count, max(sample.quality) AS worst, max(sample.ts) AS last_ts
        FROM step CROSS JOIN sample
        WHERE step.n < ?4
          AND sample.ts >= ?2 + step.n * ?5 AND sample.ts < min(?2 + (step.n + 1) * ?5, ?3)
          AND +sample.series = ?1 AND sample.quality <> 6
        GROUP BY step.n
    ) AS bucket
    CROSS JOIN sample AS final ON final.ts = bucket.last_ts AND final.series = ?1";

/// A valid query, in the numbers of the database.
pub(crate) struct Plan {
    pub(crate) from: i64,
    pub(crate) to: i64,
    buckets: i64,
    pub(crate) bucket_millis: i64,
}

impl Plan {
    fn of(query: &RangeQuery) -> Result<Self, InvalidRange> {
        if query.points == 0 || query.points > MAX_POINTS {
            return Err(InvalidRange::Points);
        }
        let (from, to) = (query.from.as_millis(), query.to.as_millis());
        if from >= to {
            return Err(InvalidRange::Empty);
        }
        let length = to.checked_sub(from).ok_or(InvalidRange::TooLong)?;
        if Duration::from_millis(length.unsigned_abs()) > MAX_RANGE {
            return Err(InvalidRange::TooLong);
        }
        // The end of the last bucket may lie beyond the range by one bucket; near the end of time that would not fit.
        from.checked_add(length).and_then(|end| end.checked_add(length)).ok_or(InvalidRange::TooLong)?;
        let bucket_millis = ceiling(length, i64::from(query.points));
        Ok(Self { from, to, buckets: ceiling(length, bucket_millis), bucket_millis })
    }
}

/// Rounds a quotient of positive numbers up.
const fn ceiling(dividend: i64, divisor: i64) -> i64 {
    (dividend - 1) / divisor + 1
}

pub(crate) async fn read(history: &History, query: &RangeQuery) -> Result<Series, HistoryError> {
    let plan = Plan::of(query)?;
    let limit = history.options.query_time_limit;
    let explain = |error| explain_read(error, limit);
    let mut connection = history.readers.acquire().await.map_err(explain)?;
    // Before the file is read: see `waiting`.
    let name = SeriesName::Property(query.device.clone(), query.property.clone());
    let held = history.recording.of_series(&name);
    database::limit_time(&mut connection, &history.clock, limit).await.map_err(explain)?;
    let answer = read_limited(&mut connection, history, &name, &plan, &held).await;
    database::lift_time_limit(&mut connection).await.map_err(explain)?;
    answer.map_err(explain)
}

async fn read_limited(
    connection: &mut SqliteConnection,
    history: &History,
    name: &SeriesName,
    plan: &Plan,
    held: &Held,
) -> Result<Series, sqlx::Error> {
    // All that follows sees the file as it was at one moment.
    let mut transaction = connection.begin().await?;
    let series: Option<(i64, i64)> = sqlx::query_as(
        "SELECT id, since FROM series WHERE source = ?1 AND name = ?2 AND (kind = 'text') = 0",
    )
    .bind(name.source())
    .bind(name.stored())
    .fetch_optional(&mut *transaction)
    .await?;
    let mut buckets = Vec::new();
    let mut stored = HashSet::new();
    if let Some((id, _)) = series {
        buckets = sqlx::query_as(RANGE)
            .bind(id)
            .bind(plan.from)
            .bind(plan.to)
            .bind(plan.buckets)
            .bind(plan.bucket_millis)
            .fetch_all(&mut *transaction)
            .await?;
        stored = already_stored(&mut transaction, id, &held.waiting).await?;
    }
    let mut before = before::of_held(held, plan.from);
    if let Some((id, since)) = series {
        let limit = history.options.query_time_limit.min(before::LOOK_BACK_TIME);
        let earliest = before.map_or(since, |held| since.max(held.at.as_millis()));
        let window = (earliest, plan.from);
        let found = before::look_back(&mut transaction, &history.clock, limit, id, window).await?;
        before = found.or(before);
    }
    transaction.commit().await?;
    let first_waiting = held.waiting.iter().map(|sample| sample.at).min();
    let since = series.map(|(_, since)| since).into_iter().chain(first_waiting).min();
    let unsaved = held.waiting.iter().filter(|sample| !stored.contains(&sample.at));
    Ok(Series {
        bucket: Duration::from_millis(plan.bucket_millis.unsigned_abs()),
        recording_since: since.map(Timestamp::from_millis),
        before,
        points: bucket::points(plan, buckets, unsaved),
    })
}

/// The times of the waiting samples that are in the file too: committed since the copy was made, or replays. A
/// correction of a stored value shows once it is committed.
async fn already_stored(
    connection: &mut SqliteConnection,
    series: i64,
    waiting: &[Sample],
) -> Result<HashSet<i64>, sqlx::Error> {
    if waiting.is_empty() {
        return Ok(HashSet::new());
    }
    let times: Vec<String> = waiting.iter().map(|sample| sample.at.to_string()).collect();
    let found: Vec<i64> = sqlx::query_scalar(STORED)
        .bind(format!("[{}]", times.join(",")))
        .bind(series)
        .fetch_all(connection)
        .await?;
    Ok(found.into_iter().collect())
}

/// Which times of a JSON array have a sample, each found by its key.
const STORED: &str = "
    SELECT sample.ts FROM json_each(?1) AS waiting
    CROSS JOIN sample ON sample.ts = waiting.value AND sample.series = ?2";

/// Says in the room's words what went wrong with a query that had `limit` to finish.
pub(crate) fn explain_read(error: sqlx::Error, limit: Duration) -> HistoryError {
    match error {
        sqlx::Error::PoolTimedOut => HistoryError::Busy,
        error if database::was_interrupted(&error) => HistoryError::TimeLimit { limit },
        error if database::was_locked(&error) => HistoryError::Busy,
        error => HistoryError::Read(error),
    }
}
