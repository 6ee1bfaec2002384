//! The drivers, a file each: what the chip is (its catalogue entry) and how it is read.
//!
//! Drivers block and run on a thread of their own. They say what the chip said: calibration, belief and reporting are
//! decided in `gatehouse_control`.

mod ads1x15;
mod adxl345;
mod aht20;
mod air;
mod apds9960;
mod as3935;
mod bh1750;
mod bme280;
mod bme680;
mod bmp180;
mod ccs811;
mod checksum;
mod dockerpi;
mod dps310;
mod ds3231;
mod ens160;
mod frames;
mod hx711;
mod i2c_chip;
mod ina;
mod lm75;
mod mcp23017;
mod mcp3xxx;
mod mcp9808;
mod mhz19;
mod mpu6050;
mod pca9555;
mod pca9685;
mod pcf8574;
mod pms5003;
mod pn532;
mod scd30;
mod scd4x;
mod sensirion;
mod sgp30;
mod sgp40;
mod sht3x;
mod sht4x;
mod shtc3;
mod si7021;
mod ssd1306;
mod swipe;
mod tca9548a;
mod terms;
mod tmp102;
mod tsl2561;
mod tsl2591;
mod veml6075;
mod veml7700;
mod vl53l0x;

use gatehouse_model::Quality;

use crate::catalogue::Entry;
use crate::traits::{Level, Pull, ReadError};

/// All entries, in the order of their words.
pub(crate) const ENTRIES: &[&Entry] = &[
    &ads1x15::ADS1015,
    &ads1x15::ADS1115,
    &adxl345::ENTRY,
    &aht20::AHT10,
    &aht20::AHT20,
    &apds9960::ENTRY,
    &as3935::ENTRY,
    &bh1750::ENTRY,
    &bme280::BME280,
    &bme680::BME680,
    &bme680::BME688,
    &bmp180::ENTRY,
    &bme280::BMP280,
    &ccs811::ENTRY,
    &dockerpi::ENTRY,
    &dps310::ENTRY,
    &ds3231::ENTRY,
    &ens160::ENTRY,
    &hx711::ENTRY,
    &ina::INA219,
    &ina::INA226,
    &ina::INA260,
    &lm75::ENTRY,
    &mcp23017::MCP23008,
    &mcp23017::MCP23017,
    &mcp23017::MCP23S17,
    &mcp3xxx::MCP3001,
    &mcp3xxx::MCP3002,
    &mcp3xxx::MCP3004,
    &mcp3xxx::MCP3008,
    &mcp3xxx::MCP3201,
    &mcp3xxx::MCP3202,
    &mcp3xxx::MCP3204,
    &mcp3xxx::MCP3208,
    &mcp3xxx::MCP3301,
    &mcp3xxx::MCP3302,
    &mcp3xxx::MCP3304,
    &mcp9808::ENTRY,
    &mhz19::ENTRY,
    &mpu6050::ENTRY,
    &pca9555::ENTRY,
    &pca9685::ENTRY,
    &pcf8574::PCF8574,
    &pcf8574::PCF8575,
    &pms5003::ENTRY,
    &pn532::ENTRY,
    &pn532::ON_SERIAL,
    &scd30::ENTRY,
    &scd4x::ENTRY,
    &sgp30::ENTRY,
    &sgp40::ENTRY,
    &sht3x::ENTRY,
    &sht4x::ENTRY,
    &shtc3::ENTRY,
    &si7021::ENTRY,
    &ssd1306::ENTRY,
    &tca9548a::ENTRY,
    &tmp102::ENTRY,
    &tsl2561::ENTRY,
    &tsl2591::ENTRY,
    &veml6075::ENTRY,
    &veml7700::ENTRY,
    &vl53l0x::ENTRY,
];

/// What a chip says of one of its properties.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A number, in the property's unit. What is no finite number is taken for a damaged answer.
    Number(f64),
    /// A text that is not empty.
    Text(String),
}

/// One value of a chip.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// Which property of the entry.
    pub property: &'static str,
    /// The value.
    pub value: Said,
    /// How far the driver trusts it.
    pub quality: Quality,
}

impl Measured {
    /// A number that there is no reason to doubt.
    pub const fn new(property: &'static str, value: f64) -> Self {
        Self { property, value: Said::Number(value), quality: Quality::Ok }
    }

    /// A number at the end of what the chip can measure when `is_at_the_end`: the truth may lie beyond it.
    pub const fn at_the_end_if(is_at_the_end: bool, property: &'static str, value: f64) -> Self {
        let quality = if is_at_the_end { Quality::Clamped } else { Quality::Ok };
        Self { property, value: Said::Number(value), quality }
    }

    /// A text that there is no reason to doubt.
    pub const fn text(property: &'static str, text: String) -> Self {
        Self { property, value: Said::Text(text), quality: Quality::Ok }
    }
}

/// A sensor that was opened.
pub trait Driver: Send {
    /// Measures once, blocking. What could not be had this time is absent.
    ///
    /// # Errors
    /// When there is no value at all. The chip is opened again before it is read the next time.
    fn read(&mut self) -> Result<Vec<Measured>, ReadError>;

    /// What happened since this was asked before, in the words of the entry's property that
    /// [happens](crate::catalogue::Content::Happens). It is asked after each reading.
    fn take_events(&mut self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Makes the chip show a text, for a property that is [shown](crate::catalogue::Content::Shown).
    ///
    /// # Errors
    /// When the chip does not answer. It is opened again, and shown the text again, before it is read the next time.
    fn show(&mut self, property: &'static str, _text: &str) -> Result<(), ReadError> {
        Err(ReadError::Cannot(format!("`{property}` shows nothing")))
    }
}

/// What a reading of an expander's lines shows, line 0 in the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The lines of which the chip has kept the level that they changed to, until this reading.
    pub flagged: u32,
    /// That level.
    pub captured: u32,
    /// The levels at the pins now.
    pub levels: u32,
}

impl Seen {
    /// The levels now, of a chip that keeps no others.
    pub const fn of(levels: u32) -> Self {
        Self { flagged: 0, captured: 0, levels }
    }
}

/// An expander of lines that was opened. Levels are those of the wire: active means high.
pub trait LineExpander: Send {
    /// Tells what a line will be made, before the first line is. Nothing is sent; but whatever is written for one line is
    /// written for its neighbours too, and what opening read of them may be false: a bus that is held reads as all ones.
    fn expect(&mut self, line: u8, will_be: Expected);

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

    /// The levels of all lines as they are at the pins, with what the chip has kept of changes. It takes back the chip's
    /// interrupt.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn look(&mut self) -> Result<Seen, ReadError>;

    /// Whether the chip still is as it was set, as far as that can be told; not after a cut of its supply.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn is_as_set(&mut self) -> Result<bool, ReadError>;
}

/// What a line of an expander will be made. Levels are those of the wire: active means high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An output with this level.
    Output(Level),
    /// An input with this pull, where that is known yet.
    Input(Option<Pull>),
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

    /// Whether the chip still runs as it was set; not after a cut of its supply.
    ///
    /// # Errors
    /// When the chip does not answer.
    fn is_as_set(&mut self) -> Result<bool, ReadError>;
}

#[cfg(test)]
mod tests;
