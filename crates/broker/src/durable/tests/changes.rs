//! Each change, and what it leaves for the next start.

use super::model::assert_same;
use super::*;

/// Commits the rounds one by one, and again all in one commit, and looks at what each way leaves.
async fn check(rounds: &[Vec<Change>]) -> Snapshot {
    let mut last = None;
    for together in [false, true] {
        let place = Place::new();
        let mut model = Model::default();
        let mut opening = place.open().await;
        for round in rounds {
            let at = place.clock.now().as_millis();
            round.iter().for_each(|change| model.apply(at, change));
            opening.submit(round.clone());
            if !together {
                opening.settle().await;
            }
            place.clock.advance(Duration::from_secs(1));
        }
        opening.settle().await;
        let now = place.clock.now().as_millis();
        assert_same(place.power_cut().open().await.snapshot, &model.snapshot(now));
        model.sweep();
        opening.close().await;
        let opening = place.open().await;
        let expected = model.snapshot(now);
        assert_same(opening.snapshot, &expected);
        last = Some(expected);
    }
    last.unwrap()
}

#[tokio::test]
async fn a_new_file_holds_nothing_and_belongs_to_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let mut opening = place.open().await;
    assert_same(opening.snapshot.clone(), &Snapshot::default());
    opening.commit(vec![opened("a")]).await;
    for ending in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(file::beside(&place.file(), ending)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "broker.db{ending}");
    }
}

#[tokio::test]
async fn a_session_is_there_with_all_that_it_had() {
    let will = KeptWill { message: rich_message("wills/a"), delay_seconds: 30 };
    let with_will = Change::SessionOpened {
        client_id: "a".into(),
        user: "ana".into(),
        expiry_seconds: u32::MAX,
        will: Some(Arc::new(will.clone())),
    };
    let body = Arc::new(rich_message("news/today"));
    let delivery = KeptDelivery {
        number: 9,
        message: Arc::clone(&body),
        qos: Qos::ExactlyOnce,
        retain: true,
        identifiers: Some([1, 268_435_455].into()),
    };
    let snapshot = check(&[
        vec![with_will, opened("b")],
        vec![subscribed("a", None, "news/#", 1), subscribed("a", Some("group"), "news/#", 0x2d)],
        vec![subscribed("a", None, "news/#", 2), subscribed("b", None, "+/x", 0)],
        vec![Change::IncomingBegun("a".into(), u16::MAX), Change::IncomingBegun("b".into(), 1)],
        vec![Change::Queued { client_id: "a".into(), delivery: delivery.clone() }, queued("b", 1, &body)],
        vec![Change::Received("a".into(), 9), left("a", 12)],
    ])
    .await;
    let [a, b] = snapshot.sessions.as_slice() else { panic!("two sessions: {snapshot:?}") };
    assert_eq!((a.will.as_ref(), a.expiry_seconds, a.sent_before), (Some(&will), 60, Some(12)));
    assert_eq!(a.away, Some(Duration::from_secs(1)), "its client left in the last round, a second ago");
    assert_eq!((a.subscriptions.len(), &a.incoming[..]), (2, &[u16::MAX][..]));
    assert_eq!((&a.deliveries[0].delivery, a.deliveries[0].received), (&delivery, true));
    assert_eq!((b.away, b.sent_before, b.deliveries.len()), (None, None, 1));
}

#[tokio::test]
async fn what_ended_is_gone() {
    let body = message("t", "x");
    let snapshot = check(&[
        vec![opened("a"), subscribed("a", None, "t", 1), queued("a", 1, &body), queued("a", 2, &body)],
        vec![opened("b"), queued("b", 1, &body), Change::IncomingBegun("a".into(), 5)],
        vec![delivered("a", 1), Change::IncomingReleased("a".into(), 5)],
        vec![Change::Unsubscribed {
            client_id: "a".into(),
            share: None,
            filter: TopicFilter::new("t").unwrap(),
        }],
        vec![Change::SessionEnded("b".into()), opened("b"), delivered("nobody", 1), delivered("a", 77)],
    ])
    .await;
    let [a, b] = snapshot.sessions.as_slice() else { panic!("two sessions: {snapshot:?}") };
    assert_eq!((a.deliveries.len(), a.subscriptions.len(), a.incoming.len()), (1, 0, 0));
    assert!(b.deliveries.is_empty());
}

