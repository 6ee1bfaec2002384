//! The database of Home Assistant's recorder, read only.
//!
//! Read are the states (`states` with `states_meta` and `state_attributes`, as releases since April 2023 write them, and as older
//! ones did, with the entity's name, its time as a text or its attributes in each row;
//! <https://www.home-assistant.io/docs/backend/database/>), and the statistics of hours, see [`statistics`]. An entity
//! `sensor.kitchen_temperature` becomes the series `topic:homeassistant/sensor/kitchen_temperature`, unless somebody says which
//! series it is. `unavailable` and `unknown` are the mark of silence; `on` and `off` of anything without a unit are a switch; a
//! number is a number, and whatever else is a text.

pub mod statistics;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{MAX_TEXT_BYTES, Quality, Timestamp, TopicName, Value};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::formats::{Entry, Head, MAX_UNIT_BYTES, Row};
use crate::{Kind, SeriesName};

/// Rows that are read at a time.
const BATCH: i64 = 10_000;

/// How long a running Home Assistant is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Where its entities are among the topics.
const TOPICS: &str = "homeassistant";

/// Why such a database cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeAssistantError {
    /// No such file, no database, or one that cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What SQLite says. It is in the message, and so not the source of this error as well.
        error: sqlx::Error,
    },
    /// Another database, or one of a very old Home Assistant.
    #[error(
        "{} is no database of Home Assistant's recorder that can be read: it lacks {missing}", path.display()
    )]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        missing: String,
    },
}

/// Reads the states of a recorder's database, in the order in which they were written.
#[derive(Debug)]
pub struct HomeAssistant {
    path: PathBuf,
    connection: SqliteConnection,
    /// What reads the states.
    statement: String,
    /// Which series an entity is, where somebody said so.
    names: HashMap<String, SeriesName>,
    entities: HashMap<String, Entity>,
    last_id: i64,
    skipped: u64,
}

#[derive(Debug)]
struct Entity {
    name: SeriesName,
    heads: Vec<Arc<Head>>,
    /// What it was last.
    last: Option<Arc<Head>>,
}

/// The columns of a table; none when there is no such table.
async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<HashSet<String>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1)")
        .bind(table)
        .fetch_all(connection)
        .await?;
    Ok(names.into_iter().collect())
}

/// What reads the states of this file, or what it lacks.
async fn statement(connection: &mut SqliteConnection) -> Result<Result<String, &'static str>, sqlx::Error> {
    let states = columns(connection, "states").await?;
    let has = |column: &str| states.contains(column);
    if !has("state_id") || !has("state") {
        return Ok(Err("states.state"));
    }
    // A file that was brought up to date may have rows of both kinds.
    let both = |first: Option<&'static str>, second: Option<&'static str>| match (first, second) {
        (Some(first), Some(second)) => Some(format!("coalesce({first}, {second})")),
        (one, other) => one.or(other).map(str::to_owned),
    };
    let meta = has("metadata_id") && columns(connection, "states_meta").await?.contains("entity_id");
    let entity =
        both(meta.then_some("states_meta.entity_id"), has("entity_id").then_some("states.entity_id"));
    let Some(entity) = entity else { return Ok(Err("states_meta.entity_id")) };
    let time = both(
        has("last_updated_ts").then_some("states.last_updated_ts"),
        // In UTC, without saying so.
        has("last_updated").then_some("unixepoch(states.last_updated, 'subsec')"),
    );
    let Some(time) = time else { return Ok(Err("states.last_updated_ts")) };
    let shared =
        columns(connection, "state_attributes").await?.contains("shared_attrs") && has("attributes_id");
    let unit = both(
        shared.then_some(
            "CASE WHEN json_valid(shared_attrs) THEN json_extract(shared_attrs, '$.unit_of_measurement') END",
        ),
        has("attributes").then_some(
            "CASE WHEN json_valid(states.attributes) THEN json_extract(states.attributes, '$.unit_of_measurement') END",
        ),
    );
    let unit = unit.unwrap_or_else(|| "NULL".to_owned());
    let join_meta =
        if meta { "LEFT JOIN states_meta ON states_meta.metadata_id = states.metadata_id" } else { "" };
    let join_attributes = if shared {
        "LEFT JOIN state_attributes ON state_attributes.attributes_id = states.attributes_id"
    } else {
        ""
    };
    Ok(Ok(format!(
        "SELECT states.state_id, {entity}, states.state, {time}, {unit}
         FROM states {join_meta} {join_attributes} WHERE states.state_id > ?1 ORDER BY states.state_id LIMIT ?2"
    )))
}

/// Opens the file of another program, which may be in use.
async fn connect(path: &Path) -> Result<SqliteConnection, HomeAssistantError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(LOCK_WAIT)
        .disable_statement_logging();
    options.connect().await.map_err(|error| HomeAssistantError::Read { path: path.to_owned(), error })
}

