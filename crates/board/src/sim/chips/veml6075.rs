//! Vishay VEML6075 (datasheet 84304, rev. 1.2).

use super::{Surroundings, WordRegisters};

/// Command codes, the low byte first on the wire.
pub(super) struct Veml6075 {
    configuration: u16,
    /// UVA, UVB, and what of visible and infrared light is to be taken off.
    channels: [u16; 4],
}

impl Veml6075 {
    pub(super) const fn new() -> Self {
        Self { configuration: 0x0001, channels: [0; 4] }
    }
}

impl WordRegisters for Veml6075 {
    fn load(&mut self, register: u8) -> u16 {
        let [uva, uvb, visible, infrared] = self.channels;
        let value = match register {
            0x00 => self.configuration,
            0x07 => uva,
            0x09 => uvb,
            0x0A => visible,
            0x0B => infrared,
            0x0C => 0x0026,
            _ => 0,
        };
        value.swap_bytes()
    }

    fn store(&mut self, register: u8, value: u16) {
        if register == 0x00 {
            self.configuration = value.swap_bytes();
        }
    }

    /// Daylight of 100,000 lx has an index of about 8; the counts are those of 100 ms with a fiftieth that leaks in.
    fn feel(&mut self, surroundings: &Surroundings) {
        let sun = surroundings.light / 100_000.0;
        let leak = 50.0 * sun;
        let counts = [5_500.0 * sun + 3.55 * leak, 3_000.0 * sun + 4.69 * leak, leak, leak];
        self.channels = counts.map(|counts| counts.round().clamp(0.0, 65_535.0) as u16);
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
