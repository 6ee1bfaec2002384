//! One transaction: a batch of samples onto the disk, and the checkpoint that follows now and then.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::Timestamp;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqlitePool};

use crate::damage::{self, Found};
use crate::door::Door;
use crate::intake::{Batch, NewSeries, Sample};
use crate::names::Kind;
use crate::seal::Progress;
use crate::status::{Committed, Counters};
use crate::texts::{NewTexts, Texts};
use crate::{Retention, apart, diary, outages, quality, retention, row, seal};

/// Bytes of the log at which its pages are moved into the database file; a little less than the log is cut back to. Most of it are pages that were written several
/// times, or that sealing has freed again meanwhile, and of each only the newest version is moved: `database` has the
/// figures.
const CHECKPOINT_BYTES: u64 = 14 * 1_024 * 1_024;

/// Bytes before each page in the log (<https://www.sqlite.org/fileformat2.html#walformat>).
const LOG_FRAME_HEADER_BYTES: u64 = 24;

/// Of this many pages in the log a checkpoint moves one: as it was measured. The others are older versions.
const PAGES_FOR_ONE_MOVED: u64 = 9;

/// The writer's memory between transactions.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: SqlitePool,
    door: Arc<Door>,
    counters: Arc<Counters>,
    /// What is stored of each series, by its index.
    series: Vec<Stored>,
    /// What is stored of each text, by its number.
    texts: Texts,
    /// Pages in the log after the last commit and in the file at the last checkpoint, once they were looked up.
    pages: Option<Pages>,
}

/// The row of a series.
#[derive(Clone, Copy, Debug)]
struct Stored {
    id: i64,
    since: i64,
    is_text: bool,
}

#[derive(Clone, Copy, Debug)]
struct Pages {
    log: u64,
    file: u64,
}

impl Writer {
    pub(crate) fn new(pool: SqlitePool, door: Arc<Door>, counters: Arc<Counters>) -> Self {
        Self { pool, door, counters, series: Vec::new(), texts: Texts::default(), pages: None }
    }

    /// How many series it knows.
    pub(crate) fn known(&self) -> usize {
        self.series.len()
    }

    /// How many texts it knows.
    pub(crate) fn known_texts(&self) -> usize {
        self.texts.known()
    }

    /// Writes a batch and the chunks that were found to be damaged until now, or nothing of it. Then
    /// gives up events: those that are older, and those that are more than a number.
    pub(crate) async fn commit(
        &mut self,
        batch: &Batch,
        (now, damaged): (Timestamp, &[Found]),
        give_up: Option<(Duration, u64)>,
    ) -> Result<Committed, sqlx::Error> {
        self.door.open(&self.counters).await?;
        let mut connection = self.pool.acquire().await?;
        if self.pages.is_none() {
            self.pages = Some(Pages { log: log_pages(&mut connection, LOOK).await?, file: 0 });
        }
        let written = match write(&mut connection, &self.series, &self.texts, batch, (now, damaged)).await {
            Ok(written) => written,
            Err(error) => {
                // SQLite may have rolled back on its own (a full disk), which leaves the connection's count of open
                // transactions wrong: the next try gets a new connection.
                let _ = connection.close().await;
                return Err(error);
            }
        };
        self.series = written.series;
        self.texts.take(&batch.new_texts, written.texts);
        if let Some((age, keep)) = give_up
            && let Err(error) = give_up_events(&mut connection, now, age, keep).await
        {
            tracing::debug!(%error, "old events could not be given up");
        }
        // The samples are safe; when the rest fails, the next commit tries again and says so.
        let bytes = match self.account(&mut connection).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, "the log could not be measured or moved");
                0
            }
        };
        Ok(Committed { bytes, ..written.committed })
    }

    /// Seals what is due, or a part of it, and then gives up what is to go: see `seal` and `retention`. Gives what it did
    /// and how many bytes it wrote, about.
    pub(crate) async fn seal(
        &mut self,
        now: Timestamp,
        retention: &Retention,
        free: Option<u64>,
    ) -> Result<(Progress, u64), sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let done = async {
            let mut progress = seal::seal(&mut connection, now.as_millis()).await?;
            if !progress.more {
                progress.more = retention::give_up(&mut connection, retention, now, free).await?.more;
                if let Err(error) = make_compact(&mut connection).await {
                    tracing::debug!(%error, "free pages stay in the file of history");
                }
            }
            Ok(progress)
        };
        match done.await {
            Ok(progress) => Ok((progress, self.account(&mut connection).await.unwrap_or(0))),
            Err(error) => {
                // As after a commit that failed.
                let _ = connection.close().await;
                Err(error)
            }
        }
    }

    /// Counts the pages that were written and makes the checkpoint when it is due.
    async fn account(&mut self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let before = self.pages.unwrap_or(Pages { log: 0, file: 0 });
        let log = log_pages(connection, LOOK).await?;
        // After a checkpoint the log starts again from its beginning.
        let appended = log.checked_sub(before.log).unwrap_or(log);
        let page_bytes = self.door.page_bytes();
        let mut bytes = appended * (page_bytes + LOG_FRAME_HEADER_BYTES);
        let mut file = before.file;
        if log * page_bytes >= CHECKPOINT_BYTES {
            log_pages(connection, MOVE).await?;
            let now: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
            file = u64::try_from(now).unwrap_or(0);
            // Before the first checkpoint of this run the new pages are not known; they are at most those of the log.
            let grown = if before.file == 0 { 0 } else { file.saturating_sub(before.file) };
            bytes += grown.max(log / PAGES_FOR_ONE_MOVED) * page_bytes;
        }
        self.pages = Some(Pages { log, file });
        Ok(bytes)
    }
}

