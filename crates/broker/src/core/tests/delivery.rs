//! The three qualities of service, both ways.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gatehouse_model::{Properties, Qos, TopicFilter};

use super::world::{Got, Sent, World, hello, plain, publish};
use crate::Settings;
use crate::codec::{Connect, Packet, Publish, Version};
use crate::store::Change;

const BOTH: [Version; 2] = [Version::V3, Version::V5];

#[test]
fn qos_0_reaches_everybody_who_asked_once() {
    for version in BOTH {
        let mut world = World::new();
        let subscriber = world.client(version, "subscriber");
        let other = world.client(Version::V5, "other");
        let publisher = world.client(version, "publisher");
        for filter in ["casa/+/luz", "casa/#", "casa/ático/luz"] {
            world.subscribe(subscriber, filter, Qos::AtLeastOnce);
        }
        world.subscribe(other, "#", Qos::AtMostOnce);
        world.publish(publisher, "casa/ático/luz", "ON", Qos::AtMostOnce, 0);
        world.publish(publisher, "家/客厅/温度", "21.5", Qos::AtMostOnce, 0);
        assert_eq!(world.got(subscriber), [plain("casa/ático/luz", "ON")]);
        assert_eq!(world.got(other), [plain("casa/ático/luz", "ON"), plain("家/客厅/温度", "21.5")]);
        assert_eq!(world.sent(publisher), []);
        world.unsubscribe(subscriber, "casa/#");
        world.publish(publisher, "casa/x", "1", Qos::AtMostOnce, 0);
        assert!(matches!(&world.sent(subscriber)[..], [Sent::UnsubAck(98, _)]));
    }
}

#[test]
fn qos_1_is_acknowledged_both_ways() {
    for version in BOTH {
        let mut world = World::new();
        let subscriber = world.client(version, "subscriber");
        let publisher = world.client(version, "publisher");
        assert_eq!(world.subscribe(subscriber, "t", Qos::AtLeastOnce), 1);
        world.publish(publisher, "t", "a", Qos::AtLeastOnce, 7);
        world.publish(publisher, "t", "b", Qos::ExactlyOnce, 8);
        assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 7, 0), Sent::Ack("PUBREC", 8, 0)]);
        let got = world.got(subscriber);
        assert_eq!(got[0], Got { qos: 1, id: 1, ..plain("t", "a") });
        assert_eq!(got[1], Got { qos: 1, id: 2, ..plain("t", "b") });
        world.send(subscriber, Packet::PubAck(1));
        world.send(subscriber, Packet::PubAck(2));
        // An acknowledgement of nothing is passed over.
        world.send(subscriber, Packet::PubAck(2));
        assert!(world.is_open(subscriber));
    }
}

#[test]
fn qos_2_is_delivered_exactly_once_though_every_packet_is_repeated() {
    for version in BOTH {
        let mut world = World::new();
        let publisher = world.client(version, "publisher");
        let (subscriber, _) = world.lasting(version, "subscriber");
        world.sent(subscriber);
        world.subscribe(subscriber, "t", Qos::ExactlyOnce);
        for _ in 0..3 {
            world.publish(publisher, "t", "a", Qos::ExactlyOnce, 7);
            assert_eq!(world.sent(publisher), [Sent::Ack("PUBREC", 7, 0)]);
        }
        world.send(publisher, Packet::PubRel(7));
        assert_eq!(world.sent(publisher), [Sent::Ack("PUBCOMP", 7, 0)]);
        world.send(publisher, Packet::PubRel(7));
        let unknown = if version == Version::V5 { 0x92 } else { 0 };
        assert_eq!(world.sent(publisher), [Sent::Ack("PUBCOMP", 7, unknown)]);
        assert_eq!(world.got(subscriber), [Got { qos: 2, id: 1, ..plain("t", "a") }]);

        // The connection breaks before the PUBREC: the same message again, with DUP.
        world.cut(subscriber);
        let (subscriber, present) = world.lasting(version, "subscriber");
        assert!(present);
        let again = Got { qos: 2, id: 1, duplicate: true, ..plain("t", "a") };
        assert_eq!(world.sent(subscriber), [Sent::ConnAck(0, true), Sent::Publish(again)]);
        world.send(subscriber, Packet::PubRec { packet_id: 1, accepted: true });
        assert_eq!(world.sent(subscriber), [Sent::Ack("PUBREL", 1, 0)]);

        // It breaks before the PUBCOMP: the PUBREL again, and never the message.
        world.cut(subscriber);
        let (subscriber, _) = world.lasting(version, "subscriber");
        assert_eq!(world.sent(subscriber), [Sent::ConnAck(0, true), Sent::Ack("PUBREL", 1, 0)]);
        world.send(subscriber, Packet::PubComp(1));
        world.cut(subscriber);
        let (subscriber, _) = world.lasting(version, "subscriber");
        assert_eq!(world.sent(subscriber), [Sent::ConnAck(0, true)]);
    }
}

