//! Whatever packets come in whatever order, the core keeps its promises.

use std::collections::HashMap;
use std::time::Duration;

use gatehouse_model::Qos;
use proptest::prelude::*;

use super::world::{Sent, World, hello, publish};
use crate::codec::{Connect, Packet, Publish, Version};
use crate::core::ConnectionId;

#[test]
fn what_a_client_must_not_send_ends_its_connection() {
    for (packet, code) in [(Packet::Connect, 0x82), (Packet::Auth, 0x82)] {
        let mut world = World::new();
        let client = world.client(Version::V5, "c");
        world.send(client, packet);
        assert_eq!(world.sent(client), [Sent::Disconnect(code)]);
    }
    let mut world = World::with_settings(|settings| settings.receive_maximum = 2);
    let client = world.client(Version::V5, "c");
    for id in 1..=3 {
        world.publish(client, "t", "x", Qos::ExactlyOnce, id);
    }
    let sent = world.sent(client);
    assert_eq!(sent[2], Sent::Disconnect(0x93));
}

#[test]
fn unsubscribed_and_limited_filters() {
    let mut world = World::with_settings(|settings| settings.subscriptions_per_session = 1);
    let client = world.client(Version::V5, "c");
    assert_eq!(world.subscribe(client, "a", Qos::ExactlyOnce), 2);
    assert_eq!(world.subscribe(client, "a", Qos::AtLeastOnce), 1);
    assert_eq!(world.subscribe(client, "b", Qos::AtLeastOnce), 0x97);
    world.unsubscribe(client, "a");
    world.unsubscribe(client, "a");
    assert_eq!(world.sent(client), [Sent::UnsubAck(98, vec![0]), Sent::UnsubAck(98, vec![0x11])]);
}

/// One thing that happens in the random world.
#[derive(Clone, Debug)]
enum Step {
    Publish {
        qos: u8,
    },
    /// The subscriber answers the oldest packet that it has not answered.
    Answer,
    Cut,
    Return,
    Repeat,
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3).prop_map(|qos| Step::Publish { qos }),
        6 => Just(Step::Answer),
        1 => Just(Step::Cut),
        2 => Just(Step::Return),
        1 => Just(Step::Repeat),
        1 => (0u64..20).prop_map(Step::Pass),
    ]
}

/// A subscriber that keeps the rules of QoS 2 on its side, over connections that break.
#[derive(Default)]
struct Subscriber {
    connection: Option<ConnectionId>,
    unanswered: Vec<Sent>,
    /// Packet identifiers received and not released. [MQTT-4.3.3-12]
    holding: HashMap<u16, ()>,
    received: HashMap<String, usize>,
    order: Vec<String>,
}

impl Subscriber {
    fn read(&mut self, world: &mut World) {
        let Some(connection) = self.connection else { return };
        for sent in world.sent(connection) {
            match &sent {
                Sent::Publish(got) => {
                    let is_new = got.qos < 2 || self.holding.insert(got.id, ()).is_none();
                    if is_new {
                        *self.received.entry(got.payload.clone()).or_default() += 1;
                        if !got.duplicate {
                            self.order.push(got.payload.clone());
                        }
                    }
                    if got.qos > 0 {
                        self.unanswered.push(sent);
                    }
                }
                Sent::Ack("PUBREL", id, _) => {
                    self.holding.remove(id);
                    self.unanswered.push(sent);
                }
                _ => {}
            }
        }
    }

    fn answer(&mut self, world: &mut World) {
        let Some(connection) = self.connection else { return };
        if self.unanswered.is_empty() {
            return;
        }
        let packet = match self.unanswered.remove(0) {
            Sent::Publish(got) if got.qos == 1 => Packet::PubAck(got.id),
            Sent::Publish(got) => Packet::PubRec { packet_id: got.id, accepted: true },
            Sent::Ack(_, id, _) => Packet::PubComp(id),
            other => panic!("{other:?} needs no answer"),
        };
        world.send(connection, packet);
        self.read(world);
    }

