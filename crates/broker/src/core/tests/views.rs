//! What people see of the broker, and what they do about it.

use std::time::Duration;

use gatehouse_model::{Qos, TopicFilter};

use super::world::{Sent, World, hello, name, will};
use crate::codec::{Connect, Version};
use crate::store::StoreError;

#[test]
fn clients_are_seen_with_what_waits_for_them() {
    let mut world = World::new();
    let (away, _) = world.lasting(Version::V3, "away");
    world.sent(away);
    world.subscribe(away, "t", Qos::AtLeastOnce);
    world.cut(away);
    let here = world.connect(Connect {
        keep_alive: 60,
        receive_maximum: 1,
        will: will("will", "x", 0),
        ..hello(Version::V5, "here")
    });
    world.sent(here);
    world.subscribe(here, "#", Qos::AtLeastOnce);
    world.pass(Duration::from_secs(10));
    world.publish(here, "t", "1", Qos::AtLeastOnce, 1);
    world.publish(here, "t", "2", Qos::AtLeastOnce, 2);
    world.pass(Duration::from_secs(5));
    let views: Vec<_> = world.core.client_views(world.now).into_iter().map(|(view, _)| view).collect();
    assert_eq!(&*views[0].client_id, "away");
    assert_eq!((views[0].queued, views[0].in_flight, views[0].connection.is_none()), (2, 0, true));
    assert_eq!(
        (views[0].last_heard, views[0].session_expiry_seconds),
        (Some(Duration::from_secs(15)), 3_600)
    );
    assert_eq!((views[1].queued, views[1].in_flight, views[1].subscriptions), (1, 1, 1));
    let connection = views[1].connection.as_ref().unwrap();
    assert_eq!((connection.protocol, connection.keep_alive_seconds, connection.has_will), ("5", 60, true));
    assert_eq!(connection.connected_for, Duration::from_secs(15));
    assert_eq!(views[1].last_heard, Some(Duration::from_secs(5)));
}

#[test]
fn one_client_is_disconnected_and_the_others_stay() {
    let mut world = World::new();
    let one = world.client(Version::V5, "one");
    let other = world.client(Version::V5, "other");
    assert!(world.core.disconnect(world.now, "one"));
    assert!(!world.core.disconnect(world.now, "one") && !world.core.disconnect(world.now, "nobody"));
    world.settle();
    assert_eq!(world.sent(one), [Sent::Disconnect(0x98)]);
    assert!(!world.is_open(one) && world.is_open(other));
}

#[test]
fn retained_messages_are_turned_page_by_page_and_cleared_by_filter() {
    let mut world = World::durable();
    let client = world.client(Version::V5, "client");
    let pages = crate::views::RETAINED_PER_PAGE;
    for number in 0..pages + 10 {
        world.retain(client, &format!("a/{number:05}"), "x");
    }
    world.retain(client, "b", "x");
    let filter = TopicFilter::new("a/#").unwrap();
    let first = world.core.retained_page(world.now, &filter, None);
    assert_eq!((first.messages.len(), first.messages[0].topic.as_str()), (pages, "a/00000"));
    let second = world.core.retained_page(world.now, &filter, first.more_after.as_ref());
    assert_eq!((second.messages.len(), second.more_after), (10, None));
    let (count, ticket) = world.core.clear_retained(&filter);
    assert_eq!(count, pages + 10);
    assert!(ticket.is_some(), "what was cleared has to be cleared on the disk");
    let left = world.core.retained_page(world.now, &TopicFilter::new("#").unwrap(), None);
    assert_eq!(left.messages.iter().map(|one| one.topic.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(world.core.retained_page(world.now, &filter, Some(&name("zzz"))).messages.is_empty());
}

#[test]
fn a_failing_store_is_told_at_once_below_sys() {
    let mut world = World::with_settings(|settings| settings.sys_interval = Duration::from_secs(10));
    world.pass(Duration::from_millis(1));
    let client = world.client(Version::V5, "admin");
    world.subscribe(client, "$SYS/broker/store/state", Qos::AtMostOnce);
    assert_eq!(world.payloads(client), ["ok"]);
    world.core.store_fails(world.now, StoreError::Full("no room".to_owned()));
    world.settle();
    assert_eq!(world.payloads(client), ["the disk is full: no room"]);
    world.core.committed(world.now, crate::store::Ticket(1));
    world.settle();
    assert_eq!(world.payloads(client), ["ok"]);
}

/// Dashboards that were made for Mosquitto ask for these names (mosquitto(8)).
#[test]
fn the_figures_have_the_names_that_mosquitto_gives_them() {
    let mut world = World::with_settings(|settings| settings.sys_interval = Duration::from_secs(10));
    let client = world.client(Version::V5, "admin");
    world.publish(client, "t", "12345", Qos::AtMostOnce, 0);
    world.pass(Duration::from_secs(60));
    let filter = TopicFilter::new("$SYS/#").unwrap();
    let page = world.core.retained_page(world.now, &filter, None);
    let value = |wanted: &str| {
        let topic = format!("$SYS/broker/{wanted}");
        let found = page.messages.iter().find(|one| one.topic.as_str() == topic);
        String::from_utf8(found.unwrap_or_else(|| panic!("{topic}")).payload.to_vec()).unwrap()
    };
    assert_eq!(value("uptime"), "60 seconds");
    assert_eq!(value("clients/connected"), "1");
    assert_eq!(value("clients/maximum"), "1");
    assert_eq!(value("publish/messages/received"), "1");
    assert_eq!(value("publish/bytes/received"), "5");
    for name in [
        "version",
        "clients/disconnected",
        "clients/total",
        "clients/expired",
        "messages/received",
        "messages/sent",
        "messages/stored",
        "store/messages/count",
        "store/messages/bytes",
        "publish/messages/sent",
        "publish/messages/dropped",
        "publish/bytes/sent",
        "bytes/received",
        "bytes/sent",
        "retained messages/count",
        "subscriptions/count",
        "shared_subscriptions/count",
    ] {
        value(name);
    }
    for load in [
        "messages/received",
        "messages/sent",
        "publish/received",
        "publish/sent",
        "publish/dropped",
        "sockets",
    ] {
        for window in ["1min", "5min", "15min"] {
            value(&format!("load/{load}/{window}")).parse::<f64>().unwrap();
        }
    }
    assert!(value("load/publish/received/1min").parse::<f64>().unwrap() > 0.0);
}
