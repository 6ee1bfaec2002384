//! Ranges and buckets, beside a computation that is too simple to be wrong.

use std::collections::BTreeMap;

use super::*;
use crate::range::grid::Grid;
use crate::range::naive::Naive;
use crate::{HistoryError, InvalidRange, Kind, MAX_POINTS, Point};
use proptest::prelude::*;

/// Of what a source says; that it fell silent is told by a mark.
fn qualities() -> impl Strategy<Value = Quality> {
    prop_oneof![Just(Quality::Ok), Just(Quality::Simulated), Just(Quality::Clamped), Just(Quality::Suspect)]
}

/// One history for all cases, with a device of its own for each: the others' readings lie between its own.
#[test]
fn buckets_are_those_of_the_naive_computation() {
    let samples = prop::collection::btree_map(0i64..2_000, (-1e6f64..1e6, qualities()), 0..120);
    let cases = (samples, -200i64..2_000, 1i64..2_500, 1u32..300);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let house = House::new();
    house.clock.advance(Duration::from_secs(3));
    let history = runtime.block_on(house.open(lazy()));
    let number = std::cell::Cell::new(0);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(100));
    let check = |(samples, from, length, points): (BTreeMap<i64, (f64, Quality)>, i64, i64, u32)| {
        let device = format!("device-{}", number.replace(number.get() + 1));
        let samples: Vec<_> =
            samples.into_iter().map(|(at, (value, quality))| (NOW + at, value, quality)).collect();
        let readings: Vec<Reading> = samples
            .iter()
            .map(|(at, value, quality)| Reading { quality: *quality, ..reading(&device, *value, *at) })
            .collect();
        let query = query(&device, NOW + from, NOW + from + length, points);
        let series = runtime.block_on(async {
            // Every other one is in the file, the rest waits: the answer does not depend on it.
            let (stored, waiting): (Vec<_>, Vec<_>) =
                readings.into_iter().partition(|reading| reading.at.as_millis() % 2 == 0);
            record_all(&history, &stored).await;
            let going = super::waiting::Going::with(&history, &waiting).await;
            let series = history.range(query.clone()).await.unwrap();
            going.end().await;
            series
        });
        prop_assert!(series.points.len() <= points as usize);
        let entry = |(at, value, quality): &(i64, f64, Quality)| {
            (*at, Some((*value, crate::quality::to_stored(*quality))))
        };
        let naive =
            Naive { entries: samples.iter().map(entry).collect(), outages: Vec::new(), now: NOW + 3_000 };
        let grid = Grid::of(&query).unwrap();
        prop_assert_eq!(series.bucket, grid.bucket());
        let expected = naive.points(&grid);
        prop_assert_eq!(series.points.len(), expected.len());
        let before = samples.iter().rfind(|(at, ..)| *at < query.from.as_millis());
        let found = series.before.map(|before| (before.at.as_millis(), before.value, before.quality));
        prop_assert_eq!(found, before.copied());
        for (found, expected) in series.points.iter().zip(&expected) {
            prop_assert!((found.mean - expected.mean).abs() < 1e-6, "{:?} {:?}", found, expected);
            prop_assert_eq!(Point { mean: 0.0, ..*found }, Point { mean: 0.0, ..*expected });
        }
        Ok(())
    };
    runner.run(&cases, check).unwrap();
}

