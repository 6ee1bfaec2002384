//! Files that are not as they should be.

use super::*;
use crate::{EventKind, EventQuery, GapReason, HistoryError, RowsQuery};

async fn open_error(house: &House) -> HistoryError {
    History::open(&house.file(), Options::default(), house.clock.clone()).await.unwrap_err()
}

/// The files beside the database whose names say that they were damaged.
fn moved_aside(house: &House) -> Vec<String> {
    let names = std::fs::read_dir(house.directory.path()).unwrap();
    let mut names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with("history.db.damaged-2026-11-21T"));
    names.sort();
    names
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside_and_history_begins_anew() {
    let house = House::new();
    let content = "this is not a database ".repeat(1_000);
    std::fs::write(house.file(), &content).unwrap();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 1.0, NOW)]).await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1);
    history.close().await;
    let aside = moved_aside(&house);
    assert_eq!(aside.len(), 1, "{aside:?}");
    assert_eq!(std::fs::read_to_string(house.directory.path().join(&aside[0])).unwrap(), content);
    let told = "SELECT count(*) FROM notice WHERE sentence LIKE '%history begins anew%'";
    assert_eq!(with_sqlite3(&house.file(), told).await, 1);
    // The next start finds nothing wrong.
    house.open(lazy()).await.close().await;
    assert_eq!(moved_aside(&house), aside);
}

/// A whole file was given up for one bad page.
#[tokio::test]
async fn around_a_damaged_page_everything_is_salvaged() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let readings: Vec<Reading> = (0..5_000).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    record_all(&history, &readings).await;
    history.close().await;
    spoil_a_page(&house, 512);
    let history = house.open(lazy()).await;
    assert!(history.notices().await.unwrap()[0].1.contains("parts of recent"));
    let left = counts(&day_of(&history, "kitchen").await);
    assert!((4_900..5_000).contains(&left), "{left}");
    history.close().await;
    assert!(!moved_aside(&house).is_empty());
    assert_eq!(
        with_sqlite3(&house.file(), "SELECT count(*) FROM notice WHERE sentence LIKE '%parts of recent%'")
            .await,
        1
    );
    let whole = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
    assert_eq!(with_sqlite3(&house.file(), whole).await, 1);
}

/// A copy for which there was no room took the place of the whole file, with what had fitted in it.
#[tokio::test]
async fn without_room_for_the_copy_a_damaged_file_stays_until_there_is() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let readings: Vec<Reading> = (0..5_000).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    record_all(&history, &readings).await;
    history.close().await;
    spoil_a_page(&house, 512);
    let small = Options { max_file_bytes: 130 * 512, ..lazy() };
    let error = History::open(&house.file(), small, house.clock.clone()).await.unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert!(moved_aside(&house).is_empty());
    assert!(!house.directory.path().join("history.db.salvaged").exists());
    let history = house.open(lazy()).await;
    let left = counts(&day_of(&history, "kitchen").await);
    assert!((4_900..5_000).contains(&left), "{left}");
    history.close().await;
}

/// What was recorded by the first release is in other tables, which the copy did not know.
#[tokio::test]
async fn a_damaged_file_of_the_first_release_keeps_its_samples() {
    let house = House::new();
    let samples: Vec<(i64, i64, f64, i64)> = (0..5_000).map(|n| (NOW + n, 3, n as f64, 0)).collect();
    super::migration::first_release(&house.file(), &samples).await;
    spoil_a_page(&house, 4_096);
    let history = house.open(lazy()).await;
    let left = counts(&day_of(&history, "kitchen").await);
    assert!((4_000..5_000).contains(&left), "{left}");
    assert!(history.notices().await.unwrap()[0].1.contains("parts of sample"));
    history.close().await;
}

/// Spoils a page in the middle of a file that was not closed in order.
fn spoil_a_page(house: &House, page_bytes: usize) {
    let mut bytes = std::fs::read(house.file()).unwrap();
    let page = bytes.len() / page_bytes / 2 * page_bytes;
    bytes[page..page + page_bytes].fill(0x5a);
    std::fs::write(house.file(), &bytes).unwrap();
    // A log left behind is the sign of an unclean stop; SQLite discards one without a valid header.
    std::fs::write(crate::file::log_path(&house.file()), [0; 32]).unwrap();
}

