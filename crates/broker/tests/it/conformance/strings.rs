//! Texts and lengths of the wire format.

use super::wire::{BOTH, Client, Hello, Note, V3, V5, Version, frame, refused};
use crate::harness::{House, text};

/// A packet, and which of its texts is the one in question.
type Case = (&'static str, Vec<u8>);

/// Packets with one text each, those that are a CONNECT first.
fn with_text(version: Version, text: &[u8]) -> (Vec<Case>, Vec<Case>) {
    let text = [&(text.len() as u16).to_be_bytes()[..], text].concat();
    let none = version.properties(&[]);
    let connect = |flags: u8, properties: &[u8], parts: &[&[u8]]| {
        let head = [&b"\0\x04MQTT"[..], &[version as u8, Hello::CLEAN | flags, 0, 0]].concat();
        frame(0x10, &[&head, &version.properties(properties), &parts.concat()])
    };
    let mut connects = vec![
        ("client identifier", connect(0, &[], &[&text])),
        ("will topic", connect(Hello::WILL, &[], &[b"\0\x01c", &none, &text, b"\0\x01x"])),
        ("user name", connect(Hello::USER, &[], &[b"\0\x01c", &text])),
    ];
    let mut others = vec![
        ("topic", frame(0x30, &[&text, &none, b"x"])),
        ("filter of SUBSCRIBE", frame(0x82, &[&[0, 1], &none, &text, &[0]])),
        ("filter of UNSUBSCRIBE", frame(0xA2, &[&[0, 1], &none, &text])),
    ];
    if version == V5 {
        let property = |name: u8| [vec![name], text.clone()].concat();
        let pairs = [[&[0x26], &text[..], b"\0\x01v"].concat(), [&[0x26], &b"\0\x01n"[..], &text].concat()];
        let [name, value] = &pairs;
        let will = |properties: &[u8]| {
            connect(Hello::WILL, &[], &[b"\0\x01c", &version.properties(properties), b"\0\x01t", b"\0\x01x"])
        };
        connects.extend([
            ("name of a user property of CONNECT", connect(0, name, &[b"\0\x01c"])),
            ("value of a user property of CONNECT", connect(0, value, &[b"\0\x01c"])),
            ("authentication method", connect(0, &property(0x15), &[b"\0\x01c"])),
            ("content type of the will", will(&property(0x03))),
            ("response topic of the will", will(&property(0x08))),
            ("name of a user property of the will", will(name)),
        ]);
        let publish = |properties: &[u8]| Note::new("t", "x").properties(properties).bytes(version);
        others.extend([
            ("content type", publish(&property(0x03))),
            ("response topic", publish(&property(0x08))),
            ("name of a user property", publish(name)),
            ("value of a user property", publish(value)),
            ("reason string of DISCONNECT", frame(0xE0, &[&[0], &version.properties(&property(0x1F))])),
            ("user property of SUBSCRIBE", frame(0x82, &[&[0, 1], &version.properties(name), b"\0\x01t\0"])),
            ("reason string of PUBACK", frame(0x40, &[&[0, 1, 0], &version.properties(&property(0x1F))])),
        ]);
    }
    (connects, others)
}

/// Each text of each packet, with these bytes in it: no CONNECT is let in, and each other packet ends its connection.
async fn no_text_may_have(bytes: &[u8]) {
    let house = House::start().await;
    for version in BOTH {
        let mut witness = Client::new(&house, V3, "witness").await;
        witness.subscribe("#", 0).await;
        let (connects, others) = with_text(version, bytes);
        for (what, packet) in connects {
            let answer = refused(&house, &packet).await;
            let told = !answer.is_empty();
            assert_eq!(told, version == V5, "{what} of {version:?}: {answer:x?}");
            assert!(!told || answer[3] == 0x81, "{what}: {answer:x?}");
        }
        for (what, packet) in others {
            let mut client = Client::new(&house, version, "c").await;
            client.send(&packet).await;
            let rest = client.raw.rest().await;
            match version {
                V3 => assert!(rest.is_empty(), "{what}: {rest:x?}"),
                // Nobody is told who says goodbye.
                V5 if what.ends_with("DISCONNECT") && rest.is_empty() => {}
                V5 => assert!(rest[0] == 0xE0 && [0x81, 0x90].contains(&rest[2]), "{what}: {rest:x?}"),
            }
        }
        witness.nothing().await;
        witness.leave().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn ill_formed_texts_end_the_connection() {
    for bytes in [
        &b"a\xFF"[..],
        // A continuation without a beginning, a beginning without its continuation, an overlong slash.
        b"\x80a",
        b"a\xC3",
        b"\xC0\xAF",
        // U+D800 and U+DFFF, halves of a surrogate pair; and beyond the last code point.
        b"\xED\xA0\x80",
        b"\xED\xBF\xBF",
        b"\xF4\x90\x80\x80",
    ] {
        no_text_may_have(bytes).await;
    }
}

#[tokio::test]
async fn a_null_character_ends_the_connection() {
    no_text_may_have(b"a\0b").await;
}

#[tokio::test]
async fn a_byte_order_mark_is_a_character() {
    let house = House::start().await;
    for version in BOTH {
        let mut marked = Client::new(&house, version, "\u{feff}name").await;
        let mut plain = Client::new(&house, version, "name").await;
        // Two clients, and two topics.
        marked.subscribe("\u{feff}t/\u{feff}", 0).await;
        plain.subscribe("t/+", 0).await;
        let mut publisher = Client::new(&house, version, "publisher").await;
        publisher.publish(Note::new("\u{feff}t/\u{feff}", "marked")).await;
        publisher.publish(Note::new("t/\u{feff}", "plain")).await;
        marked.expect_note(Note::new("\u{feff}t/\u{feff}", "marked")).await;
        plain.expect_note(Note::new("t/\u{feff}", "plain")).await;
        marked.nothing().await;
        plain.nothing().await;
    }
    house.stop().await;
}

#[tokio::test]
async fn lengths_are_written_as_short_as_they_can_be() {
    let house = House::start().await;
    let mut publisher = Client::new(&house, V5, "publisher").await;
    let mut client = Client::new(&house, V5, "c").await;
    client.subscribe("t", 0).await;
    let head = text("t").len() + 1;
    // The lengths of packets and of properties at the edges of one, two and three bytes; `expect` compares bytes.
    for whole in [127, 128, 16_383, 16_384] {
        client_gets(&mut publisher, &mut client, Note::new("t", &"x".repeat(whole - head))).await;
    }
    for properties in [127, 128, 16_383, 16_384] {
        let value = "v".repeat(properties - 5);
        let user = [vec![0x26], text(""), text(&value)].concat();
        assert_eq!(user.len(), properties);
        client_gets(&mut publisher, &mut client, Note::new("t", "x").properties(&user)).await;
    }
    house.stop().await;
}

async fn client_gets(publisher: &mut Client, client: &mut Client, note: Note) {
    publisher.publish(note.clone()).await;
    client.expect_note(note).await;
}
