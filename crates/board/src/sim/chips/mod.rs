//! Simulated chips, at register level: the real drivers run against them.
//!
//! A chip is written from its datasheet's register map and worked examples, never from the driver, so that the two do
//! not share a mistake. Each stands in a file of its own, and in [`CHIPS`] under its word in the catalogue.

mod bus;
mod registers;
mod serial;
mod spi;
mod surroundings;

mod ads1x15;
mod adxl345;
mod aht;
mod apds9960;
mod as3935;
mod bh1750;
mod bme680;
mod bmp180;
mod bosch;
mod ccs811;
mod dockerpi;
mod dps310;
mod ens160;
mod expanders;
mod gas;
mod hx711;
mod ina;
mod lm75;
mod mcp3xxx;
mod mhz19;
mod mpu6050;
mod pms5003;
mod pn532;
mod sensirion;
mod ssd1306;
mod thermometers;
mod tsl2561;
mod tsl2591;
mod veml6075;
mod veml7700;
mod vl53l0x;

pub use bus::{ChipBus, Fault, Listener};
pub use registers::{ByteRegisters, Bytewise, WordRegisters, Wordwise};
pub use serial::{PeerPort, SerialPeer};
pub use spi::{ChipSelect, SpiChip};
pub use surroundings::Surroundings;

use crate::catalogue::Settings;
use crate::traits::BusFault;
use mcp3xxx::Inputs;

/// A chip on I²C as the wires see it. It answers at once: drivers are told not to wait ([`crate::buses::Pause`]).
pub trait I2cChip: Send {
    /// The bytes that follow the address in a write, up to the stop or the repeated start.
    ///
    /// # Errors
    /// [`BusFault::NoAcknowledge`] when the chip does not take one of them.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault>;

    /// Fills the buffer with what the chip sends after its address in a read.
    ///
    /// # Errors
    /// [`BusFault::NoAcknowledge`] when the chip does not acknowledge its address for reading.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault>;

    /// The world around the chip, told before each transfer.
    fn feel(&mut self, _surroundings: &Surroundings) {}

    /// Its supply was cut and came back: everything that it was told is forgotten.
    fn lose_power(&mut self) {}

    /// The voltages at its lines as they are (line 0 in the lowest bit), for expanders.
    fn lines(&self) -> Option<u32> {
        None
    }

    /// Something outside drives one of its lines, or lets go of it; for expanders.
    fn drive_from_outside(&mut self, _line: u8, _is_high: Option<bool>) {}

    /// From now on the voltages at its lines are noted after each byte that it takes, for expanders.
    fn note_lines(&mut self) {}

    /// What was noted since it was asked last, in order.
    fn noted_lines(&mut self) -> Vec<u32> {
        Vec::new()
    }

    /// Whether it pulls its interrupt output down, for expanders.
    fn interrupts(&self) -> bool {
        false
    }

    /// What it shows, a line for each row of dots: `#` where one shines; for displays.
    fn picture(&self) -> Option<Vec<String>> {
        None
    }

    /// The channels that it connects to the bus at present, a bit for each; for multiplexers.
    fn channels(&self) -> u8 {
        0
    }
}

/// A chip of one of the buses.
pub enum Chip {
    /// On I²C.
    I2c(Box<dyn I2cChip>),
    /// On SPI.
    Spi(Box<dyn SpiChip>),
    /// At a serial port.
    Serial(Box<dyn SerialPeer>),
}

/// How a chip is made: with the settings of its device, as far as they say how it is wired or fitted.
type Make = fn(&Settings) -> Chip;

