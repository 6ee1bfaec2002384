//! Texas Instruments ADS1015 and ADS1115 (SBAS473, SBAS444).

use super::{Surroundings, WordRegisters};

/// Registers: conversion, configuration, two thresholds.
pub(super) struct Ads1x15 {
    /// 12 or 16.
    bits: u8,
    /// At the inputs, in V.
    inputs: [f64; 4],
    conversion: u16,
    configuration: u16,
    thresholds: [u16; 2],
}

impl Ads1x15 {
    pub(super) const fn new(bits: u8) -> Self {
        Self { bits, inputs: [0.0; 4], conversion: 0, configuration: 0x8583, thresholds: [0x8000, 0x7FFF] }
    }

    /// Two's complement, left-justified, stopping at both ends (table "Input signal versus ideal output code").
    fn code(&self, volts: f64, full_scale: f64) -> u16 {
        let code = (volts / full_scale * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
        code.cast_unsigned() & u16::MAX << (16 - self.bits)
    }

    fn convert(&mut self) {
        let [a0, a1, a2, a3] = self.inputs;
        let volts = match self.configuration >> 12 & 0b111 {
            0b000 => a0 - a1,
            0b001 => a0 - a3,
            0b010 => a1 - a3,
            0b011 => a2 - a3,
            0b100 => a0,
            0b101 => a1,
            0b110 => a2,
            _ => a3,
        };
        let full_scale = match self.configuration >> 9 & 0b111 {
            0b000 => 6.144,
            0b001 => 4.096,
            0b010 => 2.048,
            0b011 => 1.024,
            0b100 => 0.512,
            _ => 0.256,
        };
        self.conversion = self.code(volts, full_scale);
    }
}

impl WordRegisters for Ads1x15 {
    fn load(&mut self, register: u8) -> u16 {
        match register & 0b11 {
            0 => self.conversion,
            // The highest bit reads as one while it is at rest.
            1 => self.configuration | 0x8000,
            2 => self.thresholds[0],
            _ => self.thresholds[1],
        }
    }

    fn store(&mut self, register: u8, value: u16) {
        match register & 0b11 {
            1 => {
                self.configuration = value;
                // A single conversion is begun by the highest bit.
                if value & 0x8100 == 0x8100 {
                    self.convert();
                }
            }
            2 => self.thresholds[0] = value,
            3 => self.thresholds[1] = value,
            _ => {}
        }
    }

    /// The voltage is at A0; A1 has half of it, A2 the opposite, A3 is at ground.
    fn feel(&mut self, surroundings: &Surroundings) {
        let volts = surroundings.voltage;
        self.inputs = [volts, volts / 2.0, -volts, 0.0];
    }

    fn lose_power(&mut self) {
        *self = Self::new(self.bits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ideal_codes_of_the_datasheet() {
        let chip = Ads1x15::new(16);
        let full = 2.048;
        for (volts, code) in [
            (full, 0x7FFF),
            (full * 32_767.0 / 32_768.0, 0x7FFF),
            (full / 32_768.0, 0x0001),
            (0.0, 0x0000),
            (-full / 32_768.0, 0xFFFF),
            (-full, 0x8000),
        ] {
            assert_eq!(chip.code(volts, full), code, "{volts} V");
        }
        assert_eq!(Ads1x15::new(12).code(full, full), 0x7FF0);
        assert_eq!(Ads1x15::new(12).code(-full, full), 0x8000);
    }
}
