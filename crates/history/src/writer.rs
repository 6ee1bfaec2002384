//! One transaction: a batch of samples onto the disk, and the checkpoint that follows now and then.

use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, SqlitePool};

use crate::intake::{Batch, NewSeries};
use crate::names::Kind;
use crate::{quality, row};

/// Bytes of the log at which its pages are moved into the database file. Most of it are pages that were written several
/// times, or that sealing has freed again meanwhile, and of each only the newest version is moved: `database` has the
/// figures.
const CHECKPOINT_BYTES: u64 = 8 * 1_024 * 1_024;

/// Bytes before each page in the log (<https://www.sqlite.org/fileformat2.html#walformat>).
const LOG_FRAME_HEADER_BYTES: u64 = 24;

/// Of this many pages in the log a checkpoint moves one: as it was measured. The others are older versions.
const PAGES_FOR_ONE_MOVED: u64 = 9;

/// What a commit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Committed {
    /// Samples that were new or replaced another value of the same time.
    pub(crate) stored: u64,
    /// Samples that were there already.
    pub(crate) known: u64,
    /// Bytes written, about.
    pub(crate) bytes: u64,
}

/// The writer's memory between transactions.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: SqlitePool,
    page_bytes: u64,
    /// What is stored of each series, by its index.
    series: Vec<Stored>,
    /// Pages in the log after the last commit and in the file at the last checkpoint, once they were looked up.
    pages: Option<Pages>,
}

/// The row of a series.
#[derive(Clone, Copy, Debug)]
struct Stored {
    id: i64,
    since: i64,
}

#[derive(Clone, Copy, Debug)]
struct Pages {
    log: u64,
    file: u64,
}

impl Writer {
    pub(crate) fn new(pool: SqlitePool, page_bytes: u32) -> Self {
        Self { pool, page_bytes: u64::from(page_bytes), series: Vec::new(), pages: None }
    }

    /// How many series it knows.
    pub(crate) fn known(&self) -> usize {
        self.series.len()
    }

    /// Writes a batch, or nothing of it.
    pub(crate) async fn commit(&mut self, batch: &Batch) -> Result<Committed, sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        if self.pages.is_none() {
            self.pages = Some(Pages { log: log_pages(&mut connection, LOOK).await?, file: 0 });
        }
        let written = match write(&mut connection, &self.series, batch).await {
            Ok(written) => written,
            Err(error) => {
                // SQLite may have rolled back on its own (a full disk), which leaves the connection's count of open
                // transactions wrong: the next try gets a new connection.
                let _ = connection.close().await;
                return Err(error);
            }
        };
        self.series = written.series;
        // The samples are safe; when the rest fails, the next commit tries again and says so.
        let bytes = match self.account(&mut connection).await {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(%error, "the log could not be measured or moved");
                0
            }
        };
        Ok(Committed { stored: written.stored, known: written.known, bytes })
    }

    /// Counts the pages that were written and makes the checkpoint when it is due.
    async fn account(&mut self, connection: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
        let before = self.pages.unwrap_or(Pages { log: 0, file: 0 });
        let log = log_pages(connection, LOOK).await?;
        // After a checkpoint the log starts again from its beginning.
        let appended = log.checked_sub(before.log).unwrap_or(log);
        let mut bytes = appended * (self.page_bytes + LOG_FRAME_HEADER_BYTES);
        let mut file = before.file;
        if log * self.page_bytes >= CHECKPOINT_BYTES {
            log_pages(connection, MOVE).await?;
            let now: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *connection).await?;
            file = u64::try_from(now).unwrap_or(0);
            // Before the first checkpoint of this run the new pages are not known; they are at most those of the log.
            let grown = if before.file == 0 { 0 } else { file.saturating_sub(before.file) };
            bytes += grown.max(log / PAGES_FOR_ONE_MOVED) * self.page_bytes;
        }
        self.pages = Some(Pages { log, file });
        Ok(bytes)
    }
}

/// Looks at the log and moves nothing.
const LOOK: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Moves pages into the file and waits for nobody: what a reader still needs stays for the next time.
const MOVE: &str = "PRAGMA wal_checkpoint(PASSIVE)";

async fn log_pages(connection: &mut SqliteConnection, pragma: &'static str) -> Result<u64, sqlx::Error> {
    let (_busy, pages, _moved): (i64, i64, i64) = sqlx::query_as(pragma).fetch_one(connection).await?;
    Ok(u64::try_from(pages).unwrap_or(0))
}

struct Written {
    series: Vec<Stored>,
    stored: u64,
    known: u64,
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
    batch: &Batch,
) -> Result<Written, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut series = known_series.to_vec();
    for new in &batch.new_series {
        series.push(series_of(&mut transaction, new).await?);
    }
    let (mut stored, mut known) = (0, 0);
    for sample in &batch.samples {
        // Its series is either known to the writer or new in this batch: the intake hands both over together.
        let Some(of) = series.get_mut(sample.series) else { continue };
        let changed = sqlx::query(STORE)
            .bind(row::key(sample.at, of.id))
            .bind(sample.value)
            .bind(sample.quality)
            .bind(quality::STALE)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        stored += changed;
        known += u64::from(changed == 0);
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
    transaction.commit().await?;
    Ok(Written { series, stored, known })
}

/// The row of a series, which is made when it is new. Numbers and switches share one: what it says of them and of the
/// unit is what was met last.
async fn series_of(transaction: &mut SqliteConnection, series: &NewSeries) -> Result<Stored, sqlx::Error> {
    let (source, name) = (series.name.source(), series.name.stored());
    let found: Option<(i64, i64, String, Option<String>)> = sqlx::query_as(
        "SELECT id, since, kind, unit FROM series WHERE source = ?1 AND name = ?2 AND (kind = 'text') = ?3",
    )
    .bind(source)
    .bind(&name)
    .bind(series.kind == Kind::Text)
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
        return Ok(Stored { id: made.last_insert_rowid(), since: series.since });
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
    Ok(Stored { id, since })
}
