//! Properties of messages on their way through the broker.

use super::wire::{Client, Note, V3, V5, properties, read_length};
use crate::harness::{House, text};

/// The properties of a PUBLISH, by identifier, and in their order where one may come many times.
fn of_publish(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (_, body) = read_length(&packet[1..]);
    let topic = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
    let id = if packet[0] & 0b110 == 0 { 0 } else { 2 };
    let mut found = properties(&body[topic + id..]);
    found.sort_by_key(|(name, _)| *name);
    found
}

/// Live, from the queue of a session, and as a retained message.
#[tokio::test]
async fn every_property_of_a_message_is_passed_on() {
    let house = House::start().await;
    let pair = |name: &str, value: &str| [vec![0x26], text(name), text(value)].concat();
    let users =
        [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("ñ", "客")].map(|(name, value)| pair(name, value));
    let all = [
        vec![0x01, 1],
        [vec![0x03], text("application/json; charset=utf-8")].concat(),
        [vec![0x08], text("answers/客")].concat(),
        vec![0x09, 0, 4, 0, 0xFF, 0, 7],
        users.concat(),
    ]
    .concat();
    let expected = properties(&[super::wire::length(all.len()), all.clone()].concat());
    let (mut client, _) = Client::lasting(&house, V5, "c").await;
    client.subscribe("t", 2).await;
    let mut old = Client::new(&house, V3, "old").await;
    old.subscribe("t", 0).await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    for qos in 0..3 {
        publisher.publish(Note::new("t", "x").qos(qos, 5).properties(&all)).await;
        assert_eq!(of_publish(&client.packet().await), expected, "QoS {qos}");
        // 3.1.1 has no properties, and is sent the payload alone.
        old.expect_note(Note::new("t", "x")).await;
    }
    client.leave().await;
    publisher.publish(Note::new("t", "queued").qos(1, 6).properties(&all)).await;
    let (mut client, _) = Client::lasting(&house, V5, "c").await;
    for _ in 0..3 {
        assert_eq!(of_publish(&client.packet().await), expected, "two repeated, and one that waited");
    }
    publisher.publish(Note::new("r", "x").properties(&all).retain()).await;
    client.subscribe_with(&[], "r", 0).await;
    assert_eq!(client.packet().await[0], 0x90);
    assert_eq!(of_publish(&client.packet().await), expected, "retained");
    // A payload format of 0 says the same as none.
    publisher.publish(Note::new("r", "x").properties(&[0x01, 0])).await;
    let plain = of_publish(&client.packet().await);
    assert!(plain.is_empty() || plain == [(0x01, vec![0])], "{plain:?}");
    house.stop().await;
}

#[tokio::test]
async fn a_response_topic_has_no_wildcards() {
    let house = House::start().await;
    let mut witness = Client::new(&house, V5, "witness").await;
    witness.subscribe("#", 0).await;
    for topic in ["answers/+", "#", "a/#"] {
        let mut client = Client::new(&house, V5, "c").await;
        let property = [vec![0x08], text(topic)].concat();
        client.send(&Note::new("t", "x").properties(&property).bytes(V5)).await;
        client.dismissed(0x82).await;
    }
    witness.nothing().await;
    house.stop().await;
}

/// A request goes with its response topic and correlation data, and the answer comes back with them.
#[tokio::test]
async fn a_request_has_its_answer() {
    let house = House::start().await;
    let mut asker = Client::new(&house, V5, "asker").await;
    asker.subscribe("answers/asker", 1).await;
    let mut server = Client::new(&house, V5, "server").await;
    server.subscribe("questions", 1).await;
    let request = [vec![0x08], text("answers/asker"), vec![0x09, 0, 2, 0xC0, 0xDE]].concat();
    asker.publish(Note::new("questions", "?").qos(1, 1).properties(&request)).await;
    let question = of_publish(&server.packet().await);
    let value = |name: u8| question.iter().find(|(found, _)| *found == name).unwrap().1.clone();
    let topic = String::from_utf8(value(0x08)[2..].to_vec()).unwrap();
    let correlation = [vec![0x09], value(0x09)].concat();
    server.publish(Note::new(&topic, "!").qos(1, 1).properties(&correlation)).await;
    let answer = Note::new("answers/asker", "!").qos(1, 1).properties(&[0x09, 0, 2, 0xC0, 0xDE]);
    asker.expect_note(answer).await;
    house.stop().await;
}
