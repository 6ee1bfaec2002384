//! A serial port for its driver, which has it alone.

use std::fmt;
use std::time::Duration;

use crate::traits::{BusFault, SerialBackend};

/// A serial port as its driver sees it.
pub struct SerialPort(Box<dyn SerialBackend>);

impl SerialPort {
    /// This port.
    pub fn new(backend: Box<dyn SerialBackend>) -> Self {
        Self(backend)
    }

    /// Writes all bytes.
    ///
    /// # Errors
    /// When the port fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        self.0.write(bytes)
    }

    /// Reads what there is, waiting at most `limit` for the first byte.
    ///
    /// # Errors
    /// When the port fails.
    pub fn read(&mut self, buffer: &mut [u8], limit: Duration) -> Result<usize, BusFault> {
        self.0.read(buffer, limit)
    }

    /// Throws away what was received and not read.
    ///
    /// # Errors
    /// When the port fails.
    pub fn discard(&mut self) -> Result<(), BusFault> {
        self.0.discard()
    }
}

impl fmt::Debug for SerialPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialPort").finish_non_exhaustive()
    }
}
