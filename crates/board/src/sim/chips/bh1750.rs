//! ROHM BH1750FVI (technical note 2011.11, rev. D).

use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

/// Instructions instead of registers (section "Instruction set architecture").
pub(super) struct Bh1750 {
    lux: f64,
    is_on: bool,
    /// Measurement time; 69 at power-on, 31 to 254.
    time: u8,
    data: u16,
}

impl Bh1750 {
    pub(super) const fn new() -> Self {
        Self { lux: 0.0, is_on: false, time: 69, data: 0 }
    }

    /// The formula of "How to calculate when the data high byte and low byte …", the other way round.
    fn measure(&mut self, steps_of_a_lux: f64) {
        let counts = self.lux * 1.2 * steps_of_a_lux * f64::from(self.time) / 69.0;
        self.data = counts.round().clamp(0.0, 65_535.0) as u16;
    }
}

impl I2cChip for Bh1750 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        for instruction in bytes {
            match *instruction {
                0x00 => self.is_on = false,
                0x01 => self.is_on = true,
                // Reset is not taken while the power is down.
                0x07 if self.is_on => self.data = 0,
                0x10 | 0x20 => self.measure(1.0),
                0x11 | 0x21 => self.measure(2.0),
                // Low resolution: steps of 4 lx.
                0x13 | 0x23 => {
                    self.measure(1.0);
                    self.data &= !0x03;
                }
                high @ 0x40..=0x47 => self.time = (high & 0x07) << 5 | self.time & 0x1F,
                low @ 0x60..=0x7F => self.time = self.time & 0xE0 | low & 0x1F,
                _ => {}
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        for (byte, value) in buffer.iter_mut().zip(self.data.to_be_bytes().into_iter().cycle()) {
            *byte = value;
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.lux = surroundings.light;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "High byte 10000011, low byte 10010000: (2^15 + 2^9 + 2^8 + 2^7 + 2^4) / 1.2 ≈ 28067 lx".
    #[test]
    fn the_example_of_the_datasheet() {
        let mut chip = Bh1750::new();
        chip.feel(&Surroundings { light: 28_067.0, ..Surroundings::default() });
        chip.write(&[0x10]).unwrap();
        let mut data = [0; 2];
        chip.read(&mut data).unwrap();
        assert_eq!(data, [0b1000_0011, 0b1001_0000]);
    }
}
