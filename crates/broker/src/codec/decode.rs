//! Bytes from a client become packets.

use std::num::NonZeroU16;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gatehouse_model::{Properties, Qos, TopicName};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::types::QoS;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder as _;

use super::frame::packet_length;
use super::topics::{Aliases, RecentTopics};
use super::walk::{self, Walked};
use super::{
    Asked, Connect, Disconnect, Options, Packet, Publish, Reason, RetainHandling, Subscribe, Unsubscribe,
    Version, Wanted, Will, WireError,
};

/// Session expiry of a 3.1.1 client that asks to be remembered: without end, until the broker's own limit.
const WITHOUT_END: u32 = u32::MAX;

/// The Receive Maximum of a client that does not say one (MQTT 5.0 section 3.1.2.11.3).
const RECEIVE_MAXIMUM_DEFAULT: u16 = 65_535;

/// The first byte of a CONNECT.
const CONNECT: u8 = 0x10;

/// Shortest CONNECT of which the protocol name and level can be read.
const CONNECT_HEAD_BYTES: usize = 9;

/// Where the flags of a CONNECT stand behind its fixed header, after the protocol's name and level.
const CONNECT_FLAGS_AT: usize = 7;

/// The flag for a clean start.
const CLEAN_START: u8 = 0b10;

/// Why a first packet is no CONNECT that can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectError {
    /// In which version to answer with a CONNACK; without one the connection is closed in silence.
    pub(crate) answer_in: Option<Version>,
    pub(crate) error: WireError,
}

impl ConnectError {
    fn silent(reason: Reason, what: &'static str) -> Self {
        Self { answer_in: None, error: WireError::new(reason, what) }
    }
}

/// Takes the CONNECT from the front of `bytes`, or gives nothing when it has not arrived completely. The version is
/// told by the packet's protocol level. Garbage is refused as early as its first bytes.
pub(crate) fn decode_connect(
    bytes: &mut BytesMut,
    max_packet_bytes: u32,
) -> Result<Option<Connect>, ConnectError> {
    if bytes.first().is_some_and(|first| *first != CONNECT) {
        return Err(ConnectError::silent(Reason::Protocol, "the first packet is not a CONNECT"));
    }
    let length =
        packet_length(bytes, max_packet_bytes).map_err(|error| ConnectError { answer_in: None, error })?;
    let Some(length) = length else { return Ok(None) };
    if bytes.len() < length {
        return Ok(None);
    }
    let mut packet = bytes.split_to(length);
    let (version, level) = version_of(&packet)?;
    let walked = walk::check_connect(version, &packet).map_err(|error| ConnectError {
        // 3.1.1 has no code for a malformed packet: there the connection is closed.
        answer_in: Some(version).filter(|version| *version == Version::V5),
        error,
    })?;
    allow_zero_expiry(&mut packet, walked);
    match version {
        Version::V3 => {
            let decoded = v3::Codec::default().decode(&mut packet);
            let failed = |error| refused_connect(Version::V3, &error);
            match decoded.map_err(failed)? {
                Some((v3::Packet::Connect(connect), _)) => connect_v3(*connect, level).map(Some),
                _ => Err(ConnectError::silent(Reason::Protocol, "the first packet is not a CONNECT")),
            }
        }
        Version::V5 => {
            let clean_start = show_clean_start(&mut packet);
            let decoded = v5::Codec::default().decode(&mut packet);
            let failed = |error| refused_connect(Version::V5, &error);
            match decoded.map_err(failed)? {
                Some((v5::Packet::Connect(connect), _)) => {
                    let mut connect = Connect { clean_start, ..connect_v5(*connect)? };
                    if let Some(will) = connect.will.as_mut().filter(|_| walked.zero_expiry_at.is_some()) {
                        will.properties.message_expiry_seconds = Some(0);
                    }
                    Ok(Some(connect))
                }
                _ => Err(ConnectError::silent(Reason::Protocol, "the first packet is not a CONNECT")),
            }
        }
    }
}

