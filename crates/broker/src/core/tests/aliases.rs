//! Topic aliases that the broker sets (MQTT 5.0 section 3.3.2.3.4).

use gatehouse_model::Qos;

use super::world::{Got, Sent, World, hello, plain};
use crate::codec::{Connect, Version};

fn with_aliases(world: &mut World, client_id: &str, topic_alias_maximum: u16) -> u64 {
    let client = world.connect(Connect { topic_alias_maximum, ..hello(Version::V5, client_id) });
    assert!(matches!(world.sent(client)[..], [Sent::ConnAck(0, false)]));
    client
}

/// The world reads what an alias stands for as a client does, so that `topic` is what the client understood.
fn seen(world: &mut World, client: u64) -> Vec<(String, Option<u16>)> {
    world.got(client).into_iter().map(|got| (got.topic, got.alias)).collect()
}

#[test]
fn topics_that_come_again_are_written_once() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let plain_client = world.client(Version::V5, "plain");
    let clever = with_aliases(&mut world, "clever", 2);
    for client in [plain_client, clever] {
        world.subscribe(client, "casa/#", Qos::AtLeastOnce);
    }
    for (round, qos) in (0..3).flat_map(|round| [(round, Qos::AtMostOnce), (round, Qos::AtLeastOnce)]) {
        for name in ["casa/ático", "casa/salón", "casa/cocina"] {
            world.publish(publisher, name, "x", qos, 1 + round);
        }
    }
    let understood = seen(&mut world, clever);
    let topics: Vec<&str> = understood.iter().map(|(topic, _)| &**topic).collect();
    assert_eq!(topics, ["casa/ático", "casa/salón", "casa/cocina"].repeat(6));
    let first: Vec<Option<u16>> = understood[..3].iter().map(|(_, alias)| *alias).collect();
    assert_eq!(first, [Some(1), None, None], "half of them at the first time");
    assert_eq!(understood[3..].iter().filter(|(_, alias)| alias.is_some()).count(), 2 * 5);
    assert!(understood.iter().all(|(_, alias)| alias.is_none_or(|alias| alias <= 2)));
    assert!(seen(&mut world, plain_client).iter().all(|(_, alias)| alias.is_none()));
}

/// An alias that the client was never told must not be used: the packet that would have told it was too large.
#[test]
fn what_is_too_large_sets_no_alias() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    // A PUBLISH with QoS 0 to this topic takes 15 bytes and its payload.
    let connect =
        Connect { topic_alias_maximum: 9, max_packet_bytes: Some(100), ..hello(Version::V5, "client") };
    let client = world.connect(connect);
    world.sent(client);
    world.subscribe(client, "casa/cocina", Qos::AtMostOnce);
    let publish = |world: &mut World, bytes: usize| {
        world.publish(publisher, "casa/cocina", &"x".repeat(bytes), Qos::AtMostOnce, 0);
    };
    publish(&mut world, 200);
    assert_eq!(world.core.tally().messages_dropped, 1);
    // Without an alias it fits exactly; the alias would take three bytes more.
    publish(&mut world, 84);
    let expected = [("casa/cocina".to_owned(), None)];
    assert_eq!(seen(&mut world, client), expected);
    publish(&mut world, 1);
    publish(&mut world, 200);
    publish(&mut world, 1);
    let expected = [("casa/cocina".to_owned(), Some(1)), ("casa/cocina".to_owned(), Some(1))];
    assert_eq!(seen(&mut world, client), expected);
}

/// Aliases end with the connection.
#[test]
fn a_new_connection_knows_no_alias() {
    let mut world = World::new();
    let publisher = world.client(Version::V5, "publisher");
    let connect = || Connect {
        topic_alias_maximum: 9,
        clean_start: false,
        session_expiry: 60,
        ..hello(Version::V5, "client")
    };
    let client = world.connect(connect());
    world.sent(client);
    world.subscribe(client, "casa/cocina", Qos::AtLeastOnce);
    for id in 1..=3 {
        world.publish(publisher, "casa/cocina", "x", Qos::AtLeastOnce, id);
    }
    assert_eq!(world.got(client)[2].alias, Some(1));
    let client = world.connect(connect());
    let again: Vec<Sent> = world.sent(client).split_off(1);
    assert_eq!(again.len(), 3);
    // The world knows none of the former connection, so that this one is set anew.
    let first = Got { qos: 1, id: 1, duplicate: true, alias: Some(1), ..plain("casa/cocina", "x") };
    assert_eq!(again[0], Sent::Publish(first));
}

/// Deliveries of QoS 2 once had no alias, as if what waits for the store were bytes already. A public suite expects one.
#[test]
fn a_delivery_that_waits_for_the_store_uses_the_alias_that_holds_when_it_leaves() {
    let mut world = World::durable();
    let publisher = world.client(Version::V5, "publisher");
    let client = world.connect(Connect {
        topic_alias_maximum: 1,
        clean_start: false,
        session_expiry: 60,
        ..hello(Version::V5, "client")
    });
    world.commit();
    world.sent(client);
    world.subscribe_later(client, "casa/#", Qos::ExactlyOnce);
    world.commit();
    world.sent(client);
    world.publish(publisher, "casa/cocina", "waits", Qos::ExactlyOnce, 1);
    world.publish(publisher, "casa/cocina", "behind it", Qos::AtMostOnce, 0);
    world.commit();
    world.publish(publisher, "casa/cocina", "again", Qos::AtMostOnce, 0);
    let got: Vec<_> = world.got(client).into_iter().map(|got| (got.topic, got.payload, got.alias)).collect();
    let expected = ["waits", "behind it", "again"]
        .map(|payload| ("casa/cocina".to_owned(), payload.to_owned(), Some(1)));
    assert_eq!(got, expected, "each in the order in which it came");
}

#[test]
fn a_house_may_do_without() {
    let mut world = World::with_settings(|settings| settings.outgoing_topic_aliases = 0);
    let publisher = world.client(Version::V5, "publisher");
    let client = with_aliases(&mut world, "client", 9);
    world.subscribe(client, "casa/cocina", Qos::AtMostOnce);
    for _ in 0..4 {
        world.publish(publisher, "casa/cocina", "x", Qos::AtMostOnce, 0);
    }
    assert!(seen(&mut world, client).iter().all(|(_, alias)| alias.is_none()));
}
