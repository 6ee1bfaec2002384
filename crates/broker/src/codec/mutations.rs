//! Whatever bytes come, the codec gives packets or errors, and never panics.

use bytes::{BufMut, BytesMut};
use gatehouse_model::{Properties, Qos, TopicName};
use proptest::prelude::*;

use super::{Decoder, OutgoingPublish, Reason, Version, decode_connect};

const LIMIT: u32 = 4_096;

/// Good packets of every kind that a client sends, to be spoiled.
fn good_packets(version: Version) -> Vec<Vec<u8>> {
    let five = version == Version::V5;
    let properties: &[u8] = if five { &[0] } else { &[] };
    let level = if five { 5 } else { 4 };
    let packet = |first: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        [&[first, body.len() as u8], &body[..]].concat()
    };
    let mut packets = vec![
        packet(
            0x10,
            &[
                b"\0\x04MQTT",
                &[level, 0b1110_1110, 0, 60],
                properties,
                b"\0\x01c",
                properties,
                b"\0\x04will",
                b"\0\x01x",
                b"\0\x03bar",
                b"\0\x03pwd",
            ],
        ),
        packet(0x40, &[&[0, 1]]),
        packet(0x50, &[&[0, 2]]),
        packet(0x62, &[&[0, 3]]),
        packet(0x70, &[&[0, 4]]),
        packet(0x82, &[&[0, 5], properties, b"\0\x06casa/+", &[1], b"\0\x01#", &[2]]),
        packet(0xA2, &[&[0, 6], properties, b"\0\x06casa/+"]),
        packet(0xC0, &[]),
        packet(0xE0, &[]),
    ];
    if five {
        packets.push(packet(0x40, &[&[0, 1, 0x87, 11, 0x1F], b"\0\x02no", &[0x26], b"\0\x01a\0\0"]));
        packets.push(packet(0xE0, &[&[0x04, 5, 0x11, 0, 0, 0, 9]]));
        packets.push(packet(0xF0, &[&[0x18, 0]]));
        packets.push(packet(0x30, &[b"\0\x01t", &[3, 0x23, 0, 1], b"aliased"]));
    }
    for (level, payload) in [(0, 10), (1, 100), (2, 1_000)] {
        let mut bytes = BytesMut::new();
        let topic = TopicName::new("casa/ático/luz").unwrap();
        let properties = Properties {
            payload_is_utf8: true,
            content_type: Some("text/plain".into()),
            user: vec![("ts".into(), "2026".into())],
            ..Properties::default()
        };
        let publish = OutgoingPublish {
            topic: &topic,
            payload: &vec![b'x'; payload],
            qos: Qos::from_level(level).unwrap(),
            retain: false,
            duplicate: false,
            packet_id: 9,
            properties: &properties,
            expiry: Some(60),
            identifiers: &[],
        };
        publish.encode(version, usize::MAX, &mut bytes).unwrap();
        packets.push(bytes.to_vec());
    }
    packets
}

/// Reads until the bytes end or are no packet. Gives how many packets there were.
fn read_all(version: Version, bytes: &[u8]) -> usize {
    let mut first = BytesMut::from(bytes);
    let _ = decode_connect(&mut first, LIMIT);
    let mut decoder = Decoder::new(version, LIMIT, 8);
    let mut rest = BytesMut::from(bytes);
    let mut packets = 0;
    while let Ok(Some(_)) = decoder.decode(&mut rest) {
        packets += 1;
    }
    packets
}

#[test]
fn the_good_packets_are_good() {
    for version in [Version::V3, Version::V5] {
        for bytes in good_packets(version) {
            assert_eq!(read_all(version, &bytes), 1, "{version:?} {bytes:x?}");
        }
        let mut connect = BytesMut::from(&good_packets(version)[0][..]);
        let connect = decode_connect(&mut connect, LIMIT).unwrap().unwrap();
        assert_eq!((connect.version, connect.user.as_deref()), (version, Some("bar")));
        assert_eq!(connect.will.unwrap().topic.as_str(), "will");
    }
}

