//! Buses in use: each has one thread that owns it, and ports through which drivers ask that thread.
//!
//! Purpose: drivers block and a bus has room for one at a time; a device that holds its bus up must not hold up
//! another bus, nor the loop.

mod i2c;
mod pause;
pub mod recovery;
mod serial;
mod spi;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub use i2c::{I2cBus, I2cPort, Through};
pub use pause::Pause;
pub use serial::SerialPort;
pub use spi::SpiPort;

use crate::kernel::OneWireProbes;
use crate::traits::{Board, BusError, SpiRequest};

/// Where a bus is kept once it was opened.
type Place = Arc<Mutex<Option<I2cBus>>>;

/// The I²C buses of a board that are in use.
pub struct Buses {
    board: Arc<dyn Board>,
    /// Each bus has a lock of its own: opening one that hangs must not keep the others from being opened.
    i2c: Mutex<BTreeMap<u8, Place>>,
    one_wire: Arc<OneWireProbes>,
}

impl fmt::Debug for Buses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buses").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Buses {
    /// None is open yet.
    pub fn new(board: Arc<dyn Board>) -> Self {
        Self { board, i2c: Mutex::new(BTreeMap::new()), one_wire: Arc::default() }
    }

    /// The thermometers on the kernel's 1-Wire buses, which measure together.
    pub fn one_wire(&self) -> &Arc<OneWireProbes> {
        &self.one_wire
    }

    /// A device on SPI.
    ///
    /// # Errors
    /// When the board does not give it.
    pub fn spi(&self, request: &SpiRequest) -> Result<SpiPort, BusError> {
        Ok(SpiPort::new(self.board.open_spi(request)?))
    }

    /// The bus with this kernel number, opened when it is asked for first. It is closed when the last port to it and
    /// this are gone.
    ///
    /// # Errors
    /// When the board does not give it.
    pub fn i2c(&self, number: u8) -> Result<I2cBus, BusError> {
        let place = {
            let mut places = self.i2c.lock().unwrap_or_else(PoisonError::into_inner);
            places.entry(number).or_default().clone()
        };
        let mut open = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bus) = open.as_ref().filter(|bus| !bus.is_gone()) {
            return Ok(bus.clone());
        }
        let bus = I2cBus::start(&format!("i2c-{number}"), self.board.open_i2c(number)?)?;
        *open = Some(bus.clone());
        Ok(bus)
    }
}
