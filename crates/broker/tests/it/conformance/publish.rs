//! PUBLISH: its flags, its topic, and who may send it.

use super::wire::{BOTH, Client, Note, V5, frame};
use crate::harness::{House, text};

#[tokio::test]
async fn dup_tells_of_a_repetition_and_of_nothing_else() {
    for version in BOTH {
        let house = House::start().await;
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.subscribe("t", 1).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        // The publisher repeats itself; for the subscriber it is the first time.
        publisher.publish(Note::new("t", "x").qos(1, 7).dup()).await;
        subscriber.expect_note(Note::new("t", "x").qos(1, 1)).await;
        drop(subscriber);
        let (mut subscriber, present) = Client::lasting(&house, version, "subscriber").await;
        assert!(present);
        subscriber.expect_note(Note::new("t", "x").qos(1, 1).dup()).await;
        subscriber.acknowledge(0x40, 1).await;
        publisher.publish(Note::new("t", "y").qos(1, 7)).await;
        subscriber.expect_note(Note::new("t", "y").qos(1, 2)).await;
        subscriber.acknowledge(0x40, 2).await;
        subscriber.leave().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn qos_0_has_neither_dup_nor_identifier() {
    let house = House::start().await;
    for version in BOTH {
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x")).await;
        // Exactly these bytes: no DUP, no QoS, and the payload right behind the topic and the properties.
        let properties = version.properties(&[]);
        subscriber.expect(&frame(0x30, &[&text("t"), &properties, b"x"])).await;
        publisher.send(&Note::new("t", "x").dup().bytes(version)).await;
        publisher.dismissed(0x81).await;
        subscriber.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn qos_3_ends_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        for retain in [false, true] {
            let mut publisher = Client::new(&house, version, "publisher").await;
            let note = Note { retain, ..Note::new("t", "x").qos(3, 1) };
            publisher.send(&note.bytes(version)).await;
            publisher.dismissed(0x81).await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn the_topic_is_checked() {
    let house = House::start().await;
    for version in BOTH {
        let mut witness = Client::new(&house, version, "witness").await;
        witness.subscribe("#", 0).await;
        for (topic, reason) in
            [("a/+", 0x90), ("a/#", 0x90), ("+", 0x90), ("#", 0x90), ("a+b", 0x90), ("", 0x82)]
        {
            let mut publisher = Client::new(&house, version, "publisher").await;
            publisher.send(&Note::new(topic, "x").qos(1, 1).bytes(version)).await;
            publisher.dismissed(reason).await;
        }
        // No topic at all, and one that is longer than its packet.
        for body in [&b""[..], b"\0", b"\0\x05t"] {
            let mut publisher = Client::new(&house, version, "publisher").await;
            publisher.send(&frame(0x30, &[body])).await;
            publisher.dismissed(0x81).await;
        }
        witness.nothing().await;
        witness.leave().await;
    }
    house.stop().await;
}

/// 3.1.1 knows no refusal, so that such a message is acknowledged; 5 tells it with the acknowledgement.
#[tokio::test]
async fn a_publish_without_the_right_to_it_goes_nowhere() {
    let house = House::start().await;
    for version in BOTH {
        let mut witness = Client::new(&house, version, "witness").await;
        witness.subscribe("#", 0).await;
        let hello = super::wire::Hello::new(version, "reader").login("viewer", "secret");
        let (mut reader, _) = hello.enter(&house).await;
        for (qos, first) in [(1, 0x40), (2, 0x50)] {
            reader.send(&Note::new("t", "x").qos(qos, 7).bytes(version)).await;
            let ack = reader.packet().await;
            assert_eq!((ack[0], &ack[2..4]), (first, &[0, 7][..]));
            assert_eq!(ack.get(4), (version == V5).then_some(&0x87), "{ack:x?}");
        }
        reader.send(&Note::new("t", "x").bytes(version)).await;
        reader.nothing().await;
        witness.nothing().await;
        witness.leave().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn no_properties_are_a_length_of_zero() {
    let house = House::start().await;
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe("t", 1).await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    publisher.publish(Note::new("t", "x").qos(1, 1)).await;
    client.expect(&[0x32, 7, 0, 1, b't', 0, 1, 0, b'x']).await;
    // UNSUBACK has its length too.
    client.send(&frame(0xA2, &[&[0, 2, 0], &text("t")])).await;
    client.expect(&[0xB0, 4, 0, 2, 0, 0]).await;
    house.stop().await;
}

#[tokio::test]
async fn a_client_sends_no_subscription_identifier() {
    let house = House::start().await;
    let mut witness = Client::new(&house, V5, "witness").await;
    witness.subscribe("#", 0).await;
    let mut client = Client::new(&house, V5, "c").await;
    client.send(&Note::new("t", "x").properties(&[0x0B, 1]).bytes(V5)).await;
    client.dismissed(0x82).await;
    witness.nothing().await;
    house.stop().await;
}
