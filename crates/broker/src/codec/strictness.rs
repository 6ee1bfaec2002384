//! What the standards forbid is refused with the code that they ask for, and what they allow is taken: byte by byte.

use bytes::BytesMut;
use gatehouse_model::TopicName;

use super::{Decoder, Packet, Reason, Version, decode_connect};

use Reason::{Malformed, Protocol, QuotaExceeded, TopicAliasInvalid, TopicNameInvalid};

const LIMIT: u32 = 100_000;

/// A packet of these parts, its length before them.
fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let mut bytes = vec![first];
    let mut length = body.len();
    while length >= 0x80 {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(body);
    bytes
}

/// Properties with their length before them.
fn properties(parts: &[&[u8]]) -> Vec<u8> {
    packet(0, parts).split_off(1)
}

fn decode(version: Version, bytes: &[u8]) -> Result<Packet, Reason> {
    let mut bytes = BytesMut::from(bytes);
    let decoded = Decoder::new(version, LIMIT, 8).decode(&mut bytes).map_err(|error| error.reason)?;
    assert!(bytes.is_empty(), "the whole packet is taken");
    Ok(decoded.expect("a whole packet"))
}

#[track_caller]
fn refused(version: Version, reason: Reason, bytes: &[u8]) {
    assert_eq!(decode(version, bytes).expect_err("is refused"), reason, "{bytes:02x?}");
}

#[track_caller]
fn taken(version: Version, bytes: &[u8]) -> Packet {
    decode(version, bytes).unwrap_or_else(|reason| panic!("{bytes:02x?} is refused: {reason:?}"))
}

/// A CONNECT of version 5 with these flags and properties, and what follows the client identifier.
fn connect_v5(flags: u8, own: &[&[u8]], rest: &[&[u8]]) -> Vec<u8> {
    packet(0x10, &[b"\0\x04MQTT\x05", &[flags, 0, 60], &properties(own), b"\0\x01c", &rest.concat()])
}

fn connect_v3(flags: u8, rest: &[&[u8]]) -> Vec<u8> {
    packet(0x10, &[b"\0\x04MQTT\x04", &[flags, 0, 60], b"\0\x01c", &rest.concat()])
}

/// The reason, and whether the client is told.
fn connect_refused(bytes: &[u8]) -> Option<(Reason, bool)> {
    let refused = decode_connect(&mut BytesMut::from(bytes), LIMIT).err()?;
    Some((refused.error.reason, refused.answer_in.is_some()))
}

#[test]
fn connect_flags_and_ends() {
    assert_eq!(connect_refused(&connect_v5(2, &[], &[])), None);
    assert_eq!(connect_refused(&connect_v3(2, &[])), None);
    let will_v5: &[&[u8]] = &[&[0], b"\0\x01t\0\x01x"];
    let will_v3: &[&[u8]] = &[b"\0\x01t\0\x01x"];
    for flags in [0b0000_0110, 0b0000_1110, 0b0001_0110, 0b0010_0110] {
        assert_eq!(connect_refused(&connect_v5(flags, &[], will_v5)), None);
        assert_eq!(connect_refused(&connect_v3(flags, will_v3)), None);
    }
    // The reserved flag, a will of QoS 3, and QoS or retain of a will that is not there.
    for (flags, rest) in
        [(0b0000_0011, false), (0b0001_1110, true), (0b0000_1010, false), (0b0010_0010, false)]
    {
        let rest = |will| if rest { will } else { &[][..] };
        assert_eq!(
            connect_refused(&connect_v5(flags, &[], rest(will_v5))),
            Some((Malformed, true)),
            "{flags:b}"
        );
        assert_eq!(connect_refused(&connect_v3(flags, rest(will_v3))), Some((Malformed, false)), "{flags:b}");
    }
    // Bytes behind the last field, and fields that are announced and do not come.
    assert_eq!(connect_refused(&connect_v5(2, &[], &[&[0]])), Some((Malformed, true)));
    assert_eq!(connect_refused(&connect_v3(2, &[&[0]])), Some((Malformed, false)));
    assert_eq!(connect_refused(&connect_v5(0b1000_0010, &[], &[])), Some((Malformed, true)));
    assert_eq!(connect_refused(&connect_v3(0b1000_0010, &[])), Some((Malformed, false)));
    // A password without a user name is a new right of version 5.
    assert_eq!(connect_refused(&connect_v5(0b0100_0010, &[], &[b"\0\x01p"])), None);
    assert_eq!(connect_refused(&connect_v3(0b0100_0010, &[b"\0\x01p"])), Some((Protocol, false)));
}

