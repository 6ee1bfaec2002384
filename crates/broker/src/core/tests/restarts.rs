//! What a restart brings back, and what the broker does while its disk fails.

use std::time::Duration;

use gatehouse_model::{Properties, Qos};

use super::world::{Sent, World, hello, publish, will};
use crate::codec::{Connect, Disconnect, Options, Packet, Publish, Version};
use crate::core::ConnectionId;
use crate::store::StoreError;

fn expiring(payload: &str, seconds: u32, id: u16) -> Packet {
    let properties = Properties { message_expiry_seconds: Some(seconds), ..Properties::default() };
    Packet::Publish(Publish { properties, ..publish("t", payload, Qos::AtLeastOnce, id) })
}

/// A subscriber with a session that is away, and a publisher.
fn away(world: &mut World) -> ConnectionId {
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    world.subscribe_later(subscriber, "t", Qos::AtLeastOnce);
    world.commit();
    world.cut(subscriber);
    world.client(Version::V5, "publisher")
}

#[test]
fn time_goes_on_for_messages_while_the_broker_is_down() {
    let mut world = World::durable();
    let publisher = away(&mut world);
    world.send(publisher, expiring("short", 10, 1));
    world.send(publisher, expiring("long", 100, 2));
    world.commit();
    world.now = world.now + Duration::from_secs(30);
    world.crash();
    let (subscriber, is_present) = world.lasting(Version::V5, "subscriber");
    assert!(is_present);
    world.sent_after_connack(subscriber, |got| {
        assert_eq!(got.len(), 1);
        assert_eq!((got[0].payload.as_str(), got[0].expiry, got[0].duplicate), ("long", Some(70), false));
    });
}

#[test]
fn retained_messages_expire_while_the_broker_is_down() {
    let mut world = World::durable();
    let publisher = world.client(Version::V5, "publisher");
    for (topic, seconds) in [("short", 10), ("long", 100)] {
        let properties = Properties { message_expiry_seconds: Some(seconds), ..Properties::default() };
        let message = publish(topic, "x", Qos::AtLeastOnce, 1);
        world.send(publisher, Packet::Publish(Publish { properties, retain: true, ..message }));
    }
    world.commit();
    world.now = world.now + Duration::from_secs(30);
    world.crash();
    let subscriber = world.client(Version::V5, "subscriber");
    world.subscribe(subscriber, "#", Qos::AtMostOnce);
    let got = world.got(subscriber);
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].topic.as_str(), got[0].expiry), ("long", Some(70)));
    world.pass(Duration::from_secs(71));
    let late = world.client(Version::V5, "late");
    world.subscribe(late, "#", Qos::AtMostOnce);
    assert_eq!(world.got(late), []);
}

#[test]
fn a_session_ends_as_long_after_its_client_left_as_if_the_broker_had_run() {
    for (away, survives) in [(3_000, true), (3_700, false)] {
        let mut world = World::durable();
        let (client, _) = world.lasting(Version::V5, "client");
        world.cut(client);
        world.commit();
        world.now = world.now + Duration::from_secs(away);
        world.crash();
        world.pass(Duration::ZERO);
        let (_, is_present) = world.lasting(Version::V5, "client");
        assert_eq!(is_present, survives, "{away}");
    }
}

#[test]
fn a_session_that_was_connected_until_the_end_counts_its_expiry_from_the_restart() {
    let mut world = World::durable();
    world.lasting(Version::V5, "client");
    // Longer than the expiry, which does not run while the client is there.
    world.now = world.now + Duration::from_secs(10_000);
    world.crash();
    world.pass(Duration::from_secs(3_599));
    let (client, is_present) = world.lasting(Version::V5, "client");
    assert!(is_present);
    world.cut(client);
    world.commit();
    world.pass(Duration::from_secs(3_601));
    assert!(!world.lasting(Version::V5, "client").1);
}

#[test]
fn a_will_survives_a_sudden_end_and_is_published_when_it_is_due() {
    let mut world = World::durable();
    let connect = Connect { session_expiry: 3_600, clean_start: false, ..hello(Version::V5, "client") };
    let client = world.connect(Connect { will: will("will", "gone", 20), ..connect });
    world.commit();
    assert_eq!(world.sent(client), [Sent::ConnAck(0, false)]);
    world.crash();
    let watcher = world.client(Version::V5, "watcher");
    world.subscribe(watcher, "will", Qos::AtMostOnce);
    world.pass(Duration::from_secs(19));
    assert_eq!(world.got(watcher), []);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.payloads(watcher), ["gone"]);
    world.commit();
    world.crash();
    let watcher = world.client(Version::V5, "watcher");
    world.subscribe(watcher, "will", Qos::AtMostOnce);
    world.pass(Duration::from_secs(100));
    assert_eq!(world.got(watcher), [], "it is published once");
}

