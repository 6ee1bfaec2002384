//! Shared subscriptions (MQTT 5.0 section 4.8.2).

use std::sync::atomic::Ordering;
use std::time::Duration;

use gatehouse_model::{Qos, TopicFilter};

use super::world::{Got, Sent, World, hello, plain, publish};
use crate::Rights;
use crate::codec::{Connect, Options, Packet, Publish, Version};
use crate::store::{Change, KeptSubscription};

const BOTH: [Version; 2] = [Version::V3, Version::V5];

/// How many messages each of the clients was sent since the last look.
fn counts<const N: usize>(world: &mut World, clients: [u64; N]) -> [usize; N] {
    clients.map(|client| world.got(client).len())
}

#[test]
fn each_message_goes_to_one_member_and_each_has_its_turn() {
    for version in BOTH {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let mut world = World::new();
            let publisher = world.client(version, "publisher");
            let members = ["a", "b", "c"].map(|id| world.client(version, id));
            let [other_group, alone] = ["d", "e"].map(|id| world.client(version, id));
            for member in members {
                assert_eq!(world.subscribe(member, "$share/g/casa/+", qos), qos.level());
            }
            world.subscribe(other_group, "$share/h/casa/+", qos);
            world.subscribe(alone, "casa/#", qos);
            // Somebody who is in two groups, and asks for himself, gets each message three times.
            for filter in ["$share/g/t", "$share/h/t", "t"] {
                world.subscribe(alone, filter, qos);
            }
            for id in 1..=9 {
                world.publish(publisher, "casa/luz", "x", qos, id);
            }
            assert_eq!(counts(&mut world, members), [3, 3, 3]);
            assert_eq!(counts(&mut world, [other_group, alone]), [9, 9]);
            world.publish(publisher, "t", "x", qos, 10);
            assert_eq!(counts(&mut world, [alone]), [3]);
            world.unsubscribe(members[1], "$share/g/casa/+");
            assert!(matches!(world.sent(members[1])[..], [Sent::UnsubAck(98, _)]));
            for id in 11..=14 {
                world.publish(publisher, "casa/luz", "x", qos, id);
            }
            assert_eq!(counts(&mut world, members), [2, 0, 2]);
        }
    }
}

#[test]
fn the_members_own_options_and_identifier_hold() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let [a, b] = ["a", "b"].map(|id| world.client(Version::V5, id));
    let options = Options { qos: Qos::ExactlyOnce, retain_as_published: true, ..Options::default() };
    world.subscribe_with(a, "$share/g/t", options, Some(7));
    world.subscribe_with(b, "$share/g/t", Options { qos: Qos::AtLeastOnce, ..Options::default() }, None);
    for id in [1, 2] {
        let retained = Publish { retain: true, ..publish("t", "x", Qos::ExactlyOnce, id) };
        world.send(publisher, Packet::Publish(retained));
    }
    assert_eq!(world.got(a), [Got { qos: 2, id: 1, retain: true, identifiers: vec![7], ..plain("t", "x") }]);
    assert_eq!(world.got(b), [Got { qos: 1, id: 1, ..plain("t", "x") }]);
}

/// "No Retained Messages are sent to the Session when it first subscribes" (MQTT 5.0 section 4.8.2).
#[test]
fn retained_messages_are_not_sent_for_shared_subscriptions() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    world.retain(publisher, "t", "kept");
    let member = world.client(Version::V5, "member");
    world.subscribe(member, "$share/g/t", Qos::AtMostOnce);
    assert_eq!(world.got(member), []);
    // Nor does it touch what the same filter still has to get for itself.
    world.subscribe(member, "t", Qos::AtMostOnce);
    assert_eq!(world.payloads(member), ["kept"]);
}

