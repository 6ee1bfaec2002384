//! ENS160: organic compounds, an estimate of carbon dioxide, and an index of the air.

use std::time::Duration;

use super::air::{USUAL_HUMIDITY, estimated_co2, tvoc, usual_temperature};
use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Step, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "ens160",
    name: "ScioSense ENS160",
    what: "Volatile organic compounds, an estimate of carbon dioxide, and an index of the air from 1 to 5.",
    bus: Bus::I2c { addresses: &[0x53, 0x52] },
    kind: Kind::Sensor,
    properties: &[
        // The index of the German environment agency, which is not Home Assistant's.
        MeasuredProperty::new("air-quality", "Air quality (1 good, 5 bad)", "", 0, (1.0, 5.0), None),
        tvoc(65_000.0),
        estimated_co2(65_000.0),
    ],
    settings: &[USUAL_HUMIDITY, usual_temperature(-40.0, 85.0)],
    recognition: &[Recognition {
        steps: &[Step {
            select: &[0x00],
            expect: Expect::Bytes { value: &[0x60, 0x01], mask: &[0xFF, 0xFF] },
        }],
        certainty: 95,
        or_else: &[],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.71, highest: 1.98 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "ScioSense, ENS160 datasheet, SC-001224-DS-9, December 2022",
    notes: &[
        "Nothing is published while it warms up: 3 minutes after each start, an hour at its very first one.",
        "The chip itself is for 1.8 V: boards for 3.3 V have a regulator.",
    ],
    open: Open::I2c(open),
};

const MODE: u8 = 0x10;
const TEMPERATURE_IN: u8 = 0x13;
const STATUS: u8 = 0x20;

/// Modes.
const IDLE: u8 = 0x01;
const STANDARD: u8 = 0x02;

/// Bits of the status: a mode runs, an error, new data; how valid the data is stands in bits 3 and 2.
const RUNS: u8 = 0x80;
const HAS_ERROR: u8 = 0x40;
const HAS_DATA: u8 = 0x02;

struct Ens160(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.word_low_first(0x00)?;
    if identity != 0x0160 {
        return Err(chip.another("ENS160", identity));
    }
    // A chip that is measuring goes on: leaving the mode would begin the warm-up again.
    if chip.byte(MODE)? != STANDARD {
        chip.write(&[MODE, IDLE])?;
        chip.wait(Duration::from_millis(10));
        chip.write(&[MODE, STANDARD])?;
        chip.wait(Duration::from_millis(10));
    }
    // The temperature in 1/64 K, the humidity in 1/512 %.
    let kelvin = ((opening.settings.number("temperature") + 273.15) * 64.0).round() as u16;
    let humidity = (opening.settings.number("humidity") * 512.0).round() as u16;
    let ([warm, warmer], [wet, wetter]) = (kelvin.to_le_bytes(), humidity.to_le_bytes());
    chip.write(&[TEMPERATURE_IN, warm, warmer, wet, wetter])?;
    Ok(Box::new(Ens160(chip)))
}

impl Driver for Ens160 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let mut status = 0;
        self.0.wait_until(Duration::from_millis(100), 12, |chip| {
            status = chip.byte(STATUS)?;
            Ok(status & HAS_DATA != 0)
        })?;
        if status & RUNS == 0 {
            return Err(ReadError::Damaged("it does not measure any more: its supply was cut".to_owned()));
        }
        if status & HAS_ERROR != 0 || status & 0b1100 == 0b1100 {
            return Err(ReadError::Damaged(format!("it says that its values are not valid ({status:#04x})")));
        }
        // Warm-up and initial start-up.
        if status & 0b1100 != 0 {
            return Ok(Vec::new());
        }
        if status & HAS_DATA == 0 {
            return Err(ReadError::Silent("it has no new measurement after a second".to_owned()));
        }
        let [index, low, high, co2_low, co2_high] = self.0.registers(0x21)?;
        Ok(vec![
            Measured::new("air-quality", f64::from(index & 0x07)),
            Measured::new("tvoc", u16::from_le_bytes([low, high]).into()),
            Measured::new("eco2", u16::from_le_bytes([co2_low, co2_high]).into()),
        ])
    }
}