/// The version that a whole CONNECT packet asks for, and its level. [MQTT-3.1.2-1], [MQTT-3.1.2-2]
fn version_of(packet: &[u8]) -> Result<(Version, u8), ConnectError> {
    let malformed = || ConnectError::silent(Reason::Malformed, "the CONNECT is too short");
    let header = header_bytes(packet);
    let head = packet.get(header..).ok_or_else(malformed)?;
    if head.len() < CONNECT_HEAD_BYTES {
        return Err(malformed());
    }
    match (head, head.get(8)) {
        ([0, 4, b'M', b'Q', b'T', b'T', 4, ..], _) => Ok((Version::V3, 4)),
        ([0, 4, b'M', b'Q', b'T', b'T', 5, ..], _) => Ok((Version::V5, 5)),
        ([0, 6, b'M', b'Q', b'I', b's', b'd', b'p', ..], Some(3)) => Ok((Version::V3, 3)),
        // An unknown level of a known protocol is told which code it failed with; other protocols are not answered.
        ([0, 4, b'M', b'Q', b'T', b'T', level, ..], _) => Err(ConnectError {
            answer_in: Some(if *level > 5 { Version::V5 } else { Version::V3 }),
            error: WireError::new(Reason::UnsupportedVersion, "the protocol level is unknown"),
        }),
        _ => Err(ConnectError::silent(Reason::UnsupportedVersion, "the protocol is not MQTT")),
    }
}

/// How long the fixed header is.
fn header_bytes(packet: &[u8]) -> usize {
    1 + packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1
}

/// The codec takes an empty client identifier without Clean Start for a mistake, which it is in 3.1.1 alone: clients that
/// come back after a lost connection without an identifier of their own ask so. It is shown Clean Start; what the client
/// asked for comes back.
fn show_clean_start(packet: &mut [u8]) -> bool {
    let place = header_bytes(packet) + CONNECT_FLAGS_AT;
    let Some(flags) = packet.get_mut(place) else { return false };
    let asked = *flags & CLEAN_START != 0;
    *flags |= CLEAN_START;
    asked
}

fn refused_connect(version: Version, error: &DecodeError) -> ConnectError {
    let error = wire_error(error);
    // 3.1.1 has a code for a bad client identifier and none for a malformed packet: there the connection is closed.
    let answers = version == Version::V5 || error.reason == Reason::ClientIdInvalid;
    ConnectError { answer_in: answers.then_some(version), error }
}

fn connect_v3(connect: v3::Connect, level: u8) -> Result<Connect, ConnectError> {
    let refuse = |reason, what| ConnectError::silent(reason, what);
    if connect.password.is_some() && connect.username.is_none() {
        // [MQTT-3.1.2-22] of 3.1.1
        return Err(refuse(Reason::Protocol, "a password without a user name"));
    }
    let will = match connect.last_will {
        Some(will) => Some(Will {
            topic: TopicName::new(&*will.topic)
                .map_err(|_| refuse(Reason::TopicNameInvalid, "the topic of the will is not valid"))?,
            payload: Bytes::copy_from_slice(&will.message),
            qos: qos(will.qos),
            retain: will.retain,
            delay_seconds: 0,
            properties: Properties::default(),
        }),
        None => None,
    };
    Ok(Connect {
        version: Version::V3,
        level,
        client_id: text(&connect.client_id),
        user: connect.username.as_deref().map(text),
        password: connect.password,
        clean_start: connect.clean_session,
        session_expiry: if connect.clean_session { 0 } else { WITHOUT_END },
        keep_alive: connect.keep_alive,
        receive_maximum: RECEIVE_MAXIMUM_DEFAULT,
        max_packet_bytes: None,
        topic_alias_maximum: 0,
        wants_problem_information: false,
        asks_enhanced_authentication: false,
        will,
    })
}

