//! Topic aliases of clients, and of the broker.

use super::wire::{Client, Hello, Note, V5, properties, read_length};
use crate::harness::House;
use gatehouse_broker::Settings;

fn alias(number: u16) -> Vec<u8> {
    [vec![0x23], number.to_be_bytes().to_vec()].concat()
}

async fn house() -> House {
    House::with(Settings { topic_alias_maximum: 3, ..Settings::default() }).await
}

#[tokio::test]
async fn every_alias_up_to_the_maximum_is_taken() {
    let house = house().await;
    let (mut client, connack) = Hello::new(V5, "c").knock(&house).await;
    assert!(properties(&connack[4..]).contains(&(0x22, vec![0, 3])));
    let mut subscriber = Client::new(&house, V5, "subscriber").await;
    subscriber.subscribe("#", 0).await;
    for number in 1..=3 {
        client.publish(Note::new(&format!("t/{number}"), "set").properties(&alias(number))).await;
        subscriber.expect_note(Note::new(&format!("t/{number}"), "set")).await;
    }
    for number in [3, 1, 2, 3] {
        client.publish(Note::new("", "used").properties(&alias(number))).await;
        subscriber.expect_note(Note::new(&format!("t/{number}"), "used")).await;
    }
    // Set anew.
    client.publish(Note::new("other", "set").properties(&alias(2))).await;
    client.publish(Note::new("", "used").properties(&alias(2))).await;
    subscriber.expect_note(Note::new("other", "set")).await;
    subscriber.expect_note(Note::new("other", "used")).await;
    house.stop().await;
}

#[tokio::test]
async fn an_alias_out_of_range_ends_the_connection() {
    let house = house().await;
    for number in [0, 4, 65_535] {
        for topic in ["t", ""] {
            let mut client = Client::new(&house, V5, "c").await;
            client.send(&Note::new(topic, "x").properties(&alias(number)).bytes(V5)).await;
            let rest = client.raw.rest().await;
            assert!(rest[0] == 0xE0 && [0x94, 0x81, 0x82].contains(&rest[2]), "{number}: {rest:x?}");
            assert!(number == 0 || rest[2] == 0x94, "{rest:x?}");
        }
    }
    // One that was never set.
    let mut client = Client::new(&house, V5, "c").await;
    client.send(&Note::new("", "x").properties(&alias(1)).bytes(V5)).await;
    client.dismissed(0x82).await;
    house.stop().await;
}

#[tokio::test]
async fn a_broker_that_takes_no_alias_refuses_all() {
    let house = House::with(Settings { topic_alias_maximum: 0, ..Settings::default() }).await;
    let (mut client, connack) = Hello::new(V5, "c").knock(&house).await;
    let announced = properties(&connack[4..]).into_iter().find(|(name, _)| *name == 0x22);
    assert!(announced.is_none_or(|(_, value)| value == [0, 0]));
    client.send(&Note::new("t", "x").properties(&alias(1)).bytes(V5)).await;
    client.dismissed(0x94).await;
    house.stop().await;
}

#[tokio::test]
async fn aliases_end_with_their_connection() {
    let house = house().await;
    let (mut client, _) = Client::lasting(&house, V5, "c").await;
    client.publish(Note::new("t", "x").properties(&alias(1))).await;
    drop(client);
    let (mut client, present) = Client::lasting(&house, V5, "c").await;
    assert!(present);
    client.send(&Note::new("", "x").properties(&alias(1)).bytes(V5)).await;
    client.dismissed(0x82).await;
    house.stop().await;
}

/// What a PUBLISH says: its topic and its alias, where it has them.
fn named(packet: &[u8]) -> (String, Option<u16>) {
    let (_, body) = read_length(&packet[1..]);
    let size = usize::from(u16::from_be_bytes([body[0], body[1]]));
    let topic = String::from_utf8(body[2..2 + size].to_vec()).unwrap();
    let id = if packet[0] & 0b110 == 0 { 0 } else { 2 };
    let found = properties(&body[2 + size + id..]);
    let alias = found
        .iter()
        .find(|(name, _)| *name == 0x23)
        .map(|(_, value)| u16::from_be_bytes([value[0], value[1]]));
    (topic, alias)
}

/// Whichever topics the broker thinks worth an alias: each is within what the client takes, means the topic that was
/// said with it last, and a topic is empty only behind an alias.
#[tokio::test]
async fn the_broker_keeps_to_the_aliases_of_the_client() {
    const MAXIMUM: u16 = 3;
    let house = House::start().await;
    let hello = Hello::new(V5, "c").lasting().properties(&[0x22, 0, MAXIMUM as u8]);
    let mut publisher = Client::new(&house, V5, "publisher").await;
    for _ in 0..2 {
        // A new connection begins without aliases.
        let (mut client, _) = hello.enter(&house).await;
        client.subscribe("t/#", 1).await;
        let mut known = std::collections::HashMap::new();
        let mut used = 0;
        for round in 0..40_u16 {
            let topic = format!("t/{}/{}", "long".repeat(10), if round % 4 == 0 { round } else { round % 5 });
            publisher.publish(Note::new(&topic, "x").qos((round % 2) as u8, 1)).await;
            let packet = client.packet().await;
            let (said, alias) = named(&packet);
            if let Some(alias) = alias {
                assert!((1..=MAXIMUM).contains(&alias), "{alias}");
                used += 1;
                if !said.is_empty() {
                    known.insert(alias, said.clone());
                }
            }
            let meant = if said.is_empty() { known[&alias.unwrap()].clone() } else { said };
            assert_eq!(meant, topic);
            if packet[0] & 0b110 != 0 {
                let (_, body) = read_length(&packet[1..]);
                let at = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                client.acknowledge(0x40, u16::from_be_bytes([body[at], body[at + 1]])).await;
            }
        }
        assert!(used > 0, "topics that come again are sent by alias");
        client.leave().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_no_alias_is_sent_none() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    for limit in [&[][..], &[0x22, 0, 0]] {
        let (mut client, _) = Hello::new(V5, "c").properties(limit).enter(&house).await;
        client.subscribe("t", 0).await;
        for _ in 0..10 {
            publisher.publish(Note::new("t", "x").properties(&alias(1))).await;
            client.expect_note(Note::new("t", "x")).await;
        }
        client.leave().await;
    }
    house.stop().await;
}
