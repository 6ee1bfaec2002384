//! Wills: who leaves one, how it is published, and who does not leave one.

use super::wire::{BOTH, Client, Hello, Note, V5, properties, read_length};
use crate::harness::{House, text};

async fn watcher(house: &House) -> Client {
    let mut watcher = Client::new(house, V5, "watcher").await;
    watcher.subscribe("#", 2).await;
    watcher
}

#[tokio::test]
async fn who_vanishes_leaves_a_will() {
    let house = House::start().await;
    let mut watcher = watcher(&house).await;
    for version in BOTH {
        let hello = Hello::new(version, "c").will("will", "gone");
        // The connection breaks.
        drop(hello.enter(&house).await);
        watcher.expect_note(Note::new("will", "gone")).await;
        // The client sends what is no packet.
        let (mut client, _) = hello.enter(&house).await;
        client.send(&[0xFF; 8]).await;
        client.raw.rest().await;
        watcher.expect_note(Note::new("will", "gone")).await;
        // Another client takes its place.
        let (first, _) = hello.enter(&house).await;
        let second = Client::new(&house, version, "c").await;
        first.dismissed(0x8E).await;
        watcher.expect_note(Note::new("will", "gone")).await;
        second.leave().await;
        watcher.nothing().await;
    }
    // Version 5 can say goodbye and leave a will all the same.
    let (mut client, _) = Hello::new(V5, "c").will("will", "gone").enter(&house).await;
    client.send(&[0xE0, 1, 4]).await;
    client.closed().await;
    watcher.expect_note(Note::new("will", "gone")).await;
    house.stop().await;
}

#[tokio::test]
async fn who_says_goodbye_leaves_none() {
    let house = House::start().await;
    let mut watcher = watcher(&house).await;
    for version in BOTH {
        for hello in [Hello::new(version, "c"), Hello::new(version, "c").lasting()] {
            let (client, _) = hello.will("will", "gone").enter(&house).await;
            client.leave().await;
            watcher.nothing().await;
        }
        // The will has gone from the session too: a later connection without one has none to leave.
        let (client, present) = Client::lasting(&house, version, "c").await;
        assert!(present);
        drop(client);
        let client = Client::new(&house, version, "c").await;
        watcher.nothing().await;
        client.leave().await;
    }
    let (mut client, _) = Hello::new(V5, "c").will("will", "gone").enter(&house).await;
    client.send(&[0xE0, 2, 0, 0]).await;
    client.closed().await;
    watcher.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn a_will_is_published_once() {
    let house = House::start().await;
    let mut watcher = watcher(&house).await;
    for version in BOTH {
        drop(Hello::new(version, "c").lasting().will("will", "gone").enter(&house).await);
        watcher.expect_note(Note::new("will", "gone")).await;
        let (client, present) = Client::lasting(&house, version, "c").await;
        assert!(present);
        drop(client);
        Client::new(&house, version, "c").await.leave().await;
        watcher.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn who_has_no_will_leaves_none() {
    let house = House::start().await;
    let mut watcher = watcher(&house).await;
    for version in BOTH {
        drop(Client::new(&house, version, "c").await);
        // Whether the broker has noticed is seen by a second client with the name: by then the first is gone.
        Client::new(&house, version, "c").await.leave().await;
        watcher.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_will_is_retained_when_it_says_so() {
    for version in BOTH {
        let house = House::start().await;
        let mut watcher = watcher(&house).await;
        for (qos, retain) in [(0, false), (1, false), (2, false), (0, true), (1, true), (2, true)] {
            let topic = format!("will/{qos}/{retain}");
            let mut hello = Hello::new(version, "c").will(&topic, "gone");
            hello.flags |= qos << 3 | if retain { Hello::WILL_RETAIN } else { 0 };
            drop(hello.enter(&house).await);
            let packet = watcher.packet().await;
            // A subscription that was there before sees no RETAIN, and the QoS of the will.
            assert_eq!(packet[0], 0x30 | qos << 1, "{packet:x?}");
        }
        let mut late = Client::new(&house, V5, "late").await;
        late.subscribe("will/#", 2).await;
        for (id, qos) in [(0, 0), (1, 1), (2, 2)] {
            late.expect_note(Note::new(&format!("will/{qos}/true"), "gone").qos(qos, id).retain()).await;
        }
        late.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_is_back_in_time_leaves_none() {
    let house = House::start().await;
    let mut watcher = watcher(&house).await;
    // Will Delay Interval: an hour.
    let delayed = [0x18, 0, 0, 0x0E, 0x10];
    let hello = Hello::new(V5, "c").lasting().will_with(&delayed, "will", "gone");
    drop(hello.enter(&house).await);
    let (client, present) = hello.enter(&house).await;
    assert!(present);
    watcher.nothing().await;
    // Taken over by its own client: the same.
    let (second, present) = hello.enter(&house).await;
    assert!(present);
    client.dismissed(0x8E).await;
    watcher.nothing().await;
    drop(second);
    // A clean start ends the session, and the will with it is due.
    Client::new(&house, V5, "c").await.leave().await;
    watcher.expect_note(Note::new("will", "gone")).await;
    watcher.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn a_will_has_its_properties() {
    let house = House::start().await;
    let mut watcher = watcher(&house).await;
    let pair = |name: &str, value: &str| [vec![0x26], text(name), text(value)].concat();
    let users =
        [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("ñ", "客")].map(|(name, value)| pair(name, value));
    let will = [
        vec![0x01, 1],
        [vec![0x03], text("text/plain")].concat(),
        [vec![0x08], text("answers/here")].concat(),
        vec![0x09, 0, 3, 0, 0xFF, 7],
        users.concat(),
    ]
    .concat();
    drop(Hello::new(V5, "c").will_with(&will, "will", "gone").enter(&house).await);
    let packet = watcher.packet().await;
    let (_, body) = read_length(&packet[1..]);
    let mut found = properties(&body[2 + "will".len()..]);
    let (found_users, mut others): (Vec<_>, Vec<_>) = found.drain(..).partition(|(name, _)| *name == 0x26);
    let mut expected = properties(&[vec![will.len() as u8], will].concat());
    let (expected_users, _): (Vec<_>, Vec<_>) =
        expected.clone().into_iter().partition(|(name, _)| *name == 0x26);
    assert_eq!(found_users, expected_users, "in their order");
    expected.retain(|(name, _)| *name != 0x26);
    others.sort();
    assert_eq!(others, expected);
    assert!(packet.ends_with(b"gone"));
    house.stop().await;
}
