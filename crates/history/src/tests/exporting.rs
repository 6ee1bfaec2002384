//! What was recorded comes out row by row, and goes in again.

use proptest::prelude::*;

use super::waiting::Going;
use super::*;
use crate::formats::{Entry, Head, Row};
use crate::{Archive, Imported, Kind, RowsQuery, chunk};

fn row(name: &str, value: Value, at: i64) -> Row {
    let kind = match value {
        Value::Number(_) => Kind::Number,
        Value::Switch(_) => Kind::Switch,
        Value::Text(_) => Kind::Text,
    };
    let unit = (kind == Kind::Number).then(|| Arc::from("°C"));
    let head = Arc::new(Head { name: name.parse().unwrap(), kind, unit });
    Row { head, at: Timestamp::from_millis(at), entry: Entry::Reading { value, quality: Quality::Ok } }
}

async fn import(history: &History, rows: &[Row]) -> Imported {
    let mut import = history.import();
    for row in rows {
        import.push(row).await.unwrap();
    }
    import.finish().await.unwrap()
}

async fn read(history: &History, query: RowsQuery) -> Vec<Row> {
    all_of(history.read_rows(&query).await.unwrap()).await
}

async fn all_of(mut reader: crate::RowsReader) -> Vec<Row> {
    let mut rows = Vec::new();
    while let Some(step) = reader.next().await.unwrap() {
        assert!(!step.is_empty());
        rows.extend(step);
    }
    assert_eq!(reader.progress().rows, rows.len() as u64);
    assert_eq!(reader.progress().series_done, reader.progress().series);
    rows
}

/// Moves the rows of a series from `from` to `to` into a chunk, as sealing does.
async fn seal(history: &History, series: &str, from: i64, to: i64) {
    let mut connection = history.writer.acquire().await.unwrap();
    let id: i64 = sqlx::query_scalar("SELECT id FROM series WHERE name = ?1")
        .bind(series)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    let rows: Vec<(i64, f64, i64)> = sqlx::query_as(
        "SELECT ts, value, quality FROM sample WHERE series = ?1 AND ts BETWEEN ?2 AND ?3 ORDER BY ts",
    )
    .bind(id)
    .bind(from)
    .bind(to)
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(at, value, quality)| crate::row::Row { at, value, quality: quality.try_into().unwrap() })
        .collect();
    let chunk = chunk::encode(id, &rows).unwrap();
    sqlx::query(
        "INSERT INTO chunk (series, start, stop, count, checksum, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(chunk.series)
    .bind(chunk.start)
    .bind(chunk.stop)
    .bind(chunk.count)
    .bind(chunk.checksum)
    .bind(chunk.data)
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query("DELETE FROM recent WHERE key & 1048575 = ?1 AND key >> 20 BETWEEN ?2 AND ?3")
        .bind(id)
        .bind(from)
        .bind(to)
        .execute(&mut *connection)
        .await
        .unwrap();
}

fn a_house() -> Vec<Row> {
    let mut rows: Vec<Row> = (0..10_000_i32)
        .map(|n| row("kitchen/temperature", Value::Number(f64::from(n) / 7.0), NOW + i64::from(n)))
        .collect();
    rows.extend((0..50).map(|n| row("heater/power", Value::Switch(n % 2 == 0), NOW + n * 100)));
    rows.push(Row { entry: Entry::Silence, ..row("heater/power", Value::Switch(true), NOW + 5_000) });
    rows.extend(
        (0..50).map(|n| row("topic:zigbee/lamp", Value::Text(format!("word {}", n % 3).into()), NOW + n)),
    );
    rows
}

/// In the order of an export: by name of the series, properties first.
fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| (row.head.name.to_string().replace("topic:", "~"), row.at));
    rows
}

#[tokio::test]
async fn what_goes_in_comes_out_and_goes_in_once() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let rows = in_order(a_house());
    let mut shuffled = rows.clone();
    shuffled.reverse();
    shuffled.rotate_left(777);
    // A mark of silence repeats the value before it, and a reversed file has the value before it behind it.
    let counts = import(&history, &shuffled).await;
    assert_eq!((counts.stored, counts.known, counts.refused.total()), (10_101, 0, 0));
    assert!(read(&history, RowsQuery::default()).await == rows);
    // Rows of the past are in chunks, those of the present are not.
    for n in 0..5 {
        seal(&history, "kitchen/temperature", NOW + n * 1_000, NOW + n * 1_000 + 999).await;
    }
    seal(&history, "kitchen/temperature", NOW + 6_000, NOW + 6_999).await;
    seal(&history, "zigbee/lamp", NOW, NOW + 20).await;
    assert!(read(&history, RowsQuery::default()).await == rows);
    let counts = import(&history, &rows).await;
    assert_eq!((counts.stored, counts.known), (0, 10_101));
    assert!(read(&history, RowsQuery::default()).await == rows);
    history.close().await;

    // Another process reads the same, while this one has the file open.
    let history = house.open(lazy()).await;
    let archive = Archive::open(&house.file(), house.clock.clone()).await.unwrap();
    assert!(all_of(archive.read_rows(&RowsQuery::default()).await.unwrap()).await == rows);
    history.close().await;
}

