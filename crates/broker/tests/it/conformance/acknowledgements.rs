//! PUBACK, PUBREC, PUBREL and PUBCOMP, in both directions: identifiers, repetitions, and what a reason code changes.

use super::wire::{BOTH, Client, Hello, Note, V3, V5, frame, properties};
use crate::harness::{House, text};

#[tokio::test]
async fn identifier_zero_ends_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        let none = version.properties(&[]);
        for bytes in [
            Note::new("t", "x").qos(1, 0).bytes(version),
            Note::new("t", "x").qos(2, 0).bytes(version),
            frame(0x82, &[&[0, 0], &none, &text("t"), &[0]]),
            frame(0xA2, &[&[0, 0], &none, &text("t")]),
        ] {
            let mut client = Client::new(&house, version, "c").await;
            client.send(&bytes).await;
            client.dismissed(0x81).await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn each_quality_is_answered_with_its_identifier() {
    let house = House::start().await;
    for version in BOTH {
        let mut listener = Client::new(&house, version, "listener").await;
        listener.subscribe("t", 0).await;
        let mut client = Client::new(&house, version, "c").await;
        client.send(&Note::new("t", "0").bytes(version)).await;
        client.nothing().await;
        for id in [1_u16, 0x1234, 0xFFFF] {
            let [high, low] = id.to_be_bytes();
            client.send(&Note::new("t", "1").qos(1, id).bytes(version)).await;
            client.expect(&[0x40, 2, high, low]).await;
            client.send(&Note::new("t", "2").qos(2, id).bytes(version)).await;
            client.expect(&[0x50, 2, high, low]).await;
            client.acknowledge(0x62, id).await;
            client.expect(&[0x70, 2, high, low]).await;
        }
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn the_broker_numbers_with_free_identifiers() {
    let house = House::start().await;
    for version in BOTH {
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        for (index, qos) in [1, 2, 1, 2].into_iter().enumerate() {
            publisher.publish(Note::new("t", "x").qos(qos, 100 + index as u16)).await;
            // A new number each time, since none has been acknowledged; and never DUP.
            subscriber.expect_note(Note::new("t", "x").qos(qos, 1 + index as u16)).await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn a_qos_2_delivery_goes_its_four_steps() {
    let house = House::start().await;
    for version in BOTH {
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x").qos(2, 500)).await;
        subscriber.expect_note(Note::new("t", "x").qos(2, 1)).await;
        subscriber.acknowledge(0x50, 1).await;
        subscriber.expect(&[0x62, 2, 0, 1]).await;
        // The PUBREC again, since the PUBREL may have been lost.
        subscriber.acknowledge(0x50, 1).await;
        subscriber.expect(&[0x62, 2, 0, 1]).await;
        subscriber.acknowledge(0x70, 1).await;
        subscriber.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn what_is_not_acknowledged_is_sent_again_under_its_identifier() {
    for version in BOTH {
        let house = House::start().await;
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        for (qos, id) in [(1, 1), (2, 2), (1, 3)] {
            publisher.publish(Note::new("t", "x").qos(qos, id)).await;
            subscriber.expect_note(Note::new("t", "x").qos(qos, id)).await;
        }
        subscriber.acknowledge(0x40, 1).await;
        subscriber.nothing().await;
        for _ in 0..2 {
            drop(subscriber);
            let present;
            (subscriber, present) = Client::lasting(&house, version, "subscriber").await;
            assert!(present);
            subscriber.expect_note(Note::new("t", "x").qos(2, 2).dup()).await;
            subscriber.expect_note(Note::new("t", "x").qos(1, 3).dup()).await;
            subscriber.nothing().await;
        }
        subscriber.acknowledge(0x40, 3).await;
        subscriber.acknowledge(0x50, 2).await;
        subscriber.expect(&[0x62, 2, 0, 2]).await;
        subscriber.acknowledge(0x70, 2).await;
        subscriber.leave().await;
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn a_released_message_is_released_again_and_never_sent_again() {
    for version in BOTH {
        let house = House::start().await;
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x").qos(2, 1)).await;
        subscriber.expect_note(Note::new("t", "x").qos(2, 1)).await;
        subscriber.acknowledge(0x50, 1).await;
        subscriber.expect(&[0x62, 2, 0, 1]).await;
        drop(subscriber);
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.expect(&[0x62, 2, 0, 1]).await;
        subscriber.acknowledge(0x70, 1).await;
        subscriber.nothing().await;
        subscriber.leave().await;
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.nothing().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn nothing_is_repeated_on_one_connection() {
    let house = House::start().await;
    let mut subscriber = Client::new(&house, V5, "subscriber").await;
    subscriber.subscribe("t", 2).await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    publisher.publish(Note::new("t", "x").qos(1, 1)).await;
    subscriber.expect_note(Note::new("t", "x").qos(1, 1)).await;
    // Neither packets of its own nor other messages make the broker repeat what this client leaves unacknowledged.
    subscriber.nothing().await;
    subscriber.subscribe("other", 0).await;
    publisher.publish(Note::new("t", "y").qos(1, 1)).await;
    subscriber.expect_note(Note::new("t", "y").qos(1, 2)).await;
    subscriber.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn an_acknowledged_identifier_is_a_new_message() {
    let house = House::start().await;
    for version in BOTH {
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("t", 0).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "x").qos(1, 7)).await;
        publisher.publish(Note::new("t", "x").qos(1, 7).dup()).await;
        for _ in 0..2 {
            subscriber.expect_note(Note::new("t", "x")).await;
        }
        subscriber.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn a_repeated_qos_2_publish_is_delivered_once() {
    for version in BOTH {
        let house = House::start().await;
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("t", 0).await;
        let (mut publisher, _) = Client::lasting(&house, version, "publisher").await;
        publisher.publish(Note::new("t", "first").qos(2, 7)).await;
        publisher.publish(Note::new("t", "first").qos(2, 7).dup()).await;
        // Across a break of the connection too.
        drop(publisher);
        let (mut publisher, present) = Client::lasting(&house, version, "publisher").await;
        assert!(present);
        publisher.publish(Note::new("t", "first").qos(2, 7).dup()).await;
        publisher.acknowledge(0x62, 7).await;
        publisher.expect(&[0x70, 2, 0, 7]).await;
        publisher.publish(Note::new("t", "second").qos(2, 7)).await;
        subscriber.expect_note(Note::new("t", "first")).await;
        subscriber.expect_note(Note::new("t", "second")).await;
        subscriber.nothing().await;
        publisher.acknowledge(0x62, 7).await;
        publisher.expect(&[0x70, 2, 0, 7]).await;
        publisher.leave().await;
        house.stop().await;
    }
}

#[tokio::test]
async fn a_refused_qos_2_publish_frees_its_identifier() {
    let house = House::start().await;
    let mut subscriber = Client::new(&house, V5, "subscriber").await;
    subscriber.subscribe("#", 0).await;
    let (mut room, _) = Hello::new(V5, "room").login("room", "secret").enter(&house).await;
    room.send(&Note::new("elsewhere", "x").qos(2, 7).bytes(V5)).await;
    let refused = room.packet().await;
    assert_eq!((refused[0], &refused[2..5]), (0x50, &[0, 7, 0x87][..]));
    // No PUBREL follows a refusal, and the number is free.
    room.publish(Note::new("casa/room/a", "y").qos(2, 7)).await;
    subscriber.expect_note(Note::new("casa/room/a", "y")).await;
    subscriber.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn a_refusal_of_the_client_ends_the_delivery() {
    let house = House::start().await;
    let (mut subscriber, _) = Client::lasting(&house, V5, "subscriber").await;
    subscriber.subscribe("t", 2).await;
    let mut publisher = Client::new(&house, V3, "publisher").await;
    for (qos, first) in [(1, 0x40), (2, 0x50)] {
        publisher.publish(Note::new("t", "x").qos(qos, qos.into())).await;
        subscriber.expect_note(Note::new("t", "x").qos(qos, qos.into())).await;
        subscriber.send(&[first, 3, 0, qos, 0x83]).await;
    }
    // Neither a PUBREL now nor a repetition later.
    subscriber.nothing().await;
    drop(subscriber);
    let (mut subscriber, present) = Client::lasting(&house, V5, "subscriber").await;
    assert!(present);
    subscriber.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn reason_codes_are_those_of_the_packet() {
    let house = House::start().await;
    let mut client = Client::new(&house, V5, "c").await;
    // No matching subscribers is a success that only PUBACK and PUBREC know.
    client.send(&Note::new("nobody", "x").qos(1, 1).bytes(V5)).await;
    client.expect(&[0x40, 3, 0, 1, 0x10]).await;
    client.send(&Note::new("nobody", "x").qos(2, 2).bytes(V5)).await;
    client.expect(&[0x50, 3, 0, 2, 0x10]).await;
    client.acknowledge(0x62, 2).await;
    client.expect(&[0x70, 2, 0, 2]).await;
    // PUBCOMP and PUBREL for a number that is not in use.
    client.acknowledge(0x62, 2).await;
    client.expect(&[0x70, 3, 0, 2, 0x92]).await;
    client.acknowledge(0x50, 9).await;
    client.expect(&[0x62, 3, 0, 9, 0x92]).await;
    client.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn who_wants_no_problem_information_gets_no_reason_strings() {
    let house = House::start().await;
    for (request, wants) in [(&[0x17, 1][..], true), (&[], true), (&[0x17, 0], false)] {
        let hello = Hello::new(V5, "reader").login("viewer", "secret").properties(request);
        let (mut reader, _) = hello.enter(&house).await;
        for (qos, first) in [(1, 0x40), (2, 0x50)] {
            reader.send(&Note::new("t", "x").qos(qos, 7).bytes(V5)).await;
            let ack = reader.packet().await;
            assert_eq!((ack[0], ack[4]), (first, 0x87));
            let found = if ack.len() > 5 { properties(&ack[5..]) } else { Vec::new() };
            assert_eq!(found.iter().any(|(name, _)| *name == 0x1F), wants, "{found:?}");
            assert!(!found.iter().any(|(name, _)| *name == 0x26));
        }
        reader.send(&frame(0x82, &[&[0, 1, 0], &text("$share/x"), &[0]])).await;
        assert_eq!(reader.packet().await[..4], [0x90, 4, 0, 1], "no properties");
        reader.leave().await;
    }
    house.stop().await;
}
