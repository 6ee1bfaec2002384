//! The statistics of Home Assistant's recorder: one row an hour for each sensor that has them, kept for ever, while states are
//! deleted after ten days unless somebody says otherwise.
//!
//! A mean of an hour is not a reading, so it does not go among the readings: the statistic `sensor.kitchen_temperature` becomes
//! the series `topic:homeassistant/sensor/kitchen_temperature/mean`, `…/min` and `…/max`, and that of a meter `…/state` and
//! `…/sum`. Each is dated at the start of its hour and holds for it; behind an hour without a successor the series is silent.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatehouse_model::{Quality, Timestamp, Value};
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection};

use super::{BATCH, HomeAssistantError, columns, connect, to_timestamp, topic_of};
use crate::formats::{Entry, Head, MAX_UNIT_BYTES, Row};
use crate::{Kind, SeriesName};

/// For how long a row holds, in milliseconds.
const HOUR: i64 = 3_600_000;

/// What a row has, in the order of the query.
const PARTS: [&str; 5] = ["mean", "min", "max", "state", "sum"];

/// Reads the statistics of hours.
#[derive(Debug)]
pub struct Statistics {
    path: PathBuf,
    connection: SqliteConnection,
    statement: String,
    names: HashMap<String, SeriesName>,
    /// The series of each statistic and part: its head, and when its last row began.
    series: HashMap<(String, usize), (Arc<Head>, i64)>,
    last_id: i64,
    over: bool,
    skipped: u64,
}

/// A row of the query.
type Hour = (
    i64,
    Option<String>,
    Option<String>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
);

impl Statistics {
    /// Opens a recorder's database; it may be in use. `names` says which series a part of a statistic is, by
    /// `sensor.kitchen_temperature:mean`.
    ///
    /// # Errors
    /// When it cannot be read, or has no statistics.
    pub async fn open(path: &Path, names: HashMap<String, SeriesName>) -> Result<Self, HomeAssistantError> {
        let read = |error| HomeAssistantError::Read { path: path.to_owned(), error };
        let mut connection = connect(path).await?;
        let found = columns(&mut connection, "statistics").await.map_err(read)?;
        let meta = columns(&mut connection, "statistics_meta").await.map_err(read)?;
        let has = |column: &str| found.contains(column);
        let missing =
            |what: &str| HomeAssistantError::OtherSchema { path: path.to_owned(), missing: what.to_owned() };
        if !meta.contains("statistic_id") || !has("metadata_id") {
            return Err(missing("statistics_meta.statistic_id"));
        }
        let time = match (has("start_ts"), has("start")) {
            (true, true) => "coalesce(start_ts, unixepoch(start, 'subsec'))",
            (true, false) => "start_ts",
            // In UTC, without saying so.
            (false, true) => "unixepoch(start, 'subsec')",
            (false, false) => return Err(missing("statistics.start_ts")),
        };
        let parts =
            PARTS.map(|part| if has(part) { format!("statistics.{part}") } else { "NULL".to_owned() });
        let unit = if meta.contains("unit_of_measurement") { "unit_of_measurement" } else { "NULL" };
        let statement = format!(
            "SELECT statistics.id, statistic_id, {unit}, {time}, {}
             FROM statistics JOIN statistics_meta ON statistics_meta.id = statistics.metadata_id
             WHERE statistics.id > ?1 ORDER BY statistics.id LIMIT ?2",
            parts.join(", ")
        );
        let (path, series) = (path.to_owned(), HashMap::new());
        Ok(Self { path, connection, statement, names, series, last_id: -1, over: false, skipped: 0 })
    }

    /// The next rows; nothing at the end.
    ///
    /// # Errors
    /// When the file cannot be read further.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, HomeAssistantError> {
        if self.over {
            return Ok(None);
        }
        let found: Vec<Hour> = sqlx::query_as(AssertSqlSafe(self.statement.clone()))
            .bind(self.last_id)
            .bind(BATCH)
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| HomeAssistantError::Read { path: self.path.clone(), error })?;
        let mut rows = Vec::new();
        let Some((last, ..)) = found.last() else {
            self.over = true;
            let ends = self.series.values().map(|(head, start)| silence(head, start.saturating_add(HOUR)));
            rows.extend(ends);
            return Ok(Some(rows));
        };
        self.last_id = *last;
        for (_, id, unit, start, mean, min, max, state, sum) in found {
            let said = rows.len();
            if let (Some(id), Some(start)) = (id, start.and_then(to_timestamp)) {
                let unit = unit.filter(|unit| !unit.is_empty() && unit.len() <= MAX_UNIT_BYTES);
                for (part, value) in [mean, min, max, state, sum].into_iter().enumerate() {
                    if let Some(value) = value.filter(|value| value.is_finite()) {
                        self.take((&id, part), unit.as_deref(), start, value, &mut rows);
                    }
                }
            }
            self.skipped += u64::from(rows.len() == said);
        }
        Ok(Some(rows))
    }

    fn take(
        &mut self,
        (id, part): (&str, usize),
        unit: Option<&str>,
        start: Timestamp,
        value: f64,
        rows: &mut Vec<Row>,
    ) {
        let key = (id.to_owned(), part);
        if !self.series.contains_key(&key) {
            let word = PARTS.get(part).copied().unwrap_or_default();
            let name = self.names.get(&format!("{id}:{word}")).cloned();
            let Some(name) = name.or_else(|| topic_of(id, &format!("/{word}"))) else { return };
            let head = Head { name, kind: Kind::Number, unit: unit.map(Arc::from) };
            self.series.insert(key.clone(), (Arc::new(head), start.as_millis()));
        }
        let Some((head, last)) = self.series.get_mut(&key) else { return };
        let ended = last.saturating_add(HOUR);
        if ended < start.as_millis() {
            rows.push(silence(head, ended));
        }
        *last = start.as_millis().max(*last);
        let entry = Entry::Reading { value: Value::Number(value), quality: Quality::Ok };
        rows.push(Row { head: Arc::clone(head), at: start, entry });
    }

    /// Rows that say nothing: without a time or any value.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Closes it.
    pub async fn close(self) {
        // It was only read.
        let _ = self.connection.close().await;
    }
}

