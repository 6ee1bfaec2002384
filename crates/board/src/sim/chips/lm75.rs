//! NXP LM75B (product data sheet, rev. 6.1).

use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

/// Registers: temperature, configuration, hysteresis, shutdown threshold.
pub(super) struct Lm75 {
    pointer: u8,
    celsius: f64,
    configuration: u8,
    hysteresis: [u8; 2],
    threshold: [u8; 2],
}

impl Lm75 {
    pub(super) const fn new() -> Self {
        // At power-on 75 °C and 80 °C.
        Self { pointer: 0, celsius: 0.0, configuration: 0, hysteresis: [0x4B, 0], threshold: [0x50, 0] }
    }

    /// Eleven bits of an eighth of a degree each, in the upper bits of the register.
    fn temperature(&self) -> [u8; 2] {
        let eighths = (self.celsius * 8.0).floor().clamp(-1_024.0, 1_023.0) as i16;
        (eighths << 5).to_be_bytes()
    }
}

impl I2cChip for Lm75 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let Some((pointer, values)) = bytes.split_first() else { return Ok(()) };
        // The upper six bits of the pointer must be zero ; what follows goes to that register.
        self.pointer = pointer & 0x03;
        match (self.pointer, values) {
            (1, [configuration, ..]) => self.configuration = *configuration,
            (2, [high, low, ..]) => self.hysteresis = [*high, low & 0x80],
            (3, [high, low, ..]) => self.threshold = [*high, low & 0x80],
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let register = match self.pointer {
            0 => self.temperature(),
            1 => [self.configuration; 2],
            2 => self.hysteresis,
            _ => self.threshold,
        };
        for (byte, value) in buffer.iter_mut().zip(register.iter().cycle()) {
            *byte = *value;
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.celsius = surroundings.temperature;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_table_10() {
        for (celsius, code) in [
            (127.0, 0x3F8),
            (126.875, 0x3F7),
            (125.0, 0x3E8),
            (25.0, 0x0C8),
            (0.125, 0x001),
            (0.0, 0x000),
            (-0.125, 0x7FF),
            (-25.0, 0x738),
            (-54.875, 0x649),
            (-55.0, 0x648),
        ] {
            let mut chip = Lm75::new();
            chip.feel(&Surroundings { temperature: celsius, ..Surroundings::default() });
            assert_eq!(u16::from_be_bytes(chip.temperature()) >> 5, code, "{celsius} °C");
        }
    }
}
