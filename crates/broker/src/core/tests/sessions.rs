//! Sessions: begun, taken over, resumed, ended.

use std::time::Duration;

use gatehouse_model::Qos;

use super::world::{Sent, World, hello, will};
use crate::Rights;
use crate::codec::{Connect, Disconnect, Packet, Version};

#[test]
fn a_second_client_with_the_same_identifier_takes_over() {
    for (version, farewell) in [(Version::V3, vec![]), (Version::V5, vec![Sent::Disconnect(0x8E)])] {
        let mut world = World::new();
        let first = world.client(version, "same");
        let second = world.client(version, "same");
        assert_eq!(world.sent(first), farewell);
        assert!(!world.is_open(first) && world.is_open(second));
        // What the first still had on its way is nobody's.
        world.send(first, Packet::PingReq);
        world.cut(first);
        world.send(second, Packet::PingReq);
        assert_eq!(world.sent(second), [Sent::PingResp]);
    }
}

#[test]
fn a_session_lasts_as_long_as_it_was_asked_to() {
    for version in [Version::V3, Version::V5] {
        let mut world = World::new();
        let (client, present) = world.lasting(version, "c");
        assert!(!present);
        world.sent(client);
        world.subscribe(client, "t", Qos::AtLeastOnce);
        world.cut(client);
        world.pass(Duration::from_secs(3_599));
        let (client, present) = world.lasting(version, "c");
        assert!(present);
        world.cut(client);
        world.pass(Duration::from_secs(3_601));
        world.publish_local("t", "too late", Qos::AtLeastOnce, false);
        let (client, present) = world.lasting(version, "c");
        assert!(!present);
        assert_eq!(world.sent(client), [Sent::ConnAck(0, false)]);
        assert_eq!(world.core.next_deadline(), None, "no timer stays behind");
    }
}

#[test]
fn a_clean_start_forgets_and_a_clean_session_ends_with_its_connection() {
    let mut world = World::new();
    let (client, _) = world.lasting(Version::V5, "c");
    world.sent(client);
    world.subscribe(client, "t", Qos::AtLeastOnce);
    world.cut(client);
    let client = world.client(Version::V5, "c");
    world.publish_local("t", "x", Qos::AtLeastOnce, false);
    assert_eq!(world.sent(client), []);
    world.cut(client);
    let (_, present) = world.lasting(Version::V5, "c");
    assert!(!present);
}

#[test]
fn another_user_never_resumes_a_session() {
    let mut world = World::new();
    let (client, _) = world.lasting(Version::V5, "c");
    world.sent(client);
    world.subscribe(client, "t", Qos::AtLeastOnce);
    world.cut(client);
    world.publish_local("t", "for ana only", Qos::AtLeastOnce, false);
    let connect = Connect { clean_start: false, session_expiry: 60, ..hello(Version::V5, "c") };
    let other = world.connect_as(connect, "ben", Rights::everything());
    assert_eq!(world.sent(other), [Sent::ConnAck(0, false)]);
}

#[test]
fn a_goodbye_may_shorten_the_session_and_not_begin_one() {
    let mut world = World::new();
    let (client, _) = world.lasting(Version::V5, "c");
    world.send(client, Packet::Disconnect(Disconnect { with_will: false, session_expiry: Some(0) }));
    let (client, present) = world.lasting(Version::V5, "c");
    assert!(!present);
    world.leave(client);
    let client = world.client(Version::V5, "d");
    world.send(client, Packet::Disconnect(Disconnect { with_will: false, session_expiry: Some(9) }));
    assert_eq!(world.sent(client), [Sent::Disconnect(0x82)]);
}

#[test]
fn a_silent_client_is_disconnected_after_one_and_a_half_times_its_keep_alive() {
    let mut world = World::new();
    let patient = world.client(Version::V5, "patient");
    let client = world.connect(Connect { keep_alive: 10, ..hello(Version::V5, "c") });
    world.sent(client);
    for _ in 0..5 {
        world.pass(Duration::from_secs(14));
        world.send(client, Packet::PingReq);
    }
    assert_eq!(world.sent(client), vec![Sent::PingResp; 5]);
    world.pass(Duration::from_millis(14_900));
    assert!(world.is_open(client));
    world.pass(Duration::from_millis(200));
    assert_eq!(world.sent(client), [Sent::Disconnect(0x8D)]);
    assert!(!world.is_open(client));
    // Keep-alive 0 is none.
    world.pass(Duration::from_secs(100_000));
    assert!(world.is_open(patient));
    assert_eq!(world.core.next_deadline(), None);
}

#[test]
fn a_server_may_impose_its_own_keep_alive() {
    let mut world = World::with_settings(|settings| settings.max_keep_alive_seconds = 60);
    let client = world.client(Version::V5, "c");
    world.pass(Duration::from_secs(91));
    assert!(!world.is_open(client));
}

