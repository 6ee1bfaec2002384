//! UNSUBSCRIBE and UNSUBACK.

use super::wire::{BOTH, Client, Note, V3, V5, frame};
use crate::harness::{House, text};

/// UNSUBSCRIBE with the identifier 20, and its answer with these codes, which only version 5 has.
async fn unsubscribe(client: &mut Client, filters: &[&str], codes: &[u8]) {
    let none = client.version.properties(&[]);
    let payload: Vec<u8> = filters.iter().flat_map(|filter| text(filter)).collect();
    client.send(&frame(0xA2, &[&[0, 20], &none, &payload])).await;
    let codes = if client.version == V5 { codes } else { &[] };
    client.expect(&frame(0xB0, &[&[0, 20], &none, codes])).await;
}

#[tokio::test]
async fn an_unsubscribe_is_answered_with_its_identifier() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        client.subscribe("t", 0).await;
        unsubscribe(&mut client, &["t"], &[0]).await;
        // Nothing is left to delete, and it is answered all the same.
        unsubscribe(&mut client, &["t"], &[0x11]).await;
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn an_unsubscribe_without_filters_ends_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        client.send(&frame(0xA2, &[&[0, 1], &version.properties(&[])])).await;
        client.dismissed(0x82).await;
    }
    house.stop().await;
}

#[tokio::test]
async fn only_the_very_same_filter_is_unsubscribed() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        client.subscribe("t/+", 0).await;
        let others = ["t/#", "t/a", "#", "T/+", "t/+/", "/t/+"];
        unsubscribe(&mut client, &others, &[0x11; 6]).await;
        publisher.publish(Note::new("t/a", "x")).await;
        client.expect_note(Note::new("t/a", "x")).await;
        unsubscribe(&mut client, &["t/+"], &[0]).await;
        publisher.publish(Note::new("t/a", "x")).await;
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn many_filters_have_one_answer() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        for filter in ["a", "b", "c"] {
            client.subscribe(filter, 0).await;
        }
        unsubscribe(&mut client, &["c", "x", "a", "a", "bad/#/filter"], &[0, 0x11, 0, 0x11, 0x8F]).await;
        for topic in ["a", "b", "c"] {
            publisher.publish(Note::new(topic, "x")).await;
        }
        client.expect_note(Note::new("b", "x")).await;
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn nothing_new_comes_and_what_was_begun_is_finished() {
    for version in BOTH {
        let house = House::start().await;
        let (mut client, _) = Client::lasting(&house, version, "c").await;
        client.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        for (qos, id) in [(1, 1), (2, 2), (2, 3)] {
            publisher.publish(Note::new("t", "begun").qos(qos, id)).await;
            client.expect_note(Note::new("t", "begun").qos(qos, id)).await;
        }
        unsubscribe(&mut client, &["t"], &[0]).await;
        publisher.publish(Note::new("t", "too late").qos(1, 9)).await;
        client.acknowledge(0x50, 3).await;
        client.expect(&[0x62, 2, 0, 3]).await;
        client.nothing().await;
        // Across a break of the connection too.
        drop(client);
        let (mut client, present) = Client::lasting(&house, version, "c").await;
        assert!(present);
        client.expect_note(Note::new("t", "begun").qos(1, 1).dup()).await;
        client.expect_note(Note::new("t", "begun").qos(2, 2).dup()).await;
        client.expect(&[0x62, 2, 0, 3]).await;
        client.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn old_clients_get_no_codes() {
    let house = House::start().await;
    let mut client = Client::new(&house, V3, "c").await;
    client.send(&frame(0xA2, &[&[0, 1], &text("a"), &text("b")])).await;
    client.expect(&[0xB0, 2, 0, 1]).await;
    house.stop().await;
}
