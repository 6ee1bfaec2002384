//! The codec boundary against any bytes.

use bytes::{Buf, BytesMut};
use gatehouse_model::{Properties, Qos};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder as _;

use crate::codec::{
    Connect, ConnectError, Decoder, OutgoingPublish, Packet, Publish, Version, WireError, decode_connect,
};

/// The largest packet that is taken here; far below the default, so that inputs of a fuzzer can reach it.
const MAX_PACKET_BYTES: u32 = 2_048;

/// The largest CONNECT that is taken here.
const MAX_CONNECT_BYTES: u32 = 512;

const TOPIC_ALIASES: u16 = 8;

/// What was read from a stream: the CONNECT, when one is expected, then packets up to the end or to an error.
#[derive(Debug, PartialEq)]
struct Reading {
    connect: Option<Connect>,
    refusal: Option<ConnectError>,
    packets: Vec<Packet>,
    error: Option<WireError>,
    /// Bytes of a packet that is not complete.
    rest: usize,
}

/// Checks all of it; [`super::decode`] says what.
pub(super) fn check(bytes: &[u8]) {
    let [flags, cuts, stream @ ..] = bytes else { return };
    let version = if flags & 1 == 0 { Version::V3 } else { Version::V5 };
    let connects_first = flags & 2 != 0;
    let whole = read(stream, version, connects_first, std::iter::repeat(stream.len().max(1)));
    let pieces = read(stream, version, connects_first, piece_lengths(*cuts));
    assert_eq!(whole, pieces, "the places of the cuts matter");
    if let Some(connect) = &whole.connect {
        check_connect(connect);
    }
    for packet in &whole.packets {
        check_packet(packet);
    }
}

/// Reads a stream that comes in pieces of these lengths.
fn read(
    mut stream: &[u8],
    version: Version,
    connects_first: bool,
    mut lengths: impl Iterator<Item = usize>,
) -> Reading {
    let mut reading = Reading { connect: None, refusal: None, packets: Vec::new(), error: None, rest: 0 };
    let mut decoder = (!connects_first).then(|| Decoder::new(version, MAX_PACKET_BYTES, TOPIC_ALIASES));
    let mut buffer = BytesMut::new();
    let whole = stream.len();
    while !stream.is_empty() {
        let length = lengths.next().unwrap_or(1).clamp(1, stream.len());
        buffer.extend_from_slice(&stream[..length]);
        stream.advance(length);
        if decoder.is_none() {
            match decode_connect(&mut buffer, MAX_CONNECT_BYTES) {
                Ok(None) => {}
                Ok(Some(connect)) => {
                    decoder = Some(Decoder::new(connect.version, MAX_PACKET_BYTES, TOPIC_ALIASES));
                    reading.connect = Some(connect);
                }
                Err(refusal) => {
                    reading.refusal = Some(refusal);
                    return reading;
                }
            }
        }
        if let Some(decoder) = &mut decoder {
            loop {
                match decoder.decode(&mut buffer) {
                    Ok(Some(packet)) => reading.packets.push(packet),
                    Ok(None) => break,
                    Err(error) => {
                        reading.error = Some(error);
                        return reading;
                    }
                }
            }
        }
        // A buffer grows with what has come; nothing is reserved for what was only announced.
        let arrived = whole - stream.len();
        let most = 2 * arrived.max(MAX_PACKET_BYTES as usize);
        assert!(buffer.capacity() <= most, "{} bytes are reserved when {arrived} came", buffer.capacity());
    }
    reading.rest = buffer.len();
    reading
}

/// Lengths of pieces: often a single byte, sometimes many.
fn piece_lengths(seed: u8) -> impl Iterator<Item = usize> {
    let mut state = u32::from(seed);
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match state >> 29 {
            0..4 => 1,
            4 | 5 => 2 + (state >> 16 & 3) as usize,
            _ => 1 + (state >> 16 & 0xFF) as usize,
        }
    })
}

/// No text that came in has a null character. [MQTT-1.5.4-2]
fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