#[test]
fn who_is_there_goes_before_who_is_away_and_who_has_room_before_who_has_none() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let (away, _) = world.lasting(Version::V5, "away");
    world.sent(away);
    let narrow = world.connect(Connect { receive_maximum: 1, ..hello(Version::V5, "narrow") });
    let wide = world.client(Version::V5, "wide");
    world.sent(narrow);
    for member in [away, narrow, wide] {
        world.subscribe(member, "$share/g/t", Qos::AtLeastOnce);
    }
    world.leave(away);
    for id in 1..=5 {
        world.publish(publisher, "t", &id.to_string(), Qos::AtLeastOnce, id);
    }
    assert_eq!(world.payloads(narrow), ["1"], "its window has room for one");
    assert_eq!(world.payloads(wide), ["2", "3", "4", "5"]);
    world.leave(wide);
    world.publish(publisher, "t", "6", Qos::AtLeastOnce, 6);
    world.send(narrow, Packet::PubAck(1));
    // What "wide" has not acknowledged has come to "narrow" as well: its session ended.
    let mut seen = Vec::new();
    for id in 2..=6 {
        seen.extend(world.payloads(narrow));
        world.send(narrow, Packet::PubAck(id));
    }
    assert_eq!(seen, ["2", "3", "4", "5", "6"]);
    world.leave(narrow);
    world.publish(publisher, "t", "7", Qos::AtLeastOnce, 7);
    world.publish(publisher, "t", "not kept", Qos::AtMostOnce, 0);
    let (away, _) = world.lasting(Version::V5, "away");
    assert_eq!(world.sent(away)[1..], [Sent::Publish(Got { qos: 1, id: 1, ..plain("t", "7") })]);
}

#[test]
fn qos_0_passes_over_who_does_not_read() {
    let mut world = World::with_settings(|settings| settings.outbound_bytes = 1_000);
    let publisher = world.client(Version::V5, "publisher");
    let members = ["a", "b"].map(|id| world.client(Version::V5, id));
    for member in members {
        world.subscribe(member, "$share/g/t", Qos::AtMostOnce);
    }
    world.gauge(members[0]).0.store(2_000, Ordering::Relaxed);
    for _ in 0..4 {
        world.publish(publisher, "t", "x", Qos::AtMostOnce, 0);
    }
    assert_eq!(counts(&mut world, members), [0, 4]);
    assert_eq!(world.core.tally().messages_dropped, 0);
    world.gauge(members[1]).0.store(2_000, Ordering::Relaxed);
    world.publish(publisher, "t", "x", Qos::AtMostOnce, 0);
    assert_eq!(world.core.tally().messages_dropped, 1, "nobody reads: dropped, and counted");
}

#[test]
fn when_a_session_ends_its_messages_go_to_others_but_what_may_have_arrived_with_qos_2() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let (gone, _) = world.lasting(Version::V5, "gone");
    world.sent(gone);
    let stays = world.client(Version::V5, "stays");
    world.subscribe(gone, "$share/g/t", Qos::ExactlyOnce);
    world.subscribe(gone, "own", Qos::AtLeastOnce);
    for (id, qos) in [(1, Qos::AtLeastOnce), (2, Qos::ExactlyOnce), (3, Qos::AtLeastOnce)] {
        world.publish(publisher, "t", &format!("sent {id}"), qos, id);
    }
    world.publish(publisher, "own", "own", Qos::AtLeastOnce, 4);
    assert_eq!(world.payloads(gone), ["sent 1", "sent 2", "sent 3", "own"]);
    world.send(gone, Packet::PubAck(1));
    world.cut(gone);
    for (id, qos) in [(5, Qos::AtLeastOnce), (6, Qos::ExactlyOnce)] {
        world.publish(publisher, "t", &format!("queued {id}"), qos, id);
    }
    let mut brief = publish("t", "expires", Qos::AtLeastOnce, 7);
    brief.properties.message_expiry_seconds = Some(10);
    world.send(publisher, Packet::Publish(brief.clone()));
    brief.packet_id = 8;
    brief.payload = "counts down".into();
    brief.properties.message_expiry_seconds = Some(5_000);
    world.send(publisher, Packet::Publish(brief));
    world.subscribe(stays, "$share/g/t", Qos::ExactlyOnce);
    assert_eq!(world.got(stays), []);
    world.pass(Duration::from_secs(3_600));
    let got = world.got(stays);
    let seen: Vec<(&str, u8, bool)> = got.iter().map(|got| (&*got.payload, got.qos, got.duplicate)).collect();
    assert_eq!(
        seen,
        [("sent 3", 1, false), ("queued 5", 1, false), ("queued 6", 2, false), ("counts down", 1, false)]
    );
    assert_eq!(got[3].expiry, Some(1_400));
}

