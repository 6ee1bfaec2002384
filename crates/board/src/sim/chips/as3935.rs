//! ams AS3935 (datasheet v1-04).

use super::ByteRegisters;

pub(super) struct As3935 {
    /// Registers 0x00 to 0x08.
    registers: [u8; 9],
}

impl As3935 {
    pub(super) const fn new() -> Self {
        // The default values; the distance is out of reach.
        Self { registers: [0x24, 0x22, 0xC2, 0x00, 0x00, 0x00, 0x00, 0x3F, 0x00] }
    }
}

impl ByteRegisters for As3935 {
    fn load(&mut self, register: u8) -> u8 {
        let value = self.registers.get(usize::from(register)).copied().unwrap_or(0);
        if register == 0x03 {
            // Reading the interrupt clears it.
            self.registers[3] &= 0xF0;
        }
        value
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0x00..=0x02 | 0x08 => self.registers[usize::from(register)] = value,
            0x03 => self.registers[3] = value & 0xF0 | self.registers[3] & 0x0F,
            0x3C if value == 0x96 => *self = Self::new(),
            _ => {}
        }
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
