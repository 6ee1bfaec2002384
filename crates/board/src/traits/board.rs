//! The board as a whole.

use std::fmt;
use std::os::fd::OwnedFd;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::buses::{
    BusError, BusInfo, I2cBackend, KernelPlaces, SerialBackend, SerialRequest, SpiBackend, SpiRequest,
};
use super::lines::{
    ActiveLevel, InputLine, InputRequest, LineError, LineInfo, LineNumber, OutputLine, OutputRequest,
};
use super::pwm::{PwmOutput, PwmRequest};
use super::sensors::{SensorError, SensorSource};
use crate::config::DeviceConfig;

/// A board: lines, their inventory, and the sensors that only it can give.
#[async_trait]
pub trait Board: Send + Sync + fmt::Debug {
    /// How the board calls itself, for people.
    fn name(&self) -> String;

    /// Whether its values are made up.
    fn is_simulated(&self) -> bool;

    /// All lines with their owners, without requesting any.
    ///
    /// # Errors
    /// When the board has no lines or they cannot be listed.
    fn lines(&self) -> Result<Vec<LineInfo>, LineError>;

    /// Makes a line an input.
    ///
    /// # Errors
    /// When the line does not exist, is in use or refuses.
    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError>;

    /// Makes a line an output that has its initial level at once.
    ///
    /// # Errors
    /// When the line does not exist, is in use or refuses.
    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError>;

    /// The chip of its lines, in words that are the same in every process while it is the same chip; nothing where there is
    /// none.
    fn chip_name(&self) -> Option<String> {
        None
    }

    /// Another descriptor of the kernel's request of an output that this process drives. Whoever has it keeps the output at
    /// its level after this process. Nothing where the kernel knows of no request: boards that are simulated, and those
    /// whose registers are written.
    fn lend_output(&self, _line: LineNumber) -> Option<OwnedFd> {
        None
    }

    /// Takes over an output of another process, which requested it on this board's chip with this active level. The next
    /// request for an output of this line goes on with it, without a moment in which nobody drives it.
    ///
    /// # Errors
    /// The descriptor, where the board cannot: its caller has it still.
    fn take_over_output(
        &self,
        _line: LineNumber,
        _active: ActiveLevel,
        descriptor: OwnedFd,
    ) -> Result<(), OwnedFd> {
        Err(descriptor)
    }

    /// Opens the sensor of a device.
    ///
    /// # Errors
    /// When the board has no such sensors.
    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError>;

    /// Opens an I²C bus by its kernel number (`1` is `/dev/i2c-1`, the header's pins 3 and 5). Each bus is opened once, by
    /// its owner thread (`crate::buses`).
    ///
    /// # Errors
    /// When there is no such bus or it may not be opened.
    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        Err(BusError::missing(format!("I²C bus {bus}"), &self.name()))
    }

    /// Opens one device of an SPI bus.
    ///
    /// # Errors
    /// When there is no such bus or it may not be opened.
    fn open_spi(&self, request: &SpiRequest) -> Result<Box<dyn SpiBackend>, BusError> {
        Err(BusError::missing(request.place.to_string(), &self.name()))
    }

    /// Opens a serial port.
    ///
    /// # Errors
    /// When there is no such port or it may not be opened.
    fn open_serial(&self, request: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
        Err(BusError::missing(request.path.clone(), &self.name()))
    }

    /// Opens a PWM output with its duty in the same call. Lines without hardware PWM are an error: whoever asks then
    /// drives the line as an output.
    ///
    /// # Errors
    /// When the line has no hardware PWM, is in use or refuses.
    fn open_pwm(&self, request: &PwmRequest) -> Result<Box<dyn PwmOutput>, LineError> {
        Err(LineError::NoPwm(request.line.into()))
    }

    /// The buses that this board has, whether they can be opened or not.
    fn buses(&self) -> Vec<BusInfo> {
        Vec::new()
    }

    /// Where the kernel's own drivers show what they measure (1-Wire, IIO, hwmon); nothing where there are none.
    fn kernel_places(&self) -> Option<KernelPlaces> {
        None
    }

    /// Other devices are wired to it from now on. Only a board that simulates them needs to know.
    fn expect_devices(&self, _devices: &[DeviceConfig]) {}

    /// Whatever the board has to do by itself while the bridge runs, until `shutdown`. Most have nothing to do.
    async fn run(&self, shutdown: CancellationToken) {
        shutdown.cancelled().await;
    }
}
