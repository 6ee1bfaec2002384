//! The wire format behind our own packet types, so that the core knows one MQTT and not two.
//!
//! `rmqtt-codec` reads packets and writes the rare ones. What it leaves to its user is done here: whole packets are
//! framed before it sees them (it would reserve memory for a declared length), topics are validated, topic aliases
//! are resolved, and the rules that it does not check are checked. PUBLISH, by far the most frequent packet that the
//! broker sends, is written here as well, straight from our own types.

mod decode;
mod encode;
mod frame;
mod properties;
mod publish;
mod reader;
mod topics;
mod walk;
mod wanted;

#[cfg(test)]
mod mutations;
#[cfg(test)]
mod strictness;

use std::sync::Arc;

use bytes::Bytes;
use gatehouse_model::{Properties, Qos, TopicName};

pub(crate) use decode::{ConnectError, Decoder, decode_connect};
pub(crate) use encode::{Ack, AckKind, ConnAck, Encoder};
pub(crate) use publish::{OutgoingPublish, TopicAlias, set_packet_id};
pub(crate) use wanted::Wanted;

/// What kind of packets a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// MQTT 3.1 and 3.1.1, whose packets after the CONNECT are the same.
    V3,
    /// MQTT 5.0.
    V5,
}

/// Reason codes of MQTT 5 (section 2.4) that the broker gives. 3.1.1 has a few of them under other numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Reason {
    Success = 0x00,
    NoMatchingSubscribers = 0x10,
    Malformed = 0x81,
    Protocol = 0x82,
    Implementation = 0x83,
    UnsupportedVersion = 0x84,
    ClientIdInvalid = 0x85,
    BadCredentials = 0x86,
    NotAuthorized = 0x87,
    ServerUnavailable = 0x88,
    ShuttingDown = 0x8B,
    BadAuthenticationMethod = 0x8C,
    KeepAliveTimeout = 0x8D,
    SessionTakenOver = 0x8E,
    TopicFilterInvalid = 0x8F,
    TopicNameInvalid = 0x90,
    PacketIdNotFound = 0x92,
    ReceiveMaximumExceeded = 0x93,
    TopicAliasInvalid = 0x94,
    PacketTooLarge = 0x95,
    QuotaExceeded = 0x97,
    AdministrativeAction = 0x98,
    PayloadFormatInvalid = 0x99,
    RetainNotSupported = 0x9A,
    QosNotSupported = 0x9B,
    SharedNotSupported = 0x9E,
    ConnectionRateExceeded = 0x9F,
    SubscriptionIdentifiersNotSupported = 0xA1,
    WildcardsNotSupported = 0xA2,
}

/// Why bytes are no packet, or no packet that a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} (reason code {:#04x})", *reason as u8)]
pub(crate) struct WireError {
    pub(crate) reason: Reason,
    pub(crate) what: &'static str,
}

impl WireError {
    pub(crate) const fn new(reason: Reason, what: &'static str) -> Self {
        Self { reason, what }
    }
}

/// A packet that a client sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Packet {
    /// A second CONNECT; the first is read by [`decode_connect`].
    Connect,
    Publish(Publish),
    PubAck(u16),
    PubRec {
        packet_id: u16,
        accepted: bool,
    },
    PubRel(u16),
    PubComp(u16),
    Subscribe(Box<Subscribe>),
    Unsubscribe(Box<Unsubscribe>),
    PingReq,
    Disconnect(Disconnect),
    Auth,
}

/// The first packet of a connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    /// The protocol level: 3 (MQTT 3.1), 4 (3.1.1) or 5.
    pub(crate) level: u8,
    pub(crate) client_id: Arc<str>,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) password: Option<Bytes>,
    pub(crate) clean_start: bool,
    /// Seconds that the session outlives the connection. For 3.1.1: 0 with Clean Session, without end otherwise.
    pub(crate) session_expiry: u32,
    /// Seconds; 0 is none.
    pub(crate) keep_alive: u16,
    pub(crate) receive_maximum: u16,
    pub(crate) max_packet_bytes: Option<u32>,
    /// Topic aliases that the client takes.
    pub(crate) topic_alias_maximum: u16,
    /// Whether reason strings and user properties may be put into acknowledgements.
    pub(crate) wants_problem_information: bool,
    pub(crate) asks_enhanced_authentication: bool,
    pub(crate) will: Option<Will>,
}

/// What is published when the client goes without saying goodbye.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Will {
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) delay_seconds: u32,
    pub(crate) properties: Properties,
}

/// An inbound PUBLISH, its topic alias resolved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Publish {
    pub(crate) topic: TopicName,
    pub(crate) payload: Bytes,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    /// 0 with QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) properties: Properties,
}

/// When a subscription is given the retained messages that match it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RetainHandling {
    #[default]
    Always,
    WhenNew,
    Never,
}

/// How messages of one subscription are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) qos: Qos,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

impl Options {
    /// The options that [`Options::to_byte`] made a byte of. Bits that it never sets are left out.
    pub(crate) fn from_byte(byte: u8) -> Self {
        let qos = match byte & 0b11 {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let retain_handling = match byte >> 4 & 0b11 {
            0 => RetainHandling::Always,
            1 => RetainHandling::WhenNew,
            _ => RetainHandling::Never,
        };
        Self { qos, no_local: byte & 0b100 != 0, retain_as_published: byte & 0b1000 != 0, retain_handling }
    }

    /// The options as the byte of a SUBSCRIBE packet (MQTT 5.0 section 3.8.3.1).
    pub(crate) fn to_byte(self) -> u8 {
        let handling = match self.retain_handling {
            RetainHandling::Always => 0,
            RetainHandling::WhenNew => 1,
            RetainHandling::Never => 2,
        };
        self.qos.level()
            | u8::from(self.no_local) << 2
            | u8::from(self.retain_as_published) << 3
            | handling << 4
    }
}

/// One filter of a SUBSCRIBE: what it asks for, or why it cannot be had.
pub(crate) type Asked = Result<(Wanted, Options), Reason>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Subscribe {
    pub(crate) packet_id: u16,
    pub(crate) identifier: Option<u32>,
    pub(crate) filters: Vec<Asked>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unsubscribe {
    pub(crate) packet_id: u16,
    pub(crate) filters: Vec<Result<Wanted, Reason>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disconnect {
    /// Reason code 0x04: the will is to be published all the same.
    pub(crate) with_will: bool,
    /// A new session expiry, in seconds.
    pub(crate) session_expiry: Option<u32>,
}
