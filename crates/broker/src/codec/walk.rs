//! A walk over a whole packet before the codec reads it, for what the codec leaves open: each field is looked at once,
//! and what the standard forbids is refused with the code that it asks for.

use super::properties::{self, Holder};
use super::reader::Reader;
use super::{Reason, Version, WireError};

/// Types of packets, in the upper half of their first byte (section 2.1.2 of both versions).
mod kind {
    pub(super) const PUBLISH: u8 = 0x3;
    pub(super) const PUBACK: u8 = 0x4;
    pub(super) const PUBREC: u8 = 0x5;
    pub(super) const PUBREL: u8 = 0x6;
    pub(super) const PUBCOMP: u8 = 0x7;
    pub(super) const SUBSCRIBE: u8 = 0x8;
    pub(super) const UNSUBSCRIBE: u8 = 0xA;
    pub(super) const PINGREQ: u8 = 0xC;
    pub(super) const DISCONNECT: u8 = 0xE;
    pub(super) const AUTH: u8 = 0xF;
}

/// What the codec cannot be shown as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// Where the four bytes of a message expiry of zero stand: the codec takes one for a mistake, though it is none (MQTT
    /// 5.0 section 3.3.2.3.3).
    pub(super) zero_expiry_at: Option<usize>,
}

const fn malformed(what: &'static str) -> WireError {
    WireError::new(Reason::Malformed, what)
}

const fn protocol(what: &'static str) -> WireError {
    WireError::new(Reason::Protocol, what)
}

/// Walks over a packet, fixed header included, that is not a CONNECT.
pub(super) fn check(version: Version, packet: &[u8]) -> Result<Walked, WireError> {
    let mut reader = Reader::new(packet, 0);
    let first = reader.byte()?;
    let is_five = version == Version::V5;
    match reader.integer() {
        Ok(_) => {}
        // 3.1.1 does not say that a length must be as short as it can be.
        Err(_) if !is_five => {
            let header = packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 2;
            reader = Reader::new(packet, header);
        }
        Err(error) => return Err(error),
    }
    let mut walked = Walked::default();
    match first >> 4 {
        kind::PUBLISH => walked = publish(version, first, reader)?,
        kind::PUBACK | kind::PUBREC | kind::PUBREL | kind::PUBCOMP => {
            packet_id(&mut reader)?;
            if is_five && !reader.is_at_end() {
                acknowledgement_code(first >> 4, reader.byte()?)?;
                tail(&mut reader, Holder::Acknowledgement)?;
            }
        }
        kind::SUBSCRIBE => subscribe(version, reader)?,
        kind::UNSUBSCRIBE => unsubscribe(version, reader)?,
        kind::PINGREQ if !reader.is_at_end() => return Err(malformed("a PINGREQ with a body")),
        kind::DISCONNECT if !is_five && !reader.is_at_end() => {
            return Err(malformed("a DISCONNECT with a body"));
        }
        kind::DISCONNECT if !reader.is_at_end() => {
            disconnect_code(reader.byte()?)?;
            tail(&mut reader, Holder::Disconnect)?;
        }
        kind::AUTH if is_five && !reader.is_at_end() => {
            if !matches!(reader.byte()?, 0 | 0x18 | 0x19) {
                return Err(protocol("an AUTH with a reason code that it does not have"));
            }
            tail(&mut reader, Holder::Auth)?;
        }
        _ => {}
    }
    Ok(walked)
}

/// A packet identifier, which is never zero. [MQTT-2.2.1-3], [MQTT-2.3.1-1] of 3.1.1
fn packet_id(reader: &mut Reader<'_>) -> Result<(), WireError> {
    match reader.two_bytes()? {
        0 => Err(malformed("a packet identifier of zero")),
        _ => Ok(()),
    }
}

/// Properties that may be missing, and nothing behind them.
fn tail(reader: &mut Reader<'_>, holder: Holder) -> Result<(), WireError> {
    if !reader.is_at_end() {
        properties::check(reader, holder)?;
    }
    match reader.is_at_end() {
        true => Ok(()),
        false => Err(malformed("bytes behind the end of a packet")),
    }
}

fn publish(version: Version, first: u8, mut reader: Reader<'_>) -> Result<Walked, WireError> {
    let level = first >> 1 & 0b11;
    if level == 3 {
        // [MQTT-3.3.1-4]
        return Err(malformed("a PUBLISH with a QoS of 3"));
    }
    if level == 0 && first & 0b1000 != 0 {
        // [MQTT-3.3.1-2]
        return Err(malformed("DUP is set on a QoS 0 message"));
    }
    // The topic is looked at where it becomes a name.
    reader.binary()?;
    if level > 0 {
        packet_id(&mut reader)?;
    }
    if version == Version::V3 {
        return Ok(Walked::default());
    }
    let noted = properties::check(&mut reader, Holder::Publish)?;
    Ok(Walked { zero_expiry_at: noted.zero_expiry_at })
}

