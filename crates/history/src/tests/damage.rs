//! Files that are not as they should be.

use super::*;
use crate::HistoryError;

async fn open_error(house: &House) -> HistoryError {
    History::open(&house.file(), Options::default(), house.clock.clone()).await.unwrap_err()
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_damaged() {
    let house = House::new();
    std::fs::write(house.file(), "this is not a database ".repeat(1_000)).unwrap();
    let error = open_error(&house).await;
    assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("history.db") && text.contains("Move it aside"), "{text}");
}

#[tokio::test]
async fn a_damaged_page_is_found_after_an_unclean_stop() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let readings: Vec<Reading> = (0..5_000).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    record_all(&history, &readings).await;
    history.close().await;
    let mut bytes = std::fs::read(house.file()).unwrap();
    let page = bytes.len() / 4_096 / 2 * 4_096;
    bytes[page..page + 4_096].fill(0x5a);
    std::fs::write(house.file(), &bytes).unwrap();
    // A log left behind is the sign of an unclean stop; SQLite discards one without a valid header.
    std::fs::write(crate::database::log_path(&house.file()), [0; 32]).unwrap();
    let error = open_error(&house).await;
    assert!(matches!(error, HistoryError::Damaged { .. }), "{error}");
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
    let explain = |error| crate::range::explain_read(error, Duration::ZERO);
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