/// The topic that an entity becomes, or one below it.
fn topic_of(entity: &str, part: &str) -> Option<SeriesName> {
    let topic = format!("{TOPICS}/{}{part}", entity.replacen(['.', ':'], "/", 1));
    Some(SeriesName::Topic(TopicName::new(topic).ok()?))
}

impl HomeAssistant {
    /// Opens a recorder's database, usually `home-assistant_v2.db`; it may be in use. `names` says which series an entity is.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub async fn open(path: &Path, names: HashMap<String, SeriesName>) -> Result<Self, HomeAssistantError> {
        let read = |error| HomeAssistantError::Read { path: path.to_owned(), error };
        let mut connection = connect(path).await?;
        let statement = statement(&mut connection).await.map_err(read)?.map_err(|missing| {
            HomeAssistantError::OtherSchema { path: path.to_owned(), missing: missing.to_owned() }
        })?;
        let entities = HashMap::new();
        Ok(Self { path: path.to_owned(), connection, statement, names, entities, last_id: -1, skipped: 0 })
    }

    /// The next rows; nothing at the end.
    ///
    /// # Errors
    /// When the file cannot be read further.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, HomeAssistantError> {
        let found: Vec<State> = sqlx::query_as(AssertSqlSafe(self.statement.clone()))
            .bind(self.last_id)
            .bind(BATCH)
            .fetch_all(&mut self.connection)
            .await
            .map_err(|error| HomeAssistantError::Read { path: self.path.clone(), error })?;
        let Some((last, ..)) = found.last() else { return Ok(None) };
        self.last_id = *last;
        let mut rows = Vec::with_capacity(found.len());
        for state in found {
            match self.row(state) {
                Some(row) => rows.push(row),
                None => self.skipped += 1,
            }
        }
        Ok(Some(rows))
    }

    /// States that say nothing: without a time or a state, silent before their first word, or too long.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Closes it.
    pub async fn close(self) {
        // It was only read.
        let _ = self.connection.close().await;
    }

    fn row(&mut self, (_, entity, state, seconds, unit): State) -> Option<Row> {
        let entity = entity.filter(|entity| !entity.is_empty())?;
        let at = to_timestamp(seconds?)?;
        let state = state?;
        let unit = unit.filter(|unit| !unit.is_empty() && unit.len() <= MAX_UNIT_BYTES);
        if !self.entities.contains_key(&entity) {
            let name = match self.names.get(&entity) {
                Some(name) => name.clone(),
                None => topic_of(&entity, "")?,
            };
            self.entities.insert(entity.clone(), Entity { name, heads: Vec::new(), last: None });
        }
        let entity = self.entities.get_mut(&entity)?;
        if matches!(state.as_str(), "unavailable" | "unknown" | "") {
            let head = entity.last.clone()?;
            return Some(Row { head, at, entry: Entry::Silence });
        }
        let value = match (state.as_str(), &unit) {
            ("on", None) => Value::Switch(true),
            ("off", None) => Value::Switch(false),
            (text, _) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Number(number),
                _ if text.len() <= MAX_TEXT_BYTES => Value::Text(text.into()),
                _ => return None,
            },
        };
        let kind = match value {
            Value::Number(_) => Kind::Number,
            Value::Switch(_) => Kind::Switch,
            Value::Text(_) => Kind::Text,
        };
        let unit = unit.filter(|_| kind == Kind::Number);
        let known =
            entity.heads.iter().find(|head| head.kind == kind && head.unit.as_deref() == unit.as_deref());
        let head = match known {
            Some(head) => Arc::clone(head),
            None => {
                let head = Arc::new(Head { name: entity.name.clone(), kind, unit: unit.map(Arc::from) });
                entity.heads.push(Arc::clone(&head));
                head
            }
        };
        entity.last = Some(Arc::clone(&head));
        Some(Row { head, at, entry: Entry::Reading { value, quality: Quality::Ok } })
    }
}

/// A row of the query.
type State = (i64, Option<String>, Option<String>, Option<f64>, Option<String>);

