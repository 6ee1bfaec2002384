//! TAOS TSL2561T (TAOS059N, March 2009).

use super::{ByteRegisters, Surroundings};

/// Registers. The command byte has the number in its lower four bits.
pub(super) struct Tsl2561 {
    lux: f64,
    control: u8,
    timing: u8,
    channels: [u16; 2],
    shows_package_cs: bool,
}

/// The share of infrared in the simulated light: that of a cloudy day.
const INFRARED: f64 = 0.30;

impl Tsl2561 {
    pub(super) const fn new(shows_package_cs: bool) -> Self {
        Self { lux: 0.0, control: 0, timing: 0x02, channels: [0; 2], shows_package_cs }
    }

    /// Counts at gain 16 and 402 ms for the brightness, by the first line of the formula, scaled to the timing.
    fn measure(&mut self) {
        let (all, red) = if self.shows_package_cs { (0.0315, 0.0593) } else { (0.0304, 0.062) };
        let full = self.lux / (all - red * INFRARED.powf(1.4));
        let gain = if self.timing & 0x10 == 0 { 1.0 } else { 16.0 };
        // Times and largest counts of the table under "Timing register"; 11, 81 and 322 units of the clock.
        let (share, most) = match self.timing & 0x03 {
            0 => (11.0 / 322.0, 5_047.0),
            1 => (81.0 / 322.0, 37_177.0),
            _ => (1.0, 65_535.0),
        };
        let counts = |counts: f64| (counts * share * gain / 16.0).round().clamp(0.0, most) as u16;
        self.channels = [counts(full), counts(full * INFRARED)];
    }
}

impl ByteRegisters for Tsl2561 {
    fn load(&mut self, register: u8) -> u8 {
        let [[low, high], [infrared_low, infrared_high]] = self.channels.map(u16::to_le_bytes);
        match register & 0x0F {
            0x00 => self.control & 0x03,
            0x01 => self.timing,
            // The part number (0101 for the packages T, FN and CL, 0001 for CS) and the revision.
            0x0A if self.shows_package_cs => 0x11,
            0x0A => 0x51,
            0x0C => low,
            0x0D => high,
            0x0E => infrared_low,
            0x0F => infrared_high,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register & 0x0F {
            0x00 => {
                self.control = value & 0x03;
                if self.control == 0x03 {
                    self.measure();
                } else {
                    self.channels = [0; 2];
                }
            }
            0x01 => self.timing = value,
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.lux = surroundings.light;
    }

    fn lose_power(&mut self) {
        *self = Self::new(self.shows_package_cs);
    }
}
