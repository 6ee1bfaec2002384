//! Limits that a server may announce (MQTT 5.0 section 3.2.2.3): announced when they are not the protocol's own, and
//! held to.

use std::time::Duration;

use gatehouse_model::Qos;
use rmqtt_codec::types::QoS;
use rmqtt_codec::v5;

use super::world::{Sent, World, hello, plain, publish, will};
use crate::Settings;
use crate::codec::{Connect, Options, Packet, Publish, Subscribe, Version, Wanted, Will};

fn subscribe(text: &str, identifier: Option<u32>) -> Packet {
    let filters = vec![Ok((Wanted::parse(text).unwrap(), Options::default()))];
    Packet::Subscribe(Box::new(Subscribe { packet_id: 9, identifier, filters }))
}

/// A house that does without everything that one can do without.
fn strict(settings: &mut Settings) {
    settings.maximum_qos = Qos::AtMostOnce;
    settings.retain_available = false;
    settings.wildcard_subscriptions = false;
    settings.subscription_identifiers = false;
    settings.shared_subscriptions = false;
    settings.receive_maximum = 5;
    settings.max_packet_bytes = 1_000;
    settings.topic_alias_maximum = 3;
    settings.max_session_expiry = Duration::from_secs(60);
    settings.max_keep_alive_seconds = 30;
}

#[test]
fn what_is_not_the_protocols_own_is_announced() {
    let mut world = World::with_settings(strict);
    let client =
        world.connect(Connect { session_expiry: 61, keep_alive: 31, ..hello(Version::V5, "client") });
    let announced = world.announced(client);
    let expected = v5::ConnectAck {
        session_expiry_interval_secs: Some(60),
        receive_max: 5.try_into().unwrap(),
        max_qos: QoS::AtMostOnce,
        retain_available: false,
        max_packet_size: Some(1_000),
        topic_alias_max: 3,
        wildcard_subscription_available: false,
        subscription_identifiers_available: false,
        shared_subscription_available: false,
        server_keepalive_sec: Some(30),
        ..v5::ConnectAck::default()
    };
    assert_eq!(announced, expected);
}

#[test]
fn what_is_the_protocols_own_takes_no_bytes() {
    let mut world = World::with_settings(|settings| {
        settings.receive_maximum = 65_535;
        settings.max_packet_bytes = u32::MAX;
        settings.topic_alias_maximum = 0;
    });
    let client = world.connect(hello(Version::V5, "client"));
    assert_eq!(world.bytes(client), [0x20, 3, 0, 0, 0]);
}

/// 3.1.1 has no code for it: it is told that the service is not available.
#[test]
fn a_will_that_cannot_be_published_keeps_its_client_out() {
    let mut world = World::with_settings(strict);
    let base = Will { qos: Qos::AtMostOnce, ..will("t", "gone", 0).unwrap() };
    for (will, code) in [
        (Will { qos: Qos::AtLeastOnce, ..base.clone() }, 0x9B),
        (Will { qos: Qos::ExactlyOnce, ..base.clone() }, 0x9B),
        (Will { retain: true, ..base.clone() }, 0x9A),
        (base, 0),
    ] {
        for (version, code) in [(Version::V5, code), (Version::V3, if code == 0 { 0 } else { 3 })] {
            let connect = Connect { will: Some(will.clone()), ..hello(version, "client") };
            let client = world.connect(connect);
            assert_eq!(world.sent(client)[0], Sent::ConnAck(code, false));
            assert_eq!(world.is_open(client), code == 0);
        }
    }
}

#[test]
fn a_publish_above_what_was_announced_ends_the_connection() {
    for version in [Version::V3, Version::V5] {
        for (forbidden, code) in [
            (publish("t", "x", Qos::AtLeastOnce, 1), 0x9B),
            (publish("t", "x", Qos::ExactlyOnce, 1), 0x9B),
            (Publish { retain: true, ..publish("t", "x", Qos::AtMostOnce, 0) }, 0x9A),
        ] {
            let mut world = World::with_settings(strict);
            let witness = world.client(version, "witness");
            world.subscribe(witness, "t", Qos::AtMostOnce);
            let client = world.connect(hello(version, "client"));
            world.sent(client);
            world.publish(client, "t", "fine", Qos::AtMostOnce, 0);
            world.send(client, Packet::Publish(forbidden));
            let farewell = if version == Version::V5 { vec![Sent::Disconnect(code)] } else { vec![] };
            assert_eq!(world.sent(client), farewell);
            assert!(!world.is_open(client));
            assert_eq!(world.payloads(witness), ["fine"]);
        }
    }
}

/// [MQTT-3.2.2-10]: filters are taken with whatever QoS. The gateway's own messages are retained all the same.
#[test]
fn a_filter_gets_the_qos_that_there_is() {
    let mut world = World::with_settings(strict);
    world.publish_local("t", "state", Qos::AtLeastOnce, true);
    for version in [Version::V3, Version::V5] {
        let client = world.client(version, "client");
        assert_eq!(world.subscribe(client, "t", Qos::ExactlyOnce), 0);
        let got = world.got(client);
        assert_eq!((got.len(), got[0].qos, got[0].retain), (1, 0, true));
    }
}

#[test]
fn a_subscription_that_cannot_be_had_is_told_in_the_words_of_each_version() {
    for (text, identifier, code) in
        [("$share/g/t", None, 0x9E), ("casa/+", None, 0xA2), ("casa/#", None, 0xA2), ("t", Some(7), 0xA1)]
    {
        let mut world = World::with_settings(strict);
        let client = world.client(Version::V5, "client");
        world.send(client, subscribe(text, identifier));
        assert_eq!(world.sent(client), [Sent::Disconnect(code)], "{text}");
        if identifier.is_none() {
            let old = world.client(Version::V3, "old");
            world.send(old, subscribe(text, None));
            assert_eq!(world.sent(old), [Sent::SubAck(9, vec![0x80])]);
            world.send(old, subscribe("t", None));
            assert_eq!(world.sent(old), [Sent::SubAck(9, vec![0])]);
            world.publish_local("t", "x", Qos::AtMostOnce, false);
            assert_eq!(world.got(old), [plain("t", "x")]);
        }
    }
}

/// The broker's own limit on unreleased messages. [MQTT-3.3.4-9]
#[test]
fn more_than_the_receive_maximum_ends_the_connection() {
    let mut world = World::with_settings(|settings| settings.receive_maximum = 2);
    let client = world.client(Version::V5, "client");
    for id in 1..=3 {
        world.publish(client, "t", "x", Qos::ExactlyOnce, id);
    }
    let received = |id| Sent::Ack("PUBREC", id, 0x10);
    assert_eq!(world.sent(client), [received(1), received(2), Sent::Disconnect(0x93)]);
}
