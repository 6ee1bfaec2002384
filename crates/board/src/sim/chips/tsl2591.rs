//! ams TSL2591 (datasheet v1-00).

use super::{ByteRegisters, Surroundings};

/// Registers. The command byte has the number in its lower five bits.
pub(super) struct Tsl2591 {
    lux: f64,
    enable: u8,
    control: u8,
    is_valid: bool,
    channels: [u16; 2],
}

/// The share of infrared in the simulated light.
const INFRARED: f64 = 0.25;

impl Tsl2591 {
    pub(super) const fn new() -> Self {
        Self { lux: 0.0, enable: 0, control: 0, is_valid: false, channels: [0; 2] }
    }

    fn measure(&mut self) {
        let gain = match self.control >> 4 & 0x03 {
            0 => 1.0,
            1 => 25.0,
            2 => 428.0,
            _ => 9_876.0,
        };
        let time = self.control & 0x07;
        let milliseconds = f64::from(time + 1) * 100.0;
        // At 100 ms the counter ends earlier.
        let most = if time == 0 { 37_888.0 } else { 65_535.0 };
        // 408 counts at 1 ms and gain 1 are a lux of light without infrared; what is seen twice is taken off twice.
        let all = self.lux * milliseconds * gain / 408.0 / (1.0 - INFRARED).powi(2);
        self.channels = [all, all * INFRARED].map(|counts| counts.round().clamp(0.0, most) as u16);
        self.is_valid = true;
    }
}

impl ByteRegisters for Tsl2591 {
    fn load(&mut self, register: u8) -> u8 {
        let [[low, high], [infrared_low, infrared_high]] = self.channels.map(u16::to_le_bytes);
        match register & 0x1F {
            0x00 => self.enable,
            0x01 => self.control,
            0x12 => 0x50,
            0x13 => u8::from(self.is_valid),
            0x14 => low,
            0x15 => high,
            0x16 => infrared_low,
            0x17 => infrared_high,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register & 0x1F {
            0x00 => {
                self.enable = value;
                self.is_valid = false;
                // Power and the converter.
                if value & 0x03 == 0x03 {
                    self.measure();
                }
            }
            0x01 => self.control = value,
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.lux = surroundings.light;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