/// Rows of the past are sealed like those of the house itself, also when more of them come later, and come out once.
#[tokio::test]
async fn what_was_imported_is_sealed_and_comes_out_once() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let past = NOW - 3 * 86_400_000;
    let all: Vec<Row> = (0..40_000_i32)
        .map(|n| row("kitchen/temperature", Value::Number(f64::from(n % 97)), past + i64::from(n) * 5_000))
        .collect();
    let pick = |is_late: bool| -> Vec<Row> {
        all.iter()
            .enumerate()
            .filter(|(n, _)| (n % 100 == 7) == is_late)
            .map(|(_, row)| row.clone())
            .collect()
    };
    let (late, early) = (pick(true), pick(false));
    let sealed = async |rows: u64, hours: i64| {
        let mut connection = history.writer.acquire().await.unwrap();
        while crate::seal::seal(&mut connection, NOW + hours * 3_600_000).await.unwrap().more {}
        drop(connection);
        let count = async |sql| with_sqlite3(&house.file(), sql).await.unsigned_abs();
        assert_eq!(count("SELECT sum(count) FROM chunk").await, rows);
        assert_eq!(count("SELECT sum(count) FROM hour").await, rows);
        assert_eq!(count("SELECT count(*) FROM recent").await, 0);
    };
    assert_eq!(import(&history, &early).await.stored, 39_600);
    sealed(39_600, 0).await;
    assert!(read(&history, RowsQuery::default()).await == early);
    let counts = import(&history, &all).await;
    assert_eq!((counts.stored, counts.known), (late.len() as u64, 39_600));
    assert!(read(&history, RowsQuery::default()).await == all, "chunks and recent rows together");
    sealed(40_000, 1).await;
    let told = read(&history, RowsQuery::default()).await;
    assert!(told == all);
    // And into another house.
    let other = House::new();
    let second = other.open(lazy()).await;
    assert_eq!(import(&second, &told).await.stored, 40_000);
    assert!(read(&second, RowsQuery::default()).await == all);
}

#[tokio::test]
async fn patterns_and_times_choose() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let rows = in_order(a_house());
    import(&history, &rows).await;
    seal(&history, "kitchen/temperature", NOW + 100, NOW + 4_000).await;
    for (patterns, from, to) in [
        (vec!["kitchen/*"], Some(150), Some(3_000)),
        (vec!["*/power", "topic:*"], None, Some(1)),
        (vec!["*lamp"], Some(49), None),
        (vec!["k?tchen/*", "kitchen/temperature"], Some(3_999), Some(4_002)),
        (vec!["nothing"], None, None),
        (vec![], Some(9_999), None),
        (vec!["\"; DROP TABLE sample --", "*'*"], None, None),
    ] {
        let inside = |row: &Row| {
            let at = row.at.as_millis() - NOW;
            let name = row.head.name.to_string();
            let fits = |pattern: &&str| match pattern.split_once('*') {
                Some(("", end)) => name.ends_with(end) && !end.is_empty() && !end.contains('\''),
                Some((start, _)) => name.starts_with(&start.replace('?', "i")),
                None => name == **pattern,
            };
            (patterns.is_empty() || patterns.iter().any(fits))
                && from.is_none_or(|from| at >= from)
                && to.is_none_or(|to| at < to)
        };
        let expected: Vec<Row> = rows.iter().filter(|row| inside(row)).cloned().collect();
        let query = RowsQuery {
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            from: from.map(|from| Timestamp::from_millis(NOW + from)),
            to: to.map(|to| Timestamp::from_millis(NOW + to)),
        };
        assert!(read(&history, query).await == expected, "{patterns:?} {from:?} {to:?}");
    }
}