fn subscribe(version: Version, mut reader: Reader<'_>) -> Result<(), WireError> {
    packet_id(&mut reader)?;
    if version == Version::V5 {
        properties::check(&mut reader, Holder::Subscribe)?;
    }
    while !reader.is_at_end() {
        reader.text()?;
        let options = reader.byte()?;
        let reserved = if version == Version::V5 { 0b1100_0000 } else { 0b1111_1100 };
        if options & reserved != 0 {
            // [MQTT-3.8.3-5], [MQTT-3.8.3-4] of 3.1.1
            return Err(malformed("reserved bits of a subscription are set"));
        }
        if options & 0b11 == 3 {
            return Err(protocol("a subscription with a QoS of 3"));
        }
        if options & 0b11_0000 == 0b11_0000 {
            return Err(protocol("a subscription with a Retain Handling of 3"));
        }
    }
    Ok(())
}

fn unsubscribe(version: Version, mut reader: Reader<'_>) -> Result<(), WireError> {
    packet_id(&mut reader)?;
    if version == Version::V5 {
        properties::check(&mut reader, Holder::Unsubscribe)?;
    }
    while !reader.is_at_end() {
        reader.text()?;
    }
    Ok(())
}

/// Reason codes of acknowledgements (sections 3.4.2.1 to 3.7.2.1).
fn acknowledgement_code(kind: u8, code: u8) -> Result<(), WireError> {
    let is_known = match kind {
        kind::PUBACK | kind::PUBREC => {
            matches!(code, 0 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
        }
        _ => matches!(code, 0 | 0x92),
    };
    match is_known {
        true => Ok(()),
        false => Err(protocol("an acknowledgement with a reason code that it does not have")),
    }
}

/// Reason codes of a DISCONNECT from a client (section 3.14.2.1).
fn disconnect_code(code: u8) -> Result<(), WireError> {
    match code {
        0 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99 => Ok(()),
        _ => Err(protocol("a DISCONNECT with a reason code that a client does not have")),
    }
}

/// Flags of a CONNECT (section 3.1.2.3).
mod flag {
    pub(super) const RESERVED: u8 = 0b0000_0001;
    pub(super) const WILL: u8 = 0b0000_0100;
    pub(super) const WILL_QOS: u8 = 0b0001_1000;
    pub(super) const WILL_RETAIN: u8 = 0b0010_0000;
    pub(super) const PASSWORD: u8 = 0b0100_0000;
    pub(super) const USER_NAME: u8 = 0b1000_0000;
}

/// Walks over a whole CONNECT, fixed header included, whose protocol name and level are known ones.
pub(super) fn check_connect(version: Version, packet: &[u8]) -> Result<Walked, WireError> {
    let header = packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 2;
    let mut reader = match version {
        Version::V3 => Reader::new(packet, header),
        Version::V5 => {
            let mut reader = Reader::new(packet, 1);
            reader.integer()?;
            reader
        }
    };
    reader.text()?;
    reader.byte()?;
    let flags = reader.byte()?;
    let has = |bits: u8| flags & bits != 0;
    if has(flag::RESERVED) {
        // [MQTT-3.1.2-3]
        return Err(malformed("the reserved flag of a CONNECT is set"));
    }
    if !has(flag::WILL) && has(flag::WILL_QOS | flag::WILL_RETAIN) {
        // [MQTT-3.1.2-11], [MQTT-3.1.2-13]; [MQTT-3.1.2-13] of 3.1.1, [MQTT-3.1.2-15] of 3.1.1
        return Err(malformed("a QoS or a retain flag for a will that is not there"));
    }
    if flags & flag::WILL_QOS == flag::WILL_QOS {
        // [MQTT-3.1.2-12], [MQTT-3.1.2-14] of 3.1.1
        return Err(malformed("a will with a QoS of 3"));
    }
    reader.two_bytes()?;
    let is_five = version == Version::V5;
    if is_five {
        properties::check(&mut reader, Holder::Connect)?;
    }
    reader.text()?;
    let mut walked = Walked::default();
    if has(flag::WILL) {
        if is_five {
            walked.zero_expiry_at = properties::check(&mut reader, Holder::Will)?.zero_expiry_at;
        }
        reader.text()?;
        reader.binary()?;
    }
    if has(flag::USER_NAME) {
        reader.text()?;
    }
    if has(flag::PASSWORD) {
        reader.binary()?;
    }
    match reader.is_at_end() {
        true => Ok(walked),
        false => Err(malformed("bytes behind the end of a CONNECT")),
    }
}
