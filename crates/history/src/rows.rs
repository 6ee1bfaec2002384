//! Everything that was recorded, row by row: for export.
//!
//! A reader goes from series to series, and within one in the order of time. Each step is a short transaction of its own
//! that decodes one chunk at most, and the next one goes on right behind the last row: nobody keeps a view of the file open
//! between two steps, so a slow taker costs neither memory nor a log that cannot be cut back. Rows are only added at the
//! end, moved from `sample` into chunks, or deleted when they are old, so the steps join seamlessly: each row that was there
//! at the start and is still there when its turn comes is told once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Timestamp, Value};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqlitePool};

use crate::chunk::Chunk;
use crate::damage::Found;
use crate::entry;
use crate::formats::{Entry, Head, Row};
use crate::notes::Notes;
use crate::row::{self, keys_from, merged};
use crate::time_limit::{explain_read, lift_time_limit, limit_time};
use crate::waiting::Recording;
use crate::{HistoryError, Kind, SeriesName, quality};

/// Rows of `sample` that one step reads: about as many as a chunk has.
const ROWS_IN_STEP: i64 = 4_096;

/// Texts that a reader remembers: their contents are at most 1 KiB each.
const TEXTS: usize = 4_096;

/// Most patterns of a query: a person who has more than a screen of them wants everything.
pub const MAX_PATTERNS: usize = 100;

/// What is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowsQuery {
    /// Which series: patterns with `*`, `?` and `[abc]` for the names as [`SeriesName`] is written, where `*` stands for
    /// slashes too. None means all. At most [`MAX_PATTERNS`].
    pub patterns: Vec<String>,
    /// The first moment; nothing for the first that was recorded.
    pub from: Option<Timestamp>,
    /// The first moment behind the range; nothing for the last that was recorded.
    pub to: Option<Timestamp>,
}

/// Where rows are read.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) readers: SqlitePool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limit: Duration,
    /// What waits for its commit, where this process records.
    pub(crate) recording: Option<Arc<Recording>>,
    /// Where chunks that are damaged are told.
    pub(crate) notes: Arc<Notes>,
}

/// Reads rows step by step.
#[derive(Debug)]
pub struct RowsReader {
    store: Store,
    from: i64,
    /// The last moment of the range.
    last: i64,
    total: usize,
    left: VecDeque<(i64, Arc<Head>)>,
    /// The series under way: from where on it has not been read.
    cursor: Option<i64>,
    texts: HashMap<i64, Arc<str>>,
    rows: u64,
    damaged: u64,
}

/// How far a reader came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowsProgress {
    /// Series that were read to their end.
    pub series_done: usize,
    /// Series of the query.
    pub series: usize,
    /// Rows that were given.
    pub rows: u64,
    /// Chunks that could not be read, since they are damaged: their rows are missing.
    pub damaged_chunks: u64,
}

/// The series that fit to any of the patterns of a JSON array, or all when there is none.
const SERIES: &str = "
    SELECT id, source, name, kind, unit FROM series
    WHERE json_array_length(?1) = 0 OR EXISTS (
        SELECT 1 FROM json_each(?1) AS pattern
        WHERE (CASE source WHEN 'topic' THEN 'topic:' || name ELSE name END) GLOB pattern.value)
    ORDER BY source, name, kind";

/// The first chunk of a series that ends at ?2 or later. Chunks of a series do not overlap, so it is the last one that
/// begins before, or the first one after.
const NEXT_CHUNK: &str = "
    SELECT series, start, stop, count, checksum, data FROM chunk
    WHERE series = ?1 AND start <= ?3 AND stop >= ?2
      AND start >= coalesce((SELECT max(start) FROM chunk WHERE series = ?1 AND start <= ?2), ?2)
    ORDER BY start LIMIT 1";

/// Recent rows of a series between two keys; see `row::key`.
const RECENT: &str = "
    SELECT key >> 20, value, quality FROM recent
    WHERE key >= ?2 AND key < ?3 AND (key & 1048575) = ?1 ORDER BY key LIMIT ?4";