#[test]
fn connect_properties() {
    let with = |own: &[u8]| connect_refused(&connect_v5(2, &[own], &[])).map(|(reason, _)| reason);
    // Receive Maximum, Maximum Packet Size, Topic Alias Maximum, Request Response and Problem Information, expiry.
    let good: [&[u8]; 7] = [
        &[0x21, 0, 1],
        &[0x27, 0, 0, 0, 1],
        &[0x22, 0, 0],
        &[0x19, 1],
        &[0x17, 0],
        &[0x11, 0, 0, 0, 0],
        b"\x26\0\x01a\0\x01b\x26\0\x01a\0\x01b",
    ];
    for own in good {
        assert_eq!(with(own), None, "{own:02x?}");
        let twice = own.repeat(2);
        let expected = if own[0] == 0x26 { None } else { Some(Protocol) };
        assert_eq!(with(&twice), expected, "{twice:02x?}");
    }
    for (own, reason) in [
        (&[0x21, 0, 0][..], Protocol),
        (&[0x27, 0, 0, 0, 0], Protocol),
        (&[0x19, 2], Protocol),
        (&[0x17, 2], Protocol),
        // Authentication data without a method.
        (&[0x16, 0, 1, 0], Protocol),
        // Of another packet, of a server, of nobody; and one that breaks off.
        (&[0x23, 0, 1], Malformed),
        (&[0x12, 0, 1, b'x'], Malformed),
        (&[0x7F], Malformed),
        (&[0xFF, 0x01], Malformed),
        (&[0x21, 0], Malformed),
        (b"\x15\0\x02\xED\xA0", Malformed),
    ] {
        assert_eq!(with(own), Some(reason), "{own:02x?}");
    }
    let many = b"\x26\0\0\0\0".repeat(65);
    assert_eq!(with(&many), Some(QuotaExceeded));
    let most = b"\x26\0\0\0\0".repeat(64);
    assert_eq!(with(&most), None);
}

#[test]
fn the_properties_of_a_will() {
    let with = |own: &[u8]| {
        let bytes = connect_v5(0b0000_0110, &[], &[&properties(&[own]), b"\0\x01t\0\x01x"]);
        decode_connect(&mut BytesMut::from(&bytes[..]), LIMIT).map_err(|refused| refused.error.reason)
    };
    let expiry = |own: &[u8]| with(own).unwrap().unwrap().will.unwrap().properties.message_expiry_seconds;
    assert_eq!(expiry(&[2, 0, 0, 0, 0]), Some(0));
    assert_eq!(expiry(&[2, 0, 0, 0, 7]), Some(7));
    assert_eq!(expiry(&[0x18, 0, 0, 0, 0]), None);
    for (own, reason) in [
        (&[0x18, 0, 0, 0, 0, 0x18, 0, 0, 0, 0][..], Protocol),
        (&[1, 2], Protocol),
        (b"\x08\0\x01#", Protocol),
        (&[0x23, 0, 1], Malformed),
        (&[0x0B, 1], Malformed),
    ] {
        assert_eq!(with(own).unwrap_err(), reason, "{own:02x?}");
    }
}

