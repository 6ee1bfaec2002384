//! ScioSense ENS160 (SC-001224-DS-9).

use super::{ByteRegisters, Surroundings};

pub(super) struct Ens160 {
    mode: u8,
    inputs: [u8; 4],
    compounds: f64,
}

impl Ens160 {
    pub(super) const fn new() -> Self {
        Self { mode: 0, inputs: [0; 4], compounds: 0.0 }
    }
}

impl ByteRegisters for Ens160 {
    fn load(&mut self, register: u8) -> u8 {
        let compounds = self.compounds.clamp(0.0, 32_000.0).round() as u16;
        let [low, high] = compounds.to_le_bytes();
        let [co2_low, co2_high] = (400 + compounds).to_le_bytes();
        match register {
            0x00 => 0x60,
            0x01 => 0x01,
            0x10 => self.mode,
            0x13..=0x16 => self.inputs[usize::from(register - 0x13)],
            // A mode runs, the values are valid, new data.
            0x20 if self.mode == 0x02 => 0x80 | 0x02,
            // The index of the German environment agency: up to 65, 220, 660, 2,200 ppb and above.
            0x21 => match compounds {
                0..=64 => 1,
                65..=219 => 2,
                220..=659 => 3,
                660..=2_199 => 4,
                _ => 5,
            },
            0x22 => low,
            0x23 => high,
            0x24 => co2_low,
            0x25 => co2_high,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0x10 if value == 0xF0 => self.mode = 0x01,
            0x10 => self.mode = value,
            0x13..=0x16 => self.inputs[usize::from(register - 0x13)] = value,
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.compounds = surroundings.organic_compounds;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
