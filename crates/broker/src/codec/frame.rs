//! Where one packet ends: the fixed header (MQTT 5.0 section 2.1), read before anything is buffered for it.

use super::{Reason, WireError};

/// Bytes of the longest fixed header: type and flags, then a length of at most four bytes.
pub(crate) const MAX_HEADER_BYTES: usize = 5;

/// The whole length of the packet that `bytes` begins with, fixed header included, or nothing when the header has not
/// arrived completely.
pub(crate) fn packet_length(bytes: &[u8], max_packet_bytes: u32) -> Result<Option<usize>, WireError> {
    let mut remaining: u32 = 0;
    for (index, byte) in bytes.iter().skip(1).take(MAX_HEADER_BYTES - 1).enumerate() {
        remaining |= u32::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let header = index + 2;
            // A limit on the whole packet, as Maximum Packet Size counts it (MQTT 5.0 section 3.1.2.11.4).
            let whole = header + remaining as usize;
            if whole > max_packet_bytes as usize {
                return Err(WireError::new(Reason::PacketTooLarge, "the packet is larger than the limit"));
            }
            return Ok(Some(whole));
        }
    }
    if bytes.len() >= MAX_HEADER_BYTES {
        return Err(WireError::new(Reason::Malformed, "the length of the packet has more than four bytes"));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u32 = 1_024;

    #[test]
    fn lengths_at_their_edges() {
        assert_eq!(packet_length(&[], LIMIT), Ok(None));
        assert_eq!(packet_length(&[0xC0], LIMIT), Ok(None));
        assert_eq!(packet_length(&[0xC0, 0], LIMIT), Ok(Some(2)));
        assert_eq!(packet_length(&[0x30, 0x80], LIMIT), Ok(None));
        assert_eq!(packet_length(&[0x30, 0x80, 0x01], LIMIT), Ok(Some(131)));
        assert_eq!(packet_length(&[0x30, 0xFD, 0x07], LIMIT), Ok(Some(1_024)));
        assert!(packet_length(&[0x30, 0xFE, 0x07], LIMIT).is_err());
    }

    #[test]
    fn a_length_of_256_megabytes_is_refused_from_its_header() {
        let refused = packet_length(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], LIMIT).unwrap_err();
        assert_eq!(refused.reason, Reason::PacketTooLarge);
        let endless = packet_length(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], LIMIT).unwrap_err();
        assert_eq!(endless.reason, Reason::Malformed);
    }
}