/// Somebody keeps history on another disk. Its log was looked for beside the link: it was not counted, a file that was not
/// closed in order was not checked, and what was salvaged went to the disk with the link.
#[tokio::test]
async fn a_link_to_a_file_on_another_disk_is_followed() {
    let house = House::new();
    let disk = house.directory.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    std::os::unix::fs::symlink("disk/own.db", house.file()).unwrap();
    let history = house.open(eager()).await;
    record_all(&history, &[reading("kitchen", 1.0, NOW)]).await;
    let in_files = |file: &str| std::fs::metadata(disk.join(file)).unwrap().len();
    let told = history.status().await.unwrap().file_bytes;
    assert_eq!(told, in_files("own.db") + in_files("own.db-wal"));
    history.close().await;

    let other = House { directory: TempDir::new().unwrap(), clock: house.clock.clone() };
    std::fs::copy(disk.join("own.db"), other.file()).unwrap();
    spoil_a_page(&other, 512);
    for ending in ["", "-wal"] {
        let from = other.directory.path().join(format!("history.db{ending}"));
        std::fs::copy(from, disk.join(format!("own.db{ending}"))).unwrap();
    }
    house.open(lazy()).await.close().await;
    let names = |directory: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(house.directory.path()), ["disk", "history.db"]);
    assert!(std::fs::symlink_metadata(house.file()).unwrap().is_symlink());
    assert!(names(&disk).iter().any(|name| name.starts_with("own.db.damaged-")), "{:?}", names(&disk));
}

/// Between the two renames there is no file in its place.
#[tokio::test]
async fn a_power_cut_while_the_new_file_is_put_into_place_is_taken_up() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 1.0, NOW)]).await;
    history.close().await;
    std::fs::rename(house.file(), house.directory.path().join("history.db.salvaged")).unwrap();
    let history = house.open(lazy()).await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1);
    history.close().await;
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let house = House::new();
    let path = house.directory.path().join("missing/history.db");
    let error = History::open(&path, Options::default(), house.clock.clone()).await.unwrap_err();
    assert!(matches!(error, HistoryError::Open { .. }), "{error}");
    assert!(error.to_string().contains("missing/history.db"), "{error}");
}

#[tokio::test]
async fn a_file_of_a_newer_release_is_left_alone() {
    let house = House::new();
    house.open(Options::default()).await.close().await;
    with_sqlite3(
        &house.file(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', 1, x'00', 0)",
    )
    .await;
    let before = std::fs::read(house.file()).unwrap();
    let error = open_error(&house).await;
    assert!(matches!(error, HistoryError::OtherRelease { .. }), "{error}");
    assert_eq!(before.len(), std::fs::read(house.file()).unwrap().len());
}

/// The caller answers each of them differently, so a broken file must not look like a busy one.
#[tokio::test]
async fn a_query_tells_broken_busy_and_slow_apart() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 1.0, NOW)]).await;
    let range = query("kitchen", NOW, NOW + 1, 1);
    let explain = |error| crate::time_limit::explain_read(error, Duration::ZERO);
    assert!(matches!(explain(sqlx::Error::PoolTimedOut), HistoryError::Busy));
    let busy = with_sqlite3_locked(&house.file()).await;
    assert!(matches!(explain(busy), HistoryError::Busy));
    with_sqlite3(&house.file(), "DROP VIEW sample; ALTER TABLE recent RENAME TO gone").await;
    let broken = history.range(range).await.unwrap_err();
    assert!(matches!(broken, HistoryError::Read(_)), "{broken}");
    let sentence = broken.to_string();
    assert!(sentence.contains("check the disk") && !sentence.contains("doctor"), "{sentence}");
}

/// The error of a program that wants to write while another one does.
async fn with_sqlite3_locked(file: &Path) -> sqlx::Error {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).busy_timeout(Duration::ZERO);
    let mut first = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let mut second = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let writing = first.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = second.begin_with("BEGIN IMMEDIATE").await.unwrap_err();
    writing.rollback().await.unwrap();
    error
}

