//! Retained messages for new subscriptions, which come when the client has room for them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use gatehouse_model::{Qos, TopicFilter};

use super::world::{Sent, World, hello};
use crate::OpenGuard;
use crate::Settings;
use crate::codec::{Connect, Options, Packet, Subscribe, Version};
use crate::core::ConnectionId;

/// A client that reads nothing more, and has subscribed to `#` meanwhile.
fn subscribed_while_deaf(world: &mut World) -> ConnectionId {
    let client = world.client(Version::V5, "c");
    world.gauge(client).0.store(Settings::default().outbound_bytes + 1, Ordering::Relaxed);
    world.subscribe(client, "#", Qos::AtLeastOnce);
    client
}

fn hear(world: &mut World, client: ConnectionId) {
    world.gauge(client).0.store(0, Ordering::Relaxed);
    world.core.drained(world.now, client);
    world.settle();
}

#[test]
fn nothing_comes_after_the_unsuback() {
    let mut world = World::with_settings(|settings| settings.in_flight_messages = 1);
    for topic in ["a", "b", "c"] {
        world.publish_local(topic, topic, Qos::AtLeastOnce, true);
    }
    let client = world.client(Version::V5, "c");
    world.subscribe(client, "#", Qos::AtLeastOnce);
    let first = world.got(client);
    assert_eq!(first.len(), 1);
    world.unsubscribe(client, "#");
    assert_eq!(world.sent(client), [Sent::UnsubAck(98, vec![0])]);
    world.send(client, crate::codec::Packet::PubAck(first[0].id));
    assert_eq!(world.sent(client), []);
}

#[test]
fn what_is_retained_after_the_subscribe_comes_once() {
    let mut world = World::new();
    world.publish_local("old", "1", Qos::AtLeastOnce, true);
    let client = subscribed_while_deaf(&mut world);
    world.publish_local("new", "2", Qos::AtLeastOnce, true);
    world.publish_local("old", "3", Qos::AtLeastOnce, true);
    hear(&mut world, client);
    let got = world.got(client);
    let seen: Vec<_> = got.iter().map(|got| (got.topic.as_str(), got.payload.as_str(), got.retain)).collect();
    assert_eq!(seen, [("new", "2", false), ("old", "3", false)]);
}

/// The client had no room for the new state as it happened: then the retained message is the only one that tells it.
#[test]
fn what_was_dropped_meanwhile_comes_as_retained() {
    let mut world = World::new();
    world.publish_local("old", "1", Qos::AtMostOnce, true);
    let client = subscribed_while_deaf(&mut world);
    world.publish_local("new", "2", Qos::AtMostOnce, true);
    world.publish_local("old", "3", Qos::AtMostOnce, true);
    hear(&mut world, client);
    let got = world.got(client);
    let seen: Vec<_> = got.iter().map(|got| (got.topic.as_str(), got.payload.as_str(), got.retain)).collect();
    assert_eq!(seen, [("new", "2", true), ("old", "3", true)]);
}

#[test]
fn the_figures_of_the_broker_do_not_use_up_the_quota() {
    let settings =
        Settings { retained_messages: 1, sys_interval: Duration::from_secs(10), ..Settings::default() };
    let mut world = World::with(settings, std::sync::Arc::new(OpenGuard), false);
    world.pass(Duration::from_secs(25));
    assert!(world.core.sizes()[2] > 10);
    let client = world.client(Version::V5, "c");
    world.retain(client, "a", "x");
    world.retain(client, "b", "x");
    assert_eq!(world.core.tally().messages_refused, 1);
}

/// A retained message of QoS 2 waited for its commit when its topic got a new state of QoS 0, which another subscription
/// was told at once: the former state came after it.
#[test]
fn a_former_state_never_comes_after_the_new_one() {
    let mut world = World::durable();
    world.publish_local("t", "former", Qos::ExactlyOnce, true);
    let client = world.connect(Connect { session_expiry: 60, ..hello(Version::V5, "c") });
    world.commit();
    assert_eq!(world.sent(client).len(), 1);
    let filters = |filter: &str| {
        let options = Options { qos: Qos::ExactlyOnce, ..Options::default() };
        let filters = vec![Ok((TopicFilter::new(filter).unwrap().into(), options))];
        Packet::Subscribe(Box::new(Subscribe { packet_id: 9, identifier: None, filters }))
    };
    world.send(client, filters("t"));
    world.publish_local("t", "new", Qos::AtMostOnce, true);
    world.send(client, filters("+"));
    world.commit();
    world.commit();
    let payloads: Vec<_> = world
        .sent(client)
        .into_iter()
        .filter_map(|sent| match sent {
            Sent::Publish(got) => Some(got.payload),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, ["former", "new", "new"]);
}
