//! Sealing on real files: what is sealed says what the rows said.

use super::*;
use crate::chunk::Chunk;
use crate::rollup::{COLUMNS, Rollup};
use crate::row::merged;
use proptest::prelude::*;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};

/// 2026-11-21T00:00:00Z.
const START: i64 = 1_795_219_200_000;

async fn file() -> (tempfile::TempDir, SqliteConnection) {
    let directory = tempfile::TempDir::new().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("h.db"))
        .create_if_missing(true)
        .synchronous(SqliteSynchronous::Off);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::migrate!("./migrations").run(&mut connection).await.unwrap();
    for id in 1..=3 {
        sqlx::query(
            "INSERT INTO series (id, source, name, kind, since) VALUES (?1, 'topic', ?2, 'number', 0)",
        )
        .bind(id)
        .bind(format!("{id}"))
        .execute(&mut connection)
        .await
        .unwrap();
    }
    (directory, connection)
}

async fn insert(connection: &mut SqliteConnection, series: i64, rows: &[Row]) {
    let mut connection = connection.begin().await.unwrap();
    for row in rows {
        // As the writer does it.
        sqlx::query(
            "INSERT INTO recent (key, value, quality) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE
             SET value = excluded.value, quality = excluded.quality WHERE excluded.quality < 5 OR quality >= 5",
        )
        .bind(crate::row::key(row.at, series))
        .bind(row.value)
        .bind(i64::from(row.quality))
        .execute(&mut *connection)
        .await
        .unwrap();
    }
    connection.commit().await.unwrap();
}

async fn sealed_rows(connection: &mut SqliteConnection, series: i64) -> Vec<Row> {
    let chunks: Vec<(i64, i64, i64, i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT series, start, stop, count, checksum, data FROM chunk WHERE series = ?1 ORDER BY start",
    )
    .bind(series)
    .fetch_all(connection)
    .await
    .unwrap();
    let mut rows: Vec<Row> = Vec::new();
    for (series, start, stop, count, checksum, data) in chunks {
        assert_eq!(floor(start, DAY), floor(stop, DAY), "a chunk lies in one day");
        assert!(rows.last().is_none_or(|last| last.at < start), "chunks do not overlap");
        rows.extend(Chunk { series, start, stop, count, checksum, data }.decode().unwrap());
    }
    rows
}

async fn rollups(connection: &mut SqliteConnection, table: &str, series: i64) -> BTreeMap<i64, Rollup> {
    let statement = format!("SELECT start FROM {table} WHERE series = {series}");
    let starts: Vec<i64> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_all(&mut *connection).await.unwrap();
    let mut all = BTreeMap::new();
    for start in starts {
        let statement = format!("SELECT {COLUMNS} FROM {table} WHERE series = {series} AND start = {start}");
        let rollup =
            sqlx::query_as(sqlx::AssertSqlSafe(statement)).fetch_one(&mut *connection).await.unwrap();
        all.insert(start, rollup);
    }
    all
}

/// What the rollups should be, from one walk over all rows.
fn expected(rows: &[Row], outages: &[Outage], unit: i64, until: i64) -> BTreeMap<i64, Rollup> {
    let mut held = None;
    let mut all = BTreeMap::new();
    let Some(first) = rows.first() else { return all };
    let mut start = floor(first.at, unit);
    while start + unit <= until {
        let inside: Vec<Row> = rows.iter().filter(|row| floor(row.at, unit) == start).copied().collect();
        let rollup = Rollup::of((start, start + unit), held, &inside, outages);
        held = rollup.held;
        if !inside.is_empty() {
            all.insert(start, rollup);
        }
        start += unit;
    }
    all
}

async fn seal_all(connection: &mut SqliteConnection, now: i64, limit: i64) -> i64 {
    loop {
        let progress = seal_slice(connection, now, limit).await.unwrap();
        assert_eq!(progress.damaged, []);
        if !progress.more {
            return progress.sealed_until;
        }
    }
}

fn every(seconds: i64, from: i64, to: i64) -> Vec<Row> {
    let value = |at: i64| f64::from(i32::try_from(at / 1_000 % 37).unwrap());
    (from..to)
        .step_by(usize::try_from(seconds * 1_000).unwrap())
        .map(|at| Row { at, value: value(at), quality: 0 })
        .collect()
}