fn silence(head: &Arc<Head>, at: i64) -> Row {
    Row { head: Arc::clone(head), at: Timestamp::from_millis(at), entry: Entry::Silence }
}

#[cfg(test)]
mod tests {
    use super::super::tests::database;
    use super::*;

    async fn lines(path: &Path, names: HashMap<String, SeriesName>) -> (Vec<String>, u64) {
        let mut reader = Statistics::open(path, names).await.unwrap();
        let mut lines = Vec::new();
        while let Some(rows) = reader.next().await.unwrap() {
            lines.extend(rows.iter().map(|row| match &row.entry {
                Entry::Reading { value, .. } => format!("{} {} {value}", row.at, row.head.name),
                Entry::Silence => format!("{} {} -", row.at, row.head.name),
            }));
        }
        let skipped = reader.skipped();
        reader.close().await;
        lines.sort();
        (lines, skipped)
    }

    #[tokio::test]
    async fn hours_become_series_of_their_own() {
        let (_directory, path) = database(
            "CREATE TABLE statistics_meta (id INTEGER PRIMARY KEY, statistic_id VARCHAR(255), source VARCHAR(32),
                 unit_of_measurement VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN);
             CREATE TABLE statistics (id INTEGER PRIMARY KEY, created_ts FLOAT, metadata_id INTEGER, start_ts FLOAT,
                 mean FLOAT, min FLOAT, max FLOAT, last_reset_ts FLOAT, state FLOAT, sum FLOAT);
             INSERT INTO statistics_meta VALUES (1, 'sensor.kitchen', 'recorder', '°C', 1, 0),
                 (2, 'sensor.meter', 'recorder', 'kWh', 0, 1);
             INSERT INTO statistics (metadata_id, start_ts, mean, min, max, state, sum) VALUES
                 (1, 1795251600.0, 21.5, 20, 23, NULL, NULL), (1, 1795255200.0, 22, NULL, NULL, NULL, NULL),
                 (2, 1795251600.0, NULL, NULL, NULL, 1000, 7), (2, 1795262400.0, NULL, NULL, NULL, 1001, 8),
                 (1, NULL, 1, 1, 1, NULL, NULL);",
        )
        .await;
        let names =
            HashMap::from([("sensor.kitchen:mean".to_owned(), "kitchen/temperature".parse().unwrap())]);
        let (lines, skipped) = lines(&path, names).await;
        assert_eq!(
            lines,
            [
                "2026-11-21T09:00:00.000Z kitchen/temperature 21.5",
                "2026-11-21T09:00:00.000Z topic:homeassistant/sensor/kitchen/max 23",
                "2026-11-21T09:00:00.000Z topic:homeassistant/sensor/kitchen/min 20",
                "2026-11-21T09:00:00.000Z topic:homeassistant/sensor/meter/state 1000",
                "2026-11-21T09:00:00.000Z topic:homeassistant/sensor/meter/sum 7",
                "2026-11-21T10:00:00.000Z kitchen/temperature 22",
                "2026-11-21T10:00:00.000Z topic:homeassistant/sensor/kitchen/max -",
                "2026-11-21T10:00:00.000Z topic:homeassistant/sensor/kitchen/min -",
                "2026-11-21T10:00:00.000Z topic:homeassistant/sensor/meter/state -",
                "2026-11-21T10:00:00.000Z topic:homeassistant/sensor/meter/sum -",
                "2026-11-21T11:00:00.000Z kitchen/temperature -",
                "2026-11-21T12:00:00.000Z topic:homeassistant/sensor/meter/state 1001",
                "2026-11-21T12:00:00.000Z topic:homeassistant/sensor/meter/sum 8",
                "2026-11-21T13:00:00.000Z topic:homeassistant/sensor/meter/state -",
                "2026-11-21T13:00:00.000Z topic:homeassistant/sensor/meter/sum -",
            ]
        );
        assert_eq!(skipped, 1);
    }

    #[tokio::test]
    async fn a_file_without_statistics_is_told_as_such() {
        let (_directory, path) = database("CREATE TABLE states (state_id INTEGER PRIMARY KEY)").await;
        let problem = Statistics::open(&path, HashMap::new()).await.unwrap_err().to_string();
        assert!(problem.contains("lacks statistics_meta"), "{problem}");
    }
}
