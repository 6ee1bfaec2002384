//! Events, silence, outages, and the clock that lies: from messages to rows.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::{ClockTrust, EventKind, EventQuery, TopicRule};
use gatehouse_model::{Cause, Qos, TopicFilter, TopicName};

const HOUR: i64 = 3_600_000;

fn says(topic: &str, payload: &str) -> Message {
    let topic = TopicName::new(topic).unwrap();
    Message::new(topic, payload.to_owned(), Qos::AtLeastOnce, false, Origin::part("bridge"))
}

fn switched(on: bool, at: i64) -> Message {
    let cause = Some(Cause::direct(Origin::Page { user: "ana".into() }));
    delivered(&Reading { value: Value::Switch(on), cause, ..reading("boiler", 0.0, at) })
}

async fn record(history: &History, messages: Vec<Message>) {
    history.record(scheme(), stream::iter(messages), CancellationToken::new()).await.unwrap();
}

/// The events in the words of their kind, value and time, the oldest first.
async fn events(history: &History, query: EventQuery) -> Vec<String> {
    let found = history.events(&query).await.unwrap().into_iter().rev();
    let word = |event: crate::Event| {
        let value = event.value.unwrap_or_default();
        format!("{} {value} {}", event.kind.as_str(), event.at.as_millis() - NOW)
    };
    found.map(word).collect()
}

#[tokio::test]
async fn events_are_found_by_time_kind_device_text_and_page_by_page() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record(
        &history,
        vec![
            switched(true, NOW - 5),
            says("casa/hall/event", r#"{"event_type":"double"}"#),
            says("casa/hall/availability", "offline"),
            says("casa/hall/json", r#"{"fault":"100%_sure"}"#),
        ],
    )
    .await;
    let all = [
        "switched ON -5",
        "gateway start 0",
        "press double 0",
        "availability offline 0",
        "alert fault 0",
        "gateway stop 0",
    ];
    let found = events(&history, EventQuery::default()).await;
    assert_eq!(found.len(), all.len());
    assert!(all.iter().all(|event| found.iter().any(|found| found == event)), "{found:?}");
    let of = async |query| events(&history, query).await;
    let kinds = vec![EventKind::Press, EventKind::Alert];
    assert_eq!(of(EventQuery { kinds, ..Default::default() }).await, ["press double 0", "alert fault 0"]);
    let device = DeviceId::new("boiler").ok();
    assert_eq!(of(EventQuery { device, ..Default::default() }).await, ["switched ON -5"]);
    let to = Some(Timestamp::from_millis(NOW));
    assert_eq!(of(EventQuery { to, ..Default::default() }).await, ["switched ON -5"]);
    for (text, count) in [("ANA", 1), ("0%_s", 1), ("0__", 0), ("\\", 0), ("hall", 3), ("", all.len())] {
        let contains = Some(text.to_owned());
        assert_eq!(of(EventQuery { contains, ..Default::default() }).await.len(), count, "{text}");
    }
    let mut pages = Vec::new();
    let mut before_id = None;
    loop {
        let page = history.events(&EventQuery { limit: 4, before_id, ..Default::default() }).await.unwrap();
        let Some(last) = page.last() else { break };
        before_id = Some(last.id);
        pages.extend(page.into_iter().map(|event| event.id));
    }
    let at_once: Vec<i64> =
        history.events(&EventQuery::default()).await.unwrap().iter().map(|event| event.id).collect();
    assert_eq!(pages, at_once);
    assert!(history.events(&EventQuery { limit: 0, ..Default::default() }).await.is_err());
}

/// An event is in the file at once, whatever the loss window for telemetry is.
#[tokio::test]
async fn an_event_does_not_wait_for_the_telemetry_and_a_replay_is_none() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let (recorder, shutdown) = (history.clone(), CancellationToken::new());
    let token = shutdown.clone();
    let recording = tokio::spawn(async move { recorder.record(scheme(), receive(receiver), token).await });
    sender.send(Message { retain: true, ..switched(true, NOW) }).unwrap();
    sender.send(switched(true, NOW)).unwrap();
    sender.send(switched(false, NOW + 1)).unwrap();
    let query = EventQuery { kinds: vec![EventKind::Switched], ..Default::default() };
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while events(&history, query.clone()).await.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    waited.await.expect("the event is committed long before the hour is over");
    assert_eq!(events(&history, query).await, ["switched OFF 1"]);
    shutdown.cancel();
    recording.await.unwrap().unwrap();
}