/// Forty retained messages with 200,000 empty user properties each took 774 MB.
#[test]
fn a_crowd_of_user_properties_is_refused() {
    let integer = |value: usize| match value {
        0..0x80 => vec![value as u8],
        _ => vec![value as u8 | 0x80, (value >> 7) as u8],
    };
    let properties = |count: usize| [integer(5 * count), [0x26, 0, 0, 0, 0].repeat(count)].concat();
    let packet = |first: u8, body: Vec<u8>| [vec![first], integer(body.len()), body].concat();
    let connect = |own: usize, will: usize| {
        let head = [&b"\0\x04MQTT"[..], &[5, 0b0000_0110, 0, 0]].concat();
        let will = [&b"\0\x01c"[..], &properties(will), b"\0\x04will\0\x01x"].concat();
        let bytes = packet(0x10, [head, properties(own), will].concat());
        decode_connect(&mut BytesMut::from(&bytes[..]), LIMIT).map(drop)
    };
    let publish = |count: usize| {
        let bytes = packet(0x30, [b"\0\x01t".to_vec(), properties(count)].concat());
        Decoder::new(Version::V5, LIMIT, 8).decode(&mut BytesMut::from(&bytes[..])).map(drop)
    };
    assert_eq!((publish(64), connect(64, 64)), (Ok(()), Ok(())));
    assert_eq!(publish(65).unwrap_err().reason, Reason::QuotaExceeded);
    for refused in [connect(65, 0), connect(0, 65)] {
        let refused = refused.unwrap_err();
        assert_eq!((refused.answer_in, refused.error.reason), (Some(Version::V5), Reason::QuotaExceeded));
    }
}

/// A client identifier with U+0000 was let in. [MQTT-1.5.4-2], [MQTT-1.5.3-2] of 3.1.1
#[test]
fn a_null_character_in_a_text_is_malformed() {
    for (version, answer_in) in [(Version::V3, None), (Version::V5, Some(Version::V5))] {
        let good = good_packets(version).remove(0);
        for text in [&b"\0\x01c"[..], b"\0\x04will", b"\0\x03bar"] {
            let mut bytes = BytesMut::from(&good[..]);
            let start = bytes.windows(text.len()).position(|window| window == text).unwrap();
            bytes[start + text.len() - 1] = 0;
            let refused = decode_connect(&mut bytes, LIMIT).unwrap_err();
            assert_eq!((refused.answer_in, refused.error.reason), (answer_in, Reason::Malformed), "{text:?}");
        }
    }
    let publish = |property: &[u8]| {
        let bytes = [&[0x30, 4 + property.len() as u8][..], b"\0\x01t", &[property.len() as u8], property];
        Decoder::new(Version::V5, LIMIT, 8).decode(&mut BytesMut::from(&bytes.concat()[..])).map(drop)
    };
    for (good, bad) in
        [(b"\x26\0\x01a\0\x01b", b"\x26\0\x01a\0\x01\0"), (b"\x26\0\x01a\0\x01b", b"\x26\0\x01\0\0\x01b")]
    {
        assert_eq!((publish(good), publish(bad).unwrap_err().reason), (Ok(()), Reason::Malformed));
    }
    assert_eq!(publish(b"\x03\0\x01\0").unwrap_err().reason, Reason::Malformed);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_spoiled_packet_panics(
        version_5: bool,
        which in any::<prop::sample::Index>(),
        spoils in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..4), 1..6),
    ) {
        let version = if version_5 { Version::V5 } else { Version::V3 };
        let packets = good_packets(version);
        let mut bytes = packets[which.index(packets.len())].clone();
        for (place, byte, how) in spoils {
            let place = place.index(bytes.len());
            match how {
                0 => bytes[place] = byte,
                1 => bytes[place] ^= 1 << (byte % 8),
                2 => bytes.insert(place, byte),
                _ => bytes.truncate(place.max(1)),
            }
        }
        read_all(version, &bytes);
    }

    #[test]
    fn no_bytes_panic(version_5: bool, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read_all(if version_5 { Version::V5 } else { Version::V3 }, &bytes);
    }

    /// However the bytes are cut on their way, the same packets come out.
    #[test]
    fn cuts_do_not_matter(version_5: bool, step in 1usize..40) {
        let version = if version_5 { Version::V5 } else { Version::V3 };
        let packets = &good_packets(version)[1..];
        let stream = packets.concat();
        let mut decoder = Decoder::new(version, LIMIT, 8);
        let (mut bytes, mut found) = (BytesMut::new(), 0);
        for chunk in stream.chunks(step) {
            bytes.put_slice(chunk);
            while let Some(_packet) = decoder.decode(&mut bytes).unwrap() {
                found += 1;
            }
        }
        prop_assert_eq!(found, packets.len());
    }
}
