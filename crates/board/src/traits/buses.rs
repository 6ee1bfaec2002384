//! Buses as a board gives them: blocking, for the one thread that owns each.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use embedded_hal::{i2c, spi};

/// Why a transfer failed. Each text says what to look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusFault {
    /// Nobody acknowledged the address or a byte.
    #[error("no answer: check power and wiring, and the address")]
    NoAcknowledge,
    /// A line of the bus is held low by a device.
    #[error(
        "the bus is held by a device that hangs: cut the power of its devices for a moment, or unplug them one by one to find it (docs/boards.md, \"A bus that hangs\")"
    )]
    Stuck,
    /// The transfer did not end in time, or the owner of the bus is still busy with another one.
    #[error(
        "the bus did not finish the transfer in time: a device holds it up; cut the power of its devices for a moment (docs/boards.md, \"A bus that hangs\")"
    )]
    TimedOut,
    /// The bus is gone.
    #[error("the bus is gone")]
    Gone,
    /// The kernel said something else.
    #[error("{0}")]
    Failed(String),
}

impl i2c::Error for BusFault {
    fn kind(&self) -> i2c::ErrorKind {
        match self {
            Self::NoAcknowledge => i2c::ErrorKind::NoAcknowledge(i2c::NoAcknowledgeSource::Unknown),
            Self::Stuck => i2c::ErrorKind::ArbitrationLoss,
            Self::TimedOut | Self::Gone | Self::Failed(_) => i2c::ErrorKind::Other,
        }
    }
}

impl spi::Error for BusFault {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

/// Why a bus cannot be had, in a sentence for people that says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct BusError {
    /// Which bus.
    pub what: String,
    /// What is the matter, and what to do.
    pub problem: String,
}

impl BusError {
    /// A board that does not have the bus.
    pub fn missing(what: String, board: &str) -> Self {
        Self { what, problem: format!("{board} has no such bus: run `gatehouse scan` to see what there is") }
    }
}

/// An I²C bus.
pub trait I2cBackend: Send {
    /// One transfer: the operations between a start and a stop condition, with repeated starts, as embedded-hal's
    /// `I2c::transaction` defines them.
    ///
    /// # Errors
    /// When a device does not acknowledge, or the bus fails.
    fn transfer(&mut self, address: u8, operations: &mut [i2c::Operation<'_>]) -> Result<(), BusFault>;

    /// Whether a device answers at the address, asked without writing a byte (a read of one byte).
    ///
    /// # Errors
    /// When the bus fails; that nobody answers is no failure.
    fn answers(&mut self, address: u8) -> Result<bool, BusFault> {
        let mut byte = [0];
        match self.transfer(address, &mut [i2c::Operation::Read(&mut byte)]) {
            Ok(()) => Ok(true),
            Err(BusFault::NoAcknowledge) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Frees a bus whose data line is held low by clocking nine times (UM10204 section 3.1.16), where the lines can be
    /// had. Gives whether anything was done.
    fn recover(&mut self) -> bool {
        false
    }
}

/// A device of an SPI bus.
pub trait SpiBackend: Send {
    /// One transaction: the chip is selected during all operations, as embedded-hal's `SpiDevice` defines it.
    ///
    /// # Errors
    /// When the bus fails. SPI has no acknowledge: a chip that is not there reads as zeros or ones.
    fn transfer(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), BusFault>;
}

/// A serial port, without flow control.
pub trait SerialBackend: Send {
    /// Writes all bytes.
    ///
    /// # Errors
    /// When the port fails.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault>;

    /// Reads what there is, waiting at most `limit` for the first byte. Zero bytes mean that none came.
    ///
    /// # Errors
    /// When the port fails.
    fn read(&mut self, buffer: &mut [u8], limit: Duration) -> Result<usize, BusFault>;

    /// Throws away what was received and not read.
    ///
    /// # Errors
    /// When the port fails.
    fn discard(&mut self) -> Result<(), BusFault>;
}

/// A device on an SPI bus: `/dev/spidev<bus>.<select>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpiPlace {
    /// The bus.
    pub bus: u8,
    /// The chip select.
    pub select: u8,
}

impl fmt::Display for SpiPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spi-{}.{}", self.bus, self.select)
    }
}

/// How an SPI device wants to be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiRequest {
    /// Where it is.
    pub place: SpiPlace,
    /// Clock polarity and phase: mode 0 to 3.
    pub mode: u8,
    /// Highest clock, in hertz.
    pub max_hertz: u32,
}

/// How a serial port is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialRequest {
    /// The device file, such as `/dev/serial0`.
    pub path: String,
    /// Bits a second.
    pub baud: u32,
    /// 5 to 8.
    pub data_bits: u8,
    /// `N`, `E` or `O`.
    pub parity: char,
    /// 1 or 2.
    pub stop_bits: u8,
}

impl SerialRequest {
    /// 8 data bits, no parity, one stop bit.
    pub fn plain(path: &str, baud: u32) -> Self {
        Self { path: path.to_owned(), baud, data_bits: 8, parity: 'N', stop_bits: 1 }
    }
}

/// What kind of bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BusKind {
    /// I²C.
    I2c,
    /// SPI.
    Spi,
    /// A serial port.
    Serial,
    /// 1-Wire.
    OneWire,
}

/// A bus in the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusInfo {
    /// What kind.
    pub kind: BusKind,
    /// How the configuration names it: `i2c-1`, `spi-0.0`, `/dev/serial0`, `w1`.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Why it cannot be used, and what to do; nothing when it can.
    pub problem: Option<String>,
    /// What it belongs to when it is no bus that people wire things to: the connector of a screen, for example. It is
    /// neither scanned nor watched unless somebody asks for it, or a device on it is configured.
    pub belongs_to: Option<&'static str>,
}

/// Where the kernel's drivers show what they measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelPlaces {
    /// Usually `/sys/bus/w1/devices`.
    pub one_wire: PathBuf,
    /// Usually `/sys/bus/iio/devices`.
    pub iio: PathBuf,
    /// Usually `/sys/class/hwmon`.
    pub hwmon: PathBuf,
    /// Usually `/sys/bus/i2c/devices`: the chips that the kernel drives itself.
    pub i2c: PathBuf,
}

impl KernelPlaces {
    /// The usual places below `sys`, which is usually `/sys`.
    pub fn below(sys: &Path) -> Self {
        Self {
            one_wire: sys.join("bus/w1/devices"),
            iio: sys.join("bus/iio/devices"),
            hwmon: sys.join("class/hwmon"),
            i2c: sys.join("bus/i2c/devices"),
        }
    }
}
