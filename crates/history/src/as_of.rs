//! The house as it was at a moment, and the list of all series.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::TryStreamExt;
use gatehouse_model::{Quality, Timestamp, Value};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::asking::{self, Deadline, Trouble};
use crate::chunk::Chunk;
use crate::entry::Entry;
use crate::intake::HeldLatest;
use crate::names::{Kind, SeriesName};
use crate::notes::Notes;
use crate::range::read::outages;
use crate::range::sealed;
use crate::row::keys_from;
use crate::{History, HistoryError, quality};

/// What was known of a series at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct AsOf {
    /// The series.
    pub series: SeriesName,
    /// What its samples are.
    pub kind: Kind,
    /// The unit of its numbers, where it is known.
    pub unit: Option<Arc<str>>,
    /// What held.
    pub value: Value,
    /// Since when: the time of the reading.
    pub at: Timestamp,
    /// How far it could be trusted.
    pub quality: Quality,
}

/// A series of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeriesInfo {
    /// What it is called. Two have the same name when a source sends texts at times and numbers at others.
    pub name: SeriesName,
    /// What its samples are.
    pub kind: Kind,
    /// The unit of its numbers, where it is known.
    pub unit: Option<Arc<str>>,
    /// The time of its first sample.
    pub since: Timestamp,
    /// The time of the last entry; nothing when all were given up.
    pub last: Option<Timestamp>,
}

/// The row of a series.
#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: i64,
    source: String,
    name: String,
    kind: String,
    unit: Option<String>,
    since: i64,
}

const SERIES: &str = "SELECT id, source, name, kind, unit, since FROM series ORDER BY name, source, kind";

/// Chunks that are decoded together: about a megabyte of samples.
const BATCH: usize = 32;

/// For each series the last chunk that begins at or before a moment.
pub(crate) const LAST_CHUNKS: &str = "
    SELECT chunk.series, chunk.start, chunk.stop, chunk.count, chunk.checksum, chunk.data
    FROM series CROSS JOIN chunk ON chunk.id = (
        SELECT last.id FROM chunk AS last WHERE last.series = series.id AND last.start <= ?1
        ORDER BY last.start DESC LIMIT 1
    )";

/// How far back all rows are looked at, one after the other: most series have one in it, and those are left out when the
/// rest is looked for.
const LATELY: i64 = 60_000;

/// The last row of each series in a stretch of time, but for those that are known: a JSON array.
const LAST_ROWS: &str = "
    SELECT key & 1048575 AS series, max(key) >> 20, value, quality FROM recent
    WHERE key >= ?1 AND key < ?2 AND (key & 1048575) NOT IN (SELECT value FROM json_each(?3)) GROUP BY series";

pub(crate) async fn read(history: &History, at: Timestamp) -> Result<Vec<AsOf>, HistoryError> {
    let (mut connection, deadline) = asking::begin(history).await?;
    // Before the file is read: see `waiting`.
    let held = history.recording.latest_at(at.as_millis());
    let answer = read_limited(&mut connection, &history.notes, held, at.as_millis(), &deadline).await;
    asking::end(connection, &deadline, answer).await
}

async fn read_limited(
    connection: &mut SqliteConnection,
    notes: &Arc<Notes>,
    held: Vec<HeldLatest>,
    at: i64,
    deadline: &Deadline,
) -> Result<Vec<AsOf>, Trouble> {
    let mut transaction = connection.begin().await?;
    let rows: Vec<Row> = sqlx::query_as(SERIES).fetch_all(&mut *transaction).await?;
    let mut found = last_entries(&mut transaction, notes, at, deadline).await?;
    let mut all = BTreeMap::new();
    for row in rows {
        let (Some(name), Ok(kind)) = (SeriesName::from_stored(&row.source, &row.name), row.kind.parse())
        else {
            continue;
        };
        all.insert((name, kind == Kind::Text), (kind, row.unit.map(Arc::from), found.remove(&row.id), None));
    }
    for HeldLatest { name, kind, unit, entry, text } in held {
        let known = all.entry((name, kind == Kind::Text)).or_insert((kind, unit, None, None));
        // The file may have a newer one, of the run before, and a better one of the same moment.
        if known.2.is_none_or(|stored| {
            stored.at() < entry.at() || (stored.at() == entry.at() && entry.replaces(&stored))
        }) {
            (known.2, known.3) = (Some(entry), text);
        }
    }
    let begin = all.values().filter_map(|(.., entry, _)| entry.as_ref()).map(Entry::at).min().unwrap_or(at);
    let outages = outages(&mut transaction, begin, at.saturating_add(1)).await?;
    let texts = texts(&mut transaction, &all).await?;
    transaction.commit().await?;
    let mut answer = Vec::new();
    for ((series, _), (kind, unit, entry, text)) in all {
        let Some(Entry::Reading { at: since, value, quality }) = entry else { continue };
        if is_lost(since, at, &outages) {
            continue;
        }
        let value = match kind {
            Kind::Number => Value::Number(value),
            Kind::Switch => Value::Switch(value >= 0.5),
            Kind::Text => match text.or_else(|| texts.get(&(value as i64)).cloned()) {
                Some(text) => Value::Text(text),
                None => continue,
            },
        };
        let (at, quality) = (Timestamp::from_millis(since), quality::from_stored(quality));
        answer.push(AsOf { series, kind, unit, value, at, quality });
    }
    Ok(answer)
}

