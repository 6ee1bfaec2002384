//! Sessions: found again or not, taken over, and what waits in them.

use super::wire::{BOTH, Client, Hello, Note, V3, V5};
use crate::harness::House;

#[tokio::test]
async fn a_session_is_found_again_and_told_so() {
    for version in BOTH {
        let house = House::start().await;
        let (mut client, present) = Client::lasting(&house, version, "c").await;
        assert!(!present, "there is none yet");
        client.subscribe("t", 0).await;
        client.leave().await;
        let (mut client, present) = Client::lasting(&house, version, "c").await;
        assert!(present);
        // Its subscription is there.
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x")).await;
        client.expect_note(Note::new("t", "x")).await;
        drop(client);
        let (_client, present) = Client::lasting(&house, version, "c").await;
        assert!(present, "after a break too");
        house.stop().await;
    }
}

#[tokio::test]
async fn a_clean_session_neither_finds_nor_leaves_anything() {
    for version in BOTH {
        let house = House::start().await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        let (mut client, _) = Client::lasting(&house, version, "c").await;
        client.subscribe("t", 1).await;
        client.leave().await;
        publisher.publish(Note::new("t", "missed").qos(1, 1)).await;
        // `new` says that session present is 0.
        let mut client = Client::new(&house, version, "c").await;
        publisher.publish(Note::new("t", "now").qos(1, 1)).await;
        client.nothing().await;
        client.subscribe("t", 1).await;
        client.leave().await;
        let (mut client, present) = Client::lasting(&house, version, "c").await;
        assert!(!present, "the clean session has left nothing");
        publisher.publish(Note::new("t", "later").qos(1, 1)).await;
        client.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn what_a_session_misses_waits_for_it() {
    for version in BOTH {
        let house = House::start().await;
        for name in ["one", "two"] {
            let (mut client, _) = Client::lasting(&house, version, name).await;
            client.subscribe("t/#", 2).await;
            client.leave().await;
        }
        let mut publisher = Client::new(&house, version, "publisher").await;
        for (topic, qos, id) in [("t/0", 0, 0), ("t/1", 1, 1), ("u", 1, 2), ("t/2", 2, 3)] {
            publisher.publish(Note::new(topic, "missed").qos(qos, id)).await;
        }
        for name in ["one", "two"] {
            let (mut client, present) = Client::lasting(&house, version, name).await;
            assert!(present);
            client.expect_note(Note::new("t/1", "missed").qos(1, 1)).await;
            client.expect_note(Note::new("t/2", "missed").qos(2, 2)).await;
            client.nothing().await;
        }
        house.stop().await;
    }
}

#[tokio::test]
async fn retained_messages_outlive_sessions() {
    for version in BOTH {
        let house = House::start().await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "kept").retain()).await;
        publisher.leave().await;
        let mut late = Client::new(&house, version, "late").await;
        late.subscribe("t", 0).await;
        late.expect_note(Note::new("t", "kept").retain()).await;
        house.stop().await;
    }
}

#[tokio::test]
async fn the_identifier_names_the_session() {
    for version in BOTH {
        let house = House::start().await;
        let (mut client, _) = Client::lasting(&house, version, "name").await;
        client.subscribe("t", 1).await;
        client.leave().await;
        for other in ["Name", "name ", "nam"] {
            let (client, present) = Client::lasting(&house, version, other).await;
            assert!(!present, "{other:?} is another client");
            client.leave().await;
        }
        let (_client, present) = Client::lasting(&house, version, "name").await;
        assert!(present);
        house.stop().await;
    }
}

#[tokio::test]
async fn a_second_client_takes_over() {
    for version in BOTH {
        let house = House::start().await;
        let (mut first, _) = Client::lasting(&house, version, "c").await;
        first.subscribe("t", 1).await;
        let (mut second, present) = Client::lasting(&house, version, "c").await;
        assert!(present);
        first.dismissed(0x8E).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x").qos(1, 1)).await;
        second.expect_note(Note::new("t", "x").qos(1, 1)).await;
        house.stop().await;
    }
    // Whichever version comes second: the first is told in its own.
    let house = House::start().await;
    let three = Client::new(&house, V3, "c").await;
    let five = Client::new(&house, V5, "c").await;
    three.closed().await;
    let _three = Client::new(&house, V3, "c").await;
    five.dismissed(0x8E).await;
    house.stop().await;
}

#[tokio::test]
async fn a_session_lasts_as_long_as_its_connection() {
    let house = House::start().await;
    for version in BOTH {
        // A clean session, and in version 5 one with an expiry of zero, is there while the client is.
        let mut client = Client::new(&house, version, "c").await;
        client.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x").qos(2, 1)).await;
        client.expect_note(Note::new("t", "x").qos(2, 1)).await;
        client.acknowledge(0x50, 1).await;
        client.expect(&[0x62, 2, 0, 1]).await;
        client.acknowledge(0x70, 1).await;
        client.nothing().await;
        client.leave().await;
        let mut hello = Hello::new(version, "c");
        hello.flags &= !Hello::CLEAN;
        if version == V5 {
            let (client, present) = hello.enter(&house).await;
            assert!(!present, "an expiry of zero ends with the connection");
            client.leave().await;
            assert!(!hello.enter(&house).await.1);
        }
    }
    house.stop().await;
}