#[tokio::test]
async fn a_client_that_is_back_is_not_away_and_has_a_new_will() {
    let old = KeptWill { message: rich_message("wills/old"), delay_seconds: 30 };
    let with_will = Change::SessionOpened {
        client_id: "a".into(),
        user: "ana".into(),
        expiry_seconds: 5,
        will: Some(Arc::new(old)),
    };
    let snapshot = check(&[vec![with_will], vec![left("a", 3)], vec![opened("a")]]).await;
    let session = &snapshot.sessions[0];
    assert_eq!((session.away, session.sent_before, session.will.is_some()), (None, None, false));
    let gone = check(&[vec![opened("a"), Change::WillGone("a".into())]]).await;
    assert!(gone.sessions[0].will.is_none());
}

/// The body of a message for a thousand sessions is written once, and stays until the last of them has it.
#[tokio::test]
async fn a_message_is_stored_once_for_all_sessions_of_a_round() {
    let place = Place::new();
    let mut opening = place.open().await;
    let body = message("t", &"x".repeat(10_000));
    let names: Vec<String> = (0..1_000).map(|number| format!("client-{number}")).collect();
    opening.commit(names.iter().map(|name| opened(name)).collect()).await;
    opening.commit(names.iter().map(|name| queued(name, 1, &body)).collect()).await;
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM message").await, 1);
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM delivery").await, 1_000);
    opening.close().await;
    let mut opening = place.open().await;
    assert!(opening.snapshot.sessions.windows(2).all(|pair| {
        Arc::ptr_eq(&pair[0].deliveries[0].delivery.message, &pair[1].deliveries[0].delivery.message)
    }));
    opening.commit(names.iter().skip(1).map(|name| delivered(name, 1)).collect()).await;
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM message").await, 1);
    opening.commit(vec![delivered(&names[0], 1)]).await;
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM message").await, 0);
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM delivery").await, 0);
}

/// A client that acknowledges faster than the disk flushes costs the disk nothing.
#[tokio::test]
async fn what_cancels_out_within_a_group_costs_no_commit() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let before = (opening.commits)();
    let body = message("t", "x");
    for number in 1..=50 {
        opening.submit(vec![queued("a", number, &body)]);
        opening.submit(vec![delivered("a", number)]);
    }
    opening.settle().await;
    assert_eq!((opening.commits)(), before, "nothing was written");
    assert_eq!(opening.store.uncommitted_bytes(), 0);
}

/// A message, its acknowledgement a little later, the next message: one commit for each message and not two.
#[tokio::test]
async fn the_end_of_a_delivery_goes_with_the_next_commit() {
    let place = Place::new();
    let hour = Duration::from_secs(3_600);
    let mut opening = place.open_with(StoreOptions { ends_within: hour, ..StoreOptions::default() }).await;
    opening.commit(vec![opened("a")]).await;
    let before = (opening.commits)();
    for number in 1..=10 {
        opening.commit(vec![queued("a", number, &message("t", "x"))]).await;
        opening.submit(vec![delivered("a", number)]);
        tokio::task::yield_now().await;
    }
    assert_eq!((opening.commits)(), before + 10);
    assert_eq!(place.power_cut().open().await.snapshot.sessions[0].deliveries.len(), 1);
    opening.close().await;
    assert!(place.open().await.snapshot.sessions[0].deliveries.is_empty(), "the end commits everything");

    let mut opening =
        place.open_with(StoreOptions { ends_within: Duration::from_millis(50), ..prompt() }).await;
    opening.commit(vec![queued("a", 11, &message("t", "x"))]).await;
    opening.commit(vec![delivered("a", 11)]).await;
    assert!(
        place.power_cut().open().await.snapshot.sessions[0].deliveries.is_empty(),
        "it does not wait for ever"
    );
}

#[tokio::test]
async fn all_rounds_that_wait_go_into_one_commit() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a")]).await;
    let before = (opening.commits)();
    for number in 1..=500 {
        opening.submit(vec![queued("a", number, &message("t", "x"))]);
    }
    assert!(opening.store.uncommitted_bytes() > 500 * size_of::<Message>());
    opening.settle().await;
    assert_eq!((opening.commits)(), before + 1);
    assert_eq!(opening.store.uncommitted_bytes(), 0);
}

