//! Packets that are none, and what the broker's own look like.

use super::wire::{BOTH, Client, Note, V3, V5, frame};
use crate::harness::{House, text};

#[tokio::test]
async fn reserved_header_flags_end_the_connection() {
    let house = House::start().await;
    for version in BOTH {
        let none = version.properties(&[]);
        let packets: [(u8, Vec<u8>); 9] = [
            (0x40, vec![0, 1]),
            (0x50, vec![0, 1]),
            (0x62, vec![0, 1]),
            (0x70, vec![0, 1]),
            (0x82, [&[0, 1][..], &none, &text("t"), &[0]].concat()),
            (0xA2, [&[0, 1][..], &none, &text("t")].concat()),
            (0xC0, vec![]),
            (0xE0, vec![]),
            (0xF0, vec![0x18, 0]),
        ];
        for (first, body) in packets {
            for flags in (0..16).filter(|flags| *flags != first & 0xF) {
                let mut client = Client::new(&house, version, "c").await;
                client.send(&frame(first & 0xF0 | flags, &[&body])).await;
                client.dismissed(0x81).await;
            }
        }
        // Types that do not exist, and those that only a server sends.
        for first in [0x00, 0x20, 0x90, 0xB0, 0xD0] {
            let mut client = Client::new(&house, version, "c").await;
            client.send(&frame(first, &[&[0, 0]])).await;
            let rest = client.raw.rest().await;
            match version {
                V3 => assert!(rest.is_empty(), "{first:#x}: {rest:x?}"),
                V5 => assert!(rest[0] == 0xE0 && [0x81, 0x82].contains(&rest[2]), "{first:#x}: {rest:x?}"),
            }
        }
    }
    let mut client = Client::new(&house, V3, "c").await;
    client.send(&frame(0xF0, &[&[0x18, 0]])).await;
    client.closed().await;
    house.stop().await;
}

/// `expect` compares whole packets, so that this names the first byte of each packet that the broker sends.
#[tokio::test]
async fn what_the_broker_sends_has_its_reserved_flags() {
    let house = House::start().await;
    for version in BOTH {
        let none = version.properties(&[]);
        let mut client = Client::new(&house, version, "c").await;
        client.subscribe("t", 2).await;
        client.send(&Note::new("t", "x").qos(2, 9).bytes(version)).await;
        client.expect_note(Note::new("t", "x").qos(2, 1)).await;
        client.expect(&[0x50, 2, 0, 9]).await;
        client.acknowledge(0x50, 1).await;
        client.expect(&[0x62, 2, 0, 1]).await;
        client.acknowledge(0x62, 9).await;
        client.expect(&[0x70, 2, 0, 9]).await;
        client.send(&frame(0xA2, &[&[0, 3], &none, &text("t")])).await;
        assert_eq!(client.packet().await[0], 0xB0);
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn one_bad_client_is_nobody_elses_trouble() {
    let house = House::start().await;
    let mut bystander = Client::new(&house, V5, "bystander").await;
    bystander.subscribe("t", 0).await;
    for version in BOTH {
        let other = Client::new(&house, version, "c").await;
        let mut bad = Client::new(&house, version, "bad").await;
        // What came before the error was served; nothing behind it is.
        let bytes = [
            Note::new("t", "before").bytes(version),
            frame(0x36, &[&text("t")]),
            Note::new("t", "behind").bytes(version),
        ];
        bad.send(&bytes.concat()).await;
        bad.dismissed(0x81).await;
        bystander.expect_note(Note::new("t", "before")).await;
        bystander.nothing().await;
        other.leave().await;
    }
    house.stop().await;
}
