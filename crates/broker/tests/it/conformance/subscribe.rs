//! SUBSCRIBE and SUBACK: what is granted, what it replaces, and what then comes.

use super::wire::{BOTH, Client, Hello, Note, V3, V5, frame, properties, read_length};
use crate::harness::{House, text};

#[tokio::test]
async fn a_subscribe_is_answered_with_its_identifier() {
    let house = House::start().await;
    for version in BOTH {
        let none = version.properties(&[]);
        let mut client = Client::new(&house, version, "c").await;
        for id in [[0, 1], [0x12, 0x34], [0xFF, 0xFF]] {
            client.send(&frame(0x82, &[&id, &none, &text("t"), &[1]])).await;
            client.expect(&frame(0x90, &[&id, &none, &[1]])).await;
        }
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_subscribe_without_filters_ends_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        client.send(&frame(0x82, &[&[0, 1], &version.properties(&[])])).await;
        client.dismissed(0x82).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn reserved_bits_of_the_options_end_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        // QoS 3 and the reserved bits; in 5 a retain handling of 3 is none either.
        let bad: &[u8] = match version {
            V3 => &[3, 4, 8, 16, 32, 64, 128],
            V5 => &[3, 0x30, 0x40, 0x80, 0xC1],
        };
        for options in bad {
            let mut client = Client::new(&house, version, "c").await;
            client.subscribe_with(&[], "t", *options).await;
            let rest = client.raw.rest().await;
            match version {
                V3 => assert!(rest.is_empty(), "{options:#x}: {rest:x?}"),
                V5 => assert!(rest[0] == 0xE0 && [0x81, 0x82].contains(&rest[2]), "{options:#x}: {rest:x?}"),
            }
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn many_filters_have_one_answer_in_their_order() {
    let house = House::start().await;
    for version in BOTH {
        let hello = Hello::new(version, "room").login("room", "secret");
        let (mut client, _) = hello.enter(&house).await;
        let none = version.properties(&[]);
        let filters =
            [("casa/room/a", 2), ("elsewhere", 1), ("casa/room/b", 0), ("casa/#/bad", 1), ("casa/room/+", 1)];
        let payload: Vec<u8> =
            filters.iter().flat_map(|(filter, qos)| [text(filter), vec![*qos]].concat()).collect();
        client.send(&frame(0x82, &[&[0, 5], &none, &payload])).await;
        // 3.1.1 has one code for every failure; 5 says which.
        let codes = match version {
            V3 => [2, 0x80, 0, 0x80, 1],
            V5 => [2, 0x87, 0, 0x8F, 1],
        };
        client.expect(&frame(0x90, &[&[0, 5], &none, &codes])).await;
        // Each that was granted is there, and none of the others.
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("casa/room/b", "x").qos(1, 1)).await;
        client.expect_note(Note::new("casa/room/b", "x").qos(1, 1)).await;
        publisher.publish(Note::new("elsewhere", "x").qos(1, 1)).await;
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn the_same_filter_again_replaces_the_subscription() {
    for version in BOTH {
        let house = House::start().await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t/a", "old").qos(1, 1).retain()).await;
        let mut client = Client::new(&house, version, "c").await;
        client.subscribe("t/+", 1).await;
        client.expect_note(Note::new("t/a", "old").qos(1, 1).retain()).await;
        publisher.publish(Note::new("t/b", "before").qos(1, 2)).await;
        client.subscribe_with(&[], "t/+", 0).await;
        publisher.publish(Note::new("t/b", "after").qos(1, 3)).await;
        // What was on its way comes, then the answer, the retained messages again, and what follows: once.
        client.expect_note(Note::new("t/b", "before").qos(1, 2)).await;
        client.expect(&frame(0x90, &[&[0, 10], &version.properties(&[]), &[0]])).await;
        client.expect_note(Note::new("t/a", "old").retain()).await;
        client.expect_note(Note::new("t/b", "after")).await;
        client.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn delivery_has_the_lesser_qos() {
    let house = House::start().await;
    for version in BOTH {
        for granted in 0..3_u8 {
            let mut client = Client::new(&house, version, "c").await;
            client.subscribe("t", granted).await;
            let mut publisher = Client::new(&house, version, "publisher").await;
            let mut id = 0;
            for published in 0..3_u8 {
                publisher.publish(Note::new("t", "x").qos(published, 7)).await;
                let qos = published.min(granted);
                id += u16::from(qos > 0);
                client.expect_note(Note::new("t", "x").qos(qos, id)).await;
            }
            publisher.leave().await;
            client.leave().await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn overlapping_subscriptions_give_the_greatest_qos() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        for (filter, qos) in [("t/#", 2), ("t/+", 1), ("t/a", 0)] {
            client.subscribe(filter, qos).await;
        }
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t/a", "x").qos(2, 1)).await;
        client.expect_note(Note::new("t/a", "x").qos(2, 1)).await;
        client.nothing().await;
    }
    house.stop().await;
}

/// The subscription identifiers of a PUBLISH with QoS 0 on a topic of one letter.
fn identifiers(packet: &[u8]) -> Vec<usize> {
    let (_, body) = read_length(&packet[1..]);
    let mut found: Vec<usize> = properties(&body[3..])
        .iter()
        .filter(|(name, _)| *name == 0x0B)
        .map(|(_, value)| read_length(value).0)
        .collect();
    found.sort_unstable();
    found
}

#[tokio::test]
async fn a_single_copy_tells_every_subscription_identifier() {
    let house = House::start().await;
    let mut client = Client::new(&house, V5, "c").await;
    for (filter, identifier) in [("t", &[0x0B, 1][..]), ("+", &[0x0B, 0xFF, 0xFF, 0xFF, 0x7F]), ("#", &[])] {
        client.subscribe_with(identifier, filter, 0).await;
        client.packet().await;
    }
    let mut publisher = Client::new(&house, V3, "publisher").await;
    publisher.publish(Note::new("t", "x")).await;
    assert_eq!(identifiers(&client.packet().await), [1, 268_435_455]);
    publisher.publish(Note::new("u", "x")).await;
    assert_eq!(identifiers(&client.packet().await), [268_435_455]);
    // A retained message has the one of the subscription that asked for it.
    publisher.publish(Note::new("r", "x").retain()).await;
    assert_eq!(identifiers(&client.packet().await), [268_435_455]);
    client.subscribe_with(&[0x0B, 7], "r", 0).await;
    client.packet().await;
    assert_eq!(identifiers(&client.packet().await), [7]);
    // Replaced by a subscription without an identifier.
    client.subscribe("t", 0).await;
    publisher.publish(Note::new("t", "x")).await;
    assert_eq!(identifiers(&client.packet().await), [268_435_455]);
    client.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn no_local_is_deaf_to_its_own_client() {
    let house = House::start().await;
    const NO_LOCAL: u8 = 4;
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe("t", NO_LOCAL | 1).await;
    client.publish(Note::new("t", "mine").qos(1, 1)).await;
    client.nothing().await;
    let mut other = Client::new(&house, V5, "other").await;
    other.publish(Note::new("t", "theirs").qos(1, 1)).await;
    client.expect_note(Note::new("t", "theirs").qos(1, 1)).await;
    // Another subscription of the same client that hears it hears it.
    client.subscribe("+", 0).await;
    client.send(&Note::new("t", "mine").bytes(V5)).await;
    client.expect_note(Note::new("t", "mine")).await;
    client.nothing().await;
    house.stop().await;
}
