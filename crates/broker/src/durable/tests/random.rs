//! Random changes, power cuts and failed commits: what is loaded is what a simple model says.

use proptest::collection::vec;
use proptest::prelude::*;
use sqlx::Connection;

use super::model::assert_same;
use super::*;
use crate::durable::load::{Care, load};

const CLIENTS: [&str; 3] = ["a", "b", "ümlaut"];
const TOPICS: [&str; 3] = ["t", "t/x", "$SYS/y"];

/// A change of a few clients and topics, with few numbers, so that they meet.
fn change() -> impl Strategy<Value = Change> {
    let client = || proptest::sample::select(&CLIENTS[..]);
    let name = || proptest::sample::select(&TOPICS[..]);
    let share = || proptest::option::of(Just("group"));
    let qos = || proptest::sample::select(vec![Qos::AtLeastOnce, Qos::ExactlyOnce]);
    prop_oneof![
        4 => (client(), any::<u32>(), proptest::option::of(name())).prop_map(|(client_id, expiry_seconds, will)| {
            let will = will.map(|name| Arc::new(KeptWill { message: rich_message(name), delay_seconds: expiry_seconds }));
            Change::SessionOpened { client_id: client_id.into(), user: "ana".into(), expiry_seconds, will }
        }),
        1 => (client(), 0_u64..30).prop_map(|(client_id, number)| left(client_id, number)),
        1 => client().prop_map(|client_id| Change::WillGone(client_id.into())),
        1 => client().prop_map(|client_id| Change::SessionEnded(client_id.into())),
        2 => (client(), share(), name(), 0_u8..64).prop_map(|(client_id, share, filter, options)| {
            subscribed(client_id, share, filter, options)
        }),
        1 => (client(), share(), name()).prop_map(|(client_id, share, filter)| Change::Unsubscribed {
            client_id: client_id.into(),
            share: share.map(Into::into),
            filter: TopicFilter::new(filter).unwrap(),
        }),
        8 => (client(), 0_u64..30, qos(), any::<bool>(), any::<bool>()).prop_map(|(client_id, number, qos, retain, rich)| {
            let message = if rich { Arc::new(rich_message("t")) } else { message("t", "short") };
            let identifiers: Option<Arc<[u32]>> = rich.then(|| [3, 4].into());
            let delivery = KeptDelivery { number, message, qos, retain, identifiers };
            Change::Queued { client_id: client_id.into(), delivery }
        }),
        6 => (client(), 0_u64..30).prop_map(|(client_id, number)| delivered(client_id, number)),
        2 => (client(), 0_u64..30).prop_map(|(client_id, number)| Change::Received(client_id.into(), number)),
        2 => (client(), 1_u16..5).prop_map(|(client_id, packet)| Change::IncomingBegun(client_id.into(), packet)),
        2 => (client(), 1_u16..5).prop_map(|(client_id, packet)| Change::IncomingReleased(client_id.into(), packet)),
        2 => (name(), "[a-z]{0,3}", any::<bool>()).prop_map(|(name, payload, lazily)| Change::Retained {
            message: message(name, &payload),
            lazily,
        }),
        1 => (name(), any::<bool>()).prop_map(|(name, lazily)| Change::RetainedCleared { topic: topic(name), lazily }),
    ]
}

/// A round in which one message goes to several sessions.
fn round() -> impl Strategy<Value = Vec<Change>> {
    (vec(change(), 0..8), any::<bool>(), 0_u64..30).prop_map(|(mut changes, shared, number)| {
        if shared {
            let body = message("shared", "by all");
            changes.extend(CLIENTS.iter().map(|client_id| queued(client_id, number, &body)));
        }
        changes
    })
}

/// What happens to a store.
#[derive(Clone, Debug)]
enum Step {
    Round(Vec<Change>),
    /// Everything that was submitted is committed.
    Settle,
    /// A power cut: it goes on with what is on the disk.
    Cut,
    /// A stop in order, and a start.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => round().prop_map(Step::Round),
        3 => Just(Step::Settle),
        1 => Just(Step::Cut),
        1 => Just(Step::Restart),
    ]
}

/// How a commit ends.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    Committed,
    /// It is reported as failed, and nothing is in the file.
    Failed,
    /// It is reported as failed, and all of it is in the file: the flush failed, say.
    Doubtful,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![2 => Just(Outcome::Committed), 2 => Just(Outcome::Failed), 2 => Just(Outcome::Doubtful)]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_keeps_what_a_simple_model_keeps(steps in vec(step(), 1..40)) {
        runtime().block_on(async {
            let mut place = Place::new();
            let mut model = Model::default();
            let mut opening = place.open().await;
            for step in steps {
                place.clock.advance(Duration::from_millis(7));
                let now = place.clock.now().as_millis();
                match step {
                    Step::Round(changes) => {
                        changes.iter().for_each(|change| model.apply(now, change));
                        opening.submit(changes);
                    }
                    Step::Settle => opening.settle().await,
                    Step::Cut => {
                        opening.settle().await;
                        place = place.power_cut();
                        opening = place.open().await;
                        model.forget_lazy();
                        assert_same(opening.snapshot.clone(), &model.snapshot(now));
                    }
                    Step::Restart => {
                        opening.close().await;
                        model.sweep();
                        opening = place.open().await;
                        assert_same(opening.snapshot.clone(), &model.snapshot(now));
                    }
                }
            }
        });
    }

    #[test]
    fn a_commit_of_which_nobody_knows_how_it_ended_is_made_good(rounds in vec((round(), outcome()), 1..25)) {
        runtime().block_on(async {
            let place = Place::new();
            let clock: Arc<dyn Clock> = place.clock.clone();
            let Opened { mut connection, loaded } =
                open::open(&place.file(), &StoreOptions::default(), &clock).await.unwrap();
            let (mut state, mut model) = (loaded.state, Model::default());
            for (changes, outcome) in rounds {
                changes.iter().for_each(|change| model.apply(NOW, change));
                state.apply(NOW, changes);
                model.sweep();
                state.sweep();
                if !matches!(outcome, Outcome::Failed) {
                    write::write(&mut connection, &state).await.unwrap();
                }
                match outcome {
                    Outcome::Committed => state.committed(),
                    Outcome::Failed | Outcome::Doubtful => state.failed(),
                }
            }
            write::write(&mut connection, &state).await.unwrap();
            state.committed();
            let found = load(&mut connection, place.clock.now(), Care::Strict).await.unwrap();
            assert_same(found.snapshot, &model.snapshot(NOW));
            assert!(found.state.group.is_empty(), "no message is left without a delivery: {:?}", found.state.group);
            connection.close().await.unwrap();
        });
    }
}
