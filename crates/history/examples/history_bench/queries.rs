//! The questions, asked again and again with warm caches.

use gatehouse_history::{RangeQuery, SeriesName};
use gatehouse_model::Timestamp;

use crate::house::{DAY, House, START};
use crate::{Plan, Stopwatch, naive, ours};

/// How often each is asked, after some that are not counted.
const ROUNDS: usize = 60;
const WARM: usize = 5;

/// Median and 95th percentile, in milliseconds.
type Times = (f64, f64);

/// A question and how long the answers took.
pub(crate) struct Question {
    pub(crate) what: String,
    pub(crate) here: Times,
    pub(crate) there: Times,
    /// The other table has fewer days: its times are multiplied.
    pub(crate) scaled: bool,
    pub(crate) aim: &'static str,
}

fn times(mut seconds: Vec<f64>) -> Times {
    seconds.drain(..WARM);
    seconds.sort_by(f64::total_cmp);
    let at = |part: f64| seconds[((seconds.len() - 1) as f64 * part).round() as usize] * 1e3;
    (at(0.5), at(0.95))
}

pub(crate) async fn ask(
    plan: &Plan,
    house: &House,
    ours: &ours::Built,
    other: &naive::Built,
) -> Result<Vec<Question>, String> {
    let names = house.names();
    let mut asked = Vec::new();
    let slow = 0;
    let fast = if plan.fast > 0 { plan.slow } else { 0 };
    let days = plan.days;
    // All of its rows are read, so it takes as many times longer as there are more of them.
    let some = naive_range(other, slow, (START, other.end), 1_000).await?;
    let scale = days as f64 / plan.naive_days as f64;
    asked.push(Question {
        what: format!("{days} days of one series in 1,000 buckets"),
        here: range(ours, &names[slow], (START, ours.end), 1_000).await?,
        there: (some.0 * scale, some.1 * scale),
        scaled: plan.naive_days < days,
        aim: "10 ms",
    });
    if plan.naive_days < days {
        asked.push(Question {
            what: format!("{} days of one series in 1,000 buckets", plan.naive_days),
            here: range(ours, &names[slow], (START, other.end), 1_000).await?,
            there: some,
            scaled: false,
            aim: "",
        });
    }
    let day = (other.end - DAY, other.end);
    asked.push(Question {
        what: format!("a day of {} in 4,000 buckets, from samples", if fast == 0 { "10 s" } else { "1 Hz" }),
        here: range(ours, &names[fast], day, 4_000).await?,
        there: naive_range(other, fast, day, 4_000).await?,
        scaled: false,
        aim: "10 ms",
    });
    asked.push(Question {
        what: format!("the house as of a time, 200 series ({} there)", names.len()),
        here: as_of(ours).await?,
        there: naive_as_of(other).await?,
        scaled: false,
        aim: "20 ms",
    });
    Ok(asked)
}

async fn range(ours: &ours::Built, name: &str, (from, to): (i64, i64), points: u32) -> Result<Times, String> {
    let series: SeriesName = name.parse().map_err(|error| format!("{name}: {error}"))?;
    let (from, to) = (Timestamp::from_millis(from), Timestamp::from_millis(to));
    let mut taken = Vec::new();
    for _ in 0..ROUNDS + WARM {
        let query = RangeQuery { series: series.clone(), from, to, points };
        let stopwatch = Stopwatch::start();
        let answer = ours.history.range(query).await.map_err(|error| error.to_string())?;
        taken.push(stopwatch.seconds());
        if answer.points.len() < points as usize / 3 {
            return Err(format!("{name} has {} points only", answer.points.len()));
        }
    }
    Ok(times(taken))
}

/// Moments over the last half day, in which all series are known.
fn moments(end: i64) -> impl Iterator<Item = i64> {
    (0..ROUNDS + WARM).map(move |n| end - DAY / 4 - (n as i64 * 7_919_000) % (DAY / 2))
}

async fn as_of(ours: &ours::Built) -> Result<Times, String> {
    let mut taken = Vec::new();
    for at in moments(ours.end + DAY) {
        let stopwatch = Stopwatch::start();
        let known =
            ours.history.as_of(Timestamp::from_millis(at)).await.map_err(|error| error.to_string())?;
        taken.push(stopwatch.seconds());
        if known.len() < ours::ALL_SERIES * 9 / 10 {
            return Err(format!("{} series are known only", known.len()));
        }
    }
    Ok(times(taken))
}

const CHART: &str = "
    SELECT CAST((last_updated_ts - ?2) / ?4 AS INTEGER) AS bucket, min(CAST(state AS REAL)), avg(CAST(state AS REAL)),
           max(CAST(state AS REAL)), count(*)
    FROM states WHERE metadata_id = ?1 AND last_updated_ts >= ?2 AND last_updated_ts < ?3 GROUP BY bucket";

async fn naive_range(
    other: &naive::Built,
    index: usize,
    (from, to): (i64, i64),
    points: u32,
) -> Result<Times, String> {
    let (from, to) = (from as f64 / 1e3, to as f64 / 1e3);
    let mut connection = other.connection.lock().await;
    let mut taken = Vec::new();
    for _ in 0..ROUNDS + WARM {
        let stopwatch = Stopwatch::start();
        let rows: Vec<(i64, f64, f64, f64, i64)> = sqlx::query_as(CHART)
            .bind(index as i64 + 1)
            .bind(from)
            .bind(to)
            .bind((to - from) / f64::from(points))
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| error.to_string())?;
        taken.push(stopwatch.seconds());
        if rows.len() < points as usize / 3 {
            return Err(format!("the naive table has {} points only", rows.len()));
        }
    }
    Ok(times(taken))
}

const AS_OF: &str = "
    SELECT entity_id, (
        SELECT state FROM states WHERE states.metadata_id = states_meta.metadata_id AND last_updated_ts <= ?1
        ORDER BY last_updated_ts DESC LIMIT 1
    ) FROM states_meta";

async fn naive_as_of(other: &naive::Built) -> Result<Times, String> {
    let mut connection = other.connection.lock().await;
    let mut taken = Vec::new();
    for at in moments(other.end) {
        let stopwatch = Stopwatch::start();
        let _: Vec<(String, Option<String>)> = sqlx::query_as(AS_OF)
            .bind(at as f64 / 1e3)
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| error.to_string())?;
        taken.push(stopwatch.seconds());
    }
    Ok(times(taken))
}
