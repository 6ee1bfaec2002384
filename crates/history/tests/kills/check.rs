//! What a file must hold after a kill, computed from the house and not with the code that wrote it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use gatehouse_history::formats::Entry;
use gatehouse_history::{Archive, RowsQuery};
use gatehouse_model::{SystemClock, Value};
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use crate::house::{MINUTE, is_lamp, minute_of, said_in, time_of};

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One run of the process.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Its first minute.
    pub(crate) from: i64,
    /// How many samples it said were committed.
    pub(crate) committed: u64,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// The first minute of which nothing is there.
    pub(crate) next: i64,
    pub(crate) rows: u64,
    pub(crate) sealed: u64,
    pub(crate) chunks: u64,
    pub(crate) hours: u64,
    pub(crate) days: u64,
    pub(crate) events: u64,
}

impl Found {
    pub(crate) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.sealed += other.sealed;
        self.chunks += other.chunks;
        self.hours += other.hours;
        self.days += other.days;
        self.events += other.events;
    }
}

/// The rows of each series, by their time.
type Rows = BTreeMap<String, BTreeMap<i64, f64>>;

/// What the samples of a stretch come to: as the columns of `hour` and `day`.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
struct Rollup {
    count: i64,
    lowest: Option<f64>,
    highest: Option<f64>,
    sum: f64,
    first: Option<f64>,
    last: Option<f64>,
    first_ts: Option<i64>,
    last_ts: Option<i64>,
    weighted: f64,
    covered: i64,
    worst: i64,
    held: Option<f64>,
}

/// Checks the file after the last of these runs was killed.
pub(crate) async fn check(file: &Path, runs: &[Segment]) -> Found {
    let rows = match Archive::open(file, Arc::new(SystemClock::new())).await {
        Ok(archive) => read(&archive).await,
        // Before its tables were there.
        Err(problem) if runs.iter().all(|run| run.committed == 0) => {
            eprintln!("nothing was made yet: {problem}");
            return Found::default();
        }
        Err(problem) => panic!("{problem}"),
    };
    let mut found = check_rows(&rows, runs);
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    check_places(&mut connection, &rows, &mut found).await;
    check_events(&mut connection, &rows, &mut found).await;
    check_rollups(&mut connection, &rows, &mut found).await;
    check_outages(&mut connection, runs, &rows).await;
    let intact: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(intact, "ok");
    let notices: i64 =
        sqlx::query_scalar("SELECT count(*) FROM notice").fetch_one(&mut connection).await.unwrap();
    assert_eq!(notices, 0, "nothing was lost");
    connection.close().await.unwrap();
    found
}

async fn read(archive: &Archive) -> Rows {
    let mut all = Rows::new();
    let mut reader = archive.read_rows(&RowsQuery::default()).await.unwrap();
    while let Some(step) = reader.next().await.unwrap() {
        for row in step {
            let Entry::Reading { value, .. } = &row.entry else { panic!("a mark that nobody made: {row:?}") };
            let value = match value {
                Value::Number(number) => *number,
                Value::Switch(on) => f64::from(u8::from(*on)),
                Value::Text(text) => panic!("{text}"),
            };
            let series = all.entry(row.head.name.to_string()).or_default();
            assert_eq!(series.insert(row.at.as_millis(), value), None, "told twice: {row:?}");
        }
    }
    assert_eq!(reader.progress().damaged_chunks, 0);
    all
}

/// Of each run the first samples are there, at least as many as it said, each as it was said; and nothing else is.
fn check_rows(rows: &Rows, runs: &[Segment]) -> Found {
    let mut found = Found::default();
    let mut explained = 0;
    for (number, run) in runs.iter().enumerate() {
        let end = runs.get(number + 1).map_or(i64::MAX, |next| next.from);
        let mut count = 0;
        'run: for minute in run.from..end {
            for (series, value, at) in said_in(minute) {
                match rows.get(series).and_then(|rows| rows.get(&at)) {
                    Some(stored) => assert_eq!(*stored, value, "{series} at minute {minute}"),
                    None => break 'run,
                }
                count += 1;
                found.next = minute + 1;
            }
        }
        assert!(count >= run.committed, "{count} of {} are there: {run:?}", run.committed);
        explained += count;
    }
    found.rows = rows.values().map(|rows| rows.len() as u64).sum();
    assert_eq!(found.rows, explained, "there are others");
    found
}

/// Each row lies in one place.
async fn check_places(connection: &mut SqliteConnection, rows: &Rows, found: &mut Found) {
    let names: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, name FROM series").fetch_all(&mut *connection).await.unwrap();
    for (id, name) in names {
        let (sealed, chunks): (i64, i64) =
            sqlx::query_as("SELECT coalesce(sum(count), 0), count(*) FROM chunk WHERE series = ?1")
                .bind(id)
                .fetch_one(&mut *connection)
                .await
                .unwrap();
        let recent: i64 = sqlx::query_scalar("SELECT count(*) FROM sample WHERE series = ?1")
            .bind(id)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        let all = rows.get(&name).map_or(0, BTreeMap::len);
        assert_eq!(usize::try_from(sealed + recent).unwrap(), all, "{name}");
        found.sealed += sealed.unsigned_abs();
        found.chunks += chunks.unsigned_abs();
    }
}

