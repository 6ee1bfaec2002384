//! Range queries: the readings of one property, gathered into the buckets of a chart by SQLite.

use std::time::Duration;

use gatehouse_model::{DeviceId, PropertyId, Quality, Timestamp};
use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use crate::before::{self, Before};
use crate::{History, HistoryError, InvalidRange, database, quality};

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
    SELECT bucket.n, bucket.lowest, bucket.mean, bucket.highest, final.value AS last, bucket.count, bucket.worst
    FROM (
        SELECT step.n AS n, min(sample.value) AS lowest, avg(sample.value) AS mean, max(sample.value) AS highest,
               count(*) AS count, max(sample.quality) AS worst, max(sample.ts) AS last_ts
        FROM step CROSS JOIN sample
        WHERE step.n < ?4
          AND sample.ts >= ?2 + step.n * ?5 AND sample.ts < min(?2 + (step.n + 1) * ?5, ?3)
          AND +sample.series = ?1
        GROUP BY step.n
    ) AS bucket
    CROSS JOIN sample AS final ON final.ts = bucket.last_ts AND final.series = ?1";

#[derive(FromRow)]
struct Bucket {
    n: i64,
    lowest: f64,
    mean: Option<f64>,
    highest: f64,
    last: f64,
    count: i64,
    worst: i64,
}

/// A valid query, in the numbers of the database.
struct Plan {
    from: i64,
    to: i64,
    buckets: i64,
    bucket_millis: i64,
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
    database::limit_time(&mut connection, &history.clock, limit).await.map_err(explain)?;
    let answer = read_limited(&mut connection, history, query, &plan).await;
    database::lift_time_limit(&mut connection).await.map_err(explain)?;
    answer.map_err(explain)
}

async fn read_limited(
    connection: &mut SqliteConnection,
    history: &History,
    query: &RangeQuery,
    plan: &Plan,
) -> Result<Series, sqlx::Error> {
    let bucket = Duration::from_millis(plan.bucket_millis.unsigned_abs());
    let series: Option<(i64, i64)> =
        sqlx::query_as("SELECT id, since FROM series WHERE device = ?1 AND property = ?2")
            .bind(query.device.as_str())
            .bind(query.property.as_str())
            .fetch_optional(&mut *connection)
            .await?;
    let Some((id, since)) = series else {
        return Ok(Series { bucket, recording_since: None, before: None, points: Vec::new() });
    };
    let buckets: Vec<Bucket> = sqlx::query_as(RANGE)
        .bind(id)
        .bind(plan.from)
        .bind(plan.to)
        .bind(plan.buckets)
        .bind(plan.bucket_millis)
        .fetch_all(&mut *connection)
        .await?;
    let points = buckets.into_iter().map(|bucket| point(plan, &bucket)).collect();
    let limit = history.options.query_time_limit.min(before::LOOK_BACK_TIME);
    let before = before::look_back(connection, &history.clock, limit, id, (since, plan.from)).await?;
    Ok(Series { bucket, recording_since: Some(Timestamp::from_millis(since)), before, points })
}

fn point(plan: &Plan, bucket: &Bucket) -> Point {
    // The sum of very large values can leave the range of numbers, and of rounded ones the range of the values.
    let middle = bucket.lowest / 2.0 + bucket.highest / 2.0;
    let mean = bucket.mean.filter(|mean| mean.is_finite()).unwrap_or(middle);
    Point {
        at: Timestamp::from_millis(plan.from + bucket.n * plan.bucket_millis),
        min: bucket.lowest,
        mean: mean.max(bucket.lowest).min(bucket.highest),
        max: bucket.highest,
        last: bucket.last,
        count: u32::try_from(bucket.count).unwrap_or(u32::MAX),
        quality: quality::from_stored(bucket.worst),
    }
}

/// Says in the room's words what went wrong with a query that had `limit` to finish.
pub(crate) fn explain_read(error: sqlx::Error, limit: Duration) -> HistoryError {
    match error {
        sqlx::Error::PoolTimedOut => HistoryError::Busy,
        error if database::was_interrupted(&error) => HistoryError::TimeLimit { limit },
        error => HistoryError::Read(error),
    }
}