/// All simulated chips by their words in the catalogue.
const CHIPS: &[(&str, Make)] = &[
    ("ads1015", |_| wordwise(ads1x15::Ads1x15::new(12))),
    ("ads1115", |_| wordwise(ads1x15::Ads1x15::new(16))),
    ("adxl345", |_| bytewise(adxl345::Adxl345::default())),
    ("aht10", |_| i2c(aht::Aht::new(false))),
    ("aht20", |_| i2c(aht::Aht::new(true))),
    ("apds9960", |_| bytewise(apds9960::Apds9960::new())),
    ("as3935", |_| bytewise(as3935::As3935::new())),
    ("bh1750", |_| i2c(bh1750::Bh1750::new())),
    ("bme280", |_| i2c(Bytewise::new(bosch::Bosch::new(true)))),
    ("bme680", |_| i2c(Bytewise::new(bme680::Bme680::new(0)))),
    ("bme688", |_| i2c(Bytewise::new(bme680::Bme680::new(1)))),
    ("bmp180", |_| i2c(Bytewise::new(bmp180::Bmp180::new()))),
    ("bmp280", |_| i2c(Bytewise::new(bosch::Bosch::new(false)))),
    ("ccs811", |_| i2c(ccs811::Ccs811::default())),
    ("dockerpi-relay", |_| bytewise(dockerpi::DockerPi::default())),
    ("dps310", |_| i2c(Bytewise::new(dps310::Dps310::new()))),
    ("ds3231", |_| i2c(Bytewise::new(thermometers::Ds3231::new()))),
    ("ens160", |_| bytewise(ens160::Ens160::new())),
    ("hx711", |settings| {
        spi(hx711::Hx711::new(settings.number("empty"), settings.number("counts_per_gram")))
    }),
    ("ina219", |settings| wordwise(ina::Ina::new(ina::Kind::Ina219, settings.number("shunt")))),
    ("ina226", |settings| wordwise(ina::Ina::new(ina::Kind::Ina226, settings.number("shunt")))),
    ("ina260", |_| wordwise(ina::Ina::new(ina::Kind::Ina260, 0.002))),
    ("lm75", |_| i2c(lm75::Lm75::new())),
    ("mcp23008", |_| i2c(Bytewise::new(expanders::Mcp230::new(1)))),
    ("mcp23017", |_| i2c(Bytewise::new(expanders::Mcp230::new(2)))),
    ("mcp23s17", |settings| {
        spi(expanders::Mcp23s17::new(settings.word("board").parse().unwrap_or_default()))
    }),
    ("mcp3001", |settings| mcp3xxx(10, Inputs::Pair, settings)),
    ("mcp3002", |settings| mcp3xxx(10, Inputs::Two, settings)),
    ("mcp3004", |settings| mcp3xxx(10, Inputs::Eight, settings)),
    ("mcp3008", |settings| mcp3xxx(10, Inputs::Eight, settings)),
    ("mcp3201", |settings| mcp3xxx(12, Inputs::Pair, settings)),
    ("mcp3202", |settings| mcp3xxx(12, Inputs::Two, settings)),
    ("mcp3204", |settings| mcp3xxx(12, Inputs::Eight, settings)),
    ("mcp3208", |settings| mcp3xxx(12, Inputs::Eight, settings)),
    ("mcp3301", |settings| mcp3xxx(13, Inputs::Pair, settings)),
    ("mcp3302", |settings| mcp3xxx(13, Inputs::Eight, settings)),
    ("mcp3304", |settings| mcp3xxx(13, Inputs::Eight, settings)),
    ("mcp9808", |_| i2c(Wordwise::new(thermometers::Mcp9808::new()))),
    ("mhz19", |_| Chip::Serial(Box::new(mhz19::Mhz19::new()))),
    ("mpu6050", |_| bytewise(mpu6050::Mpu6050::new())),
    ("pca9555", |_| i2c(Bytewise::new(expanders::Pca9555::new()))),
    ("pca9685", |_| i2c(Bytewise::new(expanders::Pca9685::new()))),
    ("pcf8574", |_| i2c(expanders::Pcf857::new(1))),
    ("pcf8575", |_| i2c(expanders::Pcf857::new(2))),
    ("pms5003", |_| Chip::Serial(Box::new(pms5003::Pms5003))),
    ("pn532", |_| i2c(pn532::Pn532::default())),
    ("pn532-uart", |_| Chip::Serial(Box::new(pn532::OnSerial::default()))),
    ("scd30", |_| i2c(gas::Commanded::new(gas::Scd30::default))),
    ("scd4x", |_| i2c(gas::Commanded::new(gas::Scd4x::default))),
    ("sgp30", |_| i2c(gas::Commanded::new(gas::Sgp30::default))),
    ("sgp40", |_| i2c(gas::Commanded::new(gas::Sgp40::default))),
    ("sht3x", |_| i2c(sensirion::Climate::new(sensirion::Model::Sht3x))),
    ("sht4x", |_| i2c(sensirion::Climate::new(sensirion::Model::Sht4x))),
    ("shtc3", |_| i2c(sensirion::Climate::new(sensirion::Model::Shtc3))),
    ("si7021", |_| i2c(sensirion::Climate::new(sensirion::Model::Si7021))),
    ("ssd1306", |_| i2c(ssd1306::Ssd1306::new())),
    ("tca9548a", |_| i2c(expanders::Tca9548a::default())),
    ("tmp102", |_| i2c(Wordwise::new(thermometers::Tmp102::new()))),
    ("tsl2561", |settings| bytewise(tsl2561::Tsl2561::new(settings.word("package") == "cs"))),
    ("tsl2591", |_| bytewise(tsl2591::Tsl2591::new())),
    ("veml6075", |_| wordwise(veml6075::Veml6075::new())),
    ("veml7700", |_| wordwise(veml7700::Veml7700::new())),
    ("vl53l0x", |_| bytewise(vl53l0x::Vl53l0x::new())),
];

fn i2c(chip: impl I2cChip + 'static) -> Chip {
    Chip::I2c(Box::new(chip))
}

fn bytewise(registers: impl ByteRegisters + 'static) -> Chip {
    i2c(Bytewise::new(registers))
}

fn wordwise(registers: impl WordRegisters + 'static) -> Chip {
    i2c(Wordwise::new(registers))
}

fn mcp3xxx(bits: u32, inputs: Inputs, settings: &Settings) -> Chip {
    spi(mcp3xxx::Mcp3xxx::new(bits, inputs, settings.number("reference")))
}

fn spi(chip: impl SpiChip + 'static) -> Chip {
    Chip::Spi(Box::new(chip))
}

/// A new chip of the kind that the catalogue has under this word.
pub fn make(word: &str, settings: &Settings) -> Option<Chip> {
    let (_, make) = CHIPS.iter().find(|(known, _)| *known == word)?;
    Some(make(settings))
}

#[cfg(test)]
mod tests;
