//! BH1750FVI, from ROHM's technical note 11046EDT01: one-byte instructions, and a 16-bit count of which 1.2 are a lux
//! at the usual measuring time.

use std::time::Duration;

use super::{Chip, Nack, World};

/// The usual value of the measuring time register.
const USUAL_TIME: u8 = 69;

pub(super) struct Bh1750 {
    measuring_time: u8,
    /// What the next reads bring, once it was measured.
    count: u16,
}

impl Bh1750 {
    pub(super) fn new() -> Self {
        Self { measuring_time: USUAL_TIME, count: 0 }
    }
}

impl Chip for Bh1750 {
    fn write(&mut self, bytes: &[u8], world: &World, _now: Duration) -> Result<(), Nack> {
        for &instruction in bytes {
            match instruction {
                // Power down, power on.
                0x00 | 0x01 => {}
                // Reset: clears the data register alone.
                0x07 => self.count = 0,
                // Measure, again and again or once, with a resolution of 1 lx, 0.5 lx or 4 lx. Each is done at once here.
                0x10 | 0x11 | 0x13 | 0x20 | 0x21 | 0x23 => {
                    let finer = if instruction & 0x03 == 0x01 { 2.0 } else { 1.0 };
                    let times = f64::from(self.measuring_time) / f64::from(USUAL_TIME);
                    let count = world.value("bh1750.light", 100.0) * 1.2 * times * finer;
                    self.count = count.round().clamp(0.0, 65_535.0) as u16;
                }
                // The measuring time: its upper three bits, then its lower five.
                0x40..=0x47 => self.measuring_time = self.measuring_time & 0x1f | instruction << 5,
                0x60..=0x7f => self.measuring_time = self.measuring_time & 0xe0 | instruction & 0x1f,
                _ => return Err(Nack),
            }
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], _now: Duration) -> Result<(), Nack> {
        for (place, byte) in bytes.iter_mut().zip(self.count.to_be_bytes()) {
            *place = byte;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(light: &str, instructions: &[u8]) -> u16 {
        let world = World::parse(&format!("bh1750.light {light}")).unwrap();
        let mut chip = Bh1750::new();
        for &instruction in instructions {
            chip.write(&[instruction], &world, Duration::ZERO).unwrap();
        }
        let mut bytes = [0; 2];
        chip.read(&mut bytes, Duration::ZERO).unwrap();
        u16::from_be_bytes(bytes)
    }

    /// [11046EDT01, page 7: data of 1000 0011 1001 0000 are 28067 lx; and the last count of H-resolution mode 2]
    #[test]
    fn says_the_counts_of_its_datasheet() {
        assert_eq!(count("28066.67", &[0x01, 0x10]), 0b1000_0011_1001_0000);
        assert_eq!(count("100000", &[0x01, 0x10]), 65_535);
    }

    /// [11046EDT01, page 11: a measuring time of 138 doubles the sensitivity]
    #[test]
    fn counts_more_in_a_longer_time() {
        assert_eq!(count("100", &[0x20]), 120);
        assert_eq!(count("100", &[0x40 | 138 >> 5, 0x60 | 138 & 0x1f, 0x20]), 240);
        assert_eq!(count("100", &[0x21]), 240);
    }
}
