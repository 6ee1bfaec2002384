//! What a client hears: the broker's bytes, read by another make's codec.

use bytes::{Bytes, BytesMut};
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder as _;

use crate::codec::{AckKind, Version};

/// A packet of the broker.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    ConnAck {
        code: u8,
        session_present: bool,
    },
    Publish(Got),
    /// One of the four acknowledgements, with its reason code.
    Ack(AckKind, u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    Pong,
    Disconnect(u8),
}

/// A PUBLISH.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Got {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: u8,
    pub(super) id: u16,
    pub(super) retain: bool,
    pub(super) duplicate: bool,
    pub(super) identifiers: Vec<u32>,
    pub(super) expiry: Option<u32>,
    pub(super) user: Vec<(String, String)>,
    /// Bytes of the whole packet.
    pub(super) bytes: usize,
}

/// Reads one connection.
#[derive(Debug)]
pub(super) struct Ear {
    codec: Codec,
    bytes: BytesMut,
    /// Topic aliases that the broker has set, by number.
    aliases: Vec<String>,
}

#[derive(Debug)]
enum Codec {
    V3(v3::Codec),
    V5(v5::Codec),
}

impl Ear {
    /// For a client that takes `aliases` topic aliases.
    pub(super) fn new(version: Version, aliases: u16) -> Self {
        let codec = match version {
            Version::V3 => Codec::V3(v3::Codec::default()),
            Version::V5 => Codec::V5(v5::Codec::default()),
        };
        let aliases = vec![String::new(); usize::from(aliases)];
        Self { codec, bytes: BytesMut::new(), aliases }
    }

    /// Takes bytes in, and gives the packets that they complete. The broker stages whole packets, so nothing is left.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Heard>, String> {
        self.bytes.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while !self.bytes.is_empty() {
            let before = self.bytes.len();
            write_expiry_of_zero(&mut self.bytes);
            let packet = match &mut self.codec {
                Codec::V3(codec) => codec
                    .decode(&mut self.bytes)
                    .map_err(|error| format!("no packet of 3.1.1: {error}"))?
                    .map(|(packet, _)| from_v3(packet)),
                Codec::V5(codec) => codec
                    .decode(&mut self.bytes)
                    .map_err(|error| format!("no packet of 5: {error}"))?
                    .map(|(packet, _)| from_v5(packet, &mut self.aliases)),
            };
            match packet {
                Some(Ok(Heard::Publish(got))) => {
                    heard.push(Heard::Publish(Got { bytes: before - self.bytes.len(), ..got }));
                }
                Some(packet) => heard.push(packet?),
                None => return Err("half a packet".to_owned()),
            }
        }
        Ok(heard)
    }
}

/// What stands for a message expiry of zero.
const ZERO: u32 = u32::MAX;

/// The other make refuses a message expiry of zero, which the standard allows: it is told of another. These bytes are
/// nothing else in what the clients of a schedule are sent.
fn write_expiry_of_zero(bytes: &mut [u8]) {
    const IDENTIFIER: u8 = 0x02;
    let zero = [IDENTIFIER, 0, 0, 0, 0];
    if let Some(place) = bytes.windows(zero.len()).position(|window| window == zero) {
        bytes[place + 1..place + zero.len()].copy_from_slice(&ZERO.to_be_bytes());
    }
}

fn from_publish(publish: rmqtt_codec::types::Publish, aliases: &mut [String]) -> Result<Heard, String> {
    let properties = publish.properties.unwrap_or_default();
    let mut topic = publish.topic.to_string();
    if let Some(alias) = properties.topic_alias {
        let known = aliases
            .get_mut(usize::from(alias.get()) - 1)
            .ok_or_else(|| format!("[MQTT-3.1.2-26]: topic alias {alias} is more than the client takes"))?;
        if topic.is_empty() {
            topic.clone_from(known);
        } else {
            known.clone_from(&topic);
        }
    }
    if topic.is_empty() {
        return Err("a publish without a topic".to_owned());
    }
    Ok(Heard::Publish(Got {
        topic,
        payload: publish.payload,
        qos: publish.qos.value(),
        id: publish.packet_id.map_or(0, Into::into),
        retain: publish.retain,
        duplicate: publish.dup,
        identifiers: properties.subscription_ids.into_iter().map(Into::into).collect(),
        expiry: properties
            .message_expiry_interval
            .map(|left| if left.get() == ZERO { 0 } else { left.get() }),
        user: properties
            .user_properties
            .into_iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect(),
        bytes: 0,
    }))
}

fn from_v3(packet: v3::Packet) -> Result<Heard, String> {
    Ok(match packet {
        v3::Packet::ConnectAck(ack) => {
            Heard::ConnAck { code: ack.return_code.into(), session_present: ack.session_present }
        }
        v3::Packet::Publish(publish) => return from_publish(*publish, &mut []),
        v3::Packet::PublishAck { packet_id } => Heard::Ack(AckKind::Published, packet_id.get(), 0),
        v3::Packet::PublishReceived { packet_id } => Heard::Ack(AckKind::Received, packet_id.get(), 0),
        v3::Packet::PublishRelease { packet_id } => Heard::Ack(AckKind::Release, packet_id.get(), 0),
        v3::Packet::PublishComplete { packet_id } => Heard::Ack(AckKind::Complete, packet_id.get(), 0),
        v3::Packet::SubscribeAck { packet_id, status } => {
            let codes = status.iter().map(|code| match code {
                v3::SubscribeReturnCode::Success(qos) => qos.value(),
                v3::SubscribeReturnCode::Failure => 0x80,
            });
            Heard::SubAck(packet_id.get(), codes.collect())
        }
        v3::Packet::UnsubscribeAck { packet_id } => Heard::UnsubAck(packet_id.get(), Vec::new()),
        v3::Packet::PingResponse => Heard::Pong,
        other => return Err(format!("{other:?} is nothing that a server sends")),
    })
}

fn from_v5(packet: v5::Packet, aliases: &mut [String]) -> Result<Heard, String> {
    let ack = |kind, id: std::num::NonZeroU16, code| Heard::Ack(kind, id.get(), code);
    Ok(match packet {
        v5::Packet::ConnectAck(ack) => {
            Heard::ConnAck { code: ack.reason_code.into(), session_present: ack.session_present }
        }
        v5::Packet::Publish(publish) => return from_publish(*publish, aliases),
        v5::Packet::PublishAck(one) => ack(AckKind::Published, one.packet_id, one.reason_code.into()),
        v5::Packet::PublishReceived(one) => ack(AckKind::Received, one.packet_id, one.reason_code.into()),
        v5::Packet::PublishRelease(one) => ack(AckKind::Release, one.packet_id, one.reason_code as u8),
        v5::Packet::PublishComplete(one) => ack(AckKind::Complete, one.packet_id, one.reason_code as u8),
        v5::Packet::SubscribeAck(ack) => {
            Heard::SubAck(ack.packet_id.get(), ack.status.iter().map(|code| *code as u8).collect())
        }
        v5::Packet::UnsubscribeAck(ack) => {
            Heard::UnsubAck(ack.packet_id.get(), ack.status.iter().map(|code| *code as u8).collect())
        }
        v5::Packet::PingResponse => Heard::Pong,
        v5::Packet::Disconnect(disconnect) => Heard::Disconnect(disconnect.reason_code.into()),
        other => return Err(format!("{other:?} is nothing that a server sends")),
    })
}