/// Seconds since 1970 with a fraction, as a float has them.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn to_timestamp(seconds: f64) -> Option<Timestamp> {
    let millis = (seconds * 1_000.0).round();
    (millis.abs() < 1e15).then(|| Timestamp::from_millis(millis as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables as a present Home Assistant makes them, as far as they are read.
    const SCHEMA: &str = "
        CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255));
        CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
        CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255),
            last_updated_ts FLOAT, attributes_id INTEGER, metadata_id INTEGER);
        INSERT INTO states_meta VALUES (1, 'sensor.kitchen_temperature'), (2, 'switch.heater'), (3, 'sensor.washer');
        INSERT INTO state_attributes VALUES (1, 0, '{\"unit_of_measurement\":\"°C\"}'), (2, 0, 'not json'), (3, 0, NULL);
        INSERT INTO states (state, last_updated_ts, attributes_id, metadata_id) VALUES
            ('unknown', 1795252439.0, 1, 1), ('21.5', 1795252440.2504, 1, 1), ('on', 1795252441.0, 2, 2),
            ('rinse', 1795252442.0, 3, 3), ('unavailable', 1795252443.0, NULL, 1), (NULL, 1795252444.0, 1, 1),
            ('22', NULL, 1, 1), ('off', 1795252445.0, 2, 2);";

    pub(super) async fn database(schema: &'static str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::TempDir::new().unwrap();
        let path = directory.path().join("home-assistant_v2.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(schema).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        (directory, path)
    }

    #[tokio::test]
    async fn states_become_rows() {
        let (_directory, path) = database(SCHEMA).await;
        let names = HashMap::from([("switch.heater".to_owned(), "heater/power".parse().unwrap())]);
        let mut reader = HomeAssistant::open(&path, names).await.unwrap();
        let rows = reader.next().await.unwrap().unwrap();
        assert!(reader.next().await.unwrap().is_none());
        assert_eq!(reader.skipped(), 3);
        let mut csv = crate::formats::RowWriter::new(crate::formats::Format::Csv, Vec::new()).unwrap();
        for row in &rows {
            csv.write(row).unwrap();
        }
        assert_eq!(
            String::from_utf8(csv.finish().unwrap()).unwrap(),
            "time,series,kind,unit,value,quality\n\
             2026-11-21T09:14:00.250Z,topic:homeassistant/sensor/kitchen_temperature,number,°C,21.5,ok\n\
             2026-11-21T09:14:01.000Z,heater/power,switch,,ON,ok\n\
             2026-11-21T09:14:02.000Z,topic:homeassistant/sensor/washer,text,,rinse,ok\n\
             2026-11-21T09:14:03.000Z,topic:homeassistant/sensor/kitchen_temperature,number,°C,,silence\n\
             2026-11-21T09:14:05.000Z,heater/power,switch,,OFF,ok\n"
        );
        reader.close().await;
    }

    async fn csv_of(path: &Path) -> String {
        let mut reader = HomeAssistant::open(path, HashMap::new()).await.unwrap();
        let mut csv = crate::formats::RowWriter::new(crate::formats::Format::Csv, Vec::new()).unwrap();
        while let Some(rows) = reader.next().await.unwrap() {
            rows.iter().for_each(|row| csv.write(row).unwrap());
        }
        reader.close().await;
        String::from_utf8(csv.finish().unwrap()).unwrap()
    }

    /// Before April 2022 the attributes were in each row, before 2023 the time was a text, and before April 2023 the name was
    /// in each row.
    #[tokio::test]
    async fn states_of_older_releases_become_rows() {
        let expected = "time,series,kind,unit,value,quality\n\
             2022-01-02T03:04:05.250Z,topic:homeassistant/sensor/kitchen_temperature,number,°C,21.5,ok\n\
             2022-01-02T03:04:06.000Z,topic:homeassistant/switch/heater,switch,,ON,ok\n";
        let (_first, old) = database(
            "CREATE TABLE states (state_id INTEGER PRIMARY KEY, domain VARCHAR(64), entity_id VARCHAR(255),
                 state VARCHAR(255), attributes TEXT, last_changed DATETIME, last_updated DATETIME);
             INSERT INTO states (entity_id, state, attributes, last_updated) VALUES
                 ('sensor.kitchen_temperature', '21.5', '{\"unit_of_measurement\":\"°C\"}', '2022-01-02 03:04:05.250400'),
                 ('switch.heater', 'on', '{}', '2022-01-02 03:04:06.000000'), (NULL, '1', '{}', '2022-01-02 03:04:06');",
        )
        .await;
        assert_eq!(csv_of(&old).await, expected);
        let (_second, between) = database(
            "CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
             CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id VARCHAR(255), state VARCHAR(255),
                 attributes VARCHAR(255), last_updated DATETIME, last_updated_ts FLOAT, attributes_id INTEGER);
             INSERT INTO state_attributes VALUES (1, 0, '{\"unit_of_measurement\":\"°C\"}');
             INSERT INTO states (entity_id, state, last_updated, last_updated_ts, attributes_id) VALUES
                 ('sensor.kitchen_temperature', '21.5', NULL, 1641092645.2504, 1),
                 ('switch.heater', 'on', '2022-01-02 03:04:06.000000', NULL, NULL);",
        )
        .await;
        assert_eq!(csv_of(&between).await, expected);
    }

    #[tokio::test]
    async fn another_database_is_told_as_such() {
        let (_directory, path) =
            database("CREATE TABLE states (state_id INTEGER PRIMARY KEY, entity_id TEXT, state TEXT)").await;
        let problem = HomeAssistant::open(&path, HashMap::new()).await.unwrap_err().to_string();
        assert!(problem.contains("lacks states.last_updated_ts"), "{problem}");
        let missing = HomeAssistant::open(Path::new("/nowhere/x.db"), HashMap::new()).await.unwrap_err();
        assert!(matches!(missing, HomeAssistantError::Read { .. }), "{missing}");
    }
}