impl RowsReader {
    pub(crate) async fn open(store: Store, query: &RowsQuery) -> Result<Self, HistoryError> {
        let limit = store.limit;
        let explain = |error| explain_read(error, limit);
        let patterns: Vec<String> =
            query.patterns.iter().take(MAX_PATTERNS).map(|text| json_text(text)).collect();
        let mut connection = store.readers.acquire().await.map_err(explain)?;
        let found: Vec<(i64, String, String, String, Option<String>)> = sqlx::query_as(SERIES)
            .bind(format!("[{}]", patterns.join(",")))
            .fetch_all(&mut *connection)
            .await
            .map_err(explain)?;
        drop(connection);
        let heads = found.into_iter().filter_map(|(id, source, name, kind, unit)| {
            let name = SeriesName::from_stored(&source, &name)?;
            let unit = unit.filter(|unit| !unit.is_empty()).map(Arc::from);
            Some((id, Arc::new(Head { name, kind: kind.parse().ok()?, unit })))
        });
        let left: VecDeque<_> = heads.collect();
        Ok(Self {
            store,
            from: query.from.map_or(i64::MIN, Timestamp::as_millis),
            last: query.to.map_or(i64::MAX, |to| to.as_millis().saturating_sub(1)),
            total: left.len(),
            left,
            cursor: None,
            texts: HashMap::new(),
            rows: 0,
            damaged: 0,
        })
    }

    /// The next rows, all of one series and in the order of time; nothing at the end. Never empty.
    ///
    /// # Errors
    /// When the file cannot be read. The same step can be tried again.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, HistoryError> {
        while let Some((id, head)) = self.left.front().cloned() {
            let cursor = self.cursor.unwrap_or(self.from);
            let step = self.step(id, &head, cursor).await?;
            self.damaged += u64::from(step.damaged);
            self.cursor = step.next.filter(|next| *next <= self.last);
            if self.cursor.is_none() {
                self.left.pop_front();
            }
            if !step.rows.is_empty() {
                self.rows += u64::try_from(step.rows.len()).unwrap_or(u64::MAX);
                return Ok(Some(step.rows));
            }
        }
        Ok(None)
    }

    /// How far it came.
    pub fn progress(&self) -> RowsProgress {
        RowsProgress {
            series_done: self.total - self.left.len(),
            series: self.total,
            rows: self.rows,
            damaged_chunks: self.damaged,
        }
    }

    async fn step(&mut self, id: i64, head: &Arc<Head>, cursor: i64) -> Result<Step, HistoryError> {
        let limit = self.store.limit;
        let explain = |error| explain_read(error, limit);
        // Before the file is read: see `waiting`.
        let (waiting, contents) = self.waiting(head);
        let mut connection = self.store.readers.acquire().await.map_err(explain)?;
        limit_time(&mut connection, &self.store.clock, limit).await.map_err(explain)?;
        let read = self.read(&mut connection, id, head.kind, cursor, waiting).await;
        lift_time_limit(&mut connection).await.map_err(explain)?;
        drop(connection);
        let read = read.map_err(explain)?;
        // The text of a waiting row has no id of the file yet, but a negative number: see `HeldTexts`.
        self.texts.extend((1..).map(|place: i64| -place).zip(contents));
        let rows = read.rows.iter().filter_map(|row| self.to_row(head, row)).collect();
        Ok(Step { rows, next: read.next, damaged: read.damaged })
    }

    async fn read(
        &mut self,
        connection: &mut SqliteConnection,
        id: i64,
        kind: Kind,
        cursor: i64,
        waiting: Vec<row::Row>,
    ) -> Result<Step<row::Row>, sqlx::Error> {
        // All that follows sees the file as it was at one moment: rows may move from `sample` into a chunk meanwhile.
        let mut transaction = connection.begin().await?;
        let chunk: Option<ChunkRow> = sqlx::query_as(NEXT_CHUNK)
            .bind(id)
            .bind(cursor)
            .bind(self.last)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut until = self.last;
        let mut damaged = false;
        let mut sealed = Vec::new();
        if let Some(chunk) = chunk {
            let chunk = Chunk::from(chunk);
            until = chunk.stop.min(self.last);
            match chunk.decode() {
                Ok(rows) => sealed = rows,
                Err(damage) => {
                    tracing::debug!(series = id, start = chunk.start, %damage, "a chunk of history is left out");
                    self.store.notes.damaged(Found::new(&chunk, damage));
                    damaged = true;
                    // Where it says that it ends may be what is damaged.
                    let next: Option<i64> =
                        sqlx::query_scalar("SELECT min(start) FROM chunk WHERE series = ?1 AND start > ?2")
                            .bind(id)
                            .bind(chunk.start)
                            .fetch_one(&mut *transaction)
                            .await?;
                    until = next.map_or(until, |next| until.min(next - 1)).max(cursor);
                }
            }
        }
        let recent: Vec<(i64, f64, i64)> = sqlx::query_as(RECENT)
            .bind(id)
            .bind(keys_from(cursor))
            .bind(keys_from(until.saturating_add(1)))
            .bind(ROWS_IN_STEP)
            .fetch_all(&mut *transaction)
            .await?;
        if i64::try_from(recent.len()) == Ok(ROWS_IN_STEP)
            && let Some((at, ..)) = recent.last()
        {
            until = *at;
        }
        let inside = |row: &row::Row| (cursor..=until).contains(&row.at);
        let recent: Vec<row::Row> = recent
            .into_iter()
            .map(|(at, value, quality)| row::Row {
                at,
                value,
                quality: u8::try_from(quality).unwrap_or(row::WORST),
            })
            .collect();
        let sealed = sealed.into_iter().filter(inside).collect();
        let waiting: Vec<row::Row> = waiting.into_iter().filter(inside).collect();
        let rows = merged(merged(sealed, &recent), &waiting);
        if kind == Kind::Text {
            self.look_up_texts(&mut transaction, &rows).await?;
        }
        transaction.commit().await?;
        Ok(Step { rows, next: until.checked_add(1), damaged })
    }

    /// What waits for its commit, in the order of time, and what its texts say.
    fn waiting(&self, head: &Head) -> (Vec<row::Row>, Vec<Arc<str>>) {
        let Some(recording) = self.store.recording.as_ref() else { return Default::default() };
        if head.kind == Kind::Text {
            let held = recording.texts_of(&head.name);
            return (held.entries.iter().map(row_of).collect(), held.contents);
        }
        let held = recording.of_series(&head.name).waiting;
        let rows = held.iter().map(|sample| row::Row {
            at: sample.at,
            value: sample.value,
            quality: u8::try_from(sample.quality).unwrap_or(row::WORST),
        });
        (rows.fold(Vec::new(), |rows, row| merged(rows, &[row])), Vec::new())
    }

    async fn look_up_texts(
        &mut self,
        connection: &mut SqliteConnection,
        rows: &[row::Row],
    ) -> Result<(), sqlx::Error> {
        if self.texts.len() > TEXTS {
            self.texts.clear();
        }
        let missing: HashSet<i64> = rows
            .iter()
            .map(|row| text_id(row.value))
            .filter(|id| *id > 0 && !self.texts.contains_key(id))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = missing.iter().map(i64::to_string).collect();
        let found: Vec<(i64, String)> =
            sqlx::query_as("SELECT id, content FROM text WHERE id IN (SELECT value FROM json_each(?1))")
                .bind(format!("[{}]", ids.join(",")))
                .fetch_all(connection)
                .await?;
        self.texts.extend(found.into_iter().map(|(id, content)| (id, Arc::from(content))));
        Ok(())
    }

    /// A row in the words of the formats. A text whose content is lost has none.
    fn to_row(&self, head: &Arc<Head>, row: &row::Row) -> Option<Row> {
        let entry = if row.is_silence() {
            Entry::Silence
        } else {
            let value = match head.kind {
                Kind::Number => Value::Number(row.value),
                Kind::Switch => Value::Switch(row.value != 0.0),
                Kind::Text => Value::Text(Arc::clone(self.texts.get(&text_id(row.value))?)),
            };
            Entry::Reading { value, quality: quality::from_stored(i64::from(row.quality)) }
        };
        Some(Row { head: Arc::clone(head), at: Timestamp::from_millis(row.at), entry })
    }
}