fn check_connect(connect: &Connect) {
    assert!(is_text(&connect.client_id) && connect.user.as_deref().is_none_or(is_text));
    assert!(connect.receive_maximum > 0, "MQTT 5.0 section 3.1.2.11.3");
    assert_ne!(connect.max_packet_bytes, Some(0), "MQTT 5.0 section 3.1.2.11.4");
    if connect.client_id.is_empty() && connect.version == Version::V3 {
        assert!(connect.clean_start, "[MQTT-3.1.3-7] of 3.1.1");
    }
    if let Some(will) = &connect.will {
        check_properties(&will.properties);
        assert!(!will.topic.as_str().contains(['+', '#', '\0']));
    }
}

fn check_properties(properties: &Properties) {
    assert!(properties.user.iter().all(|(name, value)| is_text(name) && is_text(value)));
    assert!(properties.content_type.as_deref().is_none_or(is_text));
}

fn check_packet(packet: &Packet) {
    match packet {
        Packet::Publish(publish) => {
            assert_eq!(
                publish.qos == Qos::AtMostOnce,
                publish.packet_id == 0,
                "[MQTT-2.2.1-2], [MQTT-2.2.1-3]"
            );
            assert!(!publish.topic.as_str().contains(['+', '#', '\0']), "[MQTT-3.3.2-2]");
            check_properties(&publish.properties);
            check_round_trip(publish, Version::V3);
            check_round_trip(publish, Version::V5);
        }
        Packet::Subscribe(subscribe) => {
            assert!(subscribe.packet_id > 0 && !subscribe.filters.is_empty(), "[MQTT-3.8.3-2]");
            assert!(subscribe.identifier.is_none_or(|identifier| (1..=268_435_455).contains(&identifier)));
        }
        Packet::Unsubscribe(unsubscribe) => {
            assert!(unsubscribe.packet_id > 0 && !unsubscribe.filters.is_empty(), "[MQTT-3.10.3-2]");
        }
        Packet::PubAck(id)
        | Packet::PubRec { packet_id: id, .. }
        | Packet::PubRel(id)
        | Packet::PubComp(id) => assert!(*id > 0),
        Packet::Connect | Packet::PingReq | Packet::Disconnect(_) | Packet::Auth => {}
    }
}

/// What a client published can be passed on: written by us, it is read as it was by us and by another make.
fn check_round_trip(publish: &Publish, version: Version) {
    let mut bytes = BytesMut::new();
    let outgoing = OutgoingPublish {
        topic: &publish.topic,
        payload: &publish.payload,
        qos: publish.qos,
        retain: publish.retain,
        duplicate: false,
        packet_id: publish.packet_id,
        properties: &publish.properties,
        expiry: publish.properties.message_expiry_seconds,
        identifiers: &[],
    };
    assert!(outgoing.encode(version, usize::MAX, &mut bytes).is_some());
    let mut copy = bytes.clone();
    // `rmqtt-codec` does not read a message expiry of 0, which the standard allows.
    let reads_it = version == Version::V3 || publish.properties.message_expiry_seconds != Some(0);
    let other_make = match version {
        Version::V3 => match v3::Codec::default().decode(&mut copy) {
            Ok(Some((v3::Packet::Publish(publish), _))) => Some(publish),
            _ => None,
        },
        Version::V5 => match v5::Codec::default().decode(&mut copy) {
            Ok(Some((v5::Packet::Publish(publish), _))) => Some(publish),
            _ => None,
        },
    };
    match other_make {
        Some(other_make) => {
            assert!(copy.is_empty());
            assert_eq!((&*other_make.topic, &other_make.payload), (publish.topic.as_str(), &publish.payload));
        }
        None => assert!(!reads_it, "another make does not read {bytes:x?}"),
    }
    // 3.1.1 has no aliases, so the topic is written in full and the packet may have grown.
    let read = Decoder::new(version, u32::MAX, 0).decode(&mut bytes);
    let Ok(Some(Packet::Publish(read))) = read else { panic!("a publish of ours is not read: {read:?}") };
    let expected = match version {
        Version::V3 => Publish { properties: Properties::default(), ..publish.clone() },
        Version::V5 => publish.clone(),
    };
    assert_eq!(read, expected);
}