/// A chunk with a flipped bit is left out and counted; the chunks around it and what is recent are told.
#[tokio::test]
async fn a_damaged_chunk_is_left_out_and_counted() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let rows: Vec<Row> = (0..4_000_i32)
        .map(|n| row("kitchen/temperature", Value::Number(f64::from(n)), NOW + i64::from(n)))
        .collect();
    import(&history, &rows).await;
    for n in 0..3 {
        seal(&history, "kitchen/temperature", NOW + n * 1_000, NOW + n * 1_000 + 999).await;
    }
    let second = "WHERE start = (SELECT start FROM chunk ORDER BY start LIMIT 1 OFFSET 1)";
    for damage in ["data = zeroblob(length(data))", "stop = 9223372036854775807"] {
        let mut connection = history.writer.acquire().await.unwrap();
        let spoil = sqlx::AssertSqlSafe(format!("UPDATE chunk SET {damage} {second}"));
        sqlx::query(spoil).execute(&mut *connection).await.unwrap();
        drop(connection);
        let mut reader = history.read_rows(&RowsQuery::default()).await.unwrap();
        let mut told = Vec::new();
        while let Some(step) = reader.next().await.unwrap() {
            told.extend(step);
        }
        assert_eq!(reader.progress().damaged_chunks, 1, "{damage}");
        assert!(told == [&rows[..1_000], &rows[2_000..]].concat(), "{damage}");
    }
}

#[tokio::test]
async fn what_waits_for_its_commit_is_told() {
    let house = House::new();
    let history = house.open(lazy()).await;
    import(&history, &[row("kitchen/temperature", Value::Number(1.0), NOW - 5)]).await;
    let going = Going::with(&history, &[reading("kitchen", 2.0, NOW)]).await;
    let rows = read(&history, RowsQuery { patterns: vec!["kitchen/*".into()], ..RowsQuery::default() }).await;
    let times: Vec<i64> = rows.iter().map(|row| row.at.as_millis() - NOW).collect();
    assert_eq!(times, [-5, 0]);
    going.end().await;
}

/// A text gets its id when it is written; until then an export left it out.
#[tokio::test]
async fn texts_that_wait_are_told() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let said = |word: &str, at| Reading { value: Value::Text(word.into()), ..reading("door", 0.0, at) };
    record_all(&history, &[said("open", NOW - 3), said("ajar", NOW - 2)]).await;
    let stale = Reading { quality: Quality::Stale, ..said("wide open", NOW + 2) };
    let going = Going::with(&history, &[said("closed", NOW), said("open", NOW + 1), stale]).await;
    let told = async || -> Vec<(i64, Option<String>)> {
        let rows = read(&history, RowsQuery::default()).await;
        let words = rows.iter().map(|row| match &row.entry {
            Entry::Reading { value: Value::Text(text), .. } => {
                (row.at.as_millis() - NOW, Some(text.to_string()))
            }
            _ => (row.at.as_millis() - NOW, None),
        });
        words.collect()
    };
    let waiting = told().await;
    let words = [(-3, "open"), (-2, "ajar"), (0, "closed"), (1, "open"), (2, "wide open")];
    assert_eq!(waiting[..5], words.map(|(at, word)| (at, Some(word.to_owned()))));
    assert!(waiting[5..].iter().all(|(_, word)| word.is_none()), "{waiting:?}");
    going.end().await;
    assert_eq!(told().await, waiting);
}

#[tokio::test]
async fn what_nobody_can_have_measured_is_refused_and_counted() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let day = 86_400_000;
    let mut rows = vec![
        row("a/b", Value::Number(1.0), 0),
        row("a/b", Value::Number(1.0), NOW + day + 60_000),
        row("a/b", Value::Number(f64::INFINITY), NOW),
        row("a/b", Value::Number(1.0), NOW - 20 * 365 * day),
    ];
    rows.extend((0..crate::intake::MAX_SERIES).map(|n| row(&format!("a/{n}"), Value::Number(1.0), NOW)));
    let counts = import(&history, &rows).await;
    assert_eq!((counts.refused.time, counts.refused.number, counts.refused.series), (2, 1, 1));
    assert_eq!(counts.stored, 10_000);
}