#[tokio::test]
async fn a_value_holds_until_the_next_and_the_ends_are_exact() {
    let house = House::new();
    house.clock.advance(Duration::from_secs(60));
    let history = house.open(lazy()).await;
    let at = [0, 999, 1_000, 5_000, 9_999, 10_000].map(|at| NOW + at);
    record_all(&history, &at.map(|at| reading("kitchen", 1.0, at))).await;
    let series = history.range(query("kitchen", NOW, NOW + 10_000, 10)).await.unwrap();
    assert_eq!(series.bucket, Duration::from_secs(1));
    let found: Vec<_> = series
        .points
        .iter()
        .filter(|point| !point.held)
        .map(|point| (point.at.as_millis() - NOW, point.count))
        .collect();
    assert_eq!(found, [(0, 2), (1_000, 1), (5_000, 1), (9_000, 1)]);
    assert_eq!((series.points.len(), series.gaps.len(), series.kind), (10, 0, Some(Kind::Number)));
    assert_eq!(series.recording_since, Some(Timestamp::from_millis(NOW)));
    let quiet = history.range(query("kitchen", NOW + 1, NOW + 999, 10)).await.unwrap();
    assert!(quiet.points.iter().all(|point| point.held) && quiet.recording_since.is_some());
    // Nobody knows what will be.
    let future = history.range(query("kitchen", NOW + 60_000, NOW + 70_000, 10)).await.unwrap();
    assert!(future.points.is_empty() && future.gaps.is_empty() && future.before.is_some());
    let unknown = history.range(query("cellar", NOW, NOW + 1, 1)).await.unwrap();
    assert!(unknown.points.is_empty() && unknown.recording_since.is_none() && unknown.kind.is_none());
}

#[tokio::test]
async fn a_mean_of_huge_values_is_a_number_between_them() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[0, 1, 2].map(|at| reading("kitchen", f64::MAX, NOW + at))).await;
    let point = day_of(&history, "kitchen").await.points[0];
    assert_eq!(point.mean, f64::MAX);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let cases = [
        (query("kitchen", NOW, NOW, 10), InvalidRange::Empty),
        (query("kitchen", NOW, NOW - 1, 10), InvalidRange::Empty),
        (query("kitchen", NOW, NOW + 1, 0), InvalidRange::Points),
        (query("kitchen", NOW, NOW + 1, MAX_POINTS + 1), InvalidRange::Points),
        (query("kitchen", -NOW, 2 * NOW, 10), InvalidRange::TooLong),
        (query("kitchen", i64::MIN, i64::MAX, 10), InvalidRange::TooLong),
        (query("kitchen", i64::MAX - 1, i64::MAX, 10), InvalidRange::TooLong),
    ];
    for (query, reason) in cases {
        match history.range(query.clone()).await {
            Err(HistoryError::InvalidRange(found)) => assert_eq!(found, reason, "{query:?}"),
            other => panic!("{query:?} gave {other:?}"),
        }
    }
    assert!(history.range(query("kitchen", i64::MIN, i64::MIN + 1, 1)).await.is_ok());
    assert!(history.range(query("kitchen", NOW, NOW + 1, MAX_POINTS)).await.is_ok());
}

#[tokio::test]
async fn a_query_that_takes_too_long_is_cut_off_and_the_next_one_works() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let readings: Vec<Reading> = (0..20_000).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    record_all(&history, &readings).await;
    history.close().await;
    let hasty = house.open(Options { query_time_limit: Duration::ZERO, ..lazy() }).await;
    match hasty.range(query("kitchen", NOW, NOW + 20_000, 1_000)).await {
        Err(HistoryError::TimeLimit { limit: Duration::ZERO }) => {}
        other => panic!("{other:?}"),
    }
    // The limit is of the one query: the connection is as good as before.
    assert_eq!(hasty.status().await.unwrap().series, 1);
}

/// A query that sorts takes memory that grows with the range, which a small Pi does not have, and one that looks for an
/// index it does not have reads the whole table.
#[tokio::test]
async fn everything_is_read_in_the_order_of_its_keys_without_sorting() {
    let house = House::new();
    let history = house.open(lazy()).await;
    for (statement, key) in crate::range::STATEMENTS {
        let plan: Vec<String> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
                .fetch_all(&history.readers)
                .await
                .unwrap()
                .into_iter()
                .map(|(_, _, _, step): (i64, i64, i64, String)| step)
                .collect();
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        assert!(plan.iter().any(|step| step.contains(key)), "{plan:?}");
    }
}
