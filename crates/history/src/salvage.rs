//! What a damaged file still gives, in a new one.
//!
//! The damaged file is read beside a new one, table by table, in ranges of its keys; a range that cannot be read is
//! halved until what is lost is a page or less. Chunks are taken when their checksum fits. Only when the new file is
//! complete is the damaged one moved aside, with the date in its name, so that a power cut at any time leaves one of
//! the two in its place or lets [`finish`] put it there. Nothing is deleted.

use std::path::{Path, PathBuf};

use gatehouse_model::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::chunk::Chunk;
use crate::result_codes::was_full;
use crate::seal::{HOUR, again};

/// The ending of the new file while it is made.
const UNFINISHED: &str = ".salvaged";

/// Most ranges that are tried in vain for one table: a card that gives nothing at all should not keep the gateway from
/// its start for hours.
const MAX_FAILURES: u32 = 4_000;

/// Tables with one number as their key, and the smallest range that is worth a try of its own.
const NUMBERED: [(&str, &str, i64); 7] = [
    ("series", "id", 1),
    ("text", "id", 1),
    ("outage", "start", 1_000),
    ("chunk", "id", 1),
    ("recent", "key", 1 << 20),
    ("event", "id", 1),
    ("notice", "id", 1),
];

/// The same for a file of the first release, which had other tables: what is copied, how, the range of its keys, and the
/// smallest range.
const FIRST_RELEASE: [(&str, &str, (i64, i64), i64); 2] = [
    (
        "series",
        "INSERT OR IGNORE INTO main.series (id, source, name, kind, unit, since)
         SELECT id, 'property', device || '/' || property, 'number', NULL, since FROM old.series
         WHERE id BETWEEN ?1 AND ?2",
        (i64::MIN, i64::MAX),
        1,
    ),
    (
        "sample",
        "INSERT OR IGNORE INTO main.recent (key, value, quality)
         SELECT (ts << 20) | series, value, quality FROM old.sample WHERE ts BETWEEN ?1 AND ?2",
        (0, (1 << 43) - 1),
        1_000,
    ),
];

/// A file that stands beside another one, or ends in something more.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Takes up what a power cut interrupted between the two renames of [`replace`].
pub(crate) fn finish(path: &Path) -> std::io::Result<()> {
    let fresh = beside(path, UNFINISHED);
    if fresh.exists() && !path.exists() {
        return std::fs::rename(fresh, path);
    }
    Ok(())
}

/// The path of the new file while it is made; what an earlier try left is removed.
pub(crate) fn fresh_path(path: &Path) -> PathBuf {
    let fresh = beside(path, UNFINISHED);
    for ending in ["", "-wal", "-shm"] {
        // Where it cannot be deleted, opening it says why.
        let _ = std::fs::remove_file(beside(&fresh, ending));
    }
    fresh
}

/// Moves the damaged file aside and the new one into its place. Gives where the damaged one is.
pub(crate) fn replace(path: &Path, now: Timestamp) -> std::io::Result<PathBuf> {
    let date: String =
        now.to_string().chars().take(19).map(|sign| if sign == ':' { '-' } else { sign }).collect();
    let mut aside = beside(path, &format!(".damaged-{date}"));
    for number in 2..100 {
        if !aside.exists() {
            break;
        }
        aside = beside(path, &format!(".damaged-{date}-{number}"));
    }
    // The log first: without its file nobody takes it for that of the new one.
    for ending in ["-wal", "-shm", ""] {
        let from = beside(path, ending);
        if from.exists() {
            std::fs::rename(from, beside(&aside, ending))?;
        }
    }
    finish(path)?;
    Ok(aside)
}

/// What was copied and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Salvaged {
    /// Tables of which something could not be read.
    pub(crate) incomplete: Vec<&'static str>,
    /// Chunks whose checksum does not fit.
    pub(crate) chunks_lost: u64,
    /// Samples in those.
    pub(crate) samples_lost: u64,
    /// Hours whose rollups were lost and computed again from their chunks.
    pub(crate) hours_rebuilt: u64,
    /// Nothing could be read at all, for this reason.
    pub(crate) nothing: Option<String>,
}