/// Most free pages that are taken out of the file at once: more than an hour of a busy house leaves, and some milliseconds.
const FREE_PAGES_AT_ONCE: u32 = 8_192;

/// Takes the pages that sealing has freed out of the file. The rows of the next hour then go into new pages at its end, one
/// after the other. In free ones, which lie all over the file, each of them made a commit write a page of the map that tells
/// to whom each page belongs (`auto_vacuum`), and one of the list of free pages: a third of all that was written.
async fn make_compact(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let statement = format!("PRAGMA incremental_vacuum({FREE_PAGES_AT_ONCE})");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Looks at the log and moves nothing.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Moves pages into the file and waits for nobody: what a reader still needs stays for the next time.
const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

async fn log_pages(connection: &mut SqliteConnection, pragma: &'static str) -> Result<u64, sqlx::Error> {
    let (_busy, pages, _moved): (i64, i64, i64) = sqlx::query_as(pragma).fetch_one(connection).await?;
    Ok(u64::try_from(pages).unwrap_or(0))
}

/// Gives up the events that are older, and the oldest of those that are more than `keep`.
async fn give_up_events(
    connection: &mut SqliteConnection,
    now: Timestamp,
    age: Duration,
    keep: u64,
) -> Result<u64, sqlx::Error> {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    let before = retention::believed(connection, now).await?.as_millis().saturating_sub(age);
    diary::store::give_up(connection, before, keep).await
}

struct Written {
    series: Vec<Stored>,
    texts: NewTexts,
    committed: Committed,
}

/// Stores a sample. A replay changes nothing, and then no page is written. A stale mark leaves what was measured as it
/// was: this is `Sample::replaces` in SQL.
const STORE: &str = "
    INSERT INTO recent (key, value, quality) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value, quality = excluded.quality
    WHERE (value <> excluded.value OR quality <> excluded.quality) AND (excluded.quality < ?4 OR quality >= ?4)";

async fn write(
    connection: &mut SqliteConnection,
    known_series: &[Stored],
    texts: &Texts,
    batch: &Batch,
    (now, damaged): (Timestamp, &[Found]),
) -> Result<Written, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if let Some(start) = batch.start {
        outages::begin(&mut transaction, start).await?;
    }
    for outage in &batch.outages {
        outages::store(&mut transaction, *outage).await?;
    }
    let mut series = known_series.to_vec();
    for (index, changed) in &batch.changed_series {
        if *index < series.len() {
            series_of(&mut transaction, changed).await?;
        }
    }
    for new in &batch.new_series {
        series.push(series_of(&mut transaction, new).await?);
    }
    let mut new_texts = NewTexts::default();
    let mut committed = Committed::default();
    for sample in in_order_of_keys(batch, &series) {
        // Its series is either known to the writer or new in this batch: the intake hands both over together.
        let Some(of) = series.get_mut(sample.series) else { continue };
        let mut stored = *sample;
        if of.is_text {
            let text = texts.id_of(&mut transaction, &mut new_texts, of.id, sample, batch).await?;
            let Some(id) = text else {
                committed.texts_refused += 1;
                continue;
            };
            stored.value = id;
        }
        let changed = match batch.apart_until {
            Some(until) if sample.at <= until => apart::store(&mut transaction, of.id, &stored).await?,
            _ => store(&mut transaction, of.id, &stored).await?,
        };
        committed.stored += u64::from(changed);
        committed.known += u64::from(!changed);
        // The first sample to arrive need not be the earliest: the clock may have been ahead, or a device sends its
        // past.
        of.since = of.since.min(sample.at);
    }
    for (index, row) in series.iter().enumerate() {
        if known_series.get(index).is_none_or(|before| row.since < before.since) {
            sqlx::query("UPDATE series SET since = ?2 WHERE id = ?1 AND since > ?2")
                .bind(row.id)
                .bind(row.since)
                .execute(&mut *transaction)
                .await?;
        }
    }
    for event in &batch.events {
        diary::store::write(&mut transaction, event).await?;
    }
    damage::tell(&mut transaction, now, damaged).await?;
    transaction.commit().await?;
    Ok(Written { series, texts: new_texts, committed })
}

