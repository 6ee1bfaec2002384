//! Limits of both sides: Receive Maximum and Maximum Packet Size.

use super::wire::{BOTH, Client, Hello, Note, V3, V5, frame, properties};
use crate::harness::{House, text};
use gatehouse_broker::Settings;

#[tokio::test]
async fn the_receive_maximum_of_the_client_is_kept() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    let (mut client, _) = Hello::new(V5, "c").properties(&[0x21, 0, 2]).enter(&house).await;
    client.subscribe("t", 2).await;
    for (id, qos) in [(1, 1), (2, 2), (3, 1), (4, 2), (5, 1)] {
        publisher.publish(Note::new("t", &id.to_string()).qos(qos, id)).await;
    }
    client.expect_note(Note::new("t", "1").qos(1, 1)).await;
    client.expect_note(Note::new("t", "2").qos(2, 2)).await;
    client.nothing().await;
    // PUBACK makes room, PUBREC does not, PUBCOMP does, and a PUBREC that refuses does.
    client.acknowledge(0x40, 1).await;
    client.expect_note(Note::new("t", "3").qos(1, 3)).await;
    client.acknowledge(0x50, 2).await;
    client.expect(&[0x62, 2, 0, 2]).await;
    client.nothing().await;
    client.acknowledge(0x70, 2).await;
    client.expect_note(Note::new("t", "4").qos(2, 4)).await;
    client.send(&[0x50, 3, 0, 4, 0x80]).await;
    client.expect_note(Note::new("t", "5").qos(1, 5)).await;
    client.nothing().await;
    // Zero is a protocol error.
    let answer = Hello::new(V5, "zero").properties(&[0x21, 0, 0]).refused(&house).await;
    assert!(answer.is_empty() || [0x81, 0x82].contains(&answer[3]), "{answer:x?}");
    house.stop().await;
}

#[tokio::test]
async fn a_full_window_holds_back_publishes_only() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    let (mut client, _) = Hello::new(V5, "c").properties(&[0x21, 0, 1]).enter(&house).await;
    client.subscribe("t", 2).await;
    publisher.publish(Note::new("t", "first").qos(2, 1)).await;
    publisher.publish(Note::new("t", "second").qos(1, 2)).await;
    client.expect_note(Note::new("t", "first").qos(2, 1)).await;
    // Everything else is served and answered.
    client.subscribe("other", 1).await;
    client.send(&Note::new("nobody", "x").qos(1, 7).bytes(V5)).await;
    client.expect(&[0x40, 3, 0, 7, 0x10]).await;
    client.send(&Note::new("nobody", "x").qos(2, 8).bytes(V5)).await;
    client.expect(&[0x50, 3, 0, 8, 0x10]).await;
    client.acknowledge(0x62, 8).await;
    client.expect(&[0x70, 2, 0, 8]).await;
    client.send(&frame(0xA2, &[&[0, 3, 0], &text("other")])).await;
    client.expect(&[0xB0, 4, 0, 3, 0, 0]).await;
    client.acknowledge(0x50, 1).await;
    client.expect(&[0x62, 2, 0, 1]).await;
    client.nothing().await;
    client.acknowledge(0x70, 1).await;
    client.expect_note(Note::new("t", "second").qos(1, 2)).await;
    house.stop().await;
}

#[tokio::test]
async fn who_exceeds_the_receive_maximum_is_told_and_closed() {
    let house = House::with(Settings { receive_maximum: 2, ..Settings::default() }).await;
    let (mut client, connack) = Hello::new(V5, "c").knock(&house).await;
    let announced = properties(&connack[4..]);
    assert!(announced.contains(&(0x21, vec![0, 2])), "{announced:?}");
    // Those that were released do not count.
    for id in 1..=3 {
        client.publish(Note::new("t", "x").qos(2, id)).await;
        client.acknowledge(0x62, id).await;
        client.expect(&[0x70, 2, 0, id as u8]).await;
    }
    client.publish(Note::new("t", "x").qos(2, 1)).await;
    client.publish(Note::new("t", "x").qos(2, 2)).await;
    client.send(&Note::new("t", "x").qos(2, 3).bytes(V5)).await;
    client.dismissed(0x93).await;
    house.stop().await;
}