/// Whoever finds that the lamp is on finds who switched it on.
async fn check_events(connection: &mut SqliteConnection, rows: &Rows, found: &mut Found) {
    let events: Vec<i64> = sqlx::query_scalar("SELECT ts FROM event WHERE kind = 'switched' ORDER BY ts")
        .fetch_all(connection)
        .await
        .unwrap();
    let switched: Vec<i64> =
        rows.iter().filter(|(name, _)| is_lamp(name)).flat_map(|(_, rows)| rows.keys().copied()).collect();
    assert_eq!(events, switched);
    found.events = events.len() as u64;
}

/// Between two runs of which something is there, nothing was recorded, and the file says so.
async fn check_outages(connection: &mut SqliteConnection, runs: &[Segment], rows: &Rows) {
    let stops: Vec<i64> =
        sqlx::query_scalar("SELECT stop FROM outage ORDER BY stop").fetch_all(connection).await.unwrap();
    let first = "kitchen/temperature";
    let has_rows = |run: &&Segment| rows.get(first).is_some_and(|rows| rows.contains_key(&time_of(run.from)));
    for run in runs.iter().filter(has_rows).skip(1) {
        let began = time_of(run.from) - 1;
        assert_eq!(stops.iter().filter(|stop| **stop == began).count(), 1, "{run:?}, {stops:?}");
    }
}

async fn check_rollups(connection: &mut SqliteConnection, rows: &Rows, found: &mut Found) {
    let sealed_until: Option<i64> = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'sealed_until'")
        .fetch_optional(&mut *connection)
        .await
        .unwrap();
    let Some(sealed_until) = sealed_until else { return };
    let outages: Vec<(i64, i64)> = sqlx::query_as("SELECT start, stop FROM outage ORDER BY start")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    for (name, rows) in rows {
        for (table, unit, count) in [("hour", HOUR, &mut found.hours), ("day", DAY, &mut found.days)] {
            let expected = expected(rows, &outages, unit, sealed_until);
            let statement = format!(
                "SELECT start, count, lowest, highest, sum, first, last, first_ts, last_ts, weighted, covered, worst, held
                 FROM {table} WHERE series = (SELECT id FROM series WHERE name = ?1)"
            );
            #[derive(sqlx::FromRow)]
            struct Stored {
                start: i64,
                #[sqlx(flatten)]
                rollup: Rollup,
            }
            let stored: Vec<Stored> = sqlx::query_as(sqlx::AssertSqlSafe(statement))
                .bind(name)
                .fetch_all(&mut *connection)
                .await
                .unwrap();
            let stored: BTreeMap<i64, Rollup> =
                stored.into_iter().map(|Stored { start, rollup }| (start, rollup)).collect();
            for start in stored.keys().chain(expected.keys()) {
                assert_eq!(stored.get(start), expected.get(start), "{name}, {table} {}", minute_of(*start));
            }
            *count += stored.len() as u64;
        }
    }
}

/// The rollups of all stretches that have a row and are over.
fn expected(
    rows: &BTreeMap<i64, f64>,
    outages: &[(i64, i64)],
    unit: i64,
    sealed_until: i64,
) -> BTreeMap<i64, Rollup> {
    let mut all: BTreeMap<i64, Rollup> = BTreeMap::new();
    let over = time_of(0) + (sealed_until - time_of(0)).div_euclid(unit) * unit;
    let start_of = |at: i64| at.div_euclid(unit) * unit;
    for (at, value) in rows.range(..over) {
        let (at, value) = (*at, *value);
        let rollup = all.entry(start_of(at)).or_insert(Rollup {
            count: 0,
            lowest: Some(value),
            highest: Some(value),
            sum: 0.0,
            first: Some(value),
            last: None,
            first_ts: Some(at),
            last_ts: None,
            weighted: 0.0,
            covered: 0,
            worst: 0,
            held: None,
        });
        rollup.count += 1;
        rollup.lowest = rollup.lowest.map(|lowest| lowest.min(value));
        rollup.highest = rollup.highest.map(|highest| highest.max(value));
        rollup.sum += value;
        (rollup.last, rollup.last_ts) = (Some(value), Some(at));
    }
    // Each value holds until the next one, and no longer than to the next outage.
    for (at, value) in rows {
        let next = rows.range(at + 1..).next().map(|(next, _)| *next);
        // One that begins when the value was read, or was there before and is not over, ends it at once.
        let ended = outages.iter().filter(|(_, stop)| stop > at).map(|(start, _)| (*start).max(*at)).min();
        let end = [next, ended].into_iter().flatten().min().unwrap_or(i64::MAX).min(over);
        let mut from = *at;
        while from < end {
            let to = end.min(start_of(from) + unit);
            if let Some(rollup) = all.get_mut(&start_of(from)) {
                rollup.weighted += value * f64::from(i32::try_from(to - from).unwrap());
                rollup.covered += to - from;
                if to == start_of(from) + unit {
                    rollup.held = Some(*value);
                }
            }
            from = to;
        }
    }
    all
}