#[test]
fn publish_headers_and_topics() {
    for version in [Version::V3, Version::V5] {
        let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let to = |first, topic: &[u8], id: &[u8]| {
            let length = (topic.len() as u16).to_be_bytes();
            packet(first, &[&length, topic, id, none, b"x"])
        };
        for first in [0x30, 0x31] {
            taken(version, &to(first, b"t", &[]));
        }
        for first in [0x32, 0x3A, 0x34, 0x3D] {
            taken(version, &to(first, b"t", &[0, 1]));
            refused(version, Malformed, &to(first, b"t", &[0, 0]));
        }
        refused(version, Malformed, &to(0x36, b"t", &[0, 1]));
        refused(version, Malformed, &to(0x38, b"t", &[]));
        refused(version, TopicNameInvalid, &to(0x30, b"casa/+", &[]));
        refused(version, TopicNameInvalid, &to(0x30, b"casa/#", &[]));
        // No UTF-8, a surrogate, and U+0000.
        refused(version, Malformed, &to(0x30, b"a\xFF", &[]));
        refused(version, Malformed, &to(0x30, b"\xED\xA0\x80", &[]));
        refused(version, Malformed, &to(0x30, b"a\0b", &[]));
        // A byte order mark is a character like any other. [MQTT-1.5.4-3]
        let Packet::Publish(publish) = taken(version, &to(0x30, "\u{FEFF}t".as_bytes(), &[])) else {
            panic!()
        };
        assert_eq!(publish.topic, TopicName::new("\u{FEFF}t").unwrap());
        // The topic is longer than the packet.
        refused(version, Malformed, &packet(0x30, &[&[0, 9], b"t"]));
    }
    refused(Version::V3, TopicNameInvalid, &packet(0x30, &[&[0, 0], b"x"]));
    refused(Version::V5, Protocol, &packet(0x30, &[&[0, 0], &[0], b"x"]));
}

#[test]
fn publish_properties() {
    let with = |own: &[u8]| packet(0x30, &[b"\0\x01t", &properties(&[own]), b"payload"]);
    let read = |own: &[u8]| match taken(Version::V5, &with(own)) {
        Packet::Publish(publish) => publish,
        other => panic!("{other:?}"),
    };
    // An expiry of zero is none of the standard's mistakes, and the payload behind it stays what it is.
    let publish = read(&[2, 0, 0, 0, 0]);
    assert_eq!(publish.properties.message_expiry_seconds, Some(0));
    assert_eq!(&publish.payload[..], b"payload");
    assert_eq!(read(&[2, 0, 0, 1, 0]).properties.message_expiry_seconds, Some(256));
    assert!(read(&[1, 1]).properties.payload_is_utf8);
    for (own, reason) in [
        (&[1, 2][..], Protocol),
        (&[1, 0, 1, 0], Protocol),
        (&[2, 0, 0, 0, 0, 2, 0, 0, 0, 0], Protocol),
        (b"\x03\0\x01a\x03\0\x01a", Protocol),
        (b"\x08\0\x01a\x08\0\x01a", Protocol),
        (b"\x09\0\x01a\x09\0\x01a", Protocol),
        (&[0x23, 0, 1, 0x23, 0, 1], Protocol),
        (b"\x08\0\x06casa/+", Protocol),
        (b"\x08\0\0", Protocol),
        (&[0x23, 0, 0], TopicAliasInvalid),
        (&[0x23, 0, 9], TopicAliasInvalid),
        // A subscription identifier is a server's to send, and zero nobody's.
        (&[0x0B, 1], Protocol),
        (&[0x0B, 1, 0x0B, 2], Protocol),
        (&[0x0B, 0], Protocol),
        (b"\x03\0\x01\0", Malformed),
        (b"\x03\0\x03\xED\xA0\x80", Malformed),
        (b"\x26\0\x01a\0\x01\0", Malformed),
        (&[0x11, 0, 0, 0, 1], Malformed),
    ] {
        refused(Version::V5, reason, &with(own));
    }
    refused(Version::V5, QuotaExceeded, &with(&b"\x26\0\0\0\0".repeat(65)));
    // Properties that are longer than their packet.
    refused(Version::V5, Malformed, &packet(0x30, &[b"\0\x01t", &[9, 1, 0]]));
}