fn connect_v5(connect: v5::Connect) -> Result<Connect, ConnectError> {
    let refuse =
        |reason, what| ConnectError { answer_in: Some(Version::V5), error: WireError::new(reason, what) };
    let will = match connect.last_will {
        Some(will) => Some(Will {
            topic: TopicName::new(&*will.topic)
                .map_err(|_| refuse(Reason::TopicNameInvalid, "the topic of the will is not valid"))?,
            payload: Bytes::copy_from_slice(&will.message),
            qos: qos(will.qos),
            retain: will.retain,
            delay_seconds: will.will_delay_interval_sec.unwrap_or(0),
            properties: properties(v5::PublishProperties {
                topic_alias: None,
                correlation_data: will.correlation_data,
                message_expiry_interval: will.message_expiry_interval,
                content_type: will.content_type,
                user_properties: will.user_properties,
                is_utf8_payload: will.is_utf8_payload.unwrap_or(false),
                response_topic: will.response_topic,
                subscription_ids: Vec::new(),
            })
            .map_err(|error| refuse(error.reason, error.what))?,
        }),
        None => None,
    };
    Ok(Connect {
        version: Version::V5,
        level: 5,
        client_id: text(&connect.client_id),
        user: connect.username.as_deref().map(text),
        password: connect.password,
        clean_start: connect.clean_start,
        session_expiry: connect.session_expiry_interval_secs,
        keep_alive: connect.keep_alive,
        receive_maximum: connect.receive_max.map_or(RECEIVE_MAXIMUM_DEFAULT, NonZeroU16::get),
        max_packet_bytes: connect.max_packet_size.map(Into::into),
        topic_alias_maximum: connect.topic_alias_max,
        wants_problem_information: connect.request_problem_info,
        asks_enhanced_authentication: connect.auth_method.is_some(),
        will,
    })
}

/// Reads the packets of one connection, after its CONNECT.
#[derive(Debug)]
pub(crate) struct Decoder {
    codec: Codec,
    max_packet_bytes: u32,
    recent: RecentTopics,
    aliases: Aliases,
}

#[derive(Debug)]
enum Codec {
    V3(v3::Codec),
    V5(v5::Codec),
}

impl Decoder {
    pub(crate) fn new(version: Version, max_packet_bytes: u32, topic_alias_maximum: u16) -> Self {
        let codec = match version {
            Version::V3 => Codec::V3(v3::Codec::default()),
            Version::V5 => Codec::V5(v5::Codec::default()),
        };
        let aliases = Aliases::new(topic_alias_maximum);
        Self { codec, max_packet_bytes, recent: RecentTopics::default(), aliases }
    }

    /// Takes one packet from the front of `bytes`, or gives nothing when none has arrived completely.
    pub(crate) fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Packet>, WireError> {
        let Some(length) = packet_length(bytes, self.max_packet_bytes)? else { return Ok(None) };
        if bytes.len() < length {
            return Ok(None);
        }
        let packet = &mut bytes[..length];
        let walked = walk::check(self.version(), packet)?;
        allow_zero_expiry(packet, walked);
        let broken = |error: DecodeError| wire_error(&error);
        match &mut self.codec {
            Codec::V3(codec) => match codec.decode(bytes).map_err(broken)? {
                Some((packet, _)) => self.packet_v3(packet).map(Some),
                None => Ok(None),
            },
            Codec::V5(codec) => match codec.decode(bytes).map_err(broken)? {
                Some((packet, _)) => {
                    let mut packet = self.packet_v5(packet)?;
                    if let Packet::Publish(publish) = &mut packet
                        && walked.zero_expiry_at.is_some()
                    {
                        publish.properties.message_expiry_seconds = Some(0);
                    }
                    Ok(Some(packet))
                }
                None => Ok(None),
            },
        }
    }

    fn version(&self) -> Version {
        match self.codec {
            Codec::V3(_) => Version::V3,
            Codec::V5(_) => Version::V5,
        }
    }

