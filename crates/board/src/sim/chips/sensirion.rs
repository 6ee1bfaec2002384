//! Sensors that take a command and answer with words of two bytes and a checksum each: Sensirion's, and those of others
//! that are made alike.

use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

/// The remainder of the bits of a message and eight zeros by x⁸ + x⁵ + x⁴ + 1, as the SHT3x datasheet defines its
/// checksum (section 4.12): a division on paper, bit for bit. `start` is exclusive-ored into the first eight bits.
pub(super) fn checksum(start: u8, message: &[u8]) -> u8 {
    let mut bits: Vec<bool> =
        message.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    for (bit, place) in bits.iter_mut().zip((0..8).rev()) {
        *bit ^= start >> place & 1 == 1;
    }
    let length = bits.len();
    bits.extend([false; 8]);
    for at in 0..length {
        if bits[at] {
            // 1 0011 0001
            for offset in [0, 3, 4, 8] {
                bits[at + offset] = !bits[at + offset];
            }
        }
    }
    bits[length..].iter().fold(0, |crc, bit| crc << 1 | u8::from(*bit))
}

/// A value as a share of a scale with this many steps, as a sensor puts it into a word.
fn share(value: f64, lowest: f64, span: f64, steps: f64) -> u16 {
    ((value - lowest) / span * steps).round().clamp(0.0, 65_535.0) as u16
}

/// What a command asks for.
#[derive(Clone, Copy)]
enum Asked {
    Nothing,
    Climate,
    Humidity,
    Temperature,
    Words(&'static [u16]),
}

/// Which of the family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Model {
    /// SHT3x-DIS datasheet, version 7.
    Sht3x,
    /// SHT4x datasheet, version 6.5.
    Sht4x,
    /// SHTC3 datasheet, version 4.
    Shtc3,
    /// Si7021-A20 data sheet, rev. 1.2.
    Si7021,
}

pub(super) struct Climate {
    model: Model,
    asked: Asked,
    is_asleep: bool,
    temperature: f64,
    humidity: f64,
}

impl Climate {
    pub(super) const fn new(model: Model) -> Self {
        Self { model, asked: Asked::Nothing, is_asleep: false, temperature: 20.0, humidity: 50.0 }
    }

    fn words(&self) -> Vec<u16> {
        let (t, h) = (self.temperature, self.humidity);
        match (self.asked, self.model) {
            (Asked::Nothing, _) => Vec::new(),
            (Asked::Words(words), _) => words.to_vec(),
            // SHT3x section 4.13, SHT4x section 4.6, SHTC3 section 5.11.
            (Asked::Climate, Model::Sht3x) => {
                vec![share(t, -45.0, 175.0, 65_535.0), share(h, 0.0, 100.0, 65_535.0)]
            }
            (Asked::Climate, Model::Sht4x) => {
                vec![share(t, -45.0, 175.0, 65_535.0), share(h, -6.0, 125.0, 65_535.0)]
            }
            (Asked::Climate, _) => vec![share(t, -45.0, 175.0, 65_536.0), share(h, 0.0, 100.0, 65_536.0)],
            // The lowest bits say which of the two it is (HTU21D).
            (Asked::Temperature, _) => vec![share(t, -46.85, 175.72, 65_536.0) & !3],
            (Asked::Humidity, _) => vec![share(h, -6.0, 125.0, 65_536.0) & !3 | 2],
        }
    }
}

impl I2cChip for Climate {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        // Asleep it hears only that it shall wake (SHTC3 section 5.1).
        if self.is_asleep && bytes != [0x35, 0x17] {
            return Err(BusFault::NoAcknowledge);
        }
        self.asked = match (self.model, bytes) {
            (Model::Sht3x, [0x24, 0x00]) | (Model::Sht4x, [0xFD]) | (Model::Shtc3, [0x78, 0x66]) => {
                Asked::Climate
            }
            // After power-on the alert bit and the reset bit are set (SHT3x, status register).
            (Model::Sht3x, [0xF3, 0x2D]) => Asked::Words(&[0x8010]),
            (Model::Sht4x, [0x89]) => Asked::Words(&[0x0F4A, 0x9C21]),
            (Model::Shtc3, [0xEF, 0xC8]) => Asked::Words(&[0x0887]),
            (Model::Shtc3, [0x35, 0x17]) => {
                self.is_asleep = false;
                Asked::Nothing
            }
            (Model::Shtc3, [0xB0, 0x98]) => {
                self.is_asleep = true;
                Asked::Nothing
            }
            (Model::Si7021, [0xF3]) => Asked::Temperature,
            (Model::Si7021, [0xF5]) => Asked::Humidity,
            _ => return Err(BusFault::NoAcknowledge),
        };
        Ok(())
    }

    /// A read without a result is not acknowledged.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let start = if self.model == Model::Si7021 { 0 } else { 0xFF };
        let words = self.words();
        if words.is_empty() {
            return Err(BusFault::NoAcknowledge);
        }
        self.asked = Asked::Nothing;
        let bytes = words.into_iter().flat_map(|word| {
            let [high, low] = word.to_be_bytes();
            [high, low, checksum(start, &[high, low])]
        });
        for (byte, value) in buffer.iter_mut().zip(bytes.chain(std::iter::repeat(0xFF))) {
            *byte = value;
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.temperature = surroundings.temperature;
        self.humidity = surroundings.humidity;
    }

    fn lose_power(&mut self) {
        *self = Self::new(self.model);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_of_the_datasheets() {
        assert_eq!(checksum(0xFF, &[0xBE, 0xEF]), 0x92, "SHT3x section 4.12");
        // HTU21D, "CRC-8 Checksum using HTU21D(F)".
        for (bytes, crc) in [(&[0xDC][..], 0x79), (&[0x68, 0x3A], 0x7C), (&[0x4E, 0x85], 0x6B)] {
            assert_eq!(checksum(0, bytes), crc);
        }
    }

    #[test]
    fn the_worked_examples_of_the_htu21d() {
        // "Conversion of Signal Outputs": 0x7C80 is 54.8 %, 0x683A is 24.7 °C.
        assert_eq!(share(54.8, -6.0, 125.0, 65_536.0) >> 7, 0x7C80 >> 7);
        assert_eq!(share(24.69, -46.85, 175.72, 65_536.0) >> 4, 0x683A >> 4);
    }
}