/// [MQTT-1.5.5-1]: no longer than needed. 3.1.1 has no such rule, and devices that write longer ones.
#[test]
fn integers_are_as_short_as_can_be() {
    let ping = [0xC0, 0x80, 0];
    refused(Version::V5, Malformed, &ping);
    assert_eq!(taken(Version::V3, &ping), Packet::PingReq);
    let long_length = packet(0x30, &[b"\0\x01t", &[0x80, 0], b"x"]);
    refused(Version::V5, Malformed, &long_length);
    let subscribe =
        |identifier: &[u8]| packet(0x82, &[&[0, 1], &properties(&[&[0x0B], identifier]), b"\0\x01t", &[0]]);
    let Packet::Subscribe(read) = taken(Version::V5, &subscribe(&[0xFF, 0xFF, 0xFF, 0x7F])) else { panic!() };
    assert_eq!(read.identifier, Some(268_435_455));
    refused(Version::V5, Malformed, &subscribe(&[0x81, 0]));
    refused(Version::V5, Malformed, &subscribe(&[0xFF, 0xFF, 0xFF, 0xFF, 0x01]));
    refused(Version::V5, Protocol, &subscribe(&[0]));
    let mut connect = connect_v5(2, &[], &[]);
    let length = connect[1];
    connect.splice(1..2, [length | 0x80, 0]);
    assert_eq!(connect_refused(&connect), Some((Malformed, true)));
    let mut connect = connect_v3(2, &[]);
    let length = connect[1];
    connect.splice(1..2, [length | 0x80, 0]);
    assert_eq!(connect_refused(&connect), None);
}

#[test]
fn subscriptions() {
    for version in [Version::V3, Version::V5] {
        let none: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let with = |options: u8| packet(0x82, &[&[0, 1], none, b"\0\x01t", &[options]]);
        for level in 0..3 {
            taken(version, &with(level));
        }
        refused(version, Protocol, &with(3));
        refused(version, Malformed, &with(0b0100_0000));
        refused(version, Malformed, &with(0b1000_0000));
        refused(version, Malformed, &packet(0x82, &[&[0, 0], none, b"\0\x01t", &[0]]));
        refused(version, Protocol, &packet(0x82, &[&[0, 1], none]));
        refused(version, Malformed, &packet(0x82, &[&[0, 1], none, b"\0\x01t"]));
        refused(version, Malformed, &packet(0x82, &[&[0, 1], none, b"\0\x01\0", &[0]]));
        refused(version, Malformed, &packet(0x82, &[&[0, 1], none, b"\0\x03\xED\xA0\x80", &[0]]));
        refused(version, Malformed, &packet(0x80, &[&[0, 1], none, b"\0\x01t", &[0]]));
        taken(version, &packet(0xA2, &[&[0, 1], none, b"\0\x01t\0\x01u"]));
        refused(version, Malformed, &packet(0xA2, &[&[0, 0], none, b"\0\x01t"]));
        refused(version, Protocol, &packet(0xA2, &[&[0, 1], none]));
        refused(version, Malformed, &packet(0xA2, &[&[0, 1], none, b"\0\x01\0"]));
    }
    let five = |own: &[u8], filter: &[u8], options: u8| {
        let length = (filter.len() as u16).to_be_bytes();
        packet(0x82, &[&[0, 1], &properties(&[own]), &length, filter, &[options]])
    };
    // Every option of version 5 has its bit; in 3.1.1 they are reserved.
    for options in [0b0000_0100, 0b0000_1000, 0b0001_0000, 0b0010_0000, 0b0010_1110] {
        taken(Version::V5, &five(&[], b"t", options));
        refused(Version::V3, Malformed, &packet(0x82, &[&[0, 1], b"\0\x01t", &[options]]));
    }
    refused(Version::V5, Protocol, &five(&[], b"t", 0b0011_0000));
    refused(Version::V5, Protocol, &five(&[0x0B, 1, 0x0B, 1], b"t", 0));
    refused(Version::V5, Malformed, &five(&[0x23, 0, 1], b"t", 0));
    refused(Version::V5, QuotaExceeded, &five(&b"\x26\0\0\0\0".repeat(65), b"t", 0));
    // [MQTT-3.8.3-4]; what is wrong with a filter alone is told in the SUBACK.
    taken(Version::V5, &five(&[], b"$share/g/t", 0b0010));
    refused(Version::V5, Protocol, &five(&[], b"$share/g/t", 0b0110));
    for filter in [&b"a/#/b"[..], b"a+", b"", b"$share//t"] {
        let Packet::Subscribe(read) = taken(Version::V5, &five(&[], filter, 0)) else { panic!() };
        assert_eq!(read.filters, [Err(Reason::TopicFilterInvalid)]);
    }
}

