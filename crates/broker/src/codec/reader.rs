//! The primitive types of a packet (MQTT 5.0 section 1.5), read in place: nothing is copied or allocated.

use super::{Reason, WireError};

const TOO_SHORT: WireError = WireError::new(Reason::Malformed, "a length does not fit its packet");

/// What is left of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the place `at`.
    pub(super) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// How many bytes have been read.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// So many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let end = self.at.checked_add(length).ok_or(TOO_SHORT)?;
        let taken = self.bytes.get(self.at..end).ok_or(TOO_SHORT)?;
        self.at = end;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, WireError> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn two_bytes(&mut self) -> Result<u16, WireError> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn four_bytes(&mut self) -> Result<u32, WireError> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A variable byte integer: at most four bytes, and no more than it needs. [MQTT-1.5.5-1]
    pub(super) fn integer(&mut self) -> Result<u32, WireError> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return match byte {
                    0 if index > 0 => {
                        Err(WireError::new(Reason::Malformed, "an integer is longer than it needs"))
                    }
                    _ => Ok(value),
                };
            }
        }
        Err(WireError::new(Reason::Malformed, "an integer has more than four bytes"))
    }

    pub(super) fn binary(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.two_bytes()?;
        self.take(usize::from(length))
    }

    /// A text: UTF-8 without surrogates and without U+0000. [MQTT-1.5.4-1], [MQTT-1.5.4-2];
    /// [MQTT-1.5.3-1] of 3.1.1, [MQTT-1.5.3-2] of 3.1.1
    pub(super) fn text(&mut self) -> Result<&'a str, WireError> {
        let text = std::str::from_utf8(self.binary()?)
            .map_err(|_| WireError::new(Reason::Malformed, "a text is not UTF-8"))?;
        if text.contains('\0') {
            return Err(WireError::new(Reason::Malformed, "a text has a null character"));
        }
        Ok(text)
    }

    /// The part of so many bytes that follows, to be read by itself.
    pub(super) fn part(&mut self, length: usize) -> Result<Reader<'a>, WireError> {
        let start = self.at;
        self.take(length)?;
        Ok(Reader { bytes: &self.bytes[..self.at], at: start })
    }
}
