//! The order of messages and of acknowledgements.

use super::wire::{BOTH, Client, Note};
use crate::harness::House;

#[tokio::test]
async fn messages_of_one_publisher_keep_their_order() {
    let house = House::start().await;
    for version in BOTH {
        for qos in 0..3 {
            let mut subscriber = Client::new(&house, version, "subscriber").await;
            // Two subscriptions that match make no second order.
            subscriber.subscribe("t/#", qos).await;
            subscriber.subscribe("t/+", qos).await;
            let mut publisher = Client::new(&house, version, "publisher").await;
            let mut bytes = Vec::new();
            for number in 1..=100 {
                let topic = format!("t/{}", number % 3);
                bytes.extend(Note::new(&topic, &number.to_string()).qos(qos, number).bytes(version));
            }
            publisher.send(&bytes).await;
            for number in 1..=100_u16 {
                let topic = format!("t/{}", number % 3);
                subscriber.expect_note(Note::new(&topic, &number.to_string()).qos(qos, number)).await;
            }
            publisher.leave_unread().await;
            subscriber.leave().await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn acknowledgements_keep_the_order_of_what_they_answer() {
    let house = House::start().await;
    for version in BOTH {
        let mut listener = Client::new(&house, version, "listener").await;
        listener.subscribe("t", 0).await;
        let mut client = Client::new(&house, version, "c").await;
        let ids = [7_u8, 3, 9, 1, 8];
        for (qos, first) in [(1, 0x40), (2, 0x50)] {
            let notes = ids.map(|id| Note::new("t", "x").qos(qos, id.into()).bytes(version));
            client.send(&notes.concat()).await;
            for id in ids {
                client.expect(&[first, 2, 0, id]).await;
            }
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn releases_keep_the_order_of_the_receipts() {
    let house = House::start().await;
    for version in BOTH {
        let mut subscriber = Client::new(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        for id in 1..=4 {
            publisher.publish(Note::new("t", "x").qos(2, id)).await;
            subscriber.expect_note(Note::new("t", "x").qos(2, id)).await;
        }
        let ids = [3, 1, 4, 2];
        subscriber.send(&ids.map(|id| [0x50, 2, 0, id]).concat()).await;
        for id in ids {
            subscriber.expect(&[0x62, 2, 0, id]).await;
        }
    }
    house.stop().await;
}

#[tokio::test]
async fn repetitions_keep_their_order() {
    for version in BOTH {
        let house = House::start().await;
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        subscriber.subscribe("t", 2).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        let qos = |id: u16| if id.is_multiple_of(2) { 1 } else { 2 };
        for id in 1..=6 {
            publisher.publish(Note::new("t", &id.to_string()).qos(qos(id), id)).await;
            subscriber.expect_note(Note::new("t", &id.to_string()).qos(qos(id), id)).await;
        }
        // Some in the middle are done, which changes nothing in the order of the others.
        subscriber.acknowledge(0x40, 4).await;
        subscriber.acknowledge(0x50, 3).await;
        subscriber.expect(&[0x62, 2, 0, 3]).await;
        drop(subscriber);
        let (mut subscriber, _) = Client::lasting(&house, version, "subscriber").await;
        for id in [1, 2, 3, 5, 6] {
            match id {
                3 => subscriber.expect(&[0x62, 2, 0, 3]).await,
                _ => subscriber.expect_note(Note::new("t", &id.to_string()).qos(qos(id), id).dup()).await,
            }
        }
        subscriber.nothing().await;
        house.stop().await;
    }
}
