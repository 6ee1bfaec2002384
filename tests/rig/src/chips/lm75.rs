//! LM75, from Texas Instruments' datasheet SNIS153: temperature in half degrees, nine bits, left-justified.

use std::time::Duration;

use super::{Chip, Nack, Registers, World};

pub(super) struct Lm75 {
    registers: Registers<4>,
    quantity: &'static str,
}

impl Lm75 {
    /// As at power-on: configuration 0, hysteresis 75 °C, limit 80 °C. [SNIS153, Power Up and Power Down]
    /// `quantity` is the name of its temperature in the world's file.
    pub(super) fn new(quantity: &'static str) -> Self {
        Self { registers: Registers::new([0, 0, 0x4b00, 0x5000], [2, 1, 2, 2]), quantity }
    }
}

impl Chip for Lm75 {
    fn write(&mut self, bytes: &[u8], world: &World, _now: Duration) -> Result<(), Nack> {
        self.registers.write(bytes)?;
        let halves = (world.value(self.quantity, 20.0) * 2.0).round().clamp(-110.0, 250.0) as i16;
        self.registers.values[0] = (halves << 7).to_be_bytes();
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

    /// [SNIS153, Temperature Data Format]
    #[test]
    fn says_the_codes_of_its_datasheet() {
        let table = [
            (125.0, 0x0fa_u16),
            (25.0, 0x032),
            (0.5, 0x001),
            (0.0, 0x000),
            (-0.5, 0x1ff),
            (-25.0, 0x1ce),
            (-55.0, 0x192),
        ];
        for (temperature, code) in table {
            let world = World::parse(&format!("lm75.temperature {temperature}")).unwrap();
            let mut chip = Lm75::new("lm75.temperature");
            chip.write(&[0], &world, Duration::ZERO).unwrap();
            let mut bytes = [0; 2];
            chip.read(&mut bytes, Duration::ZERO).unwrap();
            assert_eq!(u16::from_be_bytes(bytes), code << 7, "{temperature}");
        }
    }

    #[test]
    fn keeps_what_is_written_into_its_configuration_which_is_one_byte() {
        let mut chip = Lm75::new("lm75.temperature");
        chip.write(&[1, 0x18, 0xff], &World::default(), Duration::ZERO).unwrap();
        let mut bytes = [0; 2];
        chip.read(&mut bytes, Duration::ZERO).unwrap();
        assert_eq!(bytes, [0x18, 0x18]);
    }
}