/// The time between two runs is an outage, with the reason of the stop; so is none within a millisecond.
#[tokio::test]
async fn the_time_between_two_runs_is_an_outage_that_says_why() {
    let house = House::new();
    let history = house.open(lazy()).await;
    history.stopping("somebody pulled the lever in the KÜCHE");
    record_all(&history, &[reading("kitchen", 21.5, NOW)]).await;
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM outage").await, 0);
    house.clock.advance(Duration::from_secs(7_200));
    record_all(&history, &[]).await;
    assert_eq!(with_sqlite3(&house.file(), "SELECT stop - start FROM outage").await, 2 * HOUR);
    let contains = Some("pulled the lever".to_owned());
    let told = events(&history, EventQuery { contains, ..Default::default() }).await;
    assert_eq!(told, ["gateway stop 0", "gateway outage 7200000"]);
    for (text, limit, count) in [("küche", 2, 2), ("Küche", 1, 1), ("Kuche", 2, 0), ("küchen", 2, 0)] {
        let query = EventQuery { contains: Some(text.to_owned()), limit, ..Default::default() };
        assert_eq!(events(&history, query).await.len(), count, "{text}");
    }
}

/// A device that goes away takes its values with it, and nobody else's.
#[tokio::test]
async fn silence_is_marked_and_told_from_a_value_that_holds() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let offline = says("casa/kitchen/availability", "offline");
    let messages = vec![
        delivered(&reading("kitchen", 21.5, NOW - 10)),
        delivered(&reading("attic", 19.0, NOW - 10)),
        offline.clone(),
        offline,
    ];
    record(&history, messages).await;
    let marks = "SELECT count(*) FROM sample JOIN series ON id = series WHERE quality = 6 AND name = 'kitchen/temperature' AND ts = 1795252440000";
    assert_eq!(with_sqlite3(&house.file(), marks).await, 1);
    assert_eq!(with_sqlite3(&house.file(), "SELECT count(*) FROM sample WHERE quality = 6").await, 1);
}

