//! Retained messages and the options and properties of MQTT 5.

use std::time::Duration;

use gatehouse_model::{Properties, Qos};

use super::world::{Got, Sent, World, name, plain, publish};
use crate::codec::{Options, Packet, Publish, RetainHandling, Version};
use crate::store::Change;

#[test]
fn a_new_subscription_gets_what_is_retained() {
    for version in [Version::V3, Version::V5] {
        let mut world = World::new();
        let client = world.client(version, "c");
        world.retain(client, "casa/ático/luz", "OFF");
        world.retain(client, "casa/ático/luz", "ON");
        world.retain(client, "casa/sótano/luz", "OFF");
        world.retain(client, "casa/sótano/luz", "");
        world.subscribe(client, "casa/+/luz", Qos::AtMostOnce);
        assert_eq!(world.got(client), [Got { retain: true, ..plain("casa/ático/luz", "ON") }]);
        // What comes live does not look retained.
        world.retain(client, "casa/ático/luz", "OFF");
        assert_eq!(world.got(client), [plain("casa/ático/luz", "OFF")]);
    }
}

#[test]
fn retained_messages_wait_for_the_window_and_never_turn_back_the_time() {
    let mut world = World::with_settings(|settings| settings.in_flight_messages = 1);
    let client = world.client(Version::V5, "c");
    for topic in ["t/1", "t/2", "t/3"] {
        world.publish_local(topic, "old", Qos::AtLeastOnce, true);
    }
    world.subscribe(client, "t/#", Qos::AtLeastOnce);
    assert_eq!(world.got(client).len(), 1);
    world.publish_local("t/3", "new", Qos::AtLeastOnce, true);
    let mut seen = Vec::new();
    for id in 1..=3 {
        world.send(client, Packet::PubAck(id));
        seen.extend(world.got(client).into_iter().map(|got| (got.topic, got.payload)));
    }
    let expected =
        [("t/3", "new"), ("t/2", "old")].map(|(topic, payload)| (topic.to_owned(), payload.to_owned()));
    assert_eq!(seen, expected);
}

#[test]
fn retained_messages_expire() {
    let mut world = World::new();
    let client = world.client(Version::V5, "c");
    let properties = Properties { message_expiry_seconds: Some(10), ..Properties::default() };
    let retained = Publish { retain: true, properties, ..publish("t", "x", Qos::AtMostOnce, 0) };
    world.send(client, Packet::Publish(retained.clone()));
    world.send(client, Packet::Publish(retained));
    world.pass(Duration::from_secs(4));
    world.subscribe(client, "t", Qos::AtMostOnce);
    assert_eq!(world.got(client), [Got { retain: true, expiry: Some(6), ..plain("t", "x") }]);
    world.pass(Duration::from_secs(7));
    assert_eq!(world.core.sizes()[2], 0);
    assert_eq!(world.core.next_deadline(), None);
}

/// A message was retained for good, then one of QoS 0 that expired. Nothing was retained then, so that clearing the topic
/// was acknowledged and not recorded, and after a sudden end the first message was back: it was still below the lazy one
/// on the disk.
#[test]
fn clearing_a_topic_is_kept_even_when_nothing_is_retained() {
    let mut world = World::durable();
    let client = world.client(Version::V5, "c");
    world.publish_local("t", "for good", Qos::AtLeastOnce, true);
    let properties = Properties { message_expiry_seconds: Some(1), ..Properties::default() };
    let lazy = Publish { retain: true, properties, ..publish("t", "lazy", Qos::AtMostOnce, 0) };
    world.send(client, Packet::Publish(lazy));
    world.pass(Duration::from_secs(2));
    world.commit();
    let clear = Publish { retain: true, ..publish("t", "", Qos::AtLeastOnce, 1) };
    world.send(client, Packet::Publish(clear));
    assert_eq!(world.sent(client), []);
    let cleared = Change::RetainedCleared { topic: name("t"), lazily: false };
    assert_eq!(world.changes.last(), Some(&cleared));
    world.commit();
    assert_eq!(world.sent(client), [Sent::Ack("PUBACK", 1, 0x10)]);
}

#[test]
fn subscription_options_are_kept() {
    let mut world = World::new();
    let client = world.client(Version::V5, "c");
    world.publish_local("t", "old", Qos::AtMostOnce, true);
    let options =
        |retain_handling| Options { retain_as_published: true, retain_handling, ..Options::default() };
    world.subscribe_with(client, "t", options(RetainHandling::Never), None);
    assert_eq!(world.payloads(client), [""; 0]);
    world.subscribe_with(client, "t", options(RetainHandling::WhenNew), None);
    assert_eq!(world.payloads(client), [""; 0], "it is not new");
    world.subscribe_with(client, "t", options(RetainHandling::Always), None);
    assert_eq!(world.payloads(client), ["old"]);
    world.publish_local("t", "live", Qos::AtMostOnce, true);
    assert_eq!(world.got(client), [Got { retain: true, ..plain("t", "live") }], "retain as published");
    let no_local = Options { no_local: true, ..Options::default() };
    world.subscribe_with(client, "mine", no_local, None);
    world.publish(client, "mine", "my own", Qos::AtMostOnce, 0);
    world.publish_local("mine", "of others", Qos::AtMostOnce, false);
    assert_eq!(world.payloads(client), ["of others"]);
}