#[test]
fn a_client_without_an_identifier_is_given_one() {
    let mut world = World::new();
    let one = world.client(Version::V5, "");
    let two = world.client(Version::V3, "");
    assert!(world.is_open(one) && world.is_open(two));
}

#[test]
fn limits_of_sessions_and_identifiers_are_told() {
    let mut world = World::with_settings(|settings| settings.max_sessions = 1);
    world.client(Version::V5, "first");
    let second = world.connect(lasting(Version::V5, "second"));
    assert_eq!(world.sent(second), [Sent::ConnAck(0x97, false)]);
    let second = world.connect(lasting(Version::V3, "second"));
    assert_eq!(world.sent(second), [Sent::ConnAck(3, false)]);
    let long = world.connect(hello(Version::V3, &"x".repeat(257)));
    assert_eq!(world.sent(long), [Sent::ConnAck(2, false)]);
    world.client(Version::V5, "first");
}

fn lasting(version: Version, client_id: &str) -> Connect {
    Connect { clean_start: false, session_expiry: 3_600, ..hello(version, client_id) }
}

/// 4,096 sessions left behind by one script, which chose another identifier each time, kept every client out for a month,
/// those that ask for no session as well.
#[test]
fn one_user_with_many_sessions_locks_out_nobody_else() {
    let mut world = World::with_settings(|settings| {
        settings.max_sessions = 4;
        settings.sessions_per_user = 2;
    });
    let mut tell = |user: &str, connect: Connect| {
        let connection = world.connect_as(connect, user, Rights::everything());
        let answers = world.sent(connection);
        (connection, answers)
    };
    for client_id in ["a", "b"] {
        assert_eq!(tell("bob", lasting(Version::V5, client_id)).1, [Sent::ConnAck(0, false)]);
    }
    let refused = [Sent::ConnAck(0x97, false)];
    assert_eq!(tell("bob", lasting(Version::V5, "c")).1, refused);
    assert_eq!(tell("bob", lasting(Version::V5, "b")).1, [Sent::ConnAck(0, true)], "his own goes on");
    assert_eq!(tell("bob", hello(Version::V5, "c")).1, [Sent::ConnAck(0, false)], "one that does not last");
    assert_eq!(tell("bob", lasting(Version::V5, "c")).1, refused, "nor by way of one that does not last");
    assert_eq!(tell("ana", lasting(Version::V5, "d")).1, [Sent::ConnAck(0, false)]);
    assert_eq!(tell("eva", lasting(Version::V5, "e")).1, refused, "all together");
    assert_eq!(tell("eva", hello(Version::V5, "e")).1, [Sent::ConnAck(0, false)]);
    // What ends makes room.
    let (ended, answers) = tell("bob", hello(Version::V5, "a"));
    assert_eq!(answers, [Sent::ConnAck(0, false)]);
    world.cut(ended);
    let connection = world.connect_as(hello(Version::V5, "c"), "bob", Rights::everything());
    world.cut(connection);
    let again = world.connect_as(lasting(Version::V5, "c"), "bob", Rights::everything());
    assert_eq!(world.sent(again), [Sent::ConnAck(0, false)]);
}

#[test]
fn a_revoked_user_keeps_nothing() {
    for version in [Version::V3, Version::V5] {
        let mut world = World::new();
        let lasting =
            |client_id| Connect { clean_start: false, session_expiry: 3_600, ..hello(version, client_id) };
        let bystander = world.client(version, "bystander");
        world.subscribe(bystander, "will", Qos::AtMostOnce);
        let bob = |world: &mut World, connect| world.connect_as(connect, "bob", Rights::everything());
        let away = bob(&mut world, lasting("away"));
        let _ = world.sent(away);
        world.subscribe(away, "t", Qos::AtLeastOnce);
        world.cut(away);
        let here = bob(&mut world, Connect { will: will("will", "gone", 0), ..lasting("here") });
        let short = bob(&mut world, hello(version, "short"));
        let _ = (world.sent(here), world.sent(short));
        world.publish_local("t", "secret", Qos::AtLeastOnce, false);
        world.core.revoke(world.now, "bob");
        world.settle();
        for client in [here, short] {
            assert!(!world.is_open(client));
            let expected = if version == Version::V5 { vec![Sent::Disconnect(0x87)] } else { vec![] };
            assert_eq!(world.sent(client), expected);
        }
        assert_eq!(world.payloads(bystander), ["gone"]);
        assert!(world.is_open(bystander));
        // Nothing is found again.
        for client_id in ["away", "here"] {
            let back = bob(&mut world, lasting(client_id));
            assert_eq!(world.sent(back), [Sent::ConnAck(0, false)]);
        }
    }
}
