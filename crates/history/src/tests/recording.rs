//! What gets into the file, when, and what happens when it cannot.

use super::*;
use gatehouse_model::{Cause, Qos, TopicName};
use tokio::sync::watch;

#[tokio::test]
async fn the_end_of_the_stream_commits() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 21.5, NOW), reading("attic", 19.0, NOW + 1)]).await;
    let status = history.status().await.unwrap();
    assert_eq!((status.rows, status.recorded, status.series, status.waiting), (Some(2), 2, 2, 0));
    assert_eq!(status.recording_since, Some(Timestamp::from_millis(NOW)));
    assert_eq!(status.last_commit, Some(Timestamp::from_millis(NOW)));
    assert!(status.bytes_written > 0 && status.file_bytes > 0, "{status:?}");
    assert_eq!(status.last_error, None);
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1);
}

#[tokio::test]
async fn the_shutdown_commits_what_was_received_and_what_waits_in_the_stream() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    // More than the 128 that the runtime's fairness lets a task receive at a time.
    for n in 0..1_000 {
        sender.send(delivered(&reading("kitchen", 1.0, NOW + n))).unwrap();
    }
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    history.record(scheme(), receive(receiver), shutdown).await.unwrap();
    assert_eq!(history.status().await.unwrap().recorded, 1_000);
}

#[tokio::test]
async fn a_commit_comes_without_an_end() {
    let house = House::new();
    let history = house.open(eager()).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut commits = history.counters.commits();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    for n in 0..3 {
        sender.send(delivered(&reading("kitchen", 1.0, NOW + n))).unwrap();
        commits.changed().await.unwrap();
        assert_eq!(counts(&day_of(&history, "kitchen").await), u32::try_from(n).unwrap() + 1);
    }
    drop(sender);
    recording.await.unwrap().unwrap();
}

/// Waits until so many readings are committed. The start is committed at once, with or without what follows it.
async fn recorded(history: &History, commits: &mut watch::Receiver<Option<Timestamp>>, readings: u64) {
    let committed = async {
        while history.status().await.unwrap().recorded < readings {
            commits.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), committed).await.unwrap();
}

#[tokio::test]
async fn a_state_change_does_not_wait_for_the_telemetry() {
    let house = House::new();
    let options = Options { commit_states_within: Duration::from_millis(1), ..lazy() };
    let history = house.open(options).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut commits = history.counters.commits();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    sender.send(delivered(&reading("kitchen", 1.0, NOW))).unwrap();
    let mut state = reading("boiler", 0.0, NOW);
    state.value = Value::Switch(true);
    state.cause = Some(Cause::direct(Origin::Page { user: "ana".into() }));
    sender.send(delivered(&state)).unwrap();
    recorded(&history, &mut commits, 2).await;
    assert_eq!(history.status().await.unwrap().recorded, 2);
    assert_eq!(day_of(&history, "boiler").await.points[0].last, 1.0);
    drop(sender);
    recording.await.unwrap().unwrap();
}

/// A retained message is delivered again at each start. Recorded by the time of its arrival it would draw a value that
/// nobody measured.
#[tokio::test]
async fn a_retained_replay_is_not_recorded_twice() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 21.5, NOW)]).await;
    let mut replay = delivered(&reading("kitchen", 21.5, NOW));
    replay.retain = true;
    let topic = TopicName::new("casa/attic/temperature").unwrap();
    let without_time = Message::new(topic, "19", Qos::AtMostOnce, true, Origin::part("x"));
    house.clock.advance(Duration::from_secs(60));
    let messages = stream::iter([replay, without_time]);
    history.record(scheme(), messages, CancellationToken::new()).await.unwrap();
    let status = history.status().await.unwrap();
    assert_eq!((status.recorded, status.replayed, status.not_recorded.unknown_time), (1, 1, 1));
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1);
    assert_eq!(counts(&day_of(&history, "attic").await), 0);
}

