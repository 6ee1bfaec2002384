//! Rows from elsewhere, many at a time.
//!
//! Rows are gathered until there are enough of them for a transaction. Those of hours that are over go by series and UTC day
//! directly into the chunks where they belong, and their hours and days are computed again, as sealing does it with rows
//! that come late; the few of the present hour go into `recent`. What is there already stays as it is: a row is known by its
//! series and its time, so the same file can be imported again and again, and an import that was cut short goes on where it
//! was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use gatehouse_model::{Timestamp, Value};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, QueryBuilder, Sqlite, SqlitePool};

use crate::chunk::Chunk;
use crate::formats::{Entry, Head, Row};
use crate::intake::{MAX_AHEAD, MAX_SERIES};
use crate::rows::ChunkRow;
use crate::texts::Room;
use crate::{HistoryError, Kind, quality, row, seal};

/// Rows of one transaction: some 10 MB in memory, and less than a second of a processor.
const BATCH: usize = 100_000;

/// Different texts of one transaction: each has up to 1 KiB.
const TEXTS: usize = 10_000;

/// Rows of one statement: SQLite takes 32,766 parameters, and longer statements are no quicker.
const ROWS_IN_STATEMENT: usize = 500;

/// Nothing that anybody imports was measured before 2000-01-01T00:00:00Z: an earlier time is a clock that was not set.
const EARLIEST: Timestamp = Timestamp::from_millis(946_684_800_000);

/// Takes rows in, and writes them a batch at a time.
#[derive(Debug)]
pub struct Import {
    writer: SqlitePool,
    now: Timestamp,
    /// The end of the last hour that is sealed, once the first batch was written.
    sealed_until: Option<i64>,
    series: Vec<Series>,
    index: HashMap<Arc<Head>, usize>,
    texts: Vec<Arc<str>>,
    text_index: HashMap<Arc<str>, usize>,
    batch: Vec<Gathered>,
    counts: Imported,
}

/// What became of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that are new.
    pub stored: u64,
    /// Rows of a series and a time that was recorded already: what was there stays.
    pub known: u64,
    /// Rows that history does not take.
    pub refused: Refused,
}

/// Rows that history does not take, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// Before the year 2000, or more than a day ahead of the clock.
    pub time: u64,
    /// Not a finite number.
    pub number: u64,
    /// Of more series than history keeps.
    pub series: u64,
    /// Of more different texts than history keeps, of one series or of all.
    pub texts: u64,
}

impl Refused {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.time + self.number + self.series + self.texts
    }
}

#[derive(Debug)]
struct Series {
    head: Arc<Head>,
    id: Option<i64>,
    since: i64,
    /// The last value that was met, which a mark of silence repeats.
    last: Stored,
}

/// A value on its way: a text gets its id with the transaction.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stored {
    Number(f64),
    Text(usize),
}

#[derive(Clone, Copy, Debug)]
struct Gathered {
    at: i64,
    series: usize,
    value: Stored,
    quality: u8,
}

impl Import {
    pub(crate) fn new(writer: SqlitePool, now: Timestamp) -> Self {
        Self {
            writer,
            now,
            sealed_until: None,
            series: Vec::new(),
            index: HashMap::new(),
            texts: Vec::new(),
            text_index: HashMap::new(),
            batch: Vec::new(),
            counts: Imported::default(),
        }
    }

    /// Takes a row; it is written with its batch.
    ///
    /// # Errors
    /// When a batch is full and cannot be written. The row is taken then too; [`Import::flush`] tries again.
    pub async fn push(&mut self, row: &Row) -> Result<(), HistoryError> {
        self.take(row);
        let is_full = self.batch.len() >= BATCH || self.texts.len() >= TEXTS;
        if is_full { self.flush().await } else { Ok(()) }
    }

    fn take(&mut self, row: &Row) {
        if row.at < EARLIEST || row.at.saturating_since(self.now) > MAX_AHEAD {
            self.counts.refused.time += 1;
            return;
        }
        if matches!(&row.entry, Entry::Reading { value: Value::Number(number), .. } if !number.is_finite()) {
            self.counts.refused.number += 1;
            return;
        }
        let at = row.at.as_millis();
        let Some(index) = self.series_of(&row.head, at) else {
            self.counts.refused.series += 1;
            return;
        };
        let (value, quality) = match &row.entry {
            Entry::Silence => (None, quality::SILENCE),
            Entry::Reading { value: Value::Text(text), quality } => {
                (Some(Stored::Text(self.text_of(text))), quality::to_stored(*quality))
            }
            Entry::Reading { value, quality } => {
                (value.as_number().map(Stored::Number), quality::to_stored(*quality))
            }
        };
        let Some(series) = self.series.get_mut(index) else { return };
        series.since = series.since.min(at);
        series.last = value.unwrap_or(series.last);
        let quality = u8::try_from(quality).unwrap_or(row::WORST);
        self.batch.push(Gathered { at, series: index, value: series.last, quality });
    }

