//! ASAIR AHT20 (product manual, version 1.1) and AHT10 (technical manual, version 1.1).

use super::sensirion::checksum;
use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

pub(super) struct Aht {
    has_checksum: bool,
    is_calibrated: bool,
    temperature: f64,
    humidity: f64,
    measured: Option<[u8; 5]>,
}

impl Aht {
    pub(super) const fn new(has_checksum: bool) -> Self {
        Self { has_checksum, is_calibrated: false, temperature: 20.0, humidity: 50.0, measured: None }
    }

    /// Humidity and temperature, twenty bits each: shares of 100 % and of 200 °C above -50 °C.
    fn measure(&self) -> [u8; 5] {
        let steps = |share: f64| (share * 1_048_576.0).round().clamp(0.0, 1_048_575.0) as u64;
        let both = steps(self.humidity / 100.0) << 20 | steps((self.temperature + 50.0) / 200.0);
        let [_, _, _, bytes @ ..] = both.to_be_bytes();
        bytes
    }
}

impl I2cChip for Aht {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        match (bytes, self.has_checksum) {
            ([0xBE, 0x08, 0x00], true) | ([0xE1, 0x08, 0x00], false) => self.is_calibrated = true,
            ([0xAC, 0x33, 0x00], _) if self.is_calibrated => self.measured = Some(self.measure()),
            ([0x71] | [0xAC, 0x33, 0x00], _) => {}
            _ => return Err(BusFault::NoAcknowledge),
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let status = if self.is_calibrated { 0x18 } else { 0x10 };
        let [a, b, c, d, e] = self.measured.unwrap_or_default();
        let answer = [status, a, b, c, d, e];
        let crc = if self.has_checksum { checksum(0xFF, &answer) } else { 0xFF };
        for (byte, value) in buffer.iter_mut().zip(answer.into_iter().chain([crc]).chain([0xFF; 8])) {
            *byte = value;
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.temperature = surroundings.temperature;
        self.humidity = surroundings.humidity;
    }

    fn lose_power(&mut self) {
        *self = Self::new(self.has_checksum);
    }
}