/// The samples of a batch in the order of their keys: then each goes behind the last one, and fills page after page. In the
/// order in which sources were heard, those that overtook each other by some milliseconds made SQLite level out the last
/// pages again and again, which were half as many more to write. Of two of one key the later one stays the later one.
///
/// Where samples stand beside others of their time, the order of their arrival says which of them was first.
fn in_order_of_keys<'a>(batch: &'a Batch, series: &[Stored]) -> Vec<&'a Sample> {
    let mut samples: Vec<&Sample> = batch.samples.iter().collect();
    if batch.apart_until.is_none() {
        samples.sort_by_key(|sample| (sample.at, series.get(sample.series).map(|of| of.id)));
    }
    samples
}

/// Stores a sample, in the place of another one of its series and time. Whether the file has changed.
async fn store(
    transaction: &mut SqliteConnection,
    series: i64,
    sample: &Sample,
) -> Result<bool, sqlx::Error> {
    let stored = sqlx::query(STORE)
        .bind(row::key(sample.at, series))
        .bind(sample.value)
        .bind(sample.quality)
        .bind(quality::STALE)
        .execute(transaction)
        .await?;
    Ok(stored.rows_affected() > 0)
}

/// The row of a series, which is made when it is new. Numbers and switches share one: what it says of them and of the
/// unit is what was met last.
async fn series_of(transaction: &mut SqliteConnection, series: &NewSeries) -> Result<Stored, sqlx::Error> {
    let (source, name) = (series.name.source(), series.name.stored());
    let is_text = series.kind == Kind::Text;
    let found: Option<(i64, i64, String, Option<String>)> = sqlx::query_as(
        "SELECT id, since, kind, unit FROM series WHERE source = ?1 AND name = ?2 AND (kind = 'text') = ?3",
    )
    .bind(source)
    .bind(&name)
    .bind(is_text)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some((id, since, kind, unit)) = found else {
        let made =
            sqlx::query("INSERT INTO series (source, name, kind, unit, since) VALUES (?1, ?2, ?3, ?4, ?5)")
                .bind(source)
                .bind(&name)
                .bind(series.kind.as_str())
                .bind(series.unit.as_deref())
                .bind(series.since)
                .execute(transaction)
                .await?;
        return Ok(Stored { id: made.last_insert_rowid(), since: series.since, is_text });
    };
    let newer_unit = series.unit.is_some() && series.unit.as_deref() != unit.as_deref();
    if kind != series.kind.as_str() || newer_unit {
        sqlx::query("UPDATE series SET kind = ?2, unit = coalesce(?3, unit) WHERE id = ?1")
            .bind(id)
            .bind(series.kind.as_str())
            .bind(series.unit.as_deref())
            .execute(transaction)
            .await?;
    }
    Ok(Stored { id, since, is_text })
}