/// Whether an outage ended what was read at `since` before `at`. One that has a reading within it ends that at once.
fn is_lost(since: i64, at: i64, outages: &[(i64, i64)]) -> bool {
    outages.iter().any(|(start, stop)| if since < *start { *start <= at } else { since < *stop })
}

/// The last entry of each series at or before a moment, by the id of the series.
async fn last_entries(
    connection: &mut SqliteConnection,
    notes: &Arc<Notes>,
    at: i64,
    deadline: &Deadline,
) -> Result<HashMap<i64, Entry>, Trouble> {
    let mut found: HashMap<i64, Entry> = HashMap::new();
    let (end, lately) = (at.saturating_add(1), at.saturating_sub(LATELY));
    for (from, to) in [(lately, end), (i64::MIN, lately)] {
        let known = json_list(found.keys());
        let rows: Vec<(i64, i64, f64, i64)> = sqlx::query_as(LAST_ROWS)
            .bind(keys_from(from))
            .bind(keys_from(to))
            .bind(known)
            .fetch_all(&mut *connection)
            .await?;
        found
            .extend(rows.into_iter().map(|(id, at, value, quality)| (id, Entry::of_row(at, value, quality))));
    }
    let mut chunks = sqlx::query_as::<_, Chunk>(LAST_CHUNKS).bind(at).fetch(connection).try_chunks(BATCH);
    while let Some(batch) = chunks.try_next().await.map_err(|error| error.1)? {
        deadline.go_on()?;
        for (id, entry) in sealed::last_entries(batch, at, notes).await {
            let older = found
                .get(&id)
                .is_none_or(|row| row.at() < entry.at() || (row.at() == entry.at() && !row.replaces(&entry)));
            if older {
                found.insert(id, entry);
            }
        }
    }
    Ok(found)
}

/// A JSON array of numbers.
fn json_list<'a>(numbers: impl Iterator<Item = &'a i64>) -> String {
    let numbers: Vec<String> = numbers.map(i64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

type Known = (Kind, Option<Arc<str>>, Option<Entry>, Option<Arc<str>>);

/// The texts that are the values of text series.
async fn texts(
    connection: &mut SqliteConnection,
    all: &BTreeMap<(SeriesName, bool), Known>,
) -> Result<HashMap<i64, Arc<str>>, sqlx::Error> {
    let id = |(kind, _, entry, text): &Known| match entry {
        Some(Entry::Reading { value, .. }) if *kind == Kind::Text && text.is_none() => Some(*value as i64),
        _ => None,
    };
    contents(connection, all.values().filter_map(id).collect()).await
}

/// Texts by their ids.
pub(crate) async fn contents(
    connection: &mut SqliteConnection,
    ids: HashSet<i64>,
) -> Result<HashMap<i64, Arc<str>>, sqlx::Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, String)> =
        sqlx::query_as("SELECT id, content FROM text WHERE id IN (SELECT value FROM json_each(?1))")
            .bind(json_list(ids.iter()))
            .fetch_all(connection)
            .await?;
    Ok(rows.into_iter().map(|(id, content)| (id, Arc::from(content))).collect())
}

pub(crate) async fn list(history: &History) -> Result<Vec<SeriesInfo>, HistoryError> {
    let (mut connection, deadline) = asking::begin(history).await?;
    let held = history.recording.latest_at(i64::MAX);
    let answer = list_limited(&mut connection, held).await;
    asking::end(connection, &deadline, answer).await
}

async fn list_limited(
    connection: &mut SqliteConnection,
    held: Vec<HeldLatest>,
) -> Result<Vec<SeriesInfo>, Trouble> {
    let mut transaction = connection.begin().await?;
    let rows: Vec<Row> = sqlx::query_as(SERIES).fetch_all(&mut *transaction).await?;
    let sealed: Vec<(i64, i64)> = sqlx::query_as(LAST_STOPS).fetch_all(&mut *transaction).await?;
    let recent: Vec<(i64, i64)> =
        sqlx::query_as("SELECT key & 1048575 AS series, max(key) >> 20 FROM recent GROUP BY series")
            .fetch_all(&mut *transaction)
            .await?;
    transaction.commit().await?;
    let mut last: HashMap<i64, i64> = HashMap::new();
    for (id, at) in sealed.into_iter().chain(recent) {
        last.entry(id).and_modify(|known| *known = at.max(*known)).or_insert(at);
    }
    let mut all = BTreeMap::new();
    for row in rows {
        let (Some(name), Ok(kind)) = (SeriesName::from_stored(&row.source, &row.name), row.kind.parse())
        else {
            continue;
        };
        let (since, last) = (Timestamp::from_millis(row.since), last.get(&row.id));
        let last = last.copied().map(Timestamp::from_millis);
        let info = SeriesInfo { name: name.clone(), kind, unit: row.unit.map(Arc::from), since, last };
        all.insert((name, kind == Kind::Text), info);
    }
    for HeldLatest { name, kind, unit, entry, .. } in held {
        let at = Timestamp::from_millis(entry.at());
        let info = all.entry((name.clone(), kind == Kind::Text)).or_insert(SeriesInfo {
            name,
            kind,
            unit,
            since: at,
            last: None,
        });
        info.last = info.last.max(Some(at));
    }
    Ok(all.into_values().collect())
}

const LAST_STOPS: &str = "
    SELECT series.id, chunk.stop FROM series CROSS JOIN chunk ON chunk.id = (
        SELECT last.id FROM chunk AS last WHERE last.series = series.id ORDER BY last.start DESC LIMIT 1
    )";