    fn series_of(&mut self, head: &Arc<Head>, at: i64) -> Option<usize> {
        if let Some(index) = self.index.get(head) {
            return Some(*index);
        }
        if self.series.len() >= MAX_SERIES {
            return None;
        }
        let next = self.series.len();
        self.series.push(Series { head: Arc::clone(head), id: None, since: at, last: Stored::Number(0.0) });
        self.index.insert(Arc::clone(head), next);
        Some(next)
    }

    fn text_of(&mut self, text: &Arc<str>) -> usize {
        if let Some(index) = self.text_index.get(text) {
            return *index;
        }
        let next = self.texts.len();
        self.texts.push(Arc::clone(text));
        self.text_index.insert(Arc::clone(text), next);
        next
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// When it cannot be written: nothing of it is, and what was written before stays.
    pub async fn flush(&mut self) -> Result<(), HistoryError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut connection = self.writer.acquire().await.map_err(write_failed)?;
        let written = match self.write(&mut connection).await {
            Ok(written) => written,
            Err(error) => {
                // SQLite may have rolled back on its own, which leaves the connection's count of transactions wrong.
                let _ = connection.close().await;
                return Err(write_failed(error));
            }
        };
        let total = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        self.counts.stored += written.rows;
        self.counts.refused.texts += written.too_many_texts;
        self.counts.known += total.saturating_sub(written.rows + written.too_many_texts);
        self.batch.clear();
        // A text that was met long ago is looked up again: what is remembered stays small.
        self.texts.clear();
        self.text_index.clear();
        for series in self.series.iter_mut().filter(|series| matches!(series.last, Stored::Text(_))) {
            series.last = Stored::Number(0.0);
        }
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&mut *connection)
            .await
            .map_err(write_failed)?;
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// As [`Import::flush`].
    pub async fn finish(mut self) -> Result<Imported, HistoryError> {
        self.flush().await?;
        Ok(self.counts)
    }

    /// What became of the rows of all batches so far, and of those that were refused since.
    pub const fn counts(&self) -> Imported {
        self.counts
    }

    async fn write(&mut self, connection: &mut SqliteConnection) -> Result<Written, sqlx::Error> {
        let until = match self.sealed_until {
            Some(until) => until,
            None => seal_all(connection, self.now).await?,
        };
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut ids = Vec::with_capacity(self.series.len());
        for series in &self.series {
            ids.push(series_id(&mut transaction, series).await?);
        }
        let mut texts = Ids::new(&mut transaction, &self.texts).await?;
        // Of two rows of one time the first one counts.
        self.batch.sort_by_key(|row| (row.series, row.at));
        let mut written = Written::default();
        let mut recent = Vec::new();
        for group in self.batch.chunk_by(|left, right| left.series == right.series) {
            let Some(id) = group.first().and_then(|first| ids.get(first.series).copied()) else { continue };
            let mut rows = Vec::with_capacity(group.len());
            for gathered in group {
                let value = match gathered.value {
                    Stored::Number(number) => Some(number),
                    Stored::Text(text) => texts.id_of(&mut transaction, id, text).await?,
                };
                match value {
                    Some(value) => rows.push(row::Row { at: gathered.at, value, quality: gathered.quality }),
                    None => written.too_many_texts += 1,
                }
            }
            rows.dedup_by_key(|row| row.at);
            let (past, present) = rows.split_at(rows.partition_point(|row| row.at < until));
            let added = seal::add(&mut transaction, id, past, until).await?;
            written.rows += u64::try_from(added.rows).unwrap_or(u64::MAX);
            let sealed = sealed_times(&mut transaction, id, present).await?;
            let new = present.iter().filter(|row| sealed.binary_search(&row.at).is_err());
            recent.extend(new.map(|row| (row::key(row.at, id), row.value, row.quality)));
        }
        // The order of the key, so that each page is written once.
        recent.sort_unstable_by_key(|(key, ..)| *key);
        for part in recent.chunks(ROWS_IN_STATEMENT) {
            let mut statement = QueryBuilder::<Sqlite>::new("INSERT INTO recent (key, value, quality) ");
            statement.push_values(part, |mut values, (key, value, quality)| {
                values.push_bind(*key).push_bind(*value).push_bind(i64::from(*quality));
            });
            statement.push(" ON CONFLICT (key) DO NOTHING");
            written.rows += statement.build().execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        self.sealed_until = Some(until);
        for (series, id) in self.series.iter_mut().zip(ids) {
            series.id = Some(id);
        }
        Ok(written)
    }
}

/// What one transaction wrote.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    rows: u64,
    too_many_texts: u64,
}

