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
