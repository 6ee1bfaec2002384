//! Vishay VEML7700 (datasheet 84286, rev. 1.8; application note 84323).

use super::{Surroundings, WordRegisters};

/// Command codes, the low byte first on the wire.
pub(super) struct Veml7700 {
    lux: f64,
    configuration: u16,
    counts: u16,
}

impl Veml7700 {
    pub(super) const fn new() -> Self {
        // Shut down at power-on.
        Self { lux: 0.0, configuration: 0x0001, counts: 0 }
    }

    fn measure(&mut self) {
        let gain = match self.configuration >> 11 & 0b11 {
            0b00 => 1.0,
            0b01 => 2.0,
            0b10 => 0.125,
            _ => 0.25,
        };
        let milliseconds = match self.configuration >> 6 & 0b1111 {
            0b1100 => 25.0,
            0b1000 => 50.0,
            0b0001 => 200.0,
            0b0010 => 400.0,
            0b0011 => 800.0,
            _ => 100.0,
        };
        // 0.0042 lx a count at gain 2 and 800 ms (table "Resolution and maximum detection range").
        let resolution = 0.0042 * 2.0 / gain * 800.0 / milliseconds;
        self.counts = (self.seen() / resolution).round().clamp(0.0, 65_535.0) as u16;
    }

    /// What the diode makes of the light: less than there is when it is bright. The application note gives the light for
    /// what is seen, y = 6.0135e-13 x⁴ − 9.3924e-9 x³ + 8.1488e-5 x² + 1.0023 x; here it is searched the other way round.
    fn seen(&self) -> f64 {
        let light =
            |x: f64| 6.0135e-13 * x.powi(4) - 9.3924e-9 * x.powi(3) + 8.1488e-5 * x.powi(2) + 1.0023 * x;
        let (mut low, mut high) = (0.0, 200_000.0);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if light(middle) < self.lux { low = middle } else { high = middle }
        }
        low
    }
}

impl WordRegisters for Veml7700 {
    fn load(&mut self, register: u8) -> u16 {
        let value = match register {
            0x00 => self.configuration,
            0x04 | 0x05 => self.counts,
            // Device 0x81; the option code says the address 0x10.
            0x07 => 0xC481,
            _ => 0,
        };
        value.swap_bytes()
    }

    fn store(&mut self, register: u8, value: u16) {
        if register == 0x00 {
            self.configuration = value.swap_bytes();
            if self.configuration & 0x0001 == 0 {
                self.measure();
            }
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.lux = surroundings.light;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