#[test]
fn properties_and_identifiers_arrive_in_order() {
    let mut world = World::new();
    let client = world.client(Version::V5, "c");
    let other = world.client(Version::V5, "other");
    world.subscribe_with(client, "t/+", Options::default(), Some(7));
    world.subscribe_with(client, "t/#", Options::default(), Some(300));
    world.subscribe(other, "t/#", Qos::AtMostOnce);
    let user: Vec<(String, String)> =
        [("b", "1"), ("a", "2"), ("b", "1"), ("ñ", "客")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
    let shared = user.iter().map(|(a, b)| (a.as_str().into(), b.as_str().into())).collect();
    let properties = Properties { user: shared, ..Properties::default() };
    world.send(client, Packet::Publish(Publish { properties, ..publish("t/x", "1", Qos::AtMostOnce, 0) }));
    let mut got = world.got(client);
    got[0].identifiers.sort_unstable();
    let expected = Got { user, ..plain("t/x", "1") };
    assert_eq!(got, [Got { identifiers: vec![7, 300], ..expected.clone() }]);
    assert_eq!(world.got(other), [expected]);
}

#[test]
fn a_publish_that_nobody_receives_is_told_so() {
    let mut world = World::new();
    let client = world.client(Version::V5, "c");
    world.publish(client, "t", "x", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(client), [Sent::Ack("PUBACK", 1, 0x10)]);
}

#[test]
fn the_broker_tells_its_figures() {
    let mut world = World::with_settings(|settings| settings.sys_interval = Duration::from_secs(10));
    let client = world.client(Version::V3, "c");
    world.pass(Duration::from_secs(20));
    world.subscribe(client, "$SYS/broker/+", Qos::AtMostOnce);
    let found: Vec<_> =
        world.got(client).into_iter().map(|got| (got.topic, got.payload, got.retain)).collect();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0], ("$SYS/broker/uptime".to_owned(), "20 seconds".to_owned(), true));
    assert!(found[1].1.starts_with("gatehouse version "));
    world.subscribe(client, "$SYS/broker/clients/connected", Qos::AtMostOnce);
    assert_eq!(world.payloads(client), ["1"]);
}

/// An expiry is for messages that wait. What was sent once is sent again and finished, however late; its packet tells
/// that nothing of the expiry is left. [MQTT-4.3.3-7], [MQTT-4.3.3-13]
#[test]
fn a_delivery_that_began_is_finished_after_its_expiry() {
    let mut world = World::new();
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    world.sent(subscriber);
    world.subscribe(subscriber, "t", Qos::ExactlyOnce);
    let publisher = world.client(Version::V5, "publisher");
    let properties = Properties { message_expiry_seconds: Some(10), ..Properties::default() };
    for id in [1, 2] {
        let message = Publish { properties: properties.clone(), ..publish("t", "x", Qos::ExactlyOnce, id) };
        world.send(publisher, Packet::Publish(message));
    }
    world.sent(publisher);
    assert_eq!(world.got(subscriber).len(), 2);
    world.send(subscriber, Packet::PubRec { packet_id: 1, accepted: true });
    world.pass(Duration::from_secs(60));
    // The publisher's side of the exchange goes on.
    world.send(publisher, Packet::PubRel(1));
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBCOMP", 1, 0)]);
    // And the subscriber's: here, and after a break.
    world.cut(subscriber);
    let (subscriber, present) = world.lasting(Version::V5, "subscriber");
    assert!(present);
    let bytes = world.bytes(subscriber);
    let connack = 2 + usize::from(bytes[1]);
    let release = [0x62, 2, 0, 1];
    let again = [0x3C, 12, 0, 1, b't', 0, 2, 5, 0x02, 0, 0, 0, 0, b'x'];
    assert_eq!(bytes[connack..], [&release[..], &again].concat());
    world.send(subscriber, Packet::PubRec { packet_id: 2, accepted: true });
    assert_eq!(world.sent(subscriber), [Sent::Ack("PUBREL", 2, 0)]);
    for id in [1, 2] {
        world.send(subscriber, Packet::PubComp(id));
    }
    world.cut(subscriber);
    let (subscriber, _) = world.lasting(Version::V5, "subscriber");
    assert_eq!(world.sent(subscriber), [Sent::ConnAck(0, true)]);
}