#[test]
fn acknowledgements_in_all_their_lengths() {
    for first in [0x40, 0x50, 0x62, 0x70] {
        for version in [Version::V3, Version::V5] {
            taken(version, &packet(first, &[&[0, 1]]));
            refused(version, Malformed, &packet(first, &[&[0, 0]]));
            refused(version, Malformed, &packet(first, &[&[0]]));
            refused(version, Malformed, &packet(first ^ 1, &[&[0, 1]]));
        }
        refused(Version::V3, Malformed, &packet(first, &[&[0, 1, 0]]));
        let error = if first < 0x60 { 0x80 } else { 0x92 };
        for code in [0, error] {
            taken(Version::V5, &packet(first, &[&[0, 1, code]]));
            taken(Version::V5, &packet(first, &[&[0, 1, code, 0]]));
            taken(Version::V5, &packet(first, &[&[0, 1, code], &properties(&[b"\x1F\0\x02no"])]));
        }
        for code in [1, 0x81, 0xFF] {
            refused(Version::V5, Protocol, &packet(first, &[&[0, 1, code]]));
        }
        refused(Version::V5, Malformed, &packet(first, &[&[0, 1, 0, 0, 0]]));
        refused(Version::V5, Malformed, &packet(first, &[&[0, 1, 0, 1]]));
        refused(Version::V5, Protocol, &packet(first, &[&[0, 1, 0], &properties(&[b"\x1F\0\0\x1F\0\0"])]));
        refused(Version::V5, Malformed, &packet(first, &[&[0, 1, 0], &properties(&[&[0x11, 0, 0, 0, 1]])]));
    }
    for (first, code, accepted) in [(0x50, 0, true), (0x50, 0x10, true), (0x50, 0x97, false)] {
        let read = taken(Version::V5, &packet(first, &[&[0, 1, code]]));
        assert_eq!(read, Packet::PubRec { packet_id: 1, accepted });
    }
}

#[test]
fn goodbyes_and_pings() {
    for version in [Version::V3, Version::V5] {
        taken(version, &[0xE0, 0]);
        taken(version, &[0xC0, 0]);
        refused(version, Malformed, &[0xC0, 1, 0]);
        refused(version, Malformed, &[0xE1, 0]);
        refused(version, Malformed, &[0x00, 0]);
    }
    refused(Version::V3, Malformed, &[0xE0, 1, 0]);
    refused(Version::V3, Malformed, &[0xF0, 0]);
    for (bytes, with_will) in [(&[0xE0, 1, 0][..], false), (&[0xE0, 1, 4], true), (&[0xE0, 2, 0, 0], false)] {
        let Packet::Disconnect(read) = taken(Version::V5, bytes) else { panic!() };
        assert_eq!((read.with_will, read.session_expiry), (with_will, None));
    }
    let Packet::Disconnect(read) = taken(Version::V5, &[0xE0, 7, 0, 5, 0x11, 0, 0, 0, 9]) else { panic!() };
    assert_eq!(read.session_expiry, Some(9));
    refused(Version::V5, Protocol, &[0xE0, 12, 0, 10, 0x11, 0, 0, 0, 9, 0x11, 0, 0, 0, 9]);
    refused(Version::V5, Malformed, &[0xE0, 3, 0, 0, 0]);
    refused(Version::V5, Malformed, &[0xE0, 2, 0, 1]);
    // Unknown, and only a server's.
    for code in [1, 0x8B, 0x8D, 0x8E, 0x9C, 0xFF] {
        refused(Version::V5, Protocol, &[0xE0, 1, code]);
    }
    assert_eq!(taken(Version::V5, &[0xF0, 2, 0x18, 0]), Packet::Auth);
    refused(Version::V5, Protocol, &[0xF0, 2, 0x17, 0]);
    refused(Version::V5, Protocol, &packet(0xF0, &[&[0x18], &properties(&[b"\x16\0\x01x"])]));
    // What only a server sends.
    refused(Version::V3, Protocol, &[0xD0, 0]);
    refused(Version::V5, Protocol, &[0xD0, 0]);
}
