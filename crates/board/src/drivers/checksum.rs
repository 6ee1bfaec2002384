//! The checksum of Sensirion's and TE's sensors, and of those who followed them: CRC-8 with the polynomial 0x31.

use crate::traits::ReadError;

/// CRC-8 with polynomial 0x31, the highest bit first, beginning with `start`: 0xFF with Sensirion (SHT3x datasheet,
/// section 4.12), 0 with TE's HTU21D.
pub(super) fn crc8(start: u8, bytes: &[u8]) -> u8 {
    bytes.iter().fold(start, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x31 })
    })
}

/// Words of two bytes, each followed by its checksum.
///
/// # Errors
/// When a checksum is wrong.
pub(super) fn words<const N: usize>(start: u8, bytes: &[u8]) -> Result<[u16; N], ReadError> {
    let mut words = [0; N];
    for (word, part) in words.iter_mut().zip(bytes.chunks(3)) {
        match *part {
            [high, low, crc] if crc8(start, &[high, low]) == crc => *word = u16::from_be_bytes([high, low]),
            _ => return Err(ReadError::Damaged("its checksum is wrong; is the cable long?".to_owned())),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_datasheets() {
        // SHT3x, section 4.12; HTU21D, "CRC-8 Checksum using HTU21D(F)".
        assert_eq!(crc8(0xFF, &[0xBE, 0xEF]), 0x92);
        for (bytes, crc) in [(&[0xDC][..], 0x79), (&[0x68, 0x3A], 0x7C), (&[0x4E, 0x85], 0x6B)] {
            assert_eq!(crc8(0, bytes), crc);
        }
        assert_eq!(words(0xFF, &[0xBE, 0xEF, 0x92]), Ok([0xBEEF]));
        assert!(words::<1>(0xFF, &[0xBE, 0xEE, 0x92]).is_err());
        assert!(words::<2>(0xFF, &[0xBE, 0xEF, 0x92]).is_ok_and(|words| words == [0xBEEF, 0]));
    }
}