    fn packet_v3(&mut self, packet: v3::Packet) -> Result<Packet, WireError> {
        Ok(match packet {
            v3::Packet::Publish(publish) => Packet::Publish(Publish {
                topic: self.recent.name(&publish.topic)?,
                payload: publish.payload,
                qos: qos(publish.qos),
                retain: publish.retain,
                packet_id: publish.packet_id.map_or(0, NonZeroU16::get),
                properties: Properties::default(),
            }),
            v3::Packet::PublishAck { packet_id } => Packet::PubAck(packet_id.get()),
            v3::Packet::PublishReceived { packet_id } => {
                Packet::PubRec { packet_id: packet_id.get(), accepted: true }
            }
            v3::Packet::PublishRelease { packet_id } => Packet::PubRel(packet_id.get()),
            v3::Packet::PublishComplete { packet_id } => Packet::PubComp(packet_id.get()),
            v3::Packet::Subscribe { packet_id, topic_filters } => Packet::Subscribe(Box::new(Subscribe {
                packet_id: packet_id.get(),
                identifier: None,
                filters: topic_filters
                    .iter()
                    .map(|(filter, level)| asked(filter, Options { qos: qos(*level), ..Options::default() }))
                    .collect::<Result<_, _>>()?,
            })),
            v3::Packet::Unsubscribe { packet_id, topic_filters } => {
                Packet::Unsubscribe(Box::new(Unsubscribe {
                    packet_id: packet_id.get(),
                    filters: topic_filters.iter().map(|text| Wanted::parse(text)).collect(),
                }))
            }
            v3::Packet::PingRequest => Packet::PingReq,
            v3::Packet::Disconnect => {
                Packet::Disconnect(Disconnect { with_will: false, session_expiry: None })
            }
            v3::Packet::Connect(_) => Packet::Connect,
            _ => return Err(WireError::new(Reason::Protocol, "a packet that only a server may send")),
        })
    }

    fn packet_v5(&mut self, packet: v5::Packet) -> Result<Packet, WireError> {
        Ok(match packet {
            v5::Packet::Publish(publish) => Packet::Publish(self.publish_v5(*publish)?),
            v5::Packet::PublishAck(ack) => Packet::PubAck(ack.packet_id.get()),
            v5::Packet::PublishReceived(ack) => Packet::PubRec {
                packet_id: ack.packet_id.get(),
                accepted: u8::from(ack.reason_code) < FIRST_ERROR_CODE,
            },
            v5::Packet::PublishRelease(ack) => Packet::PubRel(ack.packet_id.get()),
            v5::Packet::PublishComplete(ack) => Packet::PubComp(ack.packet_id.get()),
            v5::Packet::Subscribe(subscribe) => Packet::Subscribe(Box::new(Subscribe {
                packet_id: subscribe.packet_id.get(),
                identifier: subscribe.id.map(Into::into),
                filters: subscribe
                    .topic_filters
                    .iter()
                    .map(|(filter, wanted)| asked(filter, options(*wanted)))
                    .collect::<Result<_, _>>()?,
            })),
            v5::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe(Box::new(Unsubscribe {
                packet_id: unsubscribe.packet_id.get(),
                filters: unsubscribe.topic_filters.iter().map(|text| Wanted::parse(text)).collect(),
            })),
            v5::Packet::PingRequest => Packet::PingReq,
            v5::Packet::Disconnect(disconnect) => Packet::Disconnect(Disconnect {
                with_will: disconnect.reason_code != v5::DisconnectReasonCode::NormalDisconnection,
                session_expiry: disconnect.session_expiry_interval_secs,
            }),
            v5::Packet::Auth(_) => Packet::Auth,
            v5::Packet::Connect(_) => Packet::Connect,
            _ => return Err(WireError::new(Reason::Protocol, "a packet that only a server may send")),
        })
    }