#[test]
fn an_unreleased_publish_is_suppressed_across_connections() {
    let mut world = World::new();
    let (publisher, _) = world.lasting(Version::V3, "publisher");
    world.sent(publisher);
    let subscriber = world.client(Version::V3, "subscriber");
    world.subscribe(subscriber, "t", Qos::AtMostOnce);
    world.publish(publisher, "t", "a", Qos::ExactlyOnce, 7);
    world.cut(publisher);
    let (publisher, _) = world.lasting(Version::V3, "publisher");
    world.publish(publisher, "t", "a", Qos::ExactlyOnce, 7);
    world.send(publisher, Packet::PubRel(7));
    // The identifier is free again, so that the same number is another message.
    world.publish(publisher, "t", "b", Qos::ExactlyOnce, 7);
    assert_eq!(world.payloads(subscriber), ["a", "b"]);
}

#[test]
fn what_a_session_misses_waits_in_order() {
    let mut world = World::new();
    let publisher = world.client(Version::V3, "publisher");
    let (away, _) = world.lasting(Version::V5, "away");
    world.sent(away);
    world.subscribe(away, "t/#", Qos::ExactlyOnce);
    world.leave(away);
    for number in 0u16..10 {
        let qos = Qos::from_level((number % 3) as u8).unwrap();
        world.publish(publisher, &format!("t/{}", number % 2), &number.to_string(), qos, number + 1);
    }
    let (back, present) = world.lasting(Version::V5, "away");
    assert!(present);
    assert_eq!(world.sent(back).remove(0), Sent::ConnAck(0, true));
    // QoS 0 is not kept; the rest comes in its order.
    world.cut(back);
    let (back, _) = world.lasting(Version::V5, "away");
    let sent = world.sent(back);
    let payloads: Vec<&str> = sent
        .iter()
        .filter_map(|sent| match sent {
            Sent::Publish(got) => Some(got.payload.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, ["1", "2", "4", "5", "7", "8"]);
}

#[test]
fn the_window_of_the_client_is_kept() {
    let mut world = World::new();
    let subscriber = world.connect(Connect { receive_maximum: 2, ..hello(Version::V5, "small") });
    world.sent(subscriber);
    world.subscribe(subscriber, "t", Qos::ExactlyOnce);
    for number in 0..5 {
        world.publish_local("t", &number.to_string(), Qos::ExactlyOnce, false);
    }
    assert_eq!(world.payloads(subscriber), ["0", "1"]);
    // A PUBREC does not make room [MQTT-4.9.0-2], a PUBCOMP does, and so does a refusing PUBREC.
    world.send(subscriber, Packet::PubRec { packet_id: 1, accepted: true });
    assert_eq!(world.sent(subscriber), [Sent::Ack("PUBREL", 1, 0)]);
    world.send(subscriber, Packet::PubComp(1));
    assert_eq!(world.payloads(subscriber), ["2"]);
    world.send(subscriber, Packet::PubRec { packet_id: 2, accepted: false });
    assert_eq!(world.payloads(subscriber), ["3"]);
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut world = World::with_settings(|settings| settings.queued_messages = 3);
    let (away, _) = world.lasting(Version::V3, "away");
    world.sent(away);
    world.subscribe(away, "t", Qos::AtLeastOnce);
    world.cut(away);
    for number in 0..5 {
        world.publish_local("t", &number.to_string(), Qos::AtLeastOnce, false);
    }
    assert_eq!(world.core.tally().messages_dropped, 2);
    let (back, _) = world.lasting(Version::V3, "away");
    assert_eq!(world.sent(back).len(), 4);
}

#[test]
fn a_client_that_reads_slowly_gets_the_rest_later() {
    let mut world = World::with_settings(|settings| settings.outbound_bytes = 1_000);
    let slow = world.client(Version::V3, "slow");
    world.subscribe(slow, "t", Qos::AtLeastOnce);
    world.gauge(slow).0.store(2_000, Ordering::Relaxed);
    world.publish_local("t", "lost", Qos::AtMostOnce, false);
    world.publish_local("t", "kept", Qos::AtLeastOnce, false);
    assert_eq!(world.payloads(slow), [""; 0]);
    assert_eq!(world.core.tally().messages_dropped, 1);
    assert!(world.wants_to_hear(slow));
    world.gauge(slow).0.store(0, Ordering::Relaxed);
    world.core.drained(world.now, slow);
    world.settle();
    assert_eq!(world.payloads(slow), ["kept"]);
    // Its own packets make answers that it does not read either: it has to go.
    world.gauge(slow).0.store(3_000, Ordering::Relaxed);
    world.send(slow, Packet::PingReq);
    assert!(!world.is_open(slow));
}

#[test]
fn publishers_are_slowed_for_those_who_read_slowly_and_not_for_those_who_do_not() {
    let mut world = World::with_settings(|settings| {
        settings.in_flight_messages = 1;
        settings.queued_messages = 10;
    });
    let publisher = world.client(Version::V3, "publisher");
    let slow = world.client(Version::V3, "slow");
    world.subscribe(slow, "t", Qos::AtLeastOnce);
    let flood = |world: &mut World| {
        let packet = Packet::Publish(publish("t", "x", Qos::AtLeastOnce, 1));
        world.core.packets(world.now, publisher, [packet]).pause()
    };
    assert!((0..3).all(|_| flood(&mut world).is_none()));
    let pauses: Vec<_> = (0..9).map(|_| flood(&mut world)).collect();
    assert!(pauses.is_sorted() && pauses[8] == Some(Duration::from_millis(64)), "{pauses:?}");
    // It reads on, so that it is waited for.
    world.pass(Duration::from_secs(5));
    world.gauge(slow).1.store(100, Ordering::Relaxed);
    assert!(flood(&mut world).is_some());
    world.pass(Duration::from_secs(5));
    assert_eq!(flood(&mut world), None, "it has stopped to read");
    world.cut(slow);
    assert_eq!(flood(&mut world), None, "nobody waits for a client that is away");
}

#[test]
fn a_packet_too_large_for_its_client_is_not_sent() {
    let mut world = World::new();
    let small = world.connect(Connect { max_packet_bytes: Some(60), ..hello(Version::V5, "small") });
    world.sent(small);
    world.subscribe(small, "t", Qos::AtLeastOnce);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        world.publish_local("t", &"x".repeat(60), qos, false);
        world.publish_local("t", "fits", qos, false);
    }
    assert_eq!(world.payloads(small), ["fits", "fits"]);
    assert_eq!(world.core.tally().messages_dropped, 2);
}

#[test]
fn an_expiry_counts_down_while_a_message_waits() {
    let mut world = World::new();
    let (away, _) = world.lasting(Version::V5, "away");
    world.sent(away);
    world.subscribe(away, "t", Qos::AtLeastOnce);
    world.cut(away);
    let publisher = world.client(Version::V5, "publisher");
    for (payload, seconds) in [("short", 10), ("long", 100)] {
        let properties = Properties { message_expiry_seconds: Some(seconds), ..Properties::default() };
        let retained = Publish { properties, ..publish("t", payload, Qos::AtLeastOnce, 1) };
        world.send(publisher, Packet::Publish(retained));
    }
    world.pass(Duration::from_secs(30));
    let (back, _) = world.lasting(Version::V5, "away");
    let sent = world.sent(back);
    assert_eq!(sent.len(), 2);
    let Sent::Publish(got) = &sent[1] else { panic!("{sent:?}") };
    assert_eq!((got.payload.as_str(), got.expiry), ("long", Some(70)));
}

#[test]
fn parts_of_the_gateway_are_clients_like_others() {
    let mut world = World::new();
    let client = world.client(Version::V5, "client");
    world.retain(client, "casa/a", "1");
    world.publish_local("casa/b", "2", Qos::AtLeastOnce, true);
    let filters = [
        (TopicFilter::new("casa/#").unwrap(), Qos::AtMostOnce),
        (TopicFilter::new("casa/b").unwrap(), Qos::ExactlyOnce),
    ];
    let (number, retained) = world.core.subscribe_local(world.now, &filters);
    let retained: Vec<_> =
        retained.iter().map(|message| (message.topic.as_str(), message.qos, message.retain)).collect();
    assert_eq!(retained, [("casa/a", Qos::AtMostOnce, true), ("casa/b", Qos::AtLeastOnce, true)]);
    world.publish(client, "casa/b", "3", Qos::ExactlyOnce, 1);
    world.retain(client, "casa/a", "4");
    let live = world.local.remove(&number).unwrap();
    assert_eq!(live.len(), 2);
    assert_eq!((live[0].qos, live[0].retain, &*live[0].payload), (Qos::ExactlyOnce, false, &b"3"[..]));
    assert_eq!((live[1].qos, live[1].retain), (Qos::AtMostOnce, false));
    assert_eq!(live[0].origin.to_string(), "client client (user ana)");
    world.core.unsubscribe_local(number);
    world.publish(client, "casa/b", "5", Qos::AtMostOnce, 0);
    assert!(world.local.is_empty());
}

#[test]
fn an_acknowledgement_waits_for_the_commit_that_covers_it() {
    let mut world = World::durable();
    let (subscriber, _) = world.lasting(Version::V3, "subscriber");
    world.commit();
    world.sent(subscriber);
    world.send(subscriber, Packet::PingReq);
    assert_eq!(world.sent(subscriber), [Sent::PingResp]);
    let publisher = world.client(Version::V3, "publisher");
    // Nobody is there for it, so there is nothing to keep.
    world.publish(publisher, "t", "nobody", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 1, 0)]);
    let filters = vec![Ok((
        TopicFilter::new("t").unwrap().into(),
        crate::codec::Options { qos: Qos::AtLeastOnce, ..crate::codec::Options::default() },
    ))];
    let subscribe = crate::codec::Subscribe { packet_id: 5, identifier: None, filters };
    world.send(subscriber, Packet::Subscribe(Box::new(subscribe)));
    assert_eq!(world.sent(subscriber), []);
    world.commit();
    assert_eq!(world.sent(subscriber), [Sent::SubAck(5, vec![1])]);

    world.publish(publisher, "t", "a", Qos::AtLeastOnce, 2);
    // This one needs no commit, but the order of acknowledgements does.
    world.publish(publisher, "elsewhere", "b", Qos::AtLeastOnce, 3);
    assert_eq!(world.sent(publisher), []);
    assert_eq!(world.payloads(subscriber), ["a"]);
    world.commit();
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 2, 0), Sent::Ack("PUBACK", 3, 0)]);
    assert!(
        world
            .changes
            .iter()
            .any(|change| matches!(change, Change::Queued { delivery, .. } if delivery.number == 0))
    );
    world.send(subscriber, Packet::PubAck(1));
    assert!(matches!(world.changes.last(), Some(Change::Delivered(_, 0))));
}

