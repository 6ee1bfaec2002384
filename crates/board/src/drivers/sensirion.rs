//! How Sensirion's chips speak: commands of 16 bits, and words of 16 bits that each have a checksum.

use std::time::Duration;

use super::checksum::{crc8, words};
use super::i2c_chip::I2cChip;
use crate::traits::ReadError;

/// What the checksum begins with (as in all of its datasheets).
const START: u8 = 0xFF;

impl I2cChip {
    /// Gives a command.
    pub(super) fn command(&mut self, command: u16) -> Result<(), ReadError> {
        self.write(&command.to_be_bytes())
    }

    /// Gives a command with arguments.
    pub(super) fn command_with(&mut self, command: u16, arguments: &[u16]) -> Result<(), ReadError> {
        let mut bytes = command.to_be_bytes().to_vec();
        for argument in arguments {
            let word = argument.to_be_bytes();
            bytes.extend(word);
            bytes.push(crc8(START, &word));
        }
        self.write(&bytes)
    }

    /// Reads words. `BYTES` is three for each.
    pub(super) fn words<const WORDS: usize, const BYTES: usize>(
        &mut self,
    ) -> Result<[u16; WORDS], ReadError> {
        words(START, &self.read::<BYTES>()?)
    }

    /// Gives a command and reads its answer after the time that it needs.
    pub(super) fn ask<const WORDS: usize, const BYTES: usize>(
        &mut self,
        command: u16,
        time: Duration,
    ) -> Result<[u16; WORDS], ReadError> {
        self.command(command)?;
        self.wait(time);
        self.words::<WORDS, BYTES>()
    }
}