#[tokio::test]
async fn one_delivery_that_is_never_acknowledged_does_not_keep_the_places_of_the_others() {
    let mut state = State::default();
    state.apply(NOW, vec![opened("a")]);
    let body = message("t", "x");
    state.apply(NOW, vec![queued("a", 1, &body)]);
    for number in 2..100_000 {
        state.apply(NOW, vec![queued("a", number, &body), queued("a", number + 1_000_000, &body)]);
        state.apply(NOW, vec![delivered("a", number), delivered("a", number + 1_000_000)]);
    }
    assert!(state.places_of("a") < 200, "{} places", state.places_of("a"));
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_nothing_older() {
    let place = Place::new();
    let mut opening = place.open().await;
    opening.commit(vec![opened("a"), queued("a", 1, &message("t", "x")), left("a", 1)]).await;
    opening.close().await;
    place.clock.set_wall(Timestamp::from_millis(NOW - 86_400_000));
    let snapshot = place.open().await.snapshot;
    let session = &snapshot.sessions[0];
    assert_eq!((session.away, session.deliveries[0].age), (Some(Duration::ZERO), Duration::ZERO));
}

fn retained(name: &str, payload: &str, lazily: bool) -> Change {
    Change::Retained { message: message(name, payload), lazily }
}

#[tokio::test]
async fn retained_messages_are_kept_replaced_and_cleared() {
    let snapshot = check(&[
        vec![retained("a", "1", false), retained("b", "1", false), retained("c", "1", true)],
        vec![retained("a", "2", false), retained("b", "2", true), retained("c", "2", false)],
        vec![Change::RetainedCleared { topic: topic("a"), lazily: false }],
        vec![Change::RetainedCleared { topic: topic("c"), lazily: true }],
        vec![Change::Retained { message: Arc::new(rich_message("d")), lazily: false }],
    ])
    .await;
    let found: Vec<_> = snapshot.retained.iter().map(|(message, _)| message.topic.as_str()).collect();
    assert_eq!(found, ["b", "d"]);
    assert_eq!(snapshot.retained[1].0, rich_message("d"));
}

#[tokio::test]
async fn lazy_changes_are_written_once_an_interval_and_nobody_waits_for_them() {
    let place = Place::new();
    let interval = Duration::from_millis(300);
    let mut opening = place.open_with(StoreOptions { lazy_interval: interval, ..prompt() }).await;
    let before = (opening.commits)();
    for number in 0..100 {
        opening.commit(vec![retained("a", &number.to_string(), true), retained("b", "x", true)]).await;
    }
    // A hundred rounds take a few milliseconds; on a machine that is stuck for long a sweep may come between them.
    assert!((opening.commits)() - before <= 2, "{} commits", (opening.commits)() - before);
    let waited = tokio::time::timeout(LIMIT, async {
        while ask::<i64>(&place.file(), "SELECT count(*) FROM retained WHERE payload = CAST('99' AS BLOB)")
            .await
            == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("the sweep comes");
    assert_eq!(ask::<i64>(&place.file(), "SELECT count(*) FROM retained").await, 2);
}

/// A queue of tens of megabytes that was drained does not keep the file large.
#[tokio::test]
async fn space_that_was_drained_is_given_back() {
    let place = Place::new();
    let mut opening = place.open().await;
    let body = message("t", &"x".repeat(50_000));
    opening.commit(vec![opened("a")]).await;
    opening.commit((0..400).map(|number| queued("a", number, &Arc::new((*body).clone()))).collect()).await;
    opening.commit((0..400).map(|number| delivered("a", number)).collect()).await;
    assert!(ask::<i64>(&place.file(), "PRAGMA freelist_count").await > 4_000);
    opening.close().await;
    assert!(std::fs::metadata(place.file()).unwrap().len() > 20_000_000);

    let mut connection = file::connect(&place.file(), &StoreOptions::default()).await.unwrap();
    let mut steps = 0;
    while writer::give_back(&mut connection).await.unwrap() {
        steps += 1;
    }
    sqlx::Connection::close(connection).await.unwrap();
    assert!(steps > 10, "{steps} steps: each is short");
    let left = std::fs::metadata(place.file()).unwrap().len();
    assert!((3_000_000..6_000_000).contains(&left), "{left} bytes are left, of which most are spare");
}

/// A message that was delivered before the writer saw it left nothing to write, and its publisher was told of it only when
/// the ends of other deliveries had waited long enough.
#[tokio::test]
async fn a_publisher_does_not_wait_because_its_message_was_delivered_at_once() {
    let place = Place::new();
    let hour = Duration::from_secs(3_600);
    let mut opening = place.open_with(StoreOptions { ends_within: hour, ..StoreOptions::default() }).await;
    opening.commit(vec![opened("a"), queued("a", 1, &message("t", "x"))]).await;
    opening.submit(vec![delivered("a", 1)]);
    opening.submit(vec![queued("a", 2, &message("t", "x"))]);
    opening.submit(vec![delivered("a", 2)]);
    assert_eq!(opening.next(Ticket(1)).await, Progress::Committed(Ticket(4)));
}
