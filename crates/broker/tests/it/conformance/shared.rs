//! Shared subscriptions: their names. Who of a group receives what is in the tests of the core.

use super::wire::{Client, Note, V5, frame};
use crate::harness::House;

#[tokio::test]
async fn bad_share_names_are_refused() {
    let house = House::start().await;
    for filter in
        ["$share", "$share/", "$share/g", "$share/g/", "$share//t", "$share/g+/t", "$share/#/t", "$share/+/t"]
    {
        let mut client = Client::new(&house, V5, "c").await;
        client.subscribe_with(&[], filter, 0).await;
        // Refused as a filter, or as a packet.
        let answer = client.packet().await;
        match answer[0] {
            0x90 => assert_eq!(answer[5], 0x8F, "{filter}: {answer:x?}"),
            0xE0 => assert!([0x81, 0x82, 0x8F].contains(&answer[2]), "{filter}: {answer:x?}"),
            _ => panic!("{filter}: {answer:x?}"),
        }
    }
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe("$share/g/t/+", 1).await;
    client.send(&Note::new("t/a", "x").qos(1, 7).bytes(V5)).await;
    client.expect_note(Note::new("t/a", "x").qos(1, 1)).await;
    client.expect(&[0x40, 2, 0, 7]).await;
    house.stop().await;
}

#[tokio::test]
async fn no_local_is_refused() {
    let house = House::start().await;
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe_with(&[], "$share/g/t", 4).await;
    client.dismissed(0x82).await;
    // The same bit means nothing bad elsewhere.
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe_with(&[], "t", 4).await;
    client.expect(&frame(0x90, &[&[0, 10, 0, 0]])).await;
    house.stop().await;
}

#[tokio::test]
async fn one_member_of_a_group_gets_each_message() {
    let house = House::start().await;
    let mut members = Vec::new();
    for name in ["one", "two"] {
        let mut member = Client::new(&house, V5, name).await;
        member.subscribe("$share/g/t", 0).await;
        members.push(member);
    }
    let mut publisher = Client::new(&house, V5, "publisher").await;
    for _ in 0..10 {
        publisher.publish(Note::new("t", "x")).await;
    }
    let mut got = 0;
    for mut member in members {
        member.send(&[0xC0, 0]).await;
        while member.packet().await[0] == 0x30 {
            got += 1;
        }
    }
    assert_eq!(got, 10);
    house.stop().await;
}
