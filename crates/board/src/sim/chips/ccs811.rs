//! ams CCS811 (datasheet v1-06): mailboxes of some bytes each instead of registers that count up.

use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

#[derive(Default)]
pub(super) struct Ccs811 {
    pointer: u8,
    /// The application runs; the boot loader before.
    runs: bool,
    mode: u8,
    environment: [u8; 4],
    error: u8,
    compounds: f64,
}

impl I2cChip for Ccs811 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let Some((pointer, values)) = bytes.split_first() else { return Ok(()) };
        self.pointer = *pointer;
        match (pointer, values) {
            (0xF4, []) => self.runs = true,
            (0x01, [mode, ..]) if self.runs => self.mode = *mode,
            (0x05, [a, b, c, d]) if self.runs => self.environment = [*a, *b, *c, *d],
            // A write to what is not there in this state: bit 0 of the error register.
            (_, [_, ..]) => self.error |= 0x01,
            _ => {}
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let measures = self.runs && self.mode >> 4 & 0b111 != 0;
        // Firmware mode, application there, new data, error.
        let status = u8::from(self.runs) << 7 | 1 << 4 | u8::from(measures) << 3 | u8::from(self.error != 0);
        let compounds = self.compounds.clamp(0.0, 29_206.0).round() as u16;
        let mailbox = match self.pointer {
            0x00 => vec![status],
            0x01 => vec![self.mode],
            0x02 => {
                let mut result = (400 + compounds * 2).to_be_bytes().to_vec();
                result.extend(compounds.to_be_bytes());
                result.extend([status, self.error]);
                result
            }
            0x20 => vec![0x81],
            0x21 => vec![0x12],
            0xE0 => vec![std::mem::take(&mut self.error)],
            _ => Vec::new(),
        };
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = mailbox.get(index).copied().unwrap_or(0xFF);
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.compounds = surroundings.organic_compounds;
    }

    fn lose_power(&mut self) {
        *self = Self::default();
    }
}
