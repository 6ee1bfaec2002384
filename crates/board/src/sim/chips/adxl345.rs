//! Analog Devices ADXL345 (data sheet rev. G): lying flat and still.

use super::ByteRegisters;

#[derive(Default)]
pub(super) struct Adxl345 {
    power: u8,
    format: u8,
}

impl Adxl345 {
    /// 256 steps a g in full resolution; else ten bits for the whole range.
    fn one_g(&self) -> i16 {
        match (self.power & 0x08, self.format & 0x08) {
            (0, _) => 0,
            (_, 0) => 256 >> (self.format & 0b11),
            _ => 256,
        }
    }
}

impl ByteRegisters for Adxl345 {
    fn load(&mut self, register: u8) -> u8 {
        let [low, high] = self.one_g().to_le_bytes();
        match register {
            0x00 => 0xE5,
            0x2C => 0x0A,
            0x2D => self.power,
            0x31 => self.format,
            0x36 => low,
            0x37 => high,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0x2D => self.power = value,
            0x31 => self.format = value,
            _ => {}
        }
    }

    fn lose_power(&mut self) {
        *self = Self::default();
    }
}