#[tokio::test]
async fn hour_by_hour_rows_become_chunks_and_leave() {
    let (_directory, mut file) = file().await;
    let (ten, one) = (every(10, START, START + DAY + HOUR), every(1, START, START + 3 * HOUR));
    for hour in 0..25 {
        let from = START + hour * HOUR;
        let in_hour = |row: &&Row| floor(row.at, HOUR) == from;
        let of_hour: Vec<Row> = ten.iter().filter(in_hour).copied().collect();
        insert(&mut file, 1, &of_hour).await;
        let of_hour: Vec<Row> = one.iter().filter(in_hour).copied().collect();
        insert(&mut file, 2, &of_hour).await;
        // Not before the hour is over, and what is younger stays.
        let young = Row { at: from + HOUR + 5_000, value: 1.0, quality: 0 };
        insert(&mut file, 3, &[young]).await;
        assert!(seal_slice(&mut file, from + HOUR + LATE - 1, SLICE_ROWS).await.unwrap().rows <= 1);
        assert_eq!(seal_all(&mut file, from + HOUR + LATE, SLICE_ROWS).await, from + HOUR);
        let left: Vec<i64> =
            sqlx::query_scalar("SELECT key >> 20 FROM recent").fetch_all(&mut file).await.unwrap();
        assert_eq!(left, [young.at]);
    }
    assert_eq!(sealed_rows(&mut file, 1).await, ten);
    assert_eq!(sealed_rows(&mut file, 2).await, one);
    let counts: Vec<i64> = sqlx::query_scalar("SELECT count FROM chunk WHERE series = 1 ORDER BY start")
        .fetch_all(&mut file)
        .await
        .unwrap();
    assert_eq!(counts, [1_800, 1_800, 1_800, 1_800, 1_440, 360], "five hours each, and a new day");
    let until = START + DAY + HOUR;
    for (series, rows) in [(1, &ten), (2, &one)] {
        assert_eq!(rollups(&mut file, "hour", series).await, expected(rows, &[], HOUR, until));
        assert_eq!(rollups(&mut file, "day", series).await, expected(rows, &[], DAY, until));
    }
}

/// A day of a switch that did not change after the morning is known to its end.
#[tokio::test]
async fn a_day_is_complete_also_of_a_series_that_said_nothing_more() {
    let (_directory, mut file) = file().await;
    let on = [Row { at: START + 8 * HOUR, value: 1.0, quality: 0 }];
    insert(&mut file, 1, &on).await;
    seal_all(&mut file, START + 10 * HOUR, SLICE_ROWS).await;
    assert!(rollups(&mut file, "day", 1).await.is_empty());
    sqlx::query("INSERT INTO outage (start, stop) VALUES (?1, ?2)")
        .bind(START + 20 * HOUR)
        .bind(START + 21 * HOUR)
        .execute(&mut file)
        .await
        .unwrap();
    seal_all(&mut file, START + DAY + HOUR, SLICE_ROWS).await;
    let day = rollups(&mut file, "day", 1).await[&START];
    assert_eq!((day.covered, day.held), (12 * HOUR, None));
}

/// Its value was counted for the hour that was already sealed, and for the day after it.
#[tokio::test]
async fn what_comes_late_changes_what_follows_it() {
    let (_directory, mut file) = file().await;
    let row = |hour: i64, value| Row { at: START + hour * HOUR + 60_000, value, quality: 0 };
    let mut rows = vec![row(1, 1.0), row(20, 2.0), row(30, 3.0), row(60, 4.0)];
    insert(&mut file, 1, &rows).await;
    let now = START + 80 * HOUR;
    seal_all(&mut file, now, SLICE_ROWS).await;
    let late = [row(5, 7.0), row(20, 9.0), Row { at: row(40, 0.0).at, value: 3.0, quality: 6 }];
    insert(&mut file, 1, &late).await;
    seal_all(&mut file, now + HOUR, SLICE_ROWS).await;
    rows = merged(rows, &late);
    assert_eq!(sealed_rows(&mut file, 1).await, rows);
    let until = floor(now, HOUR);
    assert_eq!(rollups(&mut file, "hour", 1).await, expected(&rows, &[], HOUR, until));
    assert_eq!(rollups(&mut file, "day", 1).await, expected(&rows, &[], DAY, until));
}

