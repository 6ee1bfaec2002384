//! A chip on I²C as most drivers speak to it: registers behind a pointer byte.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use crate::buses::{I2cPort, Pause};
use crate::catalogue::Opening;
use crate::traits::ReadError;

/// A chip at its address, with the pauses that it needs.
#[derive(Debug)]
pub(super) struct I2cChip {
    port: I2cPort,
    address: u8,
    pause: Pause,
}

impl I2cChip {
    pub(super) const fn new(port: I2cPort, address: u8, opening: &Opening<'_>) -> Self {
        Self { port, address, pause: opening.pause }
    }

    /// Writes bytes in one transfer.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        Ok(self.port.write(self.address, bytes)?)
    }

    /// Reads without saying what: for chips that send the answer to a command given before.
    pub(super) fn read<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.port.read(self.address, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads registers that follow each other, from this one on.
    pub(super) fn registers<const N: usize>(&mut self, first: u8) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.port.write_read(self.address, &[first], &mut bytes)?;
        Ok(bytes)
    }

    /// One register of a byte.
    pub(super) fn byte(&mut self, register: u8) -> Result<u8, ReadError> {
        self.registers::<1>(register).map(u8::from_be_bytes)
    }

    /// One register of 16 bits, the high byte first.
    pub(super) fn word(&mut self, register: u8) -> Result<u16, ReadError> {
        self.registers(register).map(u16::from_be_bytes)
    }

    /// One register of 16 bits, the low byte first.
    pub(super) fn word_low_first(&mut self, register: u8) -> Result<u16, ReadError> {
        self.registers(register).map(u16::from_le_bytes)
    }

    /// Waits. The bus is free meanwhile.
    pub(super) fn wait(&mut self, duration: Duration) {
        self.pause.delay_ns(u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX));
    }

    /// Waits between looks until one says that it is time, for at most `looks` of them. Whether it came.
    pub(super) fn wait_until(
        &mut self,
        between: Duration,
        looks: u32,
        mut is_time: impl FnMut(&mut Self) -> Result<bool, ReadError>,
    ) -> Result<bool, ReadError> {
        for _ in 0..looks {
            if is_time(self)? {
                return Ok(true);
            }
            self.wait(between);
        }
        is_time(self)
    }

    /// The driver's complaint about a chip that is another one.
    pub(super) fn another(&self, expected: &str, found: impl std::fmt::LowerHex) -> ReadError {
        ReadError::Damaged(format!(
            "at address 0x{:02x} is no {expected}: its identity reads {found:#04x}",
            self.address
        ))
    }
}
