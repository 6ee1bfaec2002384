//! What was sealed gives the same answers as the samples it was made of.

use std::collections::BTreeMap;

use super::*;
use crate::chunk;
use crate::range::grid::{DAY, HOUR};
use crate::rollup::{COLUMNS, Outage, Rollup};
use crate::row::Row;
use crate::{AsOf, GapReason, Kind, Point, TextQuery, Texts};

/// 2026-11-20T00:00:00Z.
const MIDNIGHT: i64 = NOW - 9 * HOUR - 14 * 60_000 - DAY;

/// Three days of a sensor that reads every ten seconds or so, with noise, silence, and rest.
fn sensor() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut state = 7_u64;
    let mut at = MIDNIGHT - DAY;
    while at < NOW {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let random = (state >> 33) as i64;
        let value = 20.0 + (at / 1_000 % 86_400) as f64 / 10_000.0 + (random % 20) as f64 / 10.0;
        let is_silence = random % 500 == 0 && !rows.is_empty();
        rows.push(Row { at, value, quality: if is_silence { 6 } else { (random % 300 == 1).into() } });
        at += match random % 700 {
            // Nothing changed for hours.
            0 => 5 * HOUR,
            _ if is_silence => 2 * HOUR,
            other => 9_000 + other * 3,
        };
    }
    rows
}

fn outages() -> Vec<Outage> {
    vec![
        Outage { start: MIDNIGHT - 5 * HOUR, stop: MIDNIGHT - 5 * HOUR + 60_000 },
        Outage { start: MIDNIGHT + 3 * HOUR, stop: MIDNIGHT + 7 * HOUR },
    ]
}

/// A file that has these rows, sealed up to some time; 0 seals nothing.
async fn house_with(rows: &[Row], sealed_until: i64) -> (House, History) {
    let house = House::new();
    let history = house.open(lazy()).await;
    let pool = &history.writer;
    sqlx::query("INSERT INTO series VALUES (1, 'property', 'kitchen/temperature', 'number', '°C', ?1)")
        .bind(rows[0].at)
        .execute(pool)
        .await
        .unwrap();
    for Outage { start, stop } in outages() {
        sqlx::query("INSERT INTO outage VALUES (?1, ?2)").bind(start).bind(stop).execute(pool).await.unwrap();
    }
    let mut transaction = pool.begin().await.unwrap();
    for row in rows.iter().filter(|row| row.at >= sealed_until) {
        sqlx::query("INSERT INTO sample VALUES (?1, 1, ?2, ?3)")
            .bind(row.at)
            .bind(row.value)
            .bind(row.quality)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    let sealed: Vec<Row> = rows.iter().copied().filter(|row| row.at < sealed_until).collect();
    for part in sealed.chunk_by(|left, right| left.at.div_euclid(DAY) == right.at.div_euclid(DAY)) {
        for part in part.chunks(700) {
            let chunk::Chunk { series, start, stop, count, checksum, data } = chunk::encode(1, part).unwrap();
            sqlx::query(
                "INSERT INTO chunk (series, start, stop, count, checksum, data) VALUES (?1,?2,?3,?4,?5,?6)",
            )
            .bind(series)
            .bind(start)
            .bind(stop)
            .bind(count)
            .bind(checksum)
            .bind(data)
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
    }
    for (table, unit) in [("hour", HOUR), ("day", DAY)] {
        let mut carried = None;
        let mut starts: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
        for row in &sealed {
            starts.entry(row.at.div_euclid(unit) * unit).or_default().push(*row);
        }
        let end = sealed_until.div_euclid(unit) * unit;
        let first = starts.keys().next().copied().unwrap_or(end);
        for start in (first..end).step_by(usize::try_from(unit).unwrap()) {
            let rows = starts.get(&start).map_or(&[][..], Vec::as_slice);
            let rollup = Rollup::of((start, start + unit), carried, rows, &outages());
            carried = rollup.held;
            if rows.is_empty() {
                continue;
            }
            let samples = rollup.samples;
            let statement = format!(
                "INSERT INTO {table} (series, start, {COLUMNS}) VALUES (1,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"
            );
            sqlx::query(sqlx::AssertSqlSafe(statement))
                .bind(start)
                .bind(samples.map_or(0, |samples| samples.count))
                .bind(samples.map(|samples| samples.lowest))
                .bind(samples.map(|samples| samples.highest))
                .bind(samples.map_or(0.0, |samples| samples.sum))
                .bind(samples.map(|samples| samples.first))
                .bind(samples.map(|samples| samples.last))
                .bind(samples.map(|samples| samples.first_at))
                .bind(samples.map(|samples| samples.last_at))
                .bind(rollup.weighted)
                .bind(rollup.covered)
                .bind(samples.map_or(0, |samples| samples.worst))
                .bind(rollup.held)
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
    }
    if sealed_until > 0 {
        sqlx::query("INSERT INTO meta VALUES ('sealed_until', ?1)")
            .bind(sealed_until)
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
    (house, history)
}

fn assert_same(found: &[Point], expected: &[Point], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found.mean - expected.mean).abs() < 1e-9, "{what}: {found:?} {expected:?}");
        // A rollup knows the worst quality in it, and not that of the value that it ends with.
        let quality = if found.held { expected.quality } else { found.quality };
        let found = Point { mean: 0.0, quality, ..*found };
        assert_eq!(found, Point { mean: 0.0, ..*expected }, "{what}");
    }
}

#[tokio::test]
async fn charts_and_moments_are_the_same_from_samples_chunks_and_rollups() {
    let rows = sensor();
    let (_house, raw) = house_with(&rows, 0).await;
    let (_house, sealed) = house_with(&rows, NOW.div_euclid(HOUR) * HOUR).await;
    for (from, to, points) in [
        (MIDNIGHT - DAY, NOW, 4_000),
        (MIDNIGHT - DAY - 1, NOW + HOUR, 1_000),
        (MIDNIGHT - DAY, NOW, 50),
        (MIDNIGHT - 2 * DAY + 12_345, NOW - 98_765, 12),
        (MIDNIGHT - DAY, MIDNIGHT + DAY, 3),
        (MIDNIGHT - DAY + 1, NOW - 1, 1),
        (MIDNIGHT + 2 * HOUR + 77, MIDNIGHT + 9 * HOUR, 600),
        (NOW - 2 * HOUR, NOW, 700),
    ] {
        let query = query("kitchen", from, to, points);
        let (expected, found) = (raw.range(query.clone()).await.unwrap(), sealed.range(query).await.unwrap());
        let what = format!("{from} to {to} in {points}");
        assert_same(&found.points, &expected.points, &what);
        assert_eq!((found.before, found.bucket), (expected.before, expected.bucket), "{what}");
        if expected.bucket < Duration::from_secs(3_600) {
            assert_eq!(found.gaps, expected.gaps, "{what}");
            assert!(!found.gaps.is_empty() || points == 700, "{what}");
        }
    }
    for at in (MIDNIGHT - DAY - HOUR..NOW).step_by(1_234_567) {
        let at = Timestamp::from_millis(at);
        assert_eq!(sealed.as_of(at).await.unwrap(), raw.as_of(at).await.unwrap());
    }
    let list = sealed.series().await.unwrap();
    assert_eq!(list, raw.series().await.unwrap());
    assert_eq!(list[0].last, rows.last().map(|row| Timestamp::from_millis(row.at)));
    assert_eq!((list[0].kind, list[0].unit.as_deref()), (Kind::Number, Some("°C")));
}

/// A late sample is in no rollup yet: its hour is read anew, and the others are not.
#[tokio::test]
async fn a_late_sample_is_seen_in_a_chart_of_a_year() {
    let rows = sensor();
    let (_house, history) = house_with(&rows, NOW.div_euclid(HOUR) * HOUR).await;
    let year = query("kitchen", NOW - 365 * DAY, NOW, 1_000);
    let before = history.range(year.clone()).await.unwrap();
    let late = MIDNIGHT - DAY + 5 * HOUR + 1;
    record_all(&history, &[reading("kitchen", 99.0, late)]).await;
    let after = history.range(year).await.unwrap();
    let changed: Vec<_> = before.points.iter().zip(&after.points).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].1.max, changed[0].1.count), (99.0, changed[0].0.count + 1));
}

