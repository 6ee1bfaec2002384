//! What the codec leaves open in the texts and properties of packets, checked before they become our own types.

use super::{Reason, WireError};

/// User properties of one PUBLISH, CONNECT or will. The gateway's own messages have three; an empty one takes five bytes
/// in a packet and many times that in memory, and a packet of the largest size could carry 200,000.
const MAX_USER_PROPERTIES: usize = 64;

/// Refuses texts with U+0000, which no text of a packet may have.
/// [MQTT-1.5.4-2] of 5.0, [MQTT-1.5.3-2] of 3.1.1
pub(super) fn check_texts<'a>(mut texts: impl Iterator<Item = &'a str>) -> Result<(), WireError> {
    if texts.any(|text| text.contains('\0')) {
        return Err(WireError::new(Reason::Malformed, "a text has a null character"));
    }
    Ok(())
}

/// Refuses more user properties than there may be; asked before they are turned into our own types.
pub(super) const fn check_user_properties(count: usize) -> Result<(), WireError> {
    if count > MAX_USER_PROPERTIES {
        return Err(WireError::new(Reason::QuotaExceeded, "more than 64 user properties"));
    }
    Ok(())
}

/// Refuses a SUBSCRIBE of 3.1.1 with a reserved bit behind one of its filters; QoS 3 is for the codec. The packet is
/// whole, and what is too short in it is for the codec too. [MQTT-3.8.3-4] of 3.1.1
pub(super) fn check_subscribe_v3(packet: &[u8]) -> Result<(), WireError> {
    const RESERVED: u8 = 0b1111_1100;
    let header = 1 + packet.iter().skip(1).take_while(|byte| **byte & 0x80 != 0).count() + 1;
    let mut filters = packet.get(header + 2..).unwrap_or_default();
    while let Some((length, rest)) = filters.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((options, behind)) = rest.get(length..).and_then(<[u8]>::split_first) else { break };
        if options & RESERVED != 0 {
            return Err(WireError::new(Reason::Malformed, "a reserved bit is set behind a topic filter"));
        }
        filters = behind;
    }
    Ok(())
}