/// A sensor that fell silent turned its last good sample into a stale one.
#[tokio::test]
async fn a_stale_mark_leaves_what_was_measured() {
    let house = House::new();
    let stale = |at| Reading { quality: Quality::Stale, ..reading("kitchen", 21.5, at) };
    let good = reading("kitchen", 21.5, NOW);
    let quality = |series: Series| (series.points[0].count, series.points[0].quality);
    // A reading that was on its way when the silence was marked ends it, and holds on behind the mark.
    for (readings, count) in [([good.clone(), stale(NOW)], 1), ([stale(NOW), good.clone()], 2)] {
        let house = House::new();
        let history = house.open(lazy()).await;
        let going = super::waiting::Going::with(&history, &readings).await;
        assert_eq!(quality(day_of(&history, "kitchen").await), (count, Quality::Ok));
        let held = history.range(query("kitchen", NOW + 1, NOW + 2, 1)).await.unwrap().before.unwrap();
        assert_eq!(held.quality, Quality::Ok);
        going.end().await;
        assert_eq!(quality(day_of(&history, "kitchen").await), (count, Quality::Ok));
    }
    // A mark whose sample is not known is all there is, and a later start that replays it changes nothing.
    let history = house.open(lazy()).await;
    record_all(&history, &[stale(NOW)]).await;
    assert_eq!(quality(day_of(&history, "kitchen").await), (1, Quality::Stale));
    record_all(&history, &[good]).await;
    let going = super::waiting::Going::with(&history, &[stale(NOW)]).await;
    assert_eq!(quality(day_of(&history, "kitchen").await), (1, Quality::Ok));
    let held = history.range(query("kitchen", NOW + 1, NOW + 2, 1)).await.unwrap().before.unwrap();
    assert_eq!(held.quality, Quality::Ok);
    going.end().await;
}

/// A first sample that was taken while the clock was ahead made "recording since" a time in the future for ever.
#[tokio::test]
async fn recording_since_is_the_earliest_sample_and_not_the_first_to_arrive() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let since = async || day_of(&history, "kitchen").await.recording_since.unwrap().as_millis() - NOW;
    record_all(&history, &[reading("kitchen", 1.0, NOW + 80_000_000)]).await;
    assert_eq!(since().await, 80_000_000);
    // In the run that meets the series again, and in one that knows it from an earlier commit.
    record_all(&history, &[reading("kitchen", 1.0, NOW + 1_000), reading("kitchen", 1.0, NOW)]).await;
    assert_eq!(since().await, 0);
    let many: Vec<Reading> = (1..=6_000).map(|n| reading("kitchen", 1.0, NOW - n)).collect();
    record_all(&history, &many).await;
    assert_eq!(since().await, -6_000);
    assert_eq!(with_sqlite3(&house.file(), "SELECT min(ts) - since FROM sample, series").await, 0);
}

#[tokio::test]
async fn of_two_values_of_one_moment_the_later_one_counts() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record_all(&history, &[reading("kitchen", 1.0, NOW), reading("kitchen", 2.0, NOW)]).await;
    let points = day_of(&history, "kitchen").await.points;
    assert_eq!((points[0].count, points[0].last), (1, 2.0));
}

#[tokio::test]
async fn what_is_committed_survives_without_a_close_and_the_file_opens_again() {
    let house = House::new();
    for run in 0..3 {
        let history = house.open(lazy()).await;
        assert_eq!(history.status().await.unwrap().rows, Some(run));
        let at = NOW + i64::try_from(run).unwrap();
        record_all(&history, &[reading("kitchen", 1.0, at)]).await;
        // Copied while open: what a power cut would leave, with the log not yet moved into the file.
        let left = TempDir::new().unwrap();
        for name in ["history.db", "history.db-wal"] {
            std::fs::copy(house.directory.path().join(name), left.path().join(name)).unwrap();
        }
        let found =
            History::open(&left.path().join("history.db"), lazy(), house.clock.clone()).await.unwrap();
        assert_eq!(found.status().await.unwrap().rows, Some(run + 1));
        found.close().await;
        history.close().await;
        assert!(!house.directory.path().join("history.db-wal").exists(), "closing leaves one file");
    }
    assert_eq!(
        with_sqlite3(&house.file(), "SELECT count(*) FROM sample JOIN series ON id = series").await,
        3
    );
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
async fn reading_and_recording_go_on_together() {
    let house = House::new();
    let history = house.open(eager()).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    let mut seen = 0;
    for n in 0..50 {
        for k in 0..20 {
            sender.send(delivered(&reading("kitchen", 1.0, NOW + n * 20 + k))).unwrap();
        }
        let now = counts(&day_of(&history, "kitchen").await);
        assert!(now >= seen, "what was seen once stays");
        seen = now;
    }
    drop(sender);
    recording.await.unwrap().unwrap();
    assert_eq!(counts(&day_of(&history, "kitchen").await), 1_000);
    assert_eq!(history.status().await.unwrap().last_error, None);
}

#[tokio::test]
async fn a_large_backlog_is_written_in_several_commits() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let readings: Vec<Reading> = (0..12_345).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    record_all(&history, &readings).await;
    assert_eq!(history.status().await.unwrap().recorded, 12_345);
    assert_eq!(counts(&day_of(&history, "kitchen").await), 12_345);
}