impl Salvaged {
    /// For people: what was lost.
    pub(crate) fn sentence(&self, problem: &str, aside: &Path) -> String {
        let lost = if let Some(reason) = &self.nothing {
            format!("nothing could be copied from it ({reason}), and history begins anew")
        } else if self.incomplete.is_empty() && self.chunks_lost == 0 {
            "all that was in it could be copied into a new one".to_owned()
        } else {
            let mut parts = Vec::new();
            if !self.incomplete.is_empty() {
                parts.push(format!("parts of {}", self.incomplete.join(", ")));
            }
            if self.chunks_lost > 0 {
                parts.push(format!("{} samples in {} chunks", self.samples_lost, self.chunks_lost));
            }
            let rebuilt = match self.hours_rebuilt {
                0 => String::new(),
                hours => format!(" (rollups of {hours} hours were computed again from their samples)"),
            };
            format!("what could be read was copied into a new one; lost: {}{rebuilt}", parts.join(" and "))
        };
        format!(
            "The history's file was damaged ({problem}). It was moved to {}, and {lost}. See to the health of the disk, \
             and delete the old file when nobody misses anything.",
            aside.display()
        )
    }
}

/// Copies everything readable of the damaged file at `path` into the new one behind `fresh`, which has all tables.
///
/// # Errors
/// When there is no room for the new one: then the damaged one is to stay where it is.
pub(crate) async fn copy(fresh: &mut SqliteConnection, path: &Path) -> Result<Salvaged, sqlx::Error> {
    let mut salvaged = Salvaged::default();
    if let Err(error) = sqlx::query("ATTACH DATABASE ?1 AS old")
        .bind(path.to_string_lossy().into_owned())
        .execute(&mut *fresh)
        .await
    {
        salvaged.nothing = Some(error.to_string());
        return Ok(salvaged);
    }
    if let Err(error) = sqlx::query("SELECT 1 FROM old.sqlite_schema LIMIT 1").execute(&mut *fresh).await {
        salvaged.nothing = Some(error.to_string());
    } else {
        copy_tables(fresh, &mut salvaged).await?;
        if let Err(error) = check_chunks(fresh, &mut salvaged).await {
            tracing::warn!(%error, "the chunks that were salvaged could not be checked");
        }
        if let Err(error) = name_the_nameless(fresh).await {
            tracing::warn!(%error, "series without a name could not be given one");
        }
        match rebuild(fresh, &salvaged).await {
            Ok(hours) => salvaged.hours_rebuilt = hours,
            Err(error) => tracing::warn!(%error, "lost rollups could not be computed again"),
        }
    }
    let _ = sqlx::query("DETACH DATABASE old").execute(fresh).await;
    Ok(salvaged)
}

async fn copy_tables(fresh: &mut SqliteConnection, salvaged: &mut Salvaged) -> Result<(), sqlx::Error> {
    let is_of_first_release: i64 =
        sqlx::query_scalar("SELECT count(*) FROM old.sqlite_schema WHERE type = 'table' AND name = 'sample'")
            .fetch_one(&mut *fresh)
            .await
            .unwrap_or(0);
    if is_of_first_release > 0 {
        for (table, copy, range, unit) in FIRST_RELEASE {
            if !copy_ranges(fresh, copy, range, unit).await? {
                salvaged.incomplete.push(table);
            }
        }
        return Ok(());
    }
    for (table, key, unit) in NUMBERED {
        // An earlier release may have had fewer columns.
        let columns: Option<String> =
            sqlx::query_scalar("SELECT group_concat(name, ', ') FROM pragma_table_info(?1, 'old')")
                .bind(table)
                .fetch_one(&mut *fresh)
                .await
                .unwrap_or_default();
        let Some(columns) = columns else {
            salvaged.incomplete.push(table);
            continue;
        };
        let copy = format!(
            "INSERT OR IGNORE INTO main.{table} ({columns})
             SELECT {columns} FROM old.{table} WHERE {key} BETWEEN ?1 AND ?2"
        );
        if !copy_ranges(fresh, &copy, (i64::MIN, i64::MAX), unit).await? {
            salvaged.incomplete.push(table);
        }
    }
    if sqlx::query("INSERT OR IGNORE INTO main.meta SELECT * FROM old.meta")
        .execute(&mut *fresh)
        .await
        .is_err()
    {
        salvaged.incomplete.push("meta");
    }
    let series: Vec<i64> =
        sqlx::query_scalar("SELECT id FROM main.series UNION SELECT series FROM main.chunk ORDER BY 1")
            .fetch_all(&mut *fresh)
            .await
            .unwrap_or_default();
    for table in ["hour", "day"] {
        let mut complete = true;
        for series in &series {
            let copy = format!(
                "INSERT OR IGNORE INTO main.{table} SELECT * FROM old.{table} \
                 WHERE series = {series} AND start BETWEEN ?1 AND ?2"
            );
            complete &= copy_ranges(fresh, &copy, (0, 1 << 43), HOUR).await?;
        }
        if !complete {
            salvaged.incomplete.push(table);
        }
    }
    Ok(())
}