/// The gateway was off from before the end of an hour that it had sealed, which said that its value held on.
#[tokio::test]
async fn an_outage_that_is_noted_late_changes_what_was_sealed() {
    let (_directory, mut file) = file().await;
    let row = |minute: i64, value| Row { at: START + minute * 60_000, value, quality: 0 };
    let rows =
        [row(10, 1.0), row(23 * 60 + 10, 2.0), row(24 * 60 + 30, 3.0), row(30 * 60, 4.0), row(100 * 60, 5.0)];
    insert(&mut file, 1, &rows).await;
    seal_all(&mut file, START + 120 * HOUR, SLICE_ROWS).await;
    let before = rollups(&mut file, "hour", 1).await;
    let (first, second) = (START + 23 * HOUR + 1_200_000, START + 30 * HOUR + 60_000);
    let outages =
        [Outage { start: first, stop: first + HOUR }, Outage { start: second, stop: second + 69 * HOUR }];
    for Outage { start, stop } in outages {
        crate::outages::store(&mut file, crate::intake::Outage { start, stop }).await.unwrap();
    }
    let until = seal_all(&mut file, START + 121 * HOUR, SLICE_ROWS).await;
    let after = rollups(&mut file, "hour", 1).await;
    assert_ne!(after, before);
    assert_eq!(after, expected(&rows, &outages, HOUR, until));
    assert_eq!(rollups(&mut file, "day", 1).await, expected(&rows, &outages, DAY, until));
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM meta WHERE key LIKE 'outages%'")
        .fetch_one(&mut file)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

/// A page of rollups was lost with a damaged file, while the samples under them were not.
#[tokio::test]
async fn rollups_that_were_lost_are_those_of_their_chunks() {
    let (_directory, mut file) = file().await;
    let rows = every(600, START, START + 3 * DAY);
    insert(&mut file, 1, &rows).await;
    let until = seal_all(&mut file, START + 3 * DAY + HOUR + LATE, SLICE_ROWS).await;
    let whole = (rollups(&mut file, "hour", 1).await, rollups(&mut file, "day", 1).await);
    assert_eq!(whole.1, expected(&rows, &[], DAY, until));
    for lost in [
        format!("DELETE FROM hour WHERE start BETWEEN {} AND {}", START + 20 * HOUR, START + 30 * HOUR),
        format!("DELETE FROM day WHERE start = {START}"),
        "DELETE FROM hour".to_owned(),
        "DELETE FROM day".to_owned(),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(lost)).execute(&mut file).await.unwrap();
    }
    assert_eq!(again::rebuild(&mut file).await.unwrap(), 72);
    assert_eq!((rollups(&mut file, "hour", 1).await, rollups(&mut file, "day", 1).await), whole);
}

/// The retained messages of a start are all known already.
#[tokio::test]
async fn a_replay_writes_nothing() {
    let (_directory, mut file) = file().await;
    let rows = every(10, START, START + HOUR);
    insert(&mut file, 1, &rows).await;
    seal_all(&mut file, START + 2 * HOUR, SLICE_ROWS).await;
    insert(&mut file, 1, &rows[rows.len() - 1..]).await;
    let changes = async |file: &mut SqliteConnection| -> i64 {
        sqlx::query_scalar("SELECT total_changes()").fetch_one(file).await.unwrap()
    };
    let before = changes(&mut file).await;
    seal_all(&mut file, START + 2 * HOUR, SLICE_ROWS).await;
    assert_eq!(changes(&mut file).await - before, 1, "the row leaves, and that is all");
}

/// Power is cut in the middle: SQLite forgets the transaction, and the next start does it again.
#[tokio::test]
async fn a_cut_between_two_slices_or_in_one_leaves_every_row_once() {
    let (directory, mut file) = file().await;
    let rows = every(10, START, START + 3 * HOUR);
    insert(&mut file, 1, &rows).await;
    let now = START + 4 * HOUR;
    for round in 0.. {
        let more = seal_slice(&mut file, now, 100).await.unwrap().more;
        // A copy of the file as it is now, and of one with a slice that was not committed.
        if round == 4 {
            let mut cut = file.begin_with("BEGIN IMMEDIATE").await.unwrap();
            remove(&mut cut, i64::MAX - 1).await.unwrap();
            drop(cut);
        }
        let sealed = sealed_rows(&mut file, 1).await;
        let recent: i64 =
            sqlx::query_scalar("SELECT count(*) FROM recent").fetch_one(&mut file).await.unwrap();
        assert_eq!(sealed.len() + usize::try_from(recent).unwrap(), rows.len());
        assert_eq!(sealed, rows[..sealed.len()]);
        if !more {
            break;
        }
        file.close().await.unwrap();
        let options = SqliteConnectOptions::new().filename(directory.path().join("h.db"));
        file = SqliteConnection::connect_with(&options).await.unwrap();
    }
    assert_eq!(rollups(&mut file, "hour", 1).await, expected(&rows, &[], HOUR, START + 3 * HOUR));
}