#[tokio::test]
async fn a_damaged_chunk_is_a_gap_and_the_rest_is_served() {
    let rows = sensor();
    let (_house, history) = house_with(&rows, NOW.div_euclid(HOUR) * HOUR).await;
    let day = query("kitchen", MIDNIGHT - DAY, MIDNIGHT, 1_000);
    let whole = history.range(day.clone()).await.unwrap();
    let (start, stop): (i64, i64) =
        sqlx::query_as("SELECT start, stop FROM chunk ORDER BY start LIMIT 1 OFFSET 1")
            .fetch_one(&history.writer)
            .await
            .unwrap();
    let mut data: Vec<u8> = sqlx::query_scalar("SELECT data FROM chunk WHERE start = ?1")
        .bind(start)
        .fetch_one(&history.writer)
        .await
        .unwrap();
    data[40] ^= 4;
    sqlx::query("UPDATE chunk SET data = ?2 WHERE start = ?1")
        .bind(start)
        .bind(data)
        .execute(&history.writer)
        .await
        .unwrap();
    let damaged = history.range(day).await.unwrap();
    let gap = damaged.gaps.iter().find(|gap| gap.why == GapReason::Damaged).unwrap();
    assert!(gap.from.as_millis() == start && gap.to.as_millis() > stop);
    assert_eq!(whole.gaps.iter().filter(|gap| gap.why == GapReason::Damaged).count(), 0);
    let inside = |point: &&Point| (start..=stop).contains(&point.at.as_millis()) && point.count > 0;
    assert!(
        whole.points.iter().any(|point| inside(&point)) && !damaged.points.iter().any(|point| inside(&point))
    );
    assert!(damaged.points.len() > whole.points.len() / 4, "the rest is served");
    let known = history.as_of(Timestamp::from_millis(stop)).await.unwrap();
    assert_eq!(known, [], "nobody knows what held then");
    // Rollups were made when it was whole.
    let year = history.range(query("kitchen", NOW - 365 * DAY, NOW, 400)).await.unwrap();
    assert_eq!(year.gaps.iter().filter(|gap| gap.why == GapReason::Damaged).count(), 0);
}