/// With a commit every ten minutes the buffer of a busy house filled up on a healthy disk, and its oldest were dropped.
#[tokio::test]
async fn a_whole_batch_does_not_wait_for_the_alarm() {
    let house = House::new();
    let history = house.open(Options { buffer_limit: 1_000, ..lazy() }).await;
    let mut commits = history.counters.commits();
    let readings: Vec<Reading> = (0..500).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    let going = super::waiting::Going::with(&history, &readings).await;
    recorded(&history, &mut commits, 500).await;
    let status = history.status().await.unwrap();
    assert_eq!((status.recorded, status.not_recorded.buffer_full), (500, 0));
    going.end().await;
}

/// A page limit stands for a full card: SQLite answers SQLITE_FULL to both.
#[tokio::test]
async fn a_full_disk_loses_the_oldest_of_the_buffer_says_so_and_keeps_what_was_there() {
    let house = House::new();
    let options = Options { max_file_bytes: 40 * 4_096, buffer_limit: 12_000, ..lazy() };
    let history = house.open(options).await;
    let readings: Vec<Reading> = (0..20_000).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    let messages: Vec<Message> = readings.iter().map(delivered).collect();
    let error = history
        .record(scheme(), stream::iter(messages), CancellationToken::new())
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("readings could not be saved"), "{error}");
    let status = history.status().await.unwrap();
    // By a hundredth of the buffer at a time.
    assert!((8_000..8_120).contains(&status.not_recorded.buffer_full), "{status:?}");
    let (_, sentence) = status.last_error.clone().unwrap();
    assert!(sentence.contains("full"), "{sentence}");
    // Nothing is uncounted: stored, still waiting, or dropped; a mark of silence waits in the place of those.
    assert_eq!(status.recorded + status.waiting + status.not_recorded.buffer_full, 20_001, "{status:?}");
    let marks = with_sqlite3(&house.file(), "SELECT count(*) FROM sample WHERE quality = 6").await;
    let readings_there = u64::from(counts(&day_of(&history, "kitchen").await));
    assert_eq!(readings_there + marks.unsigned_abs(), status.recorded);
    history.close().await;
    // With room again, all is well, and the connection is not stuck in a transaction that SQLite rolled back.
    let history = house.open(lazy()).await;
    record_all(&history, &readings).await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 20_000);
}

/// After a failed commit SQLite may have rolled back on its own, while sqlx 0.9 still counts a transaction as open: the
/// next BEGIN would become a savepoint and nothing would ever be committed.
#[tokio::test]
async fn a_failed_commit_is_tried_again_in_the_same_run() {
    let house = House::new();
    let history = house.open(Options { max_file_bytes: 40 * 4_096, ..lazy() }).await;
    let readings: Vec<Reading> = (0..10_000).map(|n| reading("kitchen", 1.0, NOW + n)).collect();
    let messages: Vec<Message> = readings.iter().map(delivered).collect();
    history.record(scheme(), stream::iter(messages), CancellationToken::new()).await.unwrap_err();
    with_sqlite3(&house.file(), "DELETE FROM recent").await;
    record_all(&history, &readings[..100]).await;
    assert_eq!(counts(&day_of(&history, "kitchen").await), 100);
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM sample").await, 100);
}

/// What was recorded more than an hour ago is compressed by the recorder itself, and charts see no difference.
#[tokio::test]
async fn older_rows_are_sealed_while_recording_goes_on() {
    let house = House::new();
    let history = house.open(eager()).await;
    let readings: Vec<Reading> =
        (0..600).map(|n| reading("kitchen", n as f64, NOW - 10_800_000 + n * 10_000)).collect();
    record_all(&history, &readings).await;
    let before = history.range(query("kitchen", NOW - 10_800_000, NOW, 100)).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut commits = history.counters.commits();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    for n in 0..2 {
        sender.send(delivered(&reading("attic", 1.0, NOW + n))).unwrap();
        commits.changed().await.unwrap();
    }
    drop(sender);
    recording.await.unwrap().unwrap();
    assert_eq!(with_sqlite3(&house.file(), "SELECT sum(count) FROM chunk").await, 600);
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM sample").await, 2);
    assert_eq!(with_sqlite3(&house.file(), "SELECT sum(count) FROM hour").await, 600);
    let after = history.range(query("kitchen", NOW - 10_800_000, NOW, 100)).await.unwrap();
    let counted = |series: &Series| series.points.iter().map(|point| point.count).sum::<u32>();
    assert_eq!(counted(&after), counted(&before));
}
