//! The properties of MQTT 5 packets (section 2.2.2): which may stand where, how often, and with what values.

use super::reader::Reader;
use super::{Reason, WireError};

/// User properties of one packet or will. The gateway's own messages have three; an empty one takes five bytes in a
/// packet and many times that in memory, and a packet of the largest size could carry 200,000.
const MAX_USER_PROPERTIES: usize = 64;

/// Where properties stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Connect,
    Will,
    Publish,
    /// PUBACK, PUBREC, PUBREL and PUBCOMP.
    Acknowledgement,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A byte that is 0 or 1.
    Flag,
    TwoBytes,
    FourBytes,
    Integer,
    Text,
    Binary,
    Pair,
}

const PAYLOAD_FORMAT: u8 = 0x01;
const MESSAGE_EXPIRY: u8 = 0x02;
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
const AUTHENTICATION_METHOD: u8 = 0x15;
const AUTHENTICATION_DATA: u8 = 0x16;
const RECEIVE_MAXIMUM: u8 = 0x21;
const TOPIC_ALIAS: u8 = 0x23;
const USER_PROPERTY: u8 = 0x26;
const MAXIMUM_PACKET_SIZE: u8 = 0x27;

/// The kind of a property that a client may put here (table 2-4). A server's own properties are none of them.
fn kind_of(identifier: u8, holder: Holder) -> Option<Kind> {
    use Holder::{Acknowledgement, Auth, Connect, Disconnect, Publish, Subscribe, Will};
    let (kind, holders): (Kind, &[Holder]) = match identifier {
        PAYLOAD_FORMAT => (Kind::Flag, &[Publish, Will]),
        MESSAGE_EXPIRY => (Kind::FourBytes, &[Publish, Will]),
        // Content Type and Response Topic.
        0x03 | 0x08 => (Kind::Text, &[Publish, Will]),
        // Correlation Data.
        0x09 => (Kind::Binary, &[Publish, Will]),
        // In a PUBLISH it is what only a server may send; that is told by who reads the packet. [MQTT-3.3.4-6]
        SUBSCRIPTION_IDENTIFIER => (Kind::Integer, &[Publish, Subscribe]),
        // Session Expiry Interval.
        0x11 => (Kind::FourBytes, &[Connect, Disconnect]),
        AUTHENTICATION_METHOD => (Kind::Text, &[Connect, Auth]),
        AUTHENTICATION_DATA => (Kind::Binary, &[Connect, Auth]),
        // Request Problem Information and Request Response Information.
        0x17 | 0x19 => (Kind::Flag, &[Connect]),
        // Will Delay Interval.
        0x18 => (Kind::FourBytes, &[Will]),
        // Server Reference.
        0x1C => (Kind::Text, &[Disconnect]),
        // Reason String.
        0x1F => (Kind::Text, &[Acknowledgement, Disconnect, Auth]),
        // Receive Maximum and Topic Alias Maximum.
        RECEIVE_MAXIMUM | 0x22 => (Kind::TwoBytes, &[Connect]),
        TOPIC_ALIAS => (Kind::TwoBytes, &[Publish]),
        USER_PROPERTY => return Some(Kind::Pair),
        MAXIMUM_PACKET_SIZE => (Kind::FourBytes, &[Connect]),
        _ => return None,
    };
    holders.contains(&holder).then_some(kind)
}

/// What the reader of a packet has to know of its properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// Where the four bytes of a message expiry of zero stand.
    pub(super) zero_expiry_at: Option<usize>,
}

/// Reads the properties that begin here, with their length before them, and refuses what the standard forbids.
pub(super) fn check(packet: &mut Reader<'_>, holder: Holder) -> Result<Noted, WireError> {
    const fn protocol(what: &'static str) -> WireError {
        WireError::new(Reason::Protocol, what)
    }
    let length = packet.integer()? as usize;
    let mut properties = packet.part(length)?;
    let mut noted = Noted::default();
    let (mut seen, mut user_properties) = (0_u64, 0);
    while !properties.is_at_end() {
        let identifier = properties.byte()?;
        let kind = kind_of(identifier, holder)
            .ok_or(WireError::new(Reason::Malformed, "a property that does not belong into its packet"))?;
        let bit = 1 << identifier;
        // Only a server may send several subscription identifiers; a client that does is told that it must not at all.
        if seen & bit != 0 && kind != Kind::Pair && (holder, kind) != (Holder::Publish, Kind::Integer) {
            return Err(protocol("a property that may stand there once stands there twice"));
        }
        seen |= bit;
        let place = properties.place();
        let number = match kind {
            Kind::Flag => u32::from(properties.byte()?),
            Kind::TwoBytes => u32::from(properties.two_bytes()?),
            Kind::FourBytes => properties.four_bytes()?,
            Kind::Integer => properties.integer()?,
            Kind::Text => properties.text().map(|_| 0)?,
            Kind::Binary => properties.binary().map(|_| 0)?,
            Kind::Pair => {
                properties.text()?;
                properties.text()?;
                user_properties += 1;
                0
            }
        };
        match (identifier, number) {
            (RECEIVE_MAXIMUM, 0) => return Err(protocol("a Receive Maximum of zero")),
            (MAXIMUM_PACKET_SIZE, 0) => return Err(protocol("a Maximum Packet Size of zero")),
            (SUBSCRIPTION_IDENTIFIER, 0) => return Err(protocol("a Subscription Identifier of zero")),
            (TOPIC_ALIAS, 0) => {
                // [MQTT-3.3.2-8]
                return Err(WireError::new(Reason::TopicAliasInvalid, "a topic alias of zero"));
            }
            (MESSAGE_EXPIRY, 0) => noted.zero_expiry_at = Some(place),
            _ if kind == Kind::Flag && number > 1 => {
                return Err(protocol("a property that is neither 0 nor 1"));
            }
            _ => {}
        }
        if user_properties > MAX_USER_PROPERTIES {
            return Err(WireError::new(Reason::QuotaExceeded, "more than 64 user properties"));
        }
    }
    let has = |identifier: u8| seen & (1 << identifier) != 0;
    if has(AUTHENTICATION_DATA) && !has(AUTHENTICATION_METHOD) {
        return Err(protocol("authentication data without a method"));
    }
    Ok(noted)
}