/// What was added to a damaged chunk is beside it, and the chunk stays for whoever can read more of it.
#[tokio::test]
async fn a_damaged_chunk_stays_and_takes_nothing_more() {
    let (_directory, mut file) = file().await;
    let rows = every(10, START, START + HOUR);
    insert(&mut file, 1, &rows).await;
    seal_all(&mut file, START + 2 * HOUR, SLICE_ROWS).await;
    let before = rollups(&mut file, "hour", 1).await;
    sqlx::query("UPDATE chunk SET checksum = checksum + 1").execute(&mut file).await.unwrap();
    let late = [
        rows[0],
        Row { at: START + 5, value: 3.0, quality: 0 },
        Row { at: START + HOUR + 5, value: 4.0, quality: 0 },
    ];
    insert(&mut file, 1, &late).await;
    let progress = seal(&mut file, START + 3 * HOUR).await.unwrap();
    assert_eq!((progress.damaged.len(), progress.more), (1, false));
    let chunks: Vec<(i64, i64)> =
        sqlx::query_as("SELECT start, count FROM chunk ORDER BY start").fetch_all(&mut file).await.unwrap();
    assert_eq!(chunks, [(START, 360), (START + 5, 2)]);
    let after = rollups(&mut file, "hour", 1).await;
    assert_eq!(after[&START], before[&START], "it was computed when all rows could be read");
    assert_eq!(after.len(), 2);
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::btree_map(0..60 * HOUR / 1_000, (-9_i32..9, 0_u8..=6), 0..120).prop_map(|rows| {
        rows.into_iter()
            .map(|(at, (value, quality))| Row { at: START + at * 1_000, value: f64::from(value), quality })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// In any order, in any slices: chunks, hours and days are those of one walk over all rows.
    #[test]
    fn however_rows_come_what_is_sealed_is_the_same(
        batches in prop::collection::vec((any_rows(), 0_i64..62), 1..4), limit in 5_i64..200,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_directory, mut file) = file().await;
            let mut all: Vec<Row> = Vec::new();
            let mut until = 0;
            for (rows, hour) in batches {
                insert(&mut file, 1, &rows).await;
                // Whole numbers are added up exactly, whatever the order.
                all = merged(all, &rows);
                until = seal_all(&mut file, START + hour * HOUR + LATE, limit).await;
            }
            let now = START + 70 * HOUR;
            until = until.max(seal_all(&mut file, now, limit).await);
            assert_eq!(sealed_rows(&mut file, 1).await, all);
            assert_eq!(rollups(&mut file, "hour", 1).await, expected(&all, &[], HOUR, until));
            assert_eq!(rollups(&mut file, "day", 1).await, expected(&all, &[], DAY, until));
        });
    }

    /// Rows from elsewhere, before and after what was recorded and between, in any portions: what is known stays, and
    /// chunks, hours and days are those of one walk over all rows.
    #[test]
    fn rows_from_elsewhere_are_as_if_they_had_been_recorded(
        portions in prop::collection::vec((any_rows(), any::<bool>()), 1..4),
        outages in prop::collection::vec((0_i64..60 * 60, 0_i64..500), 0..3),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_directory, mut file) = file().await;
            let outages: BTreeMap<i64, i64> = outages.into_iter().collect();
            let outages: Vec<Outage> = outages
                .into_iter()
                .map(|(start, length)| (START + start * 60_000, length * 60_000))
                .map(|(start, length)| Outage { start, stop: start + length })
                .collect();
            for outage in &outages {
                sqlx::query("INSERT INTO outage (start, stop) VALUES (?1, ?2)")
                    .bind(outage.start)
                    .bind(outage.stop)
                    .execute(&mut file)
                    .await
                    .unwrap();
            }
            let until = seal_all(&mut file, START + 70 * HOUR, SLICE_ROWS).await;
            let mut all: Vec<Row> = Vec::new();
            for (rows, is_recorded) in portions {
                if is_recorded {
                    insert(&mut file, 1, &rows).await;
                    all = merged(all, &rows);
                    seal_all(&mut file, START + 70 * HOUR, SLICE_ROWS).await;
                    continue;
                }
                let before = all.len();
                let known: BTreeMap<i64, Row> = rows.iter().chain(&all).map(|row| (row.at, *row)).collect();
                all = known.into_values().collect();
                let added = add(&mut file, 1, &rows, until).await.unwrap();
                assert_eq!(added, Added { rows: all.len() - before, damaged: Vec::new() });
                assert_eq!(add(&mut file, 1, &rows, until).await.unwrap(), Added::default());
            }
            assert_eq!(sealed_rows(&mut file, 1).await, all);
            assert_eq!(rollups(&mut file, "hour", 1).await, expected(&all, &outages, HOUR, until));
            assert_eq!(rollups(&mut file, "day", 1).await, expected(&all, &outages, DAY, until));
        });
    }
}
