//! The value that holds when a range begins.

use super::*;
use crate::Before;
use crate::before::{BEFORE, LOOK_BACK_TIME, look_back};
use crate::entry::Entry;

const DAY: i64 = 86_400_000;

fn before(value: f64, at: i64) -> Option<Before> {
    Some(Before { at: Timestamp::from_millis(at), value, quality: Quality::Ok })
}

/// A switch that changed yesterday had an empty chart today.
#[tokio::test]
async fn a_range_without_readings_knows_the_value_before_it() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let mut readings = vec![reading("boiler", 0.0, NOW - 2 * DAY), reading("boiler", 1.0, NOW - DAY)];
    // Others read all the time.
    readings.extend((0..2_000).map(|n| reading("kitchen", 20.0, NOW - DAY + n * 40_000)));
    record_all(&history, &readings).await;
    let series = history.range(query("boiler", NOW - 3_600_000, NOW, 10)).await.unwrap();
    assert!(series.points.iter().all(|point| point.held && point.last == 1.0));
    assert_eq!(series.before, before(1.0, NOW - DAY));
    // The start belongs to the range: its reading is a point and not before it.
    let series = history.range(query("boiler", NOW - DAY, NOW, 10)).await.unwrap();
    let readings: Vec<_> = series.points.iter().filter(|point| !point.held).map(|point| point.at).collect();
    assert_eq!(readings, [Timestamp::from_millis(NOW - DAY)]);
    assert_eq!(series.before, before(0.0, NOW - 2 * DAY));
    let first = history.range(query("boiler", NOW - 2 * DAY, NOW, 10)).await.unwrap();
    assert_eq!(first.before, None);
    assert_eq!(history.range(query("cellar", NOW - 1, NOW, 10)).await.unwrap().before, None);
}

#[tokio::test]
async fn looking_back_walks_along_the_key_and_gives_up_in_time() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let mut readings = vec![reading("boiler", 1.0, NOW - DAY)];
    readings.extend((0..20_000).map(|n| reading("kitchen", 20.0, NOW - 20_000 + n)));
    record_all(&history, &readings).await;
    let mut connection = history.readers.acquire().await.unwrap();
    let plan: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {BEFORE}")))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    assert_eq!(plan.len(), 1, "{plan:?}");
    assert!(plan[0].3.contains("recent USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"), "{plan:?}");
    let window = (NOW - DAY, NOW);
    let entry = Entry::of_row(NOW - DAY, 1.0, 0);
    for (limit, found) in [(Duration::ZERO, None), (LOOK_BACK_TIME, Some(entry))] {
        assert_eq!(look_back(&mut connection, &history.clock, limit, 1, window).await.unwrap(), found);
    }
}

/// Behind a mark of silence the value before it does not hold, and the mark is no reading.
#[tokio::test]
async fn a_mark_of_silence_is_no_reading_and_ends_what_held() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("boiler", 1.0, NOW - DAY)]).await;
    with_sqlite3(
        &house.file(),
        "INSERT INTO sample (ts, series, value, quality) SELECT ts + 10, series, value, 6 FROM sample",
    )
    .await;
    let series = history.range(query("boiler", NOW - DAY, NOW, 4_000)).await.unwrap();
    assert_eq!((counts(&series), series.before), (1, None));
    assert_eq!(history.range(query("boiler", NOW - 10, NOW, 10)).await.unwrap().before, None);
    let until = NOW - DAY + 10;
    assert_eq!(history.range(query("boiler", until, NOW, 10)).await.unwrap().before, before(1.0, NOW - DAY));
}
