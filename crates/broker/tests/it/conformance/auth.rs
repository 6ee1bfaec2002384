//! Enhanced authentication, which the broker does not have: how it says so.

use super::wire::{Client, Hello, V3, V5, frame, properties};
use crate::harness::{House, text};

#[tokio::test]
async fn an_unknown_method_is_refused() {
    let house = House::start().await;
    let method = [vec![0x15], text("SCRAM-SHA-256")].concat();
    let data = [method.clone(), vec![0x16, 0, 2, 1, 2]].concat();
    for properties in [&method, &data] {
        let answer = Hello::new(V5, "c").properties(properties).refused(&house).await;
        assert_eq!((answer[0], answer[2], answer[3]), (0x20, 0, 0x8C), "{answer:x?}");
        assert_eq!(answer.len(), 2 + usize::from(answer[1]), "no AUTH follows");
    }
    house.stop().await;
}

#[tokio::test]
async fn who_asks_for_no_method_hears_of_none() {
    let house = House::start().await;
    let (mut client, connack) = Hello::new(V5, "c").knock(&house).await;
    assert!(properties(&connack[4..]).iter().all(|(name, _)| ![0x15, 0x16].contains(name)));
    client.nothing().await;
    house.stop().await;
}

#[tokio::test]
async fn an_auth_that_nobody_asked_for_ends_the_connection() {
    let house = House::start().await;
    let method = [vec![0x15], text("SCRAM-SHA-256")].concat();
    let with_method = [vec![0x19], V5.properties(&method)].concat();
    for body in [&[][..], &[0x18, 0], &[0x19, 0], &with_method] {
        let mut client = Client::new(&house, V5, "c").await;
        client.send(&frame(0xF0, &[body])).await;
        client.dismissed(0x82).await;
    }
    // A reason code that AUTH does not have, and a packet that 3.1.1 does not have.
    let mut client = Client::new(&house, V5, "c").await;
    client.send(&frame(0xF0, &[&[0x42, 0]])).await;
    let rest = client.raw.rest().await;
    assert!(rest[0] == 0xE0 && [0x81, 0x82].contains(&rest[2]), "{rest:x?}");
    let mut client = Client::new(&house, V3, "c").await;
    client.send(&frame(0xF0, &[])).await;
    client.closed().await;
    house.stop().await;
}
