//! An SPI device for its driver. The kernel arbitrates between the devices of a bus by their chip selects.

use std::fmt;

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};

use crate::traits::{BusFault, SpiBackend};

/// An SPI device as its driver sees it.
pub struct SpiPort(Box<dyn SpiBackend>);

impl SpiPort {
    /// A port to this device.
    pub fn new(backend: Box<dyn SpiBackend>) -> Self {
        Self(backend)
    }
}

impl fmt::Debug for SpiPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpiPort").finish_non_exhaustive()
    }
}

impl ErrorType for SpiPort {
    type Error = BusFault;
}

impl SpiDevice for SpiPort {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), BusFault> {
        self.0.transfer(operations)
    }
}
