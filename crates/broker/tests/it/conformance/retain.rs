//! Retained messages: kept, replaced, cleared, and when a subscriber is given them.

use super::wire::{BOTH, Client, Note, V3, V5};
use crate::harness::House;

/// A client that subscribes, and what it is given at once.
async fn late(house: &House, filter: &str, options: u8) -> Client {
    let mut client = Client::new(house, V5, "late").await;
    client.subscribe(filter, options).await;
    client
}

#[tokio::test]
async fn a_retained_message_waits_for_subscribers() {
    for version in BOTH {
        let house = House::start().await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        for (topic, qos) in [("a/0", 0), ("a/1", 1), ("a/2", 2)] {
            publisher.publish(Note::new(topic, "old").qos(qos, 7).retain()).await;
            if qos == 2 {
                publisher.acknowledge(0x62, 7).await;
                publisher.expect(&[0x70, 2, 0, 7]).await;
            }
            publisher.publish(Note::new(topic, "new").qos(qos, 8).retain()).await;
        }
        publisher.publish(Note::new("b", "other").retain()).await;
        // The last of each topic that matches, with its own QoS.
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("a/+", 2).await;
        subscriber.expect_note(Note::new("a/0", "new").retain()).await;
        subscriber.expect_note(Note::new("a/1", "new").qos(1, 1).retain()).await;
        subscriber.expect_note(Note::new("a/2", "new").qos(2, 2).retain()).await;
        subscriber.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn the_last_retained_message_counts_whatever_its_qos() {
    let house = House::start().await;
    for version in BOTH {
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "old").qos(1, 1).retain()).await;
        publisher.publish(Note::new("t", "new").retain()).await;
        let mut subscriber = late(&house, "t", 2).await;
        subscriber.expect_note(Note::new("t", "new").retain()).await;
        subscriber.nothing().await;
        publisher.leave().await;
        subscriber.leave().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn retain_tells_old_from_new() {
    for version in BOTH {
        let house = House::start().await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        publisher.publish(Note::new("t", "old").retain()).await;
        subscriber.subscribe("t", 0).await;
        subscriber.expect_note(Note::new("t", "old").retain()).await;
        publisher.publish(Note::new("t", "new").retain()).await;
        subscriber.expect_note(Note::new("t", "new")).await;
        publisher.publish(Note::new("t", "plain")).await;
        subscriber.expect_note(Note::new("t", "plain")).await;
        house.stop().await;
    }
}

#[tokio::test]
async fn retain_as_published_keeps_the_flag() {
    let house = House::start().await;
    const RETAIN_AS_PUBLISHED: u8 = 8;
    let mut subscriber = Client::new(&house, V5, "subscriber").await;
    for qos in 0..2 {
        subscriber.subscribe("t", RETAIN_AS_PUBLISHED | qos).await;
        let mut publisher = Client::new(&house, V5, "publisher").await;
        publisher.publish(Note::new("t", "plain").qos(qos, 1)).await;
        publisher.publish(Note::new("t", "kept").qos(qos, 2).retain()).await;
        subscriber.expect_note(Note::new("t", "plain").qos(qos, 1)).await;
        subscriber.expect_note(Note::new("t", "kept").qos(qos, 2).retain()).await;
        publisher.publish(Note::new("t", "").retain()).await;
        subscriber.expect_note(Note::new("t", "").retain()).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn an_empty_message_clears_the_topic_and_is_delivered() {
    let house = House::start().await;
    for version in BOTH {
        let mut publisher = Client::new(&house, version, "publisher").await;
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        publisher.publish(Note::new("t", "old").retain()).await;
        subscriber.subscribe("t", 1).await;
        subscriber.expect_note(Note::new("t", "old").retain()).await;
        publisher.publish(Note::new("t", "").qos(1, 1).retain()).await;
        subscriber.expect_note(Note::new("t", "").qos(1, 1)).await;
        let mut late = late(&house, "#", 0).await;
        late.nothing().await;
        late.leave().await;
        publisher.leave().await;
        subscriber.leave().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_message_that_is_not_retained_changes_nothing() {
    let house = House::start().await;
    for version in BOTH {
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("kept", "old").retain()).await;
        for payload in ["new", ""] {
            publisher.publish(Note::new("kept", payload).qos(1, 1)).await;
            publisher.publish(Note::new("never", payload).qos(1, 2)).await;
        }
        let mut late = late(&house, "#", 0).await;
        late.expect_note(Note::new("kept", "old").retain()).await;
        late.nothing().await;
        late.leave().await;
        publisher.leave().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn retain_handling_says_when_old_messages_come() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V3, "publisher").await;
    publisher.publish(Note::new("t", "old").retain()).await;
    const ALWAYS: u8 = 0;
    const WHEN_NEW: u8 = 0x10;
    const NEVER: u8 = 0x20;
    let mut client = Client::new(&house, V5, "c").await;
    for (handling, comes) in
        [(NEVER, false), (WHEN_NEW, false), (ALWAYS, true), (ALWAYS, true), (NEVER, false), (WHEN_NEW, false)]
    {
        client.subscribe("t", handling).await;
        if comes {
            client.expect_note(Note::new("t", "old").retain()).await;
        }
        client.nothing().await;
    }
    client.leave().await;
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe("t", WHEN_NEW).await;
    client.expect_note(Note::new("t", "old").retain()).await;
    client.nothing().await;
    house.stop().await;
}