#[test]
fn a_client_that_said_goodbye_leaves_no_will_behind() {
    let mut world = World::durable();
    let connect = Connect { session_expiry: 3_600, clean_start: false, ..hello(Version::V5, "client") };
    let client = world.connect(Connect { will: will("will", "gone", 0), ..connect });
    world.commit();
    world.send(client, Packet::Disconnect(Disconnect { with_will: false, session_expiry: None }));
    world.commit();
    world.crash();
    let watcher = world.client(Version::V5, "watcher");
    world.subscribe(watcher, "will", Qos::AtMostOnce);
    world.pass(Duration::from_secs(10));
    assert_eq!(world.got(watcher), []);
}

#[test]
fn options_and_identifiers_of_subscriptions_come_back() {
    let mut world = World::durable();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    let options = Options { qos: Qos::AtLeastOnce, retain_as_published: true, ..Options::default() };
    world.subscribe_with_later(subscriber, "t", options, Some(77));
    world.subscribe_with_later(subscriber, "$share/g/s", options, None);
    world.commit();
    world.crash();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    let publisher = world.client(Version::V5, "publisher");
    let message = publish("t", "x", Qos::AtMostOnce, 0);
    world.send(publisher, Packet::Publish(Publish { retain: true, ..message }));
    world.publish(publisher, "s", "shared", Qos::AtMostOnce, 0);
    let got = world.got(subscriber);
    assert_eq!((got[0].retain, got[0].identifiers.as_slice()), (true, &[77][..]));
    assert_eq!(got[1].payload, "shared");
}

/// The broker's own figures and QoS 0 readings do not go to the disk at once.
#[test]
fn nothing_waits_for_what_is_retained_with_qos_0() {
    let mut world = World::durable();
    let publisher = world.client(Version::V5, "publisher");
    world.retain(publisher, "t", "21.5");
    world.publish_local("u", "21.5", Qos::AtMostOnce, true);
    assert!(world.changes.iter().all(crate::core::tests::kept::is_lazy), "{:?}", world.changes);
    assert_eq!(world.changes.len(), 2);
    world.commit();
    world.retain(publisher, "t", "");
    assert!(!crate::core::tests::kept::is_lazy(world.changes.last().unwrap()), "what was cleared stays so");
}

#[test]
fn with_a_full_disk_what_needs_none_goes_on_and_the_rest_is_refused_or_waits() {
    let mut world = World::durable();
    let publisher = away(&mut world);
    let old = world.client(Version::V3, "old");
    let live = world.client(Version::V5, "live");
    world.subscribe(live, "t", Qos::ExactlyOnce);
    world.core.store_fails(world.now, StoreError::Full("in a test".to_owned()));

    // Somebody is away who would have to be told later.
    world.publish(publisher, "t", "a", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 1, 0x97)]);
    world.publish(publisher, "t", "b", Qos::ExactlyOnce, 2);
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBREC", 2, 0x97)]);
    // QoS 0, and what only those receive who are there, needs no disk.
    world.publish(publisher, "t", "c", Qos::AtMostOnce, 0);
    world.publish(publisher, "u", "d", Qos::AtLeastOnce, 3);
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 3, 0x10)]);
    assert_eq!(world.payloads(live), ["c"]);
    // 3.1.1 knows no reason: the message goes its way, and its acknowledgement waits.
    world.publish(old, "t", "e", Qos::AtLeastOnce, 4);
    assert_eq!(world.sent(old), []);
    assert_eq!(world.payloads(live), ["e"]);

    // Sessions that are known go on; one that is to last cannot begin, others can.
    let known = world.connect(Connect {
        clean_start: false,
        session_expiry: 3_600,
        ..hello(Version::V5, "subscriber")
    });
    let sent = world.sent(known);
    assert_eq!(sent[0], Sent::ConnAck(0, true));
    assert!(matches!(&sent[1], Sent::Publish(got) if got.payload == "e"));
    assert_eq!(world.subscribe(known, "more", Qos::AtLeastOnce), 0x97);
    let new = world.connect(Connect { session_expiry: 60, ..hello(Version::V5, "new") });
    assert_eq!(world.sent(new), [Sent::ConnAck(0x97, false)]);
    let new = world.connect(Connect { clean_start: false, session_expiry: 60, ..hello(Version::V3, "new") });
    assert_eq!(world.sent(new), [Sent::ConnAck(3, false)]);
    world.client(Version::V3, "clean");

    // There is room again.
    world.commit();
    assert_eq!(world.sent(old), [Sent::Ack("PUBACK", 4, 0)]);
    world.publish(publisher, "t", "f", Qos::AtLeastOnce, 5);
    world.commit();
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 5, 0)]);
}

#[test]
fn a_failing_disk_is_told_apart_from_a_full_one() {
    let mut world = World::durable();
    let publisher = away(&mut world);
    world.core.store_fails(world.now, StoreError::Failed("in a test".to_owned()));
    world.publish(publisher, "t", "a", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 1, 0x83)]);
}