/// Years that were imported were one table of recent rows until the gateway had sealed them, hours later.
#[tokio::test]
async fn what_is_imported_is_sealed_at_once_but_for_the_present_hour() {
    let house = House::new();
    let history = house.open(lazy()).await;
    // An hour of a night that waits for its sealing, and one row of it that the file has too.
    let night = NOW - 10 * 3_600_000;
    record_all(&history, &[reading("kitchen", 20.0, night)]).await;
    let rows: Vec<Row> = (0..3 * 8_640_i32)
        .map(|n| row("kitchen/temperature", Value::Number(f64::from(n % 77)), NOW - i64::from(n) * 10_000))
        .collect();
    let counts = import(&history, &rows).await;
    assert_eq!((counts.stored, counts.known), (3 * 8_640 - 1, 1));
    let told = read(&history, RowsQuery::default()).await;
    assert_eq!(told.len(), rows.len());
    let kept = told.iter().find(|row| row.at.as_millis() == night).unwrap();
    assert_eq!(kept.entry, Entry::Reading { value: Value::Number(20.0), quality: Quality::Ok });
    assert_eq!(import(&history, &rows).await.known, 3 * 8_640);
    history.close().await;
    let file = house.file();
    // From 09:00 to 09:14.
    assert_eq!(with_sqlite3(&file, "SELECT count(*) FROM recent").await, 14 * 6 + 1);
    assert_eq!(with_sqlite3(&file, "SELECT sum(count) FROM chunk").await, 3 * 8_640 - 85);
    assert_eq!(with_sqlite3(&file, "SELECT sum(count) FROM hour").await, 3 * 8_640 - 85);
    assert_eq!(with_sqlite3(&file, "SELECT count(*) FROM day WHERE count = 8640").await, 2);
    assert_eq!(with_sqlite3(&file, "SELECT max(count) < 4096 FROM chunk").await, 1);
}

#[tokio::test]
async fn an_import_keeps_to_the_limit_on_different_texts() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let limit = crate::texts::MAX_TEXTS_OF_A_SERIES;
    let said = |name: &str, n: i64| row(name, Value::Text(format!("word {n}").into()), NOW - n * 1_000);
    let mut rows: Vec<Row> = (0..limit + 2).map(|n| said("a/words", n)).collect();
    // Another series has room of its own, and what is known already costs none.
    rows.extend([said("b/words", limit), said("b/words", 5)]);
    let counts = import(&history, &rows).await;
    assert_eq!((counts.refused.texts, counts.known), (2, 0));
    assert_eq!(counts.stored, u64::try_from(limit).unwrap() + 2);
    assert_eq!(read(&history, RowsQuery::default()).await.len(), rows.len() - 2);
    // The text has come in with the other series.
    let again = import(&history, &rows).await;
    assert_eq!((again.stored, again.refused.texts), (1, 1));
}

#[tokio::test]
async fn an_import_says_that_the_disk_is_full_and_goes_on_later() {
    let house = House::new();
    let history = house.open(Options { max_file_bytes: 200 * 4_096, ..lazy() }).await;
    let rows: Vec<Row> = (0..120_000_i32)
        .map(|n| row("a/b", Value::Number(f64::from(n).sin()), NOW - i64::from(n) * 10))
        .collect();
    let mut import_all = history.import();
    let mut failed = None;
    for row in &rows {
        if let Err(error) = import_all.push(row).await {
            failed = Some(error.to_string());
            break;
        }
    }
    assert!(failed.unwrap().contains("import the same file again"));
    drop(import_all);
    history.close().await;
    let history = house.open(lazy()).await;
    assert_eq!(import(&history, &rows).await.stored, 120_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever is in chunks, recent or imported again, each row is told once and in order.
    #[test]
    fn every_row_is_told_once(
        times in prop::collection::btree_set(0..500_i64, 1..200),
        seals in prop::collection::vec((0..500_i64, 1..80_i64), 0..5),
        (from, length) in (0..500_i64, 0..500_i64),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new();
            let history = house.open(lazy()).await;
            let rows: Vec<Row> =
                times.iter().map(|at| row("a/b", Value::Number(*at as f64 / 3.0), NOW + at)).collect();
            import(&history, &rows).await;
            let mut sealed_to = -1;
            let mut seals = seals;
            seals.sort_unstable();
            for (start, length) in seals {
                let (start, stop) = (start.max(sealed_to + 1), start + length);
                if times.range(start..=stop.max(start)).next().is_some() {
                    seal(&history, "a/b", NOW + start, NOW + stop.max(start)).await;
                    sealed_to = stop.max(start);
                }
            }
            let query = RowsQuery {
                from: Some(Timestamp::from_millis(NOW + from)),
                to: Some(Timestamp::from_millis(NOW + from + length)),
                ..RowsQuery::default()
            };
            let inside = |row: &&Row| (NOW + from..NOW + from + length).contains(&row.at.as_millis());
            let expected: Vec<Row> = rows.iter().filter(inside).cloned().collect();
            assert_eq!(read(&history, query).await, expected);
            assert_eq!(import(&history, &rows).await.stored, 0);
            history.close().await;
        });
    }
}