/// What waits, as it will be stored.
fn row_of(entry: &entry::Entry) -> row::Row {
    let (at, value, quality) = match *entry {
        entry::Entry::Reading { at, value, quality } => (at, value, quality),
        entry::Entry::Unknown { at, .. } => (at, 0.0, quality::SILENCE),
    };
    row::Row { at, value, quality: u8::try_from(quality).unwrap_or(row::WORST) }
}

/// The id of a text, which is stored like every value.
#[expect(clippy::cast_possible_truncation, reason = "ids are whole numbers far below 2^53")]
fn text_id(value: f64) -> i64 {
    value as i64
}

/// A text in JSON.
fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// What one step gives.
struct Step<R = Row> {
    rows: Vec<R>,
    /// Where the next one goes on; nothing at the end of time.
    next: Option<i64>,
    damaged: bool,
}

/// A row of the table `chunk`.
#[derive(sqlx::FromRow)]
pub(crate) struct ChunkRow {
    series: i64,
    start: i64,
    stop: i64,
    count: i64,
    checksum: i64,
    data: Vec<u8>,
}

impl From<ChunkRow> for Chunk {
    fn from(row: ChunkRow) -> Self {
        let ChunkRow { series, start, stop, count, checksum, data } = row;
        Self { series, start, stop, count, checksum, data }
    }
}