    fn publish_v5(&mut self, publish: rmqtt_codec::types::Publish) -> Result<Publish, WireError> {
        let wire = publish.properties.unwrap_or_default();
        let named = match publish.topic.is_empty() {
            true => None,
            false => Some(self.recent.name(&publish.topic)?),
        };
        let topic = match (wire.topic_alias, named) {
            (Some(alias), named) => self.aliases.resolve(alias.get(), named)?,
            (None, Some(topic)) => topic,
            (None, None) => {
                return Err(WireError::new(Reason::Protocol, "neither a topic nor a topic alias"));
            }
        };
        if !wire.subscription_ids.is_empty() {
            // [MQTT-3.3.4-6]
            return Err(WireError::new(
                Reason::Protocol,
                "a client publishes with a subscription identifier",
            ));
        }
        Ok(Publish {
            topic,
            payload: publish.payload,
            qos: qos(publish.qos),
            retain: publish.retain,
            packet_id: publish.packet_id.map_or(0, NonZeroU16::get),
            properties: properties(wire)?,
        })
    }
}

/// Reason codes from here on are errors (MQTT 5.0 section 2.4).
const FIRST_ERROR_CODE: u8 = 0x80;

/// The codec takes a message expiry of zero for a mistake: it is shown another one, which is put right afterwards.
fn allow_zero_expiry(packet: &mut [u8], walked: Walked) {
    let Some(place) = walked.zero_expiry_at else { return };
    if let Some(last) = packet.get_mut(place + 3) {
        *last = 1;
    }
}

fn qos(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

fn text(text: impl AsRef<str>) -> Arc<str> {
    text.as_ref().into()
}

fn options(options: v5::SubscriptionOptions) -> Options {
    Options {
        qos: qos(options.qos),
        no_local: options.no_local,
        retain_as_published: options.retain_as_published,
        retain_handling: match options.retain_handling {
            v5::RetainHandling::AtSubscribe => RetainHandling::Always,
            v5::RetainHandling::AtSubscribeNew => RetainHandling::WhenNew,
            v5::RetainHandling::NoAtSubscribe => RetainHandling::Never,
        },
    }
}

fn asked(text: &str, options: Options) -> Result<Asked, WireError> {
    let asked = Wanted::parse(text).map(|wanted| (wanted, options));
    if options.no_local && matches!(&asked, Ok((Wanted { share: Some(_), .. }, _))) {
        // [MQTT-3.8.3-4]
        return Err(WireError::new(Reason::Protocol, "No Local on a shared subscription"));
    }
    Ok(asked)
}

fn properties(wire: v5::PublishProperties) -> Result<Properties, WireError> {
    let response_topic =
        match wire.response_topic {
            Some(topic) => Some(TopicName::new(&*topic).map_err(|_| {
                WireError::new(Reason::Protocol, "the response topic is not a valid topic name")
            })?),
            None => None,
        };
    Ok(Properties {
        payload_is_utf8: wire.is_utf8_payload,
        message_expiry_seconds: wire.message_expiry_interval.map(Into::into),
        content_type: wire.content_type.as_deref().map(text),
        response_topic,
        correlation_data: wire.correlation_data,
        user: wire.user_properties.iter().map(|(name, value)| (text(name), text(value))).collect(),
    })
}

fn wire_error(error: &DecodeError) -> WireError {
    match error {
        DecodeError::InvalidProtocol | DecodeError::UnsupportedProtocolLevel => {
            WireError::new(Reason::UnsupportedVersion, "the protocol is unknown")
        }
        DecodeError::InvalidClientId => {
            WireError::new(Reason::ClientIdInvalid, "an empty client identifier needs a clean start")
        }
        DecodeError::InvalidTopicFilter => WireError::new(Reason::Protocol, "no topic filter"),
        DecodeError::InvalidTopicName => WireError::new(Reason::TopicNameInvalid, "an empty topic"),
        DecodeError::UnsupportedPacketType => {
            WireError::new(Reason::Malformed, "an unknown packet type, or reserved flags that are set")
        }
        DecodeError::MaxSizeExceeded { .. } => {
            WireError::new(Reason::PacketTooLarge, "the packet is larger than the limit")
        }
        DecodeError::Utf8Error => WireError::new(Reason::Malformed, "a text is not UTF-8"),
        DecodeError::InvalidLength => WireError::new(Reason::Malformed, "a length does not fit its packet"),
        _ => WireError::new(Reason::Malformed, "the packet is malformed"),
    }
}
