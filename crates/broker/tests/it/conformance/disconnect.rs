//! PINGREQ, and how connections end.

use super::wire::{BOTH, Client, Hello, Note, V3, V5, frame, properties};
use crate::harness::{House, text};

#[tokio::test]
async fn a_ping_is_answered() {
    let house = House::start().await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        client.send(&[0xC0, 0, 0xC0, 0]).await;
        client.expect(&[0xD0, 0]).await;
        client.expect(&[0xD0, 0]).await;
        client.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn nothing_behind_a_disconnect_is_served() {
    let house = House::start().await;
    let mut witness = Client::new(&house, V3, "witness").await;
    witness.subscribe("#", 0).await;
    for version in BOTH {
        let mut client = Client::new(&house, version, "c").await;
        client.send(&[vec![0xE0, 0], Note::new("t", "x").bytes(version), vec![0xC0, 0]].concat()).await;
        client.closed().await;
        witness.nothing().await;
    }
    house.stop().await;
}

/// One DISCONNECT with its reason, no session expiry in it, nothing behind it, and the connection is closed.
async fn says(mut client: Client, reason: u8) {
    let rest = client.raw.rest().await;
    assert_eq!((rest[0], rest[2]), (0xE0, reason), "{rest:x?}");
    assert_eq!(rest.len(), 2 + usize::from(rest[1]), "nothing follows");
    let found = if rest.len() > 3 { properties(&rest[3..]) } else { Vec::new() };
    assert!(found.iter().all(|(name, _)| *name == 0x1F), "a reason string and nothing else: {found:?}");
}

#[tokio::test]
async fn the_broker_says_why_it_closes() {
    let house = House::start().await;
    let endless = [0x30, 0xFF, 0xFF, 0xFF, 0xFF];
    for (bytes, reason) in [
        (&endless[..], 0x81),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 0x95),
        (&Hello::new(V5, "c").bytes(), 0x82),
        (&frame(0xF0, &[]), 0x82),
        (&Note::new("a/+", "x").bytes(V5), 0x90),
        (&Note::new("", "x").properties(&[0x23, 0, 9]).bytes(V5), 0x82),
        (&frame(0x82, &[&[0, 1, 0]]), 0x82),
        (&frame(0x82, &[&[0, 0, 0], &text("t"), &[0]]), 0x81),
    ] {
        let mut client = Client::new(&house, V5, "c").await;
        client.send(bytes).await;
        says(client, reason).await;
    }
    // A session expiry that was zero cannot grow at the end.
    let mut client = Client::new(&house, V5, "c").await;
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]).await;
    says(client, 0x82).await;
    let (silent, _) = Hello::new(V5, "silent").keep_alive(1).enter(&house).await;
    says(silent, 0x8D).await;
    let first = Client::new(&house, V5, "twice").await;
    let _second = Client::new(&house, V5, "twice").await;
    says(first, 0x8E).await;
    let (revoked, _) = Hello::new(V5, "revoked").login("other", "secret").enter(&house).await;
    house.handle.revoke("other").await.unwrap();
    says(revoked, 0x87).await;
    let last = Client::new(&house, V5, "last").await;
    house.stop().await;
    says(last, 0x8B).await;
}

/// The session of version 5 lasts as long as its goodbye says.
#[tokio::test]
async fn a_goodbye_may_change_how_long_the_session_lasts() {
    let house = House::start().await;
    let (mut client, _) = Client::lasting(&house, V5, "c").await;
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0]).await;
    client.closed().await;
    let (mut client, present) = Client::lasting(&house, V5, "c").await;
    assert!(!present);
    client.send(&[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 60]).await;
    client.closed().await;
    let (_client, present) = Client::lasting(&house, V5, "c").await;
    assert!(present);
    house.stop().await;
}
