//! What is written for a reading: pages that are filled once, and none that lie about.

use super::*;
use crate::Retention;
use crate::writer::Writer;

/// Thirty sources in an hour, of which each is heard some milliseconds late.
fn readings() -> Vec<Reading> {
    let late = |n: i64| n * 7_919 % 25;
    let at = |n: i64| NOW - 3_600_000 + n * 800 + late(n) * 300;
    (0..4_500).map(|n| reading(&format!("device-{}", n % 30), n as f64 / 7.0, at(n))).collect()
}

/// In the order of their arrival, readings that overtake each other made SQLite level out its last pages again and again.
#[tokio::test]
async fn readings_that_overtake_each_other_fill_their_pages() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &readings()).await;
    let unused = with_sqlite3(
        &house.file(),
        "SELECT 100 * sum(unused) / sum(pgsize) FROM dbstat WHERE name = 'recent' AND pagetype = 'leaf'",
    )
    .await;
    assert!(unused < 8, "{unused} % of the pages are unused");
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM recent").await, 4_500);
}

/// The rows of the next hour were put into free pages all over the file, and each of them brought a page of the map along.
#[tokio::test]
async fn what_sealing_frees_leaves_the_file() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &readings()).await;
    let before = with_sqlite3(&house.file(), "SELECT page_count FROM pragma_page_count").await;
    let (door, counters) = (Arc::clone(&history.door), Arc::clone(&history.counters));
    let mut writer = Writer::new(history.writer.clone(), door, counters);
    let later = Timestamp::from_millis(NOW + 7_200_000);
    let (progress, _) = writer.seal(later, &Retention::default(), None).await.unwrap();
    assert_eq!(progress.rows, 4_500);
    assert_eq!(with_sqlite3(&house.file(), "SELECT freelist_count FROM pragma_freelist_count").await, 0);
    assert!(with_sqlite3(&house.file(), "SELECT page_count FROM pragma_page_count").await < before * 9 / 10);
    for series in 0..30 {
        assert_eq!(counts(&day_of(&history, &format!("device-{series}")).await), 150);
    }
    assert_eq!(
        with_sqlite3(
            &house.file(),
            "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"
        )
        .await,
        1
    );
}
