//! What is given up when it is old, too much, or when the disk is nearly full: raw samples, oldest day first. Rollups of
//! hours and days stay, so that a chart of years has no hole.

use std::path::Path;
use std::time::Duration;

use gatehouse_model::Timestamp;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::Kind;
use crate::seal::{DAY, floor};

/// How long raw samples of one class of series are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Up to this age, in whole UTC days; nothing for as long as there is room.
    pub age: Option<Duration>,
    /// Up to this many bytes of chunks; nothing for no limit. The oldest day goes first.
    pub bytes: Option<u64>,
}

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Raw samples of numbers.
    pub numbers: Keep,
    /// Raw samples of switches.
    pub switches: Keep,
    /// Texts.
    pub texts: Keep,
    /// When less than this many bytes are free on the disk, the oldest day of all raw samples goes, and its room is given
    /// back to the disk; and again with the next look, as long as it is so.
    pub disk_floor: u64,
}

impl Default for Retention {
    /// Everything for ever, and a floor of 256 MiB: what a small card needs for updates and logs.
    fn default() -> Self {
        let keep = Keep::default();
        Self { numbers: keep, switches: keep, texts: keep, disk_floor: 256 * 1_024 * 1_024 }
    }
}

impl Retention {
    const fn of(&self, kind: Kind) -> Keep {
        match kind {
            Kind::Number => self.numbers,
            Kind::Switch => self.switches,
            Kind::Text => self.texts,
        }
    }
}

/// Days that have to be recorded before the clock is believed to be that far. A week of readings with a wrong clock is seen by
/// somebody, and what a house records in a week makes nothing older than it is.
const DAYS_OF_PROOF: i64 = 7;

/// Most chunks of one transaction: some milliseconds, so that a commit waits for a moment only.
const CHUNKS_AT_ONCE: i64 = 512;

/// How the notice about the floor begins: a newer one takes its place.
const FLOOR_NOTICE: &str = "The disk is nearly full";

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GivenUp {
    /// Chunks that were deleted.
    pub(crate) chunks: u64,
    /// Whether more is due.
    pub(crate) more: bool,
}

/// Free bytes of the disk for the gateway's user; nothing when the system does not say.
pub(crate) fn free_bytes(path: &Path) -> Option<u64> {
    let statistics = rustix::fs::statvfs(path).ok()?;
    Some(statistics.f_bavail.saturating_mul(statistics.f_frsize))
}

/// Gives up what is due at `now` with so many bytes `free`, or a part of it.
///
/// # Errors
/// When SQLite cannot read or write; what was deleted in a transaction of its own stays deleted.
pub(crate) async fn give_up(
    connection: &mut SqliteConnection,
    retention: &Retention,
    now: Timestamp,
    free: Option<u64>,
) -> Result<GivenUp, sqlx::Error> {
    let mut given_up = GivenUp::default();
    let believed = believed(connection, now).await?;
    for kind in [Kind::Number, Kind::Switch, Kind::Text] {
        let keep = retention.of(kind);
        if let Some(age) = keep.age {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            let before = floor(believed.as_millis().saturating_sub(age), DAY);
            given_up.add(delete(connection, Some(kind), before).await?);
        }
        if let Some(limit) = keep.bytes
            && bytes(connection, kind).await? > limit
            && let Some(day) = oldest_day(connection, Some(kind)).await?
        {
            given_up.add(delete(connection, Some(kind), day + DAY).await?);
            given_up.more |= bytes(connection, kind).await? > limit;
        }
    }
    if free.is_some_and(|free| free < retention.disk_floor)
        && let Some(day) = oldest_day(connection, None).await?
        // Of today nothing goes: it would not help for long.
        && day < floor(now.as_millis(), DAY)
    {
        let deleted = delete(connection, None, day + DAY).await?;
        given_up.add(deleted);
        tell(connection, now, day).await?;
        // The room goes back to the disk: out of the file, and then out of its log.
        sqlx::query("PRAGMA incremental_vacuum").execute(&mut *connection).await?;
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(connection).await?;
    }
    Ok(given_up)
}

impl GivenUp {
    fn add(&mut self, other: Self) {
        self.chunks += other.chunks;
        self.more |= other.more;
    }
}

/// The series of a kind, or all.
async fn series(connection: &mut SqliteConnection, kind: Option<Kind>) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM series WHERE kind = ?1 OR ?1 IS NULL ORDER BY id")
        .bind(kind.map(Kind::as_str))
        .fetch_all(connection)
        .await
}