/// Waits until the file says so many notices.
async fn notices(history: &History, count: usize) -> Vec<(Timestamp, String)> {
    let told = async {
        loop {
            let notices = history.notices().await.unwrap();
            if notices.len() >= count {
                return notices;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told).await.unwrap()
}

/// One bit of a card tips over. A query left the chunk out, and nobody was told.
#[tokio::test]
async fn one_bit_that_tips_over_costs_one_chunk_which_is_told_once() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let earlier = NOW - 3 * 3_600_000;
    let of = |device| (0..100).map(move |n| reading(device, n as f64, earlier + n * 1_000));
    record_all(&history, &of("kitchen").chain(of("attic")).collect::<Vec<_>>()).await;
    let mut connection = history.writer.acquire().await.unwrap();
    crate::seal::seal(&mut connection, NOW).await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT id FROM series WHERE name = 'kitchen/temperature'")
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let mut data: Vec<u8> = sqlx::query_scalar("SELECT data FROM chunk WHERE series = ?1")
        .bind(id)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    data[40] ^= 0x10;
    let tip = sqlx::query("UPDATE chunk SET data = ?1 WHERE series = ?2").bind(data).bind(id);
    tip.execute(&mut *connection).await.unwrap();
    drop(connection);
    history.close().await;
    let all = RangeQuery { to: Timestamp::from_millis(earlier + 100_000), ..query("x", earlier, NOW, 100) };
    let range = |device: &str| RangeQuery { series: query(device, 0, 1, 1).series, ..all.clone() };

    for start in 1..=2_u32 {
        let history = house.open(eager()).await;
        let (sender, receiver) = mpsc::unbounded_channel();
        let recorder = history.clone();
        let recording = tokio::spawn(async move {
            recorder.record(scheme(), receive(receiver), CancellationToken::new()).await
        });
        // What came late in the first run.
        let late = start - 1;
        for _ in 0..3 {
            let damaged = history.range(range("kitchen")).await.unwrap();
            assert_eq!(counts(&damaged), late);
            assert_eq!(damaged.gaps.iter().map(|gap| gap.why).collect::<Vec<_>>(), [GapReason::Damaged]);
            assert_eq!(counts(&history.range(range("attic")).await.unwrap()), 100);
            history.as_of(Timestamp::from_millis(earlier + 500)).await.unwrap();
        }
        let mut rows = history.read_rows(&RowsQuery::default()).await.unwrap();
        while rows.next().await.unwrap().is_some() {}
        assert_eq!((rows.progress().rows, rows.progress().damaged_chunks), (100 + u64::from(late), 1));
        let told = notices(&history, 1).await;
        let sentence = &told[0].1;
        assert!(
            sentence.starts_with("100 samples of kitchen/temperature from 2026-11-21T06:14:00"),
            "{sentence}"
        );
        assert_eq!(history.status().await.unwrap().damaged_chunks, 1, "start {start}");
        // What comes late meets the chunk as well.
        sender.send(delivered(&reading("kitchen", 7.0, earlier + 50_500 + i64::from(start)))).unwrap();
        drop(sender);
        recording.await.unwrap().unwrap();
        let mut connection = history.writer.acquire().await.unwrap();
        let progress = crate::seal::seal(&mut connection, NOW).await.unwrap();
        assert_eq!(progress.damaged.len(), 1);
        drop(connection);
        let query = EventQuery { kinds: vec![EventKind::Gateway], ..EventQuery::default() };
        let events = history.events(&query).await.unwrap();
        let damage = events.iter().filter(|event| event.value.as_deref() == Some("damage"));
        assert_eq!(damage.filter(|event| event.sentence.as_deref() == Some(sentence)).count(), 1);
        assert_eq!(history.notices().await.unwrap().len(), 1);
        history.close().await;
    }
}

/// The recorder itself meets a damaged chunk when it seals what came late.
#[tokio::test]
async fn what_sealing_finds_is_told_as_well() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let earlier = NOW - 3 * 3_600_000;
    record_all(&history, &[reading("kitchen", 1.0, earlier), reading("kitchen", 2.0, earlier + 1)]).await;
    let mut connection = history.writer.acquire().await.unwrap();
    crate::seal::seal(&mut connection, NOW).await.unwrap();
    sqlx::query("UPDATE chunk SET checksum = checksum + 1").execute(&mut *connection).await.unwrap();
    drop(connection);
    history.close().await;
    let history = house.open(eager()).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    sender.send(delivered(&reading("kitchen", 3.0, earlier + 2))).unwrap();
    let told = notices(&history, 1).await;
    assert!(told[0].1.starts_with("2 samples of kitchen/temperature"), "{told:?}");
    drop(sender);
    recording.await.unwrap().unwrap();
    history.close().await;
}