    fn come_back(&mut self, world: &mut World, version: Version) {
        if self.connection.is_none() {
            self.connection = Some(world.lasting(version, "subscriber").0);
            self.unanswered.clear();
            self.read(world);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// However connections break: QoS 0 at most once, QoS 1 at least once, QoS 2 exactly once, in order.
    #[test]
    fn every_message_keeps_its_quality_of_service(
        steps in proptest::collection::vec(any_step(), 1..120),
        version_5: bool,
        window in 1u16..5,
    ) {
        let version = if version_5 { Version::V5 } else { Version::V3 };
        let mut world = World::with_settings(|settings| settings.in_flight_messages = window);
        let (mut publisher, _) = world.lasting(version, "publisher");
        let mut subscriber = Subscriber::default();
        subscriber.come_back(&mut world, version);
        world.subscribe(subscriber.connection.unwrap(), "t", Qos::ExactlyOnce);
        let mut published = Vec::new();
        let mut id = 0;
        for step in steps {
            match step {
                Step::Publish { qos } => {
                    id += 1;
                    let payload = format!("{qos}:{id}");
                    let level = Qos::from_level(qos).unwrap();
                    world.publish(publisher, "t", &payload, level, id);
                    published.push((payload.clone(), qos));
                    if qos == 2 {
                        // The publisher does not see the PUBREC and sends again after it has come back.
                        world.cut(publisher);
                        publisher = world.lasting(version, "publisher").0;
                        world.publish(publisher, "t", &payload, level, id);
                        world.send(publisher, Packet::PubRel(id));
                    }
                }
                Step::Answer => subscriber.answer(&mut world),
                Step::Cut => {
                    if let Some(connection) = subscriber.connection.take() {
                        world.cut(connection);
                    }
                }
                Step::Return => subscriber.come_back(&mut world, version),
                Step::Repeat => {
                    if let (Some(connection), Some(Sent::Publish(got))) =
                        (subscriber.connection, subscriber.unanswered.first())
                        && got.qos == 2
                    {
                        world.send(connection, Packet::PubRec { packet_id: got.id, accepted: true });
                    }
                }
                Step::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
            }
            subscriber.read(&mut world);
        }
        subscriber.come_back(&mut world, version);
        for _ in 0..10 * published.len() + 10 {
            subscriber.answer(&mut world);
        }
        for (payload, qos) in &published {
            let times = subscriber.received.get(payload).copied().unwrap_or(0);
            match qos {
                0 => prop_assert!(times <= 1),
                1 => prop_assert!(times >= 1, "{} was lost", payload),
                _ => prop_assert_eq!(times, 1, "{}", payload),
            }
        }
        for level in ["1:", "2:"] {
            let first: Vec<&String> = subscriber.order.iter().filter(|one| one.starts_with(level)).collect();
            let mut sorted = first.clone();
            sorted.sort_by_key(|one| one[2..].parse::<u32>().unwrap());
            prop_assert_eq!(first, sorted, "messages are sent in the order in which they came");
        }
    }

    /// Random packets of many clients never panic the core, and leave nothing behind when all have gone.
    #[test]
    fn no_schedule_of_packets_breaks_the_core(
        steps in proptest::collection::vec((0usize..3, 0u8..14, 0u16..4), 1..200),
    ) {
        let mut world = World::with_settings(|settings| {
            settings.in_flight_messages = 2;
            settings.queued_messages = 3;
        });
        let names = ["a", "b", "c"];
        let mut clients: [Option<ConnectionId>; 3] = [None; 3];
        for (who, what, id) in steps {
            let connection = match clients[who] {
                Some(connection) if world.is_open(connection) => connection,
                _ => {
                    let version = if id % 2 == 0 { Version::V3 } else { Version::V5 };
                    let connect = Connect {
                        clean_start: id == 0,
                        session_expiry: u32::from(id) * 10,
                        keep_alive: 30,
                        will: super::world::will("t/will", "gone", u32::from(id) * 5),
                        ..hello(version, names[who])
                    };
                    let connection = world.connect(connect);
                    clients[who] = Some(connection);
                    connection
                }
            };
            let id = id + 1;
            match what {
                0 => world.publish(connection, "t/x", "0", Qos::AtMostOnce, 0),
                1 => world.publish(connection, "t/x", "1", Qos::AtLeastOnce, id),
                2 => world.publish(connection, "t/y", "2", Qos::ExactlyOnce, id),
                3 => world.retain(connection, "t/r", "r"),
                4 => world.send(connection, Packet::PubAck(id)),
                5 => world.send(connection, Packet::PubRec { packet_id: id, accepted: id % 2 == 0 }),
                6 => world.send(connection, Packet::PubRel(id)),
                7 => world.send(connection, Packet::PubComp(id)),
                8 => world.unsubscribe(connection, "t/#"),
                9 => world.cut(connection),
                10 => world.leave(connection),
                11 => world.pass(Duration::from_secs(u64::from(id) * 7)),
                _ => {
                    if world.is_open(connection) {
                        let filters = vec![Ok((
                            gatehouse_model::TopicFilter::new("t/#").unwrap().into(),
                            crate::codec::Options { qos: Qos::ExactlyOnce, ..Default::default() },
                        ))];
                        let subscribe = crate::codec::Subscribe { packet_id: id, identifier: None, filters };
                        world.send(connection, Packet::Subscribe(Box::new(subscribe)));
                    }
                }
            }
            for connection in clients.iter().flatten() {
                world.sent(*connection);
            }
        }
        for connection in clients.iter().flatten() {
            world.core.lost(world.now, *connection, None);
        }
        world.settle();
        world.pass(Duration::from_secs(1_000));
        let [connected, sessions, _, subscriptions] = world.core.sizes();
        prop_assert_eq!((connected, sessions, subscriptions), (0, 0, 0));
        prop_assert_eq!(world.core.next_deadline(), None);
    }
}

/// 48,501 retained messages on topics of 126 levels counted as 12.5 MB and took 4 GB.
#[test]
fn deep_topics_count_for_what_they_take() {
    let mut world = World::with_settings(|settings| settings.retained_bytes = 1_024 * 1_024);
    let client = world.client(Version::V5, "c");
    let mut refused_at = None;
    for id in 1..=100 {
        let topic = format!("x/{id}{}", "/a".repeat(124));
        let retained = Publish { retain: true, ..publish(&topic, "x", Qos::AtLeastOnce, id) };
        world.send(client, Packet::Publish(retained));
        if world.sent(client) == [Sent::Ack("PUBACK", id, 0x97)] {
            refused_at.get_or_insert(id);
        }
    }
    assert!(refused_at.is_some_and(|id| id < 20), "{refused_at:?}");
    // As many flat topics take little, and deep ones make room when they are cleared.
    for id in 1..20 {
        world.retain(client, &format!("x/{id}{}", "/a".repeat(124)), "");
    }
    for id in 1..=1_000 {
        let retained = Publish { retain: true, ..publish(&format!("x/{id}"), "x", Qos::AtLeastOnce, id) };
        world.send(client, Packet::Publish(retained));
        assert_eq!(world.sent(client).last(), Some(&Sent::Ack("PUBACK", id, 0x10)));
    }
}

/// Each session may have 1,024 filters of 128 levels: together they took far more than the service may.
#[test]
fn deep_filters_count_for_what_they_take() {
    for (version, code) in [(Version::V5, 0x97), (Version::V3, 0x80)] {
        let mut world = World::with_settings(|settings| settings.subscription_bytes = 1_024 * 1_024);
        let deep = |number: usize| format!("{number}{}", "/+/a".repeat(60));
        let (one, other) = (world.client(version, "one"), world.client(version, "other"));
        let granted =
            (0..100).take_while(|number| world.subscribe(one, &deep(*number), Qos::AtMostOnce) == 0);
        let granted = granted.count();
        assert!((5..25).contains(&granted), "{granted}");
        // The limit is on all together; who asks for what is there already, or for little, still gets it.
        assert_eq!(world.subscribe(other, &deep(granted), Qos::AtMostOnce), code);
        assert_eq!(world.subscribe(other, &deep(0), Qos::AtMostOnce), 0);
        assert_eq!(world.subscribe(one, &deep(0), Qos::AtLeastOnce), 1);
        // A session that ends makes room.
        world.leave(one);
        assert_eq!(world.subscribe(other, &deep(granted), Qos::AtMostOnce), 0);
    }
}
