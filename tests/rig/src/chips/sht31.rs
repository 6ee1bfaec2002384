//! SHT31, from Sensirion's datasheet SHT3x-DIS (version 7, December 2022): 16-bit commands, each 16-bit value followed by
//! its checksum, and no answer before a measurement is done.

use std::time::Duration;

use super::{Chip, Nack, World};

/// Time that a measurement takes at most, of high, medium and low repeatability. [table 4]
const MEASURING: [Duration; 3] =
    [Duration::from_micros(15_500), Duration::from_micros(6_500), Duration::from_micros(4_500)];

pub(super) struct Sht31 {
    answer: Vec<u8>,
    /// When the answer is there.
    ready: Duration,
    status: u16,
}

impl Sht31 {
    /// As after power-on: a reset was detected. [table 18]
    pub(super) fn new() -> Self {
        Self { answer: Vec::new(), ready: Duration::ZERO, status: 0x8010 }
    }

    fn measure(&mut self, world: &World) {
        let part = |value: f64| (value * 65_535.0).round().clamp(0.0, 65_535.0) as u16;
        let temperature = part((world.value("sht31.temperature", 20.0) + 45.0) / 175.0);
        let humidity = part(world.value("sht31.humidity", 50.0) / 100.0);
        self.answer = [word(temperature), word(humidity)].concat();
        if world.is("sht31.noise") {
            // One bit of the temperature is flipped on its way.
            self.answer[1] ^= 0x10;
        }
    }
}

impl Chip for Sht31 {
    fn write(&mut self, bytes: &[u8], world: &World, now: Duration) -> Result<(), Nack> {
        let Some(command) = bytes.first_chunk::<2>() else { return Ok(()) };
        self.answer.clear();
        self.ready = now;
        match u16::from_be_bytes(*command) {
            // Single shot without clock stretching: who reads too early is not acknowledged. [table 9]
            command @ (0x2400 | 0x240b | 0x2416) => {
                self.measure(world);
                self.ready = now + MEASURING[usize::from(command & 0xff) / 0x0b];
            }
            // With clock stretching, and a fetch of what is measured periodically: the chip makes the reader wait.
            0x2c06 | 0x2c0d | 0x2c10 | 0xe000 => self.measure(world),
            // Measure periodically, stop that, heater on and off.
            0x2032 | 0x2024 | 0x202f | 0x2130 | 0x2126 | 0x212d | 0x2236 | 0x2220 | 0x222b | 0x2334
            | 0x2322 | 0x2329 | 0x2737 | 0x2721 | 0x272a | 0x2b32 | 0x3093 => {}
            0x306d => self.status |= 1 << 13,
            0x3066 => self.status &= !(1 << 13),
            // Soft reset, status, clear status, serial number.
            0x30a2 => self.status = 0x0010,
            0xf32d => self.answer = word(self.status).to_vec(),
            0x3041 => self.status &= !0x8c10,
            0x3780 | 0x3682 => self.answer = [word(0x0a5e), word(0x6a7e)].concat(),
            _ => return Err(Nack),
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], now: Duration) -> Result<(), Nack> {
        if self.answer.is_empty() || now < self.ready {
            return Err(Nack);
        }
        for (place, byte) in bytes.iter_mut().zip(std::mem::take(&mut self.answer)) {
            *place = byte;
        }
        Ok(())
    }
}

/// A value with its checksum.
fn word(value: u16) -> [u8; 3] {
    let [high, low] = value.to_be_bytes();
    [high, low, checksum(&[high, low])]
}

/// CRC-8 with polynomial 0x31, from 0xff, not reflected. [table 20]
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0xff, |sum, byte| {
        (0..8).fold(sum ^ byte, |sum, _| if sum & 0x80 == 0 { sum << 1 } else { sum << 1 ^ 0x31 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [table 20: CRC(0xbeef) = 0x92]
    #[test]
    fn its_checksum_is_that_of_the_datasheet() {
        assert_eq!(checksum(&[0xbe, 0xef]), 0x92);
    }

    /// [section 4.13: -45 °C is 0, 130 °C is all ones]
    #[test]
    fn its_range_is_that_of_the_datasheet() {
        for (temperature, raw) in [(-45, [0x00, 0x00]), (130, [0xff, 0xff]), (200, [0xff, 0xff])] {
            let world =
                World::parse(&format!("sht31.temperature {temperature}\nsht31.humidity 100")).unwrap();
            let mut chip = Sht31::new();
            chip.write(&[0x2c, 0x06], &world, Duration::ZERO).unwrap();
            let mut bytes = [0; 6];
            chip.read(&mut bytes, Duration::ZERO).unwrap();
            assert_eq!(bytes[..2], raw);
            assert_eq!(bytes[3..5], [0xff, 0xff]);
        }
    }

    #[test]
    fn who_reads_too_early_is_not_acknowledged_and_may_try_again() {
        let mut chip = Sht31::new();
        let mut bytes = [0; 6];
        assert_eq!(chip.read(&mut bytes, Duration::ZERO), Err(Nack));
        for (command, index) in [(0x00, 0), (0x0b, 1), (0x16, 2)] {
            chip.write(&[0x24, command], &World::default(), Duration::ZERO).unwrap();
            assert_eq!(chip.read(&mut bytes, MEASURING[index] - Duration::from_micros(1)), Err(Nack));
            assert_eq!(chip.read(&mut bytes, MEASURING[index]), Ok(()));
        }
    }

    #[test]
    fn noise_on_the_wire_breaks_the_checksum() {
        let mut chip = Sht31::new();
        chip.write(&[0x2c, 0x06], &World::parse("sht31.noise").unwrap(), Duration::ZERO).unwrap();
        let mut bytes = [0; 6];
        chip.read(&mut bytes, Duration::ZERO).unwrap();
        assert_ne!(checksum(&bytes[..2]), bytes[2]);
        assert_eq!(checksum(&bytes[3..5]), bytes[5]);
    }
}