/// A part of the gateway that takes nothing out unless the test says so.
#[derive(Default)]
struct SlowPart {
    waiting: std::sync::atomic::AtomicUsize,
    taken: std::sync::atomic::AtomicU64,
}

impl crate::core::LocalGauge for SlowPart {
    fn waiting(&self) -> (usize, usize) {
        (self.waiting.load(std::sync::atomic::Ordering::Relaxed), 0)
    }

    fn taken(&self) -> u64 {
        self.taken.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn a_part_of_the_gateway_slows_its_publishers_down() {
    use std::sync::atomic::Ordering::Relaxed;
    let mut world = World::with_settings(|settings| settings.local_queue_messages = 100);
    let filters = [(TopicFilter::new("t").unwrap(), Qos::AtMostOnce)];
    let (number, _) = world.core.subscribe_local(world.now, &filters);
    let part = std::sync::Arc::new(SlowPart::default());
    world.core.watch_local(number, std::sync::Arc::clone(&part) as _);
    let client = world.client(Version::V3, "publisher");
    let send = |world: &mut World, count| {
        let packets = (0..count).map(|_| Packet::Publish(publish("t", "x", Qos::AtMostOnce, 0)));
        let pause = world.core.packets(world.now, client, packets).pause();
        world.settle();
        pause
    };
    assert_eq!(send(&mut world, 10), None);
    // What this round has not handed over yet counts as well.
    assert!(send(&mut world, 60).is_some());
    part.waiting.store(80, Relaxed);
    assert!(send(&mut world, 1).is_some());
    assert!(world.core.local_pause(world.now).is_some());
    part.waiting.store(30, Relaxed);
    assert_eq!(world.core.local_pause(world.now), None);
    // A part that hangs holds nobody up for long.
    part.waiting.store(100, Relaxed);
    world.pass(Duration::from_secs(2));
    assert_eq!(send(&mut world, 1), None);
    part.taken.store(1, Relaxed);
    assert!(send(&mut world, 1).is_some());
}

#[test]
fn all_queues_together_are_bounded_and_leave_a_share_to_those_who_are_there() {
    let mut world = World::with_settings(|settings| settings.total_waiting_bytes = 100_000);
    let payload = "x".repeat(10_000);
    for client_id in ["away1", "away2"] {
        let (away, _) = world.lasting(Version::V3, client_id);
        world.sent(away);
        world.subscribe(away, "t", Qos::AtLeastOnce);
        world.cut(away);
    }
    for _ in 0..20 {
        world.publish_local("t", &payload, Qos::AtLeastOnce, false);
    }
    let dropped = world.core.tally().messages_dropped;
    assert!((25..35).contains(&dropped), "{dropped} of 40");
    assert!(world.core.meter().bytes() < 120_000);
    // A client that is there and reads notices nothing.
    let here = world.client(Version::V5, "here");
    world.subscribe(here, "t", Qos::AtLeastOnce);
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        world.publish_local("t", &payload, qos, false);
        assert_eq!(world.payloads(here).len(), 1);
    }
    // One that does not read gets its share and no more.
    world.gauge(here).0.store(Settings::LEAST_SHARE + 1, Ordering::Relaxed);
    world.publish_local("t", &payload, Qos::AtMostOnce, false);
    assert_eq!(world.payloads(here).len(), 0);
    // What ended waits no more.
    for client_id in ["away1", "away2"] {
        world.connect(hello(Version::V3, client_id));
    }
    world.send(here, Packet::PubAck(1));
    assert_eq!(world.core.meter().bytes(), 0);
}

#[test]
fn what_is_staged_in_one_round_counts_before_it_is_written() {
    let mut world = World::with_settings(|settings| settings.total_waiting_bytes = 100_000);
    for number in 0..20 {
        let client = world.client(Version::V3, &number.to_string());
        world.subscribe(client, "t", Qos::AtMostOnce);
    }
    let publisher = world.client(Version::V3, "publisher");
    let payload = "x".repeat(10_000);
    let packets = (0..6).map(|_| Packet::Publish(publish("t", &payload, Qos::AtMostOnce, 0)));
    world.core.packets(world.now, publisher, packets);
    // Four fit into the share of each client; the other two are dropped for all.
    assert_eq!(world.core.tally().messages_dropped, 40);
}

/// With the largest window that can be set, a client that acknowledged nothing had every packet identifier in use, and the
/// broker looked for a free one for ever.
#[test]
fn there_is_a_packet_identifier_left_however_much_a_client_leaves_unacknowledged() {
    let mut world = World::with_settings(|settings| {
        settings.in_flight_messages = u16::MAX;
        settings.queued_messages = usize::MAX;
        settings.queued_bytes = usize::MAX;
        settings.total_waiting_bytes = usize::MAX;
    });
    let client = world.client(Version::V3, "c");
    world.subscribe(client, "t", Qos::AtLeastOnce);
    for _ in 0..=u16::MAX {
        world.publish_local("t", "", Qos::AtLeastOnce, false);
    }
    let first = world.got(client).first().map(|got| got.id);
    world.send(client, Packet::PubAck(first.unwrap()));
    assert_eq!(world.got(client).len(), 1, "what waited is sent");
}

/// Each message that a full queue had no room for took a packet identifier. They came round, and finding one that was free
/// meant a look at the whole queue for every message.
#[test]
fn what_is_dropped_takes_no_packet_identifier() {
    let mut world = World::with_settings(|settings| {
        (settings.in_flight_messages, settings.queued_messages) = (1, 2);
    });
    let client = world.client(Version::V5, "c");
    world.subscribe(client, "t", Qos::AtLeastOnce);
    for _ in 0..5 {
        world.publish_local("t", "1", Qos::AtLeastOnce, false);
        world.publish_local("t", "0", Qos::AtMostOnce, false);
    }
    for id in 1..=3 {
        let ids: Vec<u16> = world.got(client).iter().map(|got| got.id).filter(|id| *id > 0).collect();
        assert_eq!(ids, [id]);
        world.send(client, Packet::PubAck(id));
    }
    world.publish_local("t", "1", Qos::AtLeastOnce, false);
    assert_eq!(world.got(client)[0].id, 4);
}

/// A message was on its way when its client left, and the client came back taking smaller packets: the message took its
/// place in the window for as long as the connection lasted, and with a window of one nothing came any more.
#[test]
fn a_repeat_that_is_too_large_now_counts_as_sent() {
    let mut world = World::new();
    let hello = |max_packet_bytes| Connect {
        clean_start: false,
        session_expiry: 60,
        receive_maximum: 1,
        max_packet_bytes,
        ..hello(Version::V5, "c")
    };
    let client = world.connect(hello(None));
    assert_eq!(world.sent(client).len(), 1);
    world.subscribe(client, "t", Qos::AtLeastOnce);
    world.publish_local("t", &"x".repeat(200), Qos::AtLeastOnce, false);
    world.publish_local("t", "small", Qos::AtLeastOnce, false);
    world.cut(client);
    let client = world.connect(hello(Some(128)));
    assert_eq!(world.sent(client).len(), 2, "[MQTT-3.1.2-25]: the CONNACK, and the message that fits");
    assert_eq!(world.core.tally().messages_dropped, 1);
}