/// Copies the rows with keys in this range, around what cannot be read. Gives whether all could be.
async fn copy_ranges(
    fresh: &mut SqliteConnection,
    copy: &str,
    range: (i64, i64),
    unit: i64,
) -> Result<bool, sqlx::Error> {
    let mut todo = vec![range];
    let mut failures = 0;
    while let Some((from, to)) = todo.pop() {
        let result =
            sqlx::query(sqlx::AssertSqlSafe(copy.to_owned())).bind(from).bind(to).execute(&mut *fresh).await;
        match result {
            Ok(_) => continue,
            // It is not the damaged file that fails.
            Err(error) if was_full(&error) => return Err(error),
            Err(_) => {}
        }
        failures += 1;
        if failures > MAX_FAILURES {
            return Ok(false);
        }
        let middle = ((i128::from(from) + i128::from(to)).div_euclid(2)) as i64;
        if i128::from(to) - i128::from(from) >= i128::from(unit) && middle < to {
            todo.push((middle + 1, to));
            todo.push((from, middle));
        }
    }
    Ok(failures == 0)
}

#[derive(sqlx::FromRow)]
struct WithId {
    id: i64,
    #[sqlx(flatten)]
    chunk: Chunk,
}

/// Takes out the chunks that came over and cannot be trusted.
async fn check_chunks(fresh: &mut SqliteConnection, salvaged: &mut Salvaged) -> Result<(), sqlx::Error> {
    let mut after = i64::MIN;
    loop {
        let chunks: Vec<WithId> = sqlx::query_as(
            "SELECT id, series, start, stop, count, checksum, data FROM main.chunk WHERE id > ?1 ORDER BY id LIMIT 256",
        )
        .bind(after)
        .fetch_all(&mut *fresh)
        .await?;
        let Some(last) = chunks.last() else { return Ok(()) };
        after = last.id;
        for WithId { id, chunk } in chunks {
            if !chunk.is_whole() {
                sqlx::query("DELETE FROM main.chunk WHERE id = ?1").bind(id).execute(&mut *fresh).await?;
                salvaged.chunks_lost += 1;
                salvaged.samples_lost += u64::try_from(chunk.count).unwrap_or(0);
            }
        }
    }
}

/// Computes rollups that were lost again from the chunks that were not.
async fn rebuild(fresh: &mut SqliteConnection, salvaged: &Salvaged) -> Result<u64, sqlx::Error> {
    if !salvaged.incomplete.iter().any(|table| ["hour", "day"].contains(table)) {
        return Ok(0);
    }
    let mut transaction = fresh.begin().await?;
    let hours = again::rebuild(&mut transaction).await?;
    transaction.commit().await?;
    Ok(hours)
}

/// Series whose row was lost get a name by which people can find them: their samples are worth more than it.
async fn name_the_nameless(fresh: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = fresh.begin().await?;
    sqlx::query(
        "INSERT OR IGNORE INTO main.series (id, source, name, kind, since)
         SELECT series, 'topic', 'salvaged/' || series, 'number', min(start) FROM (
             SELECT series, start FROM main.chunk UNION ALL SELECT key & 1048575, key >> 20 FROM main.recent
         ) WHERE series NOT IN (SELECT id FROM main.series) AND series > 0 GROUP BY series",
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

/// Writes what was lost where the page finds it, and into the log of events.
pub(crate) async fn tell(
    connection: &mut SqliteConnection,
    now: Timestamp,
    sentence: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO notice (at, sentence) VALUES (?1, ?2)")
        .bind(now.as_millis())
        .bind(sentence)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO event (ts, kind, value, sentence) VALUES (?1, 'gateway', 'damage', ?2)")
        .bind(now.as_millis())
        .bind(sentence)
        .execute(connection)
        .await?;
    Ok(())
}
