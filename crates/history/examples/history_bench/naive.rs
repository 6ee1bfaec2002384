//! The same readings in a table like that of Home Assistant's recorder (`states` and `states_meta` of its schema 43), as
//! that recorder sets SQLite up: write-ahead logging, `synchronous = NORMAL`, pages of 4 KiB, a checkpoint each 1,000
//! pages. Left out, which makes it smaller: attributes, contexts, four more indexes.

use std::time::Duration;

use gatehouse_model::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use crate::house::{DAY, House, START};
use crate::{Plan, Stopwatch, Written, progress};

/// What came of it.
pub(crate) struct Built {
    pub(crate) connection: tokio::sync::Mutex<SqliteConnection>,
    pub(crate) end: i64,
    pub(crate) bytes_per_sample: f64,
    pub(crate) day: Written,
    pub(crate) per_second: f64,
}

const SCHEMA: [&str; 3] = [
    "CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255) UNIQUE)",
    "CREATE TABLE states (
        state_id INTEGER PRIMARY KEY, state VARCHAR(255), last_changed_ts FLOAT, last_updated_ts FLOAT,
        old_state_id INTEGER, attributes_id INTEGER, metadata_id INTEGER
    )",
    "CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts)",
];

const INSERT: &str = "
    INSERT INTO states (state, last_updated_ts, old_state_id, attributes_id, metadata_id) VALUES (?1, ?2, ?3, ?4, ?5)";

pub(crate) async fn build(plan: &Plan, mut house: House) -> Result<Built, String> {
    let explain = |error: sqlx::Error| error.to_string();
    let file = plan.directory.join("naive.db");
    let mut connection = SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("cache_size", "-16384")
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
        .connect()
        .await
        .map_err(explain)?;
    for statement in SCHEMA {
        sqlx::query(statement).execute(&mut connection).await.map_err(explain)?;
    }
    for name in house.names() {
        let entity = format!("sensor.{}", name.replace(['/', '-'], "_"));
        sqlx::query("INSERT INTO states_meta (entity_id) VALUES (?1)")
            .bind(entity)
            .execute(&mut connection)
            .await
            .map_err(explain)?;
    }
    let mut last: Vec<Option<i64>> = vec![None; house.names().len()];
    progress("the naive table: a day with a commit each ten seconds");
    let before = Written::now();
    let first =
        fill(&mut connection, &mut house, &mut last, (START, START + DAY), 10_000).await.map_err(explain)?;
    let day = Written::since(before);
    progress(&format!("the naive table: {} days more", plan.naive_days - 1));
    let end = START + plan.naive_days * DAY;
    let stopwatch = Stopwatch::start();
    // As many readings in a commit as a batch of the recorder has.
    let more =
        fill(&mut connection, &mut house, &mut last, (START + DAY, end), 600_000).await.map_err(explain)?;
    let per_second = more as f64 / stopwatch.seconds();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.map_err(explain)?;
    let bytes = std::fs::metadata(&file).map_err(|error| error.to_string())?.len();
    let bytes_per_sample = bytes as f64 / (first + more) as f64;
    Ok(Built { connection: connection.into(), end, bytes_per_sample, day, per_second })
}

/// Writes all readings of a stretch of time; gives how many.
async fn fill(
    connection: &mut SqliteConnection,
    house: &mut House,
    last: &mut [Option<i64>],
    (from, end): (i64, i64),
    step: i64,
) -> Result<u64, sqlx::Error> {
    let (mut at, mut count) = (from, 0);
    while at < end {
        let until = (at + step).min(end);
        let mut transaction = connection.begin().await?;
        while let Some((index, reading)) = house.next_before(until) {
            let state = match &reading.value {
                Value::Number(number) => number.to_string(),
                Value::Switch(on) => if *on { "on" } else { "off" }.to_owned(),
                Value::Text(text) => text.to_string(),
            };
            let made = sqlx::query(INSERT)
                .bind(state)
                .bind(reading.at.as_millis() as f64 / 1e3)
                .bind(last[index])
                .bind(index as i64 + 1)
                .bind(index as i64 + 1)
                .execute(&mut *transaction)
                .await?;
            last[index] = Some(made.last_insert_rowid());
            count += 1;
        }
        transaction.commit().await?;
        at = until;
    }
    Ok(count)
}