/// What waits for its commit is known too, and so is a series that the file does not have yet.
#[tokio::test]
async fn the_present_is_a_moment_like_any_other() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 1.0, NOW - 5_000), reading("cellar", 8.0, NOW - HOUR)]).await;
    let mut switch = reading("boiler", 0.0, NOW - 2_000);
    switch.value = Value::Switch(true);
    let going = super::waiting::Going::with(&history, &[reading("kitchen", 2.0, NOW - 1_000), switch]).await;
    let at = |at| Timestamp::from_millis(at);
    let told = |found: Vec<AsOf>| -> Vec<(String, Value, i64)> {
        let tell = |one: AsOf| (one.series.to_string(), one.value, one.at.as_millis() - NOW);
        found.into_iter().map(tell).collect()
    };
    let cellar = ("cellar/temperature".to_owned(), Value::Number(8.0), -HOUR);
    let kitchen = |value, at| ("kitchen/temperature".to_owned(), Value::Number(value), at);
    let boiler = ("boiler/temperature".to_owned(), Value::Switch(true), -2_000);
    let now = told(history.as_of(at(NOW)).await.unwrap());
    assert_eq!(now, [boiler, cellar.clone(), kitchen(2.0, -1_000)]);
    let earlier = told(history.as_of(at(NOW - 3_000)).await.unwrap());
    assert_eq!(earlier, [cellar, kitchen(1.0, -5_000)]);
    assert_eq!(history.as_of(at(NOW - 2 * HOUR)).await.unwrap(), []);
    let names: Vec<_> = history.series().await.unwrap().iter().map(|info| info.name.to_string()).collect();
    assert_eq!(names, ["boiler/temperature", "cellar/temperature", "kitchen/temperature"]);
    going.end().await;
}

/// Texts that wait have no id of the file yet; their order and their gaps are those of any series.
#[tokio::test]
async fn texts_are_told_with_the_time_from_which_they_hold() {
    let house = House::new();
    house.clock.advance(Duration::from_secs(10));
    let history = house.open(lazy()).await;
    let text = |word: &str, at| Reading { value: Value::Text(word.into()), ..reading("door", 0.0, at) };
    record_all(&history, &[text("open", NOW - 9_000), text("ajar", NOW), text("closed", NOW + 1_000)]).await;
    // Silence is told by a stale mark, and known from then on.
    let stale = Reading { quality: Quality::Stale, ..text("ajar", NOW + 2_000) };
    let waiting = [text("open", NOW + 1_500), text("ajar", NOW + 2_000), stale];
    let going = super::waiting::Going::with(&history, &waiting).await;
    let ask = |from, to, limit| TextQuery {
        series: "door/temperature".parse().unwrap(),
        from: Timestamp::from_millis(NOW + from),
        to: Timestamp::from_millis(NOW + to),
        limit,
    };
    let told = |answer: &Texts| -> Vec<(i64, String)> {
        answer.texts.iter().map(|text| (text.at.as_millis() - NOW, text.text.to_string())).collect()
    };
    let all = history.texts(ask(-1_000, 60_000, 100)).await.unwrap();
    let words = [(0, "ajar"), (1_000, "closed"), (1_500, "open"), (2_000, "ajar")];
    assert_eq!(told(&all), words.map(|(at, word)| (at, word.to_owned())));
    assert_eq!(all.before.as_ref().map(|before| &*before.text), Some("open"));
    assert!(!all.more && all.recording_since == Some(Timestamp::from_millis(NOW - 9_000)));
    let some = history.texts(ask(-1_000, 60_000, 2)).await.unwrap();
    assert_eq!((told(&some), some.more), (told(&all)[..2].to_vec(), true));
    let later = history.texts(ask(1_700, 1_800, 2)).await.unwrap();
    assert_eq!((told(&later), later.before.map(|before| before.text)), (Vec::new(), Some("open".into())));
    let then = history.as_of(Timestamp::from_millis(NOW + 1_700)).await.unwrap();
    assert_eq!(then[0].value, Value::Text("open".into()));
    // There are no numbers of that name.
    let numbers = history.range(query("door", NOW, NOW + 9_000, 10)).await.unwrap();
    assert!(numbers.points.is_empty() && numbers.kind.is_none());
    going.end().await;
    let stored = history.texts(ask(-1_000, 60_000, 100)).await.unwrap();
    assert_eq!(told(&stored), told(&all));
    assert!(matches!(
        history.texts(ask(0, 1, 0)).await,
        Err(crate::HistoryError::InvalidRange(crate::InvalidRange::Texts))
    ));
}