/// Deletes chunks of a kind, or of all, that begin before a day: a chunk lies within one day.
async fn delete(
    connection: &mut SqliteConnection,
    kind: Option<Kind>,
    before: i64,
) -> Result<GivenUp, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let mut left = CHUNKS_AT_ONCE;
    for series in series(&mut transaction, kind).await? {
        let deleted = sqlx::query(
            "DELETE FROM chunk WHERE id IN (
                 SELECT id FROM chunk WHERE series = ?1 AND start < ?2 ORDER BY start LIMIT ?3)",
        )
        .bind(series)
        .bind(before)
        .bind(left)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        left -= i64::try_from(deleted).unwrap_or(left);
        if left <= 0 {
            break;
        }
    }
    transaction.commit().await?;
    Ok(GivenUp { chunks: (CHUNKS_AT_ONCE - left).unsigned_abs(), more: left <= 0 })
}

/// The time from which ages are counted: that of the clock, as far as the days that were recorded bear it out. A clock that was
/// set years ahead by mistake would make everything too old at once; so what is behind the last [`DAYS_OF_PROOF`] recorded days
/// counts for no more than that many days.
///
/// # Errors
/// When SQLite cannot read.
pub(crate) async fn believed(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Timestamp, sqlx::Error> {
    let mut day = now.as_millis();
    for _ in 0..DAYS_OF_PROOF {
        let before: Option<i64> = sqlx::query_scalar(
            "SELECT max(coalesce((SELECT max(start) FROM hour WHERE hour.series = series.id AND start < ?1),
                 CASE WHEN since < ?1 THEN since END)) FROM series",
        )
        .bind(day)
        .fetch_one(&mut *connection)
        .await?;
        // A file that is younger than that has nothing that is older than its first day.
        let Some(before) = before else { break };
        day = floor(before, DAY);
    }
    Ok(now.min(Timestamp::from_millis(day.saturating_add(DAYS_OF_PROOF * DAY))))
}

/// The first day that has raw samples in chunks.
async fn oldest_day(
    connection: &mut SqliteConnection,
    kind: Option<Kind>,
) -> Result<Option<i64>, sqlx::Error> {
    let start: Option<i64> = sqlx::query_scalar(
        "SELECT min((SELECT min(start) FROM chunk WHERE chunk.series = series.id)) FROM series
         WHERE kind = ?1 OR ?1 IS NULL",
    )
    .bind(kind.map(Kind::as_str))
    .fetch_one(connection)
    .await?;
    Ok(start.map(|start| floor(start, DAY)))
}

async fn bytes(connection: &mut SqliteConnection, kind: Kind) -> Result<u64, sqlx::Error> {
    let bytes: Option<i64> = sqlx::query_scalar(
        "SELECT sum(length(data)) FROM series CROSS JOIN chunk ON chunk.series = series.id WHERE kind = ?1",
    )
    .bind(kind.as_str())
    .fetch_one(connection)
    .await?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}

