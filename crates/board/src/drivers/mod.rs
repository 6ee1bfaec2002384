//! The drivers, a file each: what the chip is (its catalogue entry) and how it is read.
//!
//! Drivers block and run on a thread of their own. They say what the chip said: calibration, belief and reporting are
//! decided in `gatehouse_control`.

mod aht20;
mod bme280;
mod bmp180;
mod checksum;
mod common;
mod dps310;
mod ds3231;
mod lm75;
mod mcp9808;
mod sht3x;
mod sht4x;
mod shtc3;
mod si7021;
mod tmp102;

use gatehouse_model::Quality;

use crate::catalogue::Entry;
use crate::traits::{Level, Pull, ReadError};

/// All entries, in the order of their words.
pub(crate) const ENTRIES: &[&Entry] = &[
    &aht20::AHT10,
    &aht20::AHT20,
    &bme280::BME280,
    &bmp180::ENTRY,
    &bme280::BMP280,
    &dps310::ENTRY,
    &ds3231::ENTRY,
    &lm75::ENTRY,
    &mcp9808::ENTRY,
    &sht3x::ENTRY,
    &sht4x::ENTRY,
    &shtc3::ENTRY,
    &si7021::ENTRY,
    &tmp102::ENTRY,
];

/// One value of a chip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Which property of the entry.
    pub property: &'static str,
    /// The value, in the property's unit. What is no finite number is taken for a damaged answer.
    pub value: f64,
    /// How far the driver trusts it.
    pub quality: Quality,
}

impl Measured {
    /// A value that there is no reason to doubt.
    pub const fn new(property: &'static str, value: f64) -> Self {
        Self { property, value, quality: Quality::Ok }
    }
}

/// A sensor that was opened.
pub trait Driver: Send {
    /// Measures once, blocking. What could not be had this time is absent.
    ///
    /// # Errors
    /// When there is no value at all. The chip is opened again before it is read the next time.
    fn read(&mut self) -> Result<Vec<Measured>, ReadError>;
}

/// An expander of lines that was opened. Levels are those of the wire: active means high.
pub trait LineExpander: Send {
    /// Makes a line an output that has this level from the first moment.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn make_output(&mut self, line: u8, level: Level) -> Result<(), ReadError>;

    /// Makes a line an input.
    ///
    /// # Errors
    /// When the chip does not answer or has no such pull.
    fn make_input(&mut self, line: u8, pull: Pull) -> Result<(), ReadError>;

    /// Drives an output.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn drive(&mut self, line: u8, level: Level) -> Result<(), ReadError>;

    /// The levels of all lines as they are at the pins, line 0 in the lowest bit.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn levels(&mut self) -> Result<u32, ReadError>;
}

/// PWM outputs of an expander that was opened.
pub trait PwmExpander: Send {
    /// Sets the duty of one output.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn set(&mut self, line: u8, duty: crate::traits::Duty) -> Result<(), ReadError>;

    /// The duty that one output has.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn duty(&mut self, line: u8) -> Result<crate::traits::Duty, ReadError>;
}

#[cfg(test)]
mod tests;
