//! TMP102, from Texas Instruments' datasheet SBOS397: temperature in 1/16 °C, left-justified, in normal mode 12 bits and
//! in extended mode 13.

use std::time::Duration;

use super::{Chip, Nack, Registers, World};

/// Extended mode, in the second byte of the configuration register.
const EXTENDED: u8 = 0x10;

pub(super) struct Tmp102 {
    registers: Registers<4>,
}

impl Tmp102 {
    /// As at power-on: 12 bits, four conversions a second, limits of 75 and 80 °C. [SBOS397, tables 7, 8 and 14]
    pub(super) fn new() -> Self {
        Self { registers: Registers::new([0, 0x60a0, 0x4b00, 0x5000], [2; 4]) }
    }
}

impl Chip for Tmp102 {
    fn write(&mut self, bytes: &[u8], world: &World, _now: Duration) -> Result<(), Nack> {
        self.registers.write(bytes)?;
        let sixteenths = (world.value("tmp102.temperature", 20.0) * 16.0).round();
        let is_extended = self.registers.values[1][1] & EXTENDED != 0;
        // At its ends the chip says what its bits can hold.
        let (most, shift) = if is_extended { (4095.0, 3) } else { (2047.0, 4) };
        let sixteenths = sixteenths.clamp(-most - 1.0, most) as i16;
        // The lowest bit tells the mode.
        self.registers.values[0] = ((sixteenths << shift) | i16::from(is_extended)).to_be_bytes();
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8], _now: Duration) -> Result<(), Nack> {
        self.registers.read(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(temperature: f64, configuration: Option<[u8; 2]>) -> u16 {
        let world = World::parse(&format!("tmp102.temperature {temperature}")).unwrap();
        let mut chip = Tmp102::new();
        if let Some([high, low]) = configuration {
            chip.write(&[1, high, low], &world, Duration::ZERO).unwrap();
        }
        chip.write(&[0], &world, Duration::ZERO).unwrap();
        let mut bytes = [0; 2];
        chip.read(&mut bytes, Duration::ZERO).unwrap();
        u16::from_be_bytes(bytes)
    }

    /// [SBOS397, table 1: 12-bit temperature data format]
    #[test]
    fn says_the_codes_of_its_datasheet() {
        let table = [
            (128.0, 0x7ff),
            (127.9375, 0x7ff),
            (100.0, 0x640),
            (80.0, 0x500),
            (75.0, 0x4b0),
            (50.0, 0x320),
            (25.0, 0x190),
            (0.25, 0x004),
            (0.0, 0x000),
            (-0.25, 0xffc),
            (-25.0, 0xe70),
            (-55.0, 0xc90),
        ];
        for (temperature, code) in table {
            assert_eq!(raw(temperature, None), code << 4, "{temperature}");
        }
    }

    /// [SBOS397, table 2: 13-bit temperature data format]
    #[test]
    fn says_more_in_extended_mode() {
        for (temperature, code) in [(150.0, 0x0960_u16), (128.0, 0x0800), (-0.25, 0x1ffc), (-55.0, 0x1c90)] {
            assert_eq!(raw(temperature, Some([0x60, 0xb0])), code << 3 | 1, "{temperature}");
        }
    }
}