/// For the page: what the floor has cost so far.
async fn tell(connection: &mut SqliteConnection, now: Timestamp, day: i64) -> Result<(), sqlx::Error> {
    let end = Timestamp::from_millis(day + DAY).to_string();
    let sentence = format!(
        "{FLOOR_NOTICE}: raw readings from before {} were given up for it, and their hourly and daily values are kept. \
         Make room, or lower the floor.",
        end.get(..10).unwrap_or(&end)
    );
    tracing::warn!("{sentence}");
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("DELETE FROM notice WHERE substr(sentence, 1, length(?1)) = ?1")
        .bind(FLOOR_NOTICE)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO notice (at, sentence) VALUES (?1, ?2)")
        .bind(now.as_millis())
        .bind(sentence)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk;
    use crate::row::Row;
    use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteSynchronous};

    const START: i64 = 1_795_219_200_000;

    /// Ten days of a number (series 1) and a switch (series 2), a chunk a day each.
    async fn file() -> (tempfile::TempDir, SqliteConnection) {
        let directory = tempfile::TempDir::new().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(directory.path().join("h.db"))
            .create_if_missing(true)
            .page_size(512)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .synchronous(SqliteSynchronous::Off);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::migrate!("./migrations").run(&mut connection).await.unwrap();
        for (id, kind) in [(1, "number"), (2, "switch")] {
            let statement =
                "INSERT INTO series (id, source, name, kind, since) VALUES (?1, 'topic', ?2, ?2, 0)";
            sqlx::query(statement).bind(id).bind(kind).execute(&mut connection).await.unwrap();
            for day in 0..10 {
                let value = |n: i64| (n * 7_919 % 1_009) as f64 / 7.0;
                let rows: Vec<Row> = (0..500)
                    .map(|n| Row { at: START + day * DAY + n * 60_000, value: value(n), quality: 0 })
                    .collect();
                let chunk = chunk::encode(id, &rows).unwrap();
                sqlx::query("INSERT INTO chunk (series, start, stop, count, checksum, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")
                    .bind(chunk.series)
                    .bind(chunk.start)
                    .bind(chunk.stop)
                    .bind(chunk.count)
                    .bind(chunk.checksum)
                    .bind(chunk.data)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                sqlx::query("INSERT INTO hour (series, start, count, sum, weighted, covered, worst) VALUES (?1, ?2, 0, 0, 0, 0, 0)")
                    .bind(id)
                    .bind(START + day * DAY)
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
        }
        (directory, connection)
    }

    async fn one(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }

    const NUMBERS: &str = "SELECT count(*) FROM chunk WHERE series = 1";
    const SWITCHES: &str = "SELECT count(*) FROM chunk WHERE series = 2";
    const NOW: Timestamp = Timestamp::from_millis(START + 9 * DAY + 3_600_000);

    #[tokio::test]
    async fn each_class_has_an_age_and_a_size_of_its_own() {
        let (_directory, mut file) = file().await;
        let nothing = give_up(&mut file, &Retention::default(), NOW, Some(u64::MAX)).await.unwrap();
        assert_eq!(nothing, GivenUp::default());
        let days = |days: u64| Keep { age: Some(Duration::from_secs(days * 86_400)), bytes: None };
        let retention = Retention { numbers: days(3), ..Retention::default() };
        let given_up = give_up(&mut file, &retention, NOW, None).await.unwrap();
        assert_eq!(given_up, GivenUp { chunks: 6, more: false });
        assert_eq!((one(&mut file, NUMBERS).await, one(&mut file, SWITCHES).await), (4, 10));
        let all = bytes(&mut file, Kind::Switch).await.unwrap();
        let keep = Keep { age: None, bytes: Some(all / 2) };
        let retention = Retention { switches: keep, ..Retention::default() };
        while give_up(&mut file, &retention, NOW, None).await.unwrap().more {}
        assert_eq!((one(&mut file, NUMBERS).await, one(&mut file, SWITCHES).await), (4, 5));
        assert_eq!(oldest_day(&mut file, Some(Kind::Switch)).await.unwrap(), Some(START + 5 * DAY));
        assert_eq!(one(&mut file, "SELECT count(*) FROM hour").await, 20, "rollups stay");
    }

    /// The clock was set eleven years ahead, and everything was gone with the next hour.
    #[tokio::test]
    async fn a_clock_that_is_far_ahead_makes_nothing_old_until_it_was_recorded_for_a_week() {
        let (_directory, mut file) = file().await;
        let keep = Keep { age: Some(Duration::from_secs(9 * 86_400)), bytes: None };
        let retention = Retention { numbers: keep, ..Retention::default() };
        let far = 11 * 365 * DAY;
        for recorded in 0..=7 {
            if recorded > 0 {
                sqlx::query("INSERT INTO hour (series, start, count, sum, weighted, covered, worst) VALUES (2, ?1, 0, 0, 0, 0, 0)")
                    .bind(START + far + recorded * DAY)
                    .execute(&mut file)
                    .await
                    .unwrap();
            }
            let now = Timestamp::from_millis(START + far + recorded * DAY + 3_600_000);
            give_up(&mut file, &retention, now, None).await.unwrap();
            // Each day that is recorded makes what was before it a day older, as any day does.
            let left = if recorded == 7 { 0 } else { 9 - recorded };
            assert_eq!(one(&mut file, NUMBERS).await, left, "after {recorded} days");
        }
    }

    #[tokio::test]
    async fn below_the_floor_the_oldest_day_goes_and_its_room_is_given_back() {
        let (_directory, mut file) = file().await;
        let pages = one(&mut file, "PRAGMA page_count").await;
        for left in [9, 8] {
            give_up(&mut file, &Retention::default(), NOW, Some(1)).await.unwrap();
            assert_eq!((one(&mut file, NUMBERS).await, one(&mut file, SWITCHES).await), (left, left));
        }
        assert!(one(&mut file, "PRAGMA page_count").await < pages);
        assert_eq!(one(&mut file, "PRAGMA freelist_count").await, 0);
        assert_eq!(
            one(&mut file, "SELECT count(*) FROM notice WHERE sentence LIKE '%before 2026-11-23%'").await,
            1
        );
        assert_eq!(one(&mut file, "SELECT count(*) FROM notice").await, 1, "the newer one takes its place");
        assert_eq!(one(&mut file, "SELECT count(*) FROM hour").await, 20);
        for _ in 0..20 {
            give_up(&mut file, &Retention::default(), NOW, Some(1)).await.unwrap();
        }
        assert_eq!(one(&mut file, NUMBERS).await, 1, "today stays");
    }
}