/// [MQTT-4.8.2-4]: while the session lasts, a QoS 2 delivery is completed with the client that it began with.
#[test]
fn a_delivery_that_began_waits_for_its_client() {
    for version in BOTH {
        let mut world = World::new();
        let publisher = world.client(version, "publisher");
        let (first, _) = world.lasting(version, "first");
        world.sent(first);
        world.subscribe(first, "$share/g/t", Qos::ExactlyOnce);
        world.publish(publisher, "t", "x", Qos::ExactlyOnce, 1);
        world.cut(first);
        let second = world.client(version, "second");
        world.subscribe(second, "$share/g/t", Qos::ExactlyOnce);
        let (first, present) = world.lasting(version, "first");
        assert!(present);
        let again = Got { qos: 2, id: 1, duplicate: true, ..plain("t", "x") };
        assert_eq!(world.sent(first)[1..], [Sent::Publish(again)]);
        assert_eq!(world.got(second), []);
    }
}

/// [MQTT-4.8.2-6]
#[test]
fn what_a_member_refuses_is_given_to_nobody_else() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let [refuses, other] = ["refuses", "other"].map(|id| world.client(Version::V5, id));
    world.subscribe(refuses, "$share/g/t", Qos::ExactlyOnce);
    world.publish(publisher, "t", "1", Qos::AtLeastOnce, 1);
    world.publish(publisher, "t", "2", Qos::ExactlyOnce, 2);
    assert_eq!(world.payloads(refuses), ["1", "2"]);
    world.subscribe(other, "$share/g/t", Qos::ExactlyOnce);
    // The codec gives the same packet for a PUBACK of whatever reason code: an error ends the delivery as well.
    world.send(refuses, Packet::PubAck(1));
    world.send(refuses, Packet::PubRec { packet_id: 2, accepted: false });
    world.cut(refuses);
    assert_eq!(world.got(other), []);
}

#[test]
fn a_member_without_the_right_is_passed_over() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let rights = Rights { publish: Vec::new(), subscribe: vec![TopicFilter::new("casa/public").unwrap()] };
    let limited = world.connect_as(hello(Version::V5, "limited"), "eva", rights);
    let free = world.client(Version::V5, "free");
    world.sent(limited);
    assert_eq!(world.subscribe(limited, "$share/g/office/#", Qos::AtMostOnce), 0x87);
    for member in [limited, free] {
        assert_eq!(world.subscribe(member, "$share/g/casa/+", Qos::AtMostOnce), 0);
    }
    for _ in 0..4 {
        world.publish(publisher, "casa/private", "x", Qos::AtMostOnce, 0);
    }
    assert_eq!(counts(&mut world, [limited, free]), [0, 4]);
    for _ in 0..4 {
        world.publish(publisher, "casa/public", "x", Qos::AtMostOnce, 0);
    }
    assert_eq!(counts(&mut world, [limited, free]), [2, 2]);
    // Nobody who is left may have it: the publisher learns that there is nobody.
    world.leave(free);
    world.publish(publisher, "casa/private", "x", Qos::AtLeastOnce, 1);
    assert_eq!(world.sent(publisher), [Sent::Ack("PUBACK", 1, 0x10)]);
}

#[test]
fn a_group_lives_in_the_store_and_ends_with_its_last_member() {
    let mut world = World::durable();
    let (member, _) = world.lasting(Version::V5, "member");
    world.commit();
    world.sent(member);
    let filters = vec![Ok((crate::codec::Wanted::parse("$share/g/t").unwrap(), Options::default()))];
    let subscribe = crate::codec::Subscribe { packet_id: 1, identifier: None, filters };
    world.send(member, Packet::Subscribe(Box::new(subscribe)));
    let subscription = KeptSubscription {
        share: Some("g".into()),
        filter: TopicFilter::new("t").unwrap(),
        options: 0,
        identifier: None,
    };
    let expected = Change::Subscribed { client_id: "member".into(), subscription };
    assert!(world.changes.contains(&expected), "{:?}", world.changes);
    assert_eq!(world.core.sizes()[3], 1);
    world.unsubscribe(member, "$share/g/t");
    let expected = Change::Unsubscribed {
        client_id: "member".into(),
        share: Some("g".into()),
        filter: TopicFilter::new("t").unwrap(),
    };
    assert!(world.changes.contains(&expected), "{:?}", world.changes);
    assert_eq!(world.core.sizes()[3], 0);
}

#[test]
fn members_count_for_the_limit_on_subscriptions() {
    let mut world = World::with_settings(|settings| settings.subscription_bytes = 3_000);
    let accepted = (0..20)
        .filter(|number| {
            let client = world.client(Version::V5, &format!("client-{number}"));
            world.subscribe(client, "$share/g/t", Qos::AtMostOnce) == 0
        })
        .count();
    assert!((3..9).contains(&accepted), "{accepted}");
    assert_eq!(world.core.sizes()[3], accepted);
}