#[tokio::test]
async fn a_packet_larger_than_the_broker_takes_ends_the_connection() {
    let house = House::with(Settings { max_packet_bytes: 1_000, ..Settings::default() }).await;
    let (_, connack) = Hello::new(V5, "c").knock(&house).await;
    let announced = properties(&connack[4..]);
    assert!(announced.contains(&(0x27, vec![0, 0, 3, 0xE8])), "{announced:?}");
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        // One byte of type, two of length, three of topic, and in 5 one of properties.
        let head = 6 + version.properties(&[]).len();
        let fits = Note::new("t", &"x".repeat(1_000 - head));
        assert_eq!(fits.bytes(version).len(), 1_000);
        client.publish(fits).await;
        client.send(&Note::new("t", &"x".repeat(1_001 - head)).bytes(version)).await;
        let rest = client.raw.rest().await;
        match version {
            V3 => assert!(rest.is_empty()),
            // The connection may be reset before the reason is read, since not everything that was sent was.
            V5 => assert!(rest.is_empty() || (rest[0], rest[2]) == (0xE0, 0x95), "{rest:x?}"),
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn no_packet_is_larger_than_the_client_takes() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    let (mut client, _) = Hello::new(V5, "c").properties(&[0x27, 0, 0, 0, 60]).enter(&house).await;
    client.subscribe("t", 1).await;
    for (qos, head) in [(0, 6), (1, 8)] {
        publisher.publish(Note::new("t", &"x".repeat(61 - head)).qos(qos, 1)).await;
        // The one before took the first number.
        let fits = Note::new("t", &"x".repeat(60 - head)).qos(qos, u16::from(qos) * 2);
        assert_eq!(fits.bytes(V5).len(), 60);
        publisher.publish(fits.clone()).await;
        client.expect_note(fits).await;
    }
    // Retained, and from the queue of a session: the same.
    publisher.publish(Note::new("r/large", &"x".repeat(60)).retain()).await;
    publisher.publish(Note::new("r/small", "x").retain()).await;
    client.subscribe("r/+", 0).await;
    client.expect_note(Note::new("r/small", "x").retain()).await;
    client.nothing().await;
    // Nor is an answer: who asks for more than it could be told is told so.
    let filters = [text("f"), vec![0]].concat().repeat(60);
    client.send(&frame(0x82, &[&[0, 1, 0], &filters])).await;
    let rest = client.raw.rest().await;
    assert!((rest[0], rest[2]) == (0xE0, 0x95) && rest.len() <= 60, "{rest:x?}");
    let (mut client, _) = Hello::new(V5, "c").properties(&[0x27, 0, 0, 0, 60]).enter(&house).await;
    client.send(&frame(0xA2, &[&[0, 1, 0], &text("f").repeat(60)])).await;
    let rest = client.raw.rest().await;
    assert!((rest[0], rest[2]) == (0xE0, 0x95) && rest.len() <= 60, "{rest:x?}");
    // Who could not even be let in is not.
    let answer = Hello::new(V5, "tiny").properties(&[0x27, 0, 0, 0, 7]).refused(&house).await;
    assert_eq!(answer, [0x20, 3, 0, 0x95, 0]);
    assert_eq!(Hello::new(V5, "tiny").properties(&[0x27, 0, 0, 0, 1]).refused(&house).await, [0; 0]);
    // Zero is a protocol error.
    let answer = Hello::new(V5, "zero").properties(&[0x27, 0, 0, 0, 0]).refused(&house).await;
    assert!(answer.is_empty() || [0x81, 0x82].contains(&answer[3]), "{answer:x?}");
    house.stop().await;
}

#[tokio::test]
async fn a_message_too_large_counts_as_sent() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    // One message at a time: one that is never acknowledged would block the others.
    let small = Hello::new(V5, "c").lasting().properties(&[0x27, 0, 0, 0, 60, 0x21, 0, 1]);
    let (mut client, _) = small.enter(&house).await;
    client.subscribe("t", 2).await;
    for qos in [1, 2] {
        publisher.publish(Note::new("t", &"x".repeat(60)).qos(qos, 1)).await;
    }
    publisher.publish(Note::new("t", "fits").qos(1, 3)).await;
    let fits = client.packet().await;
    assert!(fits.ends_with(b"fits"), "{fits:x?}");
    // It does not come back with a larger limit.
    drop(client);
    let (mut client, present) = Client::lasting(&house, V5, "c").await;
    assert!(present && client.packet().await.ends_with(b"fits"));
    client.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn no_reason_makes_a_packet_too_large() {
    let house = House::start().await;
    const LIMIT: u8 = 20;
    let limited = |client_id: &str| Hello::new(V5, client_id).properties(&[0x27, 0, 0, 0, LIMIT]);
    // A refusal tells its code without the sentence.
    for hello in [limited("c").login("bar", "wrong"), limited(&"x".repeat(300))] {
        let answer = hello.refused(&house).await;
        assert!(!answer.is_empty() && answer.len() <= LIMIT.into(), "{answer:x?}");
        assert!(answer[3] >= 0x80);
    }
    let hello = limited("c").login("viewer", "secret");
    let (answer, mut client) = {
        let (client, answer) = hello.knock(&house).await;
        (answer, client)
    };
    assert!(answer.len() <= LIMIT.into(), "{answer:x?}");
    for (qos, first) in [(1, 0x40), (2, 0x50)] {
        client.send(&Note::new("t", "x").qos(qos, 7).bytes(V5)).await;
        client.expect(&[first, 3, 0, 7, 0x87]).await;
    }
    client.send(&hello.bytes()).await;
    let goodbye = client.raw.rest().await;
    assert_eq!((goodbye[0], goodbye[2]), (0xE0, 0x82));
    assert!(goodbye.len() <= LIMIT.into(), "{goodbye:x?}");
    house.stop().await;
}
