//! A file of an earlier release.

use super::*;
use crate::{Archive, HistoryError};
use sqlx::Connection;
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode};

/// The file of the first release, with `samples`, as that release left it.
pub(super) async fn first_release(file: &Path, samples: &[(i64, i64, f64, i64)]) {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .page_size(4_096)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let all = sqlx::migrate!("./migrations");
    all.run_to(1, &mut connection).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO series (id, device, property, since) VALUES (3, 'kitchen', 'temperature', 5), (9, 'boiler', 'power', 7)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (ts, series, value, quality) in samples {
        sqlx::query("INSERT INTO sample (ts, series, value, quality) VALUES (?1, ?2, ?3, ?4)")
            .bind(ts)
            .bind(series)
            .bind(value)
            .bind(quality)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_release_keeps_its_rows() {
    let house = House::new();
    let samples: Vec<(i64, i64, f64, i64)> =
        (0..3_000).map(|n| (NOW - 3_000 + n, if n % 2 == 0 { 3 } else { 9 }, n as f64, n % 6)).collect();
    first_release(&house.file(), &samples).await;
    let history = house.open(lazy()).await;
    let kitchen = day_of(&history, "kitchen").await;
    assert_eq!((counts(&kitchen), kitchen.recording_since), (1_500, Some(Timestamp::from_millis(5))));
    // New readings go on in the same series, and what the first release refused is allowed.
    record_all(&history, &[reading("kitchen", 1.0, NOW)]).await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1_501);
    history.close().await;
    let ask = async |sql| with_sqlite3(&house.file(), sql).await;
    assert_eq!(ask("SELECT sum(value) FROM (SELECT CAST(value AS INTEGER) AS value FROM sample WHERE ts < 1795252440000)").await, 4_498_500);
    assert_eq!(ask("SELECT count(*) FROM series WHERE source = 'property' AND name IN ('kitchen/temperature', 'boiler/power') AND kind = 'number'").await, 2);
    assert_eq!(
        ask("INSERT INTO sample (ts, series, value, quality) VALUES (1, 3, 0.0, 6) RETURNING 1").await,
        1
    );
    assert_eq!(ask("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'").await, 1);
    // Its pages stay as large as they were, and so does its limit.
    assert_eq!(ask("SELECT page_size FROM pragma_page_size").await, 4_096);
    let house = House::new();
    house.open(lazy()).await.close().await;
    assert_eq!(
        with_sqlite3(
            &house.file(),
            "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"
        )
        .await,
        1
    );
}

#[tokio::test]
async fn a_quality_that_nobody_defined_is_still_refused() {
    let house = House::new();
    house.open(lazy()).await.close().await;
    let options = SqliteConnectOptions::new().filename(house.file());
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    for quality in [-1, 7] {
        let refused = sqlx::query("INSERT INTO sample (ts, series, value, quality) VALUES (1, 1, 0.0, ?1)")
            .bind(quality)
            .execute(&mut connection)
            .await;
        assert!(refused.unwrap_err().to_string().contains("CHECK"));
    }
}

/// A property that sends both has a series for each; a change between numbers and switches stays in one.
#[tokio::test]
async fn a_series_says_what_it_is() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("lamp", 1.0, NOW)]).await;
    let mut on = reading("lamp", 0.0, NOW + 1);
    on.value = Value::Switch(true);
    record_all(&history, &[on]).await;
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM series WHERE kind = 'switch'").await, 1);
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM series").await, 1);
}

/// Kills in the first moments of a file left such files, and reading one said that another release had written it.
#[tokio::test]
async fn a_file_whose_making_was_cut_short_says_so_and_is_completed_at_the_next_start() {
    let house = House::new();
    // In this order: nothing but the file, its first page, the table of migrations, and one migration after the other.
    let made = ["", "PRAGMA user_version = 0; VACUUM", "the table of migrations", "1", "2"];
    for (step, made) in made.into_iter().enumerate() {
        let file = house.directory.path().join(format!("{step}.db"));
        std::fs::write(&file, []).unwrap();
        let mut connection = killed_early(&file).await;
        match made.parse::<i64>() {
            Ok(last) => sqlx::migrate!("./migrations").run_to(last, &mut connection).await.unwrap(),
            Err(_) if made.starts_with("the table") => {
                sqlx::migrate!("./migrations").run_to(1, &mut connection).await.unwrap();
                let undone =
                    "DROP TABLE series; DROP TABLE sample; DROP TABLE step; DELETE FROM _sqlx_migrations";
                sqlx::raw_sql(undone).execute(&mut connection).await.map(drop).unwrap();
            }
            Err(_) => sqlx::raw_sql(made).execute(&mut connection).await.map(drop).unwrap(),
        }
        connection.close().await.unwrap();
        let error = Archive::open(&file, house.clock.clone()).await.unwrap_err();
        let sentence = error.to_string();
        let found = made.parse::<i64>().ok();
        assert!(
            matches!(error, HistoryError::Behind { found: is, needed: 3, .. } if is == found),
            "{error:?}"
        );
        assert!(!sentence.contains("another release") && !sentence.contains("aside"), "{sentence}");
        assert!(sentence.contains("the gateway completes it when it starts"), "{sentence}");

        let history = History::open(&file, lazy(), house.clock.clone()).await.unwrap();
        record_all(&history, &[reading("kitchen", 1.0, NOW)]).await;
        history.close().await;
        Archive::open(&file, house.clock.clone()).await.unwrap().close().await;
    }
}

/// A connection with which a file begins, as the recorder's own does.
async fn killed_early(file: &Path) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .page_size(512)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal);
    sqlx::SqliteConnection::connect_with(&options).await.unwrap()
}

/// The one thing that a file must not be taken for when it is only read.
#[tokio::test]
async fn a_file_of_a_newer_release_is_not_read_either() {
    let house = House::new();
    house.open(lazy()).await.close().await;
    with_sqlite3(
        &house.file(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'future', 1, x'00', 0)",
    )
    .await;
    let error = Archive::open(&house.file(), house.clock.clone()).await.unwrap_err();
    assert!(matches!(error, HistoryError::OtherRelease { .. }), "{error}");
}