#[tokio::test]
async fn texts_units_and_topics_of_others_are_recorded() {
    let house = House::new();
    let rule = |filter: &str, fields: &[&str], unit: Option<&str>| TopicRule {
        filter: TopicFilter::new(filter).unwrap(),
        fields: fields.iter().map(|field| (*field).into()).collect(),
        unit: unit.map(Into::into),
    };
    let topics = vec![rule("z/+/t", &[], Some("°C")), rule("tele/+/SENSOR", &["ENERGY.Power"], Some("W"))];
    let history = house.open(Options { topics, ..lazy() }).await;
    let word = |word: &str, at| Reading { value: Value::Text(word.into()), ..reading("door", 0.0, at) };
    record(
        &history,
        vec![
            says("z/k/t", "21.5"),
            says("z/k/other", "1"),
            says("tele/plug/SENSOR", r#"{"ENERGY":{"Power":42}}"#),
            delivered(&word("open", NOW)),
            delivered(&word("closed", NOW + 1)),
            delivered(&word("open", NOW + 2)),
        ],
    )
    .await;
    let ask = async |sql| with_sqlite3(&house.file(), sql).await;
    assert_eq!(ask("SELECT count(*) FROM series").await, 3);
    assert_eq!(ask("SELECT count(*) FROM series WHERE source = 'topic' AND (name, unit) IN (VALUES ('z/k/t', '°C'), ('tele/plug/SENSOR/ENERGY/Power', 'W'))").await, 2);
    assert_eq!(ask("SELECT count(*) FROM text").await, 2);
    assert_eq!(ask("SELECT count(*) FROM sample JOIN text ON text.id = sample.value JOIN series ON series.id = sample.series WHERE kind = 'text' AND content = 'open'").await, 2);
}

/// The clock shows 1970 until it is set: what was heard is dated by the elapsed time, and no row is of 1970.
#[tokio::test]
async fn what_is_heard_before_the_clock_is_set_is_dated_when_it_is() {
    let house = House::new();
    house.clock.set_wall(Timestamp::from_millis(1_000));
    let is_set = Arc::new(AtomicBool::new(false));
    let asked = is_set.clone();
    let trust = ClockTrust::new(move || asked.load(Ordering::Relaxed));
    let history = house.open(lazy()).await.trusting_clock(trust);
    let (sender, receiver) = mpsc::unbounded_channel();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    sender.send(delivered(&reading("kitchen", 21.5, 900))).unwrap();
    while history.status().await.unwrap().held == 0 {
        tokio::task::yield_now().await;
    }
    house.clock.advance(Duration::from_secs(60));
    house.clock.set_wall(Timestamp::from_millis(NOW));
    is_set.store(true, Ordering::Relaxed);
    sender.send(delivered(&reading("kitchen", 22.0, NOW))).unwrap();
    drop(sender);
    recording.await.unwrap().unwrap();
    let ask = async |sql| with_sqlite3(&house.file(), sql).await;
    assert_eq!(ask("SELECT count(*) FROM sample").await, 2);
    assert_eq!(ask("SELECT max(ts) - min(ts) FROM sample").await, 60_100);
    assert_eq!(ask("SELECT count(*) FROM event WHERE ts < 1577836800000").await, 0);
    assert_eq!(ask("SELECT ts FROM event WHERE value = 'start'").await, NOW - 60_000);
    assert_eq!(ask("SELECT count(*) FROM event WHERE value = 'clock'").await, 1);
}

/// Each start told of a clock that was set "after 0ns", with "0 messages that were held".
#[tokio::test]
async fn a_clock_that_was_right_at_once_is_nothing_to_tell() {
    let house = House::new();
    let asked = Arc::new(AtomicU32::new(0));
    let (again, clock) = (asked.clone(), house.clock.clone());
    // Between the start and the first look that finds it right some milliseconds pass.
    let trust = ClockTrust::new(move || {
        clock.advance(Duration::from_millis(3));
        again.fetch_add(1, Ordering::Relaxed) > 0
    });
    let history = house.open(lazy()).await.trusting_clock(trust);
    let (sender, receiver) = mpsc::unbounded_channel();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    while asked.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    drop(sender);
    recording.await.unwrap().unwrap();
    let ask = async |sql| with_sqlite3(&house.file(), sql).await;
    assert_eq!(ask("SELECT count(*) FROM event WHERE value = 'clock'").await, 0);
}

/// With a clock that is eleven years ahead all that had happened was older than ten years, and gone.
#[tokio::test]
async fn a_clock_that_is_far_ahead_makes_no_event_too_old() {
    let house = House::new();
    let history = house.open(lazy()).await;
    record(&history, vec![delivered(&reading("kitchen", 21.5, NOW))]).await;
    let events = "SELECT count(*) FROM event WHERE ts <= 1795252440000 + 3600000";
    let before = with_sqlite3(&house.file(), events).await;
    let far = NOW + 11 * 365 * 24 * HOUR;
    house.clock.set_wall(Timestamp::from_millis(far));
    record(&history, vec![delivered(&reading("kitchen", 22.0, far))]).await;
    assert_eq!(with_sqlite3(&house.file(), events).await, before);
    assert!(before > 0);
}

/// Sealing found two rows of one time and kept one of them.
///
/// Two hours back, and each reading of the second time has the very millisecond of one of the first: all are kept.
#[tokio::test]
async fn a_clock_that_is_set_back_overwrites_nothing_and_one_that_is_set_forward_leaves_an_outage() {
    let house = House::new();
    let history = house.open(lazy()).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let recorder = history.clone();
    let recording =
        tokio::spawn(
            async move { recorder.record(scheme(), receive(receiver), CancellationToken::new()).await },
        );
    let mut sent = 0;
    let mut say = async |value: f64, marks: u64| {
        let at = gatehouse_model::Clock::now(&*house.clock).as_millis();
        sender.send(delivered(&reading("kitchen", value, at))).unwrap();
        sent += 1;
        // The recorder reads the clock when it takes a message.
        let taken = async || history.status().await.map(|status| status.waiting + status.recorded).unwrap();
        while taken().await < sent + marks {
            tokio::task::yield_now().await;
        }
        house.clock.advance(Duration::from_secs(600));
    };
    for n in 0..12 {
        say(f64::from(n), 0).await;
    }
    house.clock.set_wall(Timestamp::from_millis(NOW));
    for n in 100..112 {
        say(f64::from(n), 1).await;
    }
    house.clock.set_wall(Timestamp::from_millis(NOW + 4 * HOUR));
    say(200.0, 1).await;
    drop(sender);
    recording.await.unwrap().unwrap();
    let ask = async |sql| with_sqlite3(&house.file(), sql).await;
    // Some are sealed by now, before the second time or behind it.
    let all = history.range(query("kitchen", NOW, NOW + 5 * HOUR, 4_000)).await.unwrap();
    assert_eq!(counts(&all), 25);
    assert_eq!(ask("SELECT max(stop - start) FROM outage").await, 2 * HOUR);
    assert_eq!(ask("SELECT count(*) FROM event WHERE value = 'clock'").await, 2);
}