/// Seals what is due, so that no row of the past is left in `recent`. Gives the end of the last sealed hour.
async fn seal_all(connection: &mut SqliteConnection, now: Timestamp) -> Result<i64, sqlx::Error> {
    loop {
        let progress = seal::seal(connection, now.as_millis()).await?;
        if !progress.more {
            return Ok(progress.sealed_until);
        }
    }
}

/// The ids of the texts of a batch, within one transaction.
struct Ids<'a> {
    texts: &'a [Arc<str>],
    found: HashMap<usize, f64>,
    /// Those that found no room, by series and text.
    refused: HashSet<(i64, usize)>,
    room: Room,
}

impl<'a> Ids<'a> {
    async fn new(transaction: &mut SqliteConnection, texts: &'a [Arc<str>]) -> Result<Self, sqlx::Error> {
        let room = if texts.is_empty() { Room::default() } else { Room::look(transaction).await? };
        Ok(Self { texts, found: HashMap::new(), refused: HashSet::new(), room })
    }

    /// The id of a text, as it is stored; nothing at a limit.
    async fn id_of(
        &mut self,
        transaction: &mut SqliteConnection,
        series: i64,
        text: usize,
    ) -> Result<Option<f64>, sqlx::Error> {
        if let Some(id) = self.found.get(&text) {
            return Ok(Some(*id));
        }
        let Some(content) = self.texts.get(text).filter(|_| !self.refused.contains(&(series, text))) else {
            return Ok(None);
        };
        #[expect(clippy::cast_precision_loss, reason = "ids of a table with a limit are far below 2^53")]
        let id = self.room.find_or_make(transaction, series, content).await?.map(|id| id as f64);
        match id {
            Some(id) => drop(self.found.insert(text, id)),
            None => drop(self.refused.insert((series, text))),
        }
        Ok(id)
    }
}

fn write_failed(error: sqlx::Error) -> HistoryError {
    HistoryError::Import(error)
}

/// The row of a series, which is made when it is new, and takes the unit and the first time when it knows of none better.
async fn series_id(transaction: &mut SqliteConnection, series: &Series) -> Result<i64, sqlx::Error> {
    let Head { name, kind, unit } = series.head.as_ref();
    let (source, stored) = (name.source(), name.stored());
    let id = match series.id {
        Some(id) => Some(id),
        None => {
            sqlx::query_scalar(
                "SELECT id FROM series WHERE source = ?1 AND name = ?2 AND (kind = 'text') = ?3",
            )
            .bind(source)
            .bind(&stored)
            .bind(*kind == Kind::Text)
            .fetch_optional(&mut *transaction)
            .await?
        }
    };
    let Some(id) = id else {
        let made =
            sqlx::query("INSERT INTO series (source, name, kind, unit, since) VALUES (?1, ?2, ?3, ?4, ?5)")
                .bind(source)
                .bind(&stored)
                .bind(kind.as_str())
                .bind(unit.as_deref())
                .bind(series.since)
                .execute(&mut *transaction)
                .await?;
        return Ok(made.last_insert_rowid());
    };
    sqlx::query(
        "UPDATE series SET since = min(since, ?2), unit = coalesce(unit, ?3)
         WHERE id = ?1 AND (since > ?2 OR (unit IS NULL AND ?3 IS NOT NULL))",
    )
    .bind(id)
    .bind(series.since)
    .bind(unit.as_deref())
    .execute(&mut *transaction)
    .await?;
    Ok(id)
}

/// The times of a series that chunks have, between the first and the last of these rows, in order.
async fn sealed_times(
    transaction: &mut SqliteConnection,
    series: i64,
    rows: &[row::Row],
) -> Result<Vec<i64>, sqlx::Error> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let chunks: Vec<ChunkRow> = sqlx::query_as(
        "SELECT series, start, stop, count, checksum, data FROM chunk
         WHERE series = ?1 AND start <= ?3 AND stop >= ?2
           AND start >= coalesce((SELECT max(start) FROM chunk WHERE series = ?1 AND start <= ?2), ?2)
         ORDER BY start",
    )
    .bind(series)
    .bind(first.at)
    .bind(last.at)
    .fetch_all(&mut *transaction)
    .await?;
    let mut times = Vec::new();
    for chunk in chunks {
        // Of a damaged one nothing is known: what is imported may mend it.
        if let Ok(rows) = Chunk::from(chunk).decode() {
            times.extend(rows.iter().map(|row| row.at));
        }
    }
    times.sort_unstable();
    Ok(times)
}