/// A QoS 0 message that went straight out overtook a QoS 1 message of the same publisher that waited in the queue.
#[test]
fn qos_0_does_not_overtake_what_waits_before_it() {
    let mut world = World::new();
    let subscriber = world.connect(Connect { receive_maximum: 1, ..hello(Version::V5, "subscriber") });
    world.sent(subscriber);
    world.subscribe(subscriber, "t", Qos::AtLeastOnce);
    let publisher = world.client(Version::V5, "publisher");
    world.publish(publisher, "t", "1", Qos::AtLeastOnce, 1);
    world.publish(publisher, "t", "2", Qos::AtLeastOnce, 2);
    world.publish(publisher, "t", "3", Qos::AtMostOnce, 0);
    world.publish(publisher, "t", "4", Qos::AtLeastOnce, 3);
    assert_eq!(world.payloads(subscriber), ["1"]);
    world.send(subscriber, Packet::PubAck(1));
    assert_eq!(world.payloads(subscriber), ["2", "3"]);
    world.send(subscriber, Packet::PubAck(2));
    assert_eq!(world.payloads(subscriber), ["4"]);
}

/// A client that is connected and was not read from, because the disk could not follow, was closed for its silence.
#[test]
fn who_is_not_listened_to_is_not_silent() {
    let mut world = World::new();
    let client = world.connect(Connect { keep_alive: 10, ..hello(Version::V5, "client") });
    world.sent(client);
    world.core.listen(false);
    world.pass(Duration::from_secs(60));
    assert!(world.is_open(client));
    world.core.listen(true);
    world.pass(Duration::from_secs(16));
    assert!(!world.is_open(client), "from then on its keep-alive counts");
}

/// Each retained message of QoS 2 waited for a commit of its own: a thousand topics were a thousand flushes.
#[test]
fn retained_messages_for_one_subscription_share_a_commit() {
    let mut world = World::durable();
    let publisher = world.client(Version::V5, "publisher");
    for number in 1..=50 {
        let retained = publish(&format!("r/{number:02}"), "x", Qos::ExactlyOnce, number);
        world.send(publisher, Packet::Publish(Publish { retain: true, ..retained }));
        world.send(publisher, Packet::PubRel(number));
    }
    world.commit();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    world.subscribe_later(subscriber, "r/#", Qos::ExactlyOnce);
    world.commit();
    assert_eq!(world.sent(subscriber).len(), 51, "the SUBACK and all messages");
}

/// What had been sent once was sent again after a sudden end, although its client's rights had been taken meanwhile.
#[test]
fn what_may_not_be_received_any_more_is_not_repeated() {
    let mut world = World::new();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    world.subscribe(subscriber, "t", Qos::AtLeastOnce);
    let publisher = world.client(Version::V5, "publisher");
    world.publish(publisher, "t", "secret", Qos::AtLeastOnce, 1);
    assert_eq!(world.payloads(subscriber), ["secret"]);
    world.cut(subscriber);
    world.core.set_rights("ana", |_| crate::Rights::nothing());
    let connect = Connect { clean_start: false, session_expiry: 60, ..hello(Version::V5, "subscriber") };
    let subscriber = world.connect_as(connect, "ana", crate::Rights::nothing());
    assert_eq!(world.sent(subscriber), [Sent::ConnAck(0, true)]);
}

/// A client of 3.1.1 could have 65,535 begun publishes in each of its sessions.
#[test]
fn unreleased_publishes_are_bounded_for_3_1_1_as_well() {
    let mut world = World::new();
    let client = world.client(Version::V3, "client");
    for id in 1..=8_192 {
        world.publish(client, "t", "x", Qos::ExactlyOnce, id);
    }
    assert!(world.is_open(client));
    world.publish(client, "t", "x", Qos::ExactlyOnce, 8_193);
    assert!(!world.is_open(client));
}

/// A QoS 2 delivery that had been sent expired while the broker was down, and was forgotten: after another sudden end its
/// packet identifier was given to another message, which the client took for a repetition.
#[test]
fn an_expired_message_of_qos_2_gives_its_identifier_back_by_a_release() {
    let mut world = World::durable();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    world.subscribe_later(subscriber, "t", Qos::ExactlyOnce);
    world.commit();
    world.sent(subscriber);
    let publisher = world.client(Version::V5, "publisher");
    let properties = Properties { message_expiry_seconds: Some(10), ..Properties::default() };
    let message = publish("t", "x", Qos::ExactlyOnce, 1);
    world.send(publisher, Packet::Publish(Publish { properties, ..message }));
    world.commit();
    let id = world.got(subscriber)[0].id;
    world.now = world.now + Duration::from_secs(30);
    world.crash();
    world.settle();
    world.commit();
    // A second sudden end changes nothing.
    world.crash();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    assert_eq!(world.sent(subscriber)[1..], [Sent::Ack("PUBREL", id, 0)]);
    world.send(subscriber, Packet::PubComp(id));
    assert!(matches!(world.changes.last(), Some(crate::store::Change::Delivered(..))));
}
