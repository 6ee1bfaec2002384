//! CCS811: organic compounds, and what carbon dioxide they suggest.

use std::time::Duration;

use super::air::{USUAL_HUMIDITY, estimated_co2, tvoc, usual_temperature};
use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, Open, Opened, Opening, Periods, Recognition, Step, Supply, Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "ccs811",
    name: "ScioSense (ams) CCS811",
    what: "Volatile organic compounds, and an estimate of carbon dioxide from them.",
    bus: Bus::I2c { addresses: &[0x5A, 0x5B] },
    kind: Kind::Sensor,
    properties: &[tvoc(32_768.0), estimated_co2(32_768.0)],
    settings: &[USUAL_HUMIDITY, usual_temperature(-25.0, 50.0)],
    recognition: &[Recognition {
        steps: &[
            Step { select: &[0x20], expect: Expect::Bytes { value: &[0x81], mask: &[0xFF] } },
            Step { select: &[0x21], expect: Expect::Bytes { value: &[0x10], mask: &[0xF0] } },
        ],
        certainty: 95,
        or_else: &[],
    }],
    wiring: &[
        Wire { pin: "VDD", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire {
            pin: "SCL",
            to: "SCL",
            note: "it holds the clock: a Pi before the 4 needs a slow bus (10 kHz)",
        },
        Wire { pin: "nWAKE", to: "GND", note: "else it sleeps" },
        Wire { pin: "ADDR", to: "GND", note: "at 3V3 its address is 0x5b" },
    ],
    supply: Supply { lowest: 1.8, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "ams, CCS811 datasheet, v1-06, February 2019",
    notes: &[
        "A new one needs 48 hours, and each start 20 minutes, before its values mean something.",
        "The estimate of carbon dioxide knows nothing of people: an SCD4x measures it.",
    ],
    open: Open::I2c(open),
};

const STATUS: u8 = 0x00;
const MEASUREMENT_MODE: u8 = 0x01;
const RESULT: u8 = 0x02;
const ENVIRONMENT: u8 = 0x05;
const IDENTITY: u8 = 0x20;
const ERROR: u8 = 0xE0;
const START_APPLICATION: u8 = 0xF4;

/// Bits of the status.
const RUNS: u8 = 0x80;
const HAS_APPLICATION: u8 = 0x10;
const HAS_DATA: u8 = 0x08;
const HAS_ERROR: u8 = 0x01;

/// A measurement every second.
const EVERY_SECOND: u8 = 0x10;

struct Ccs811(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.byte(IDENTITY)?;
    if identity != 0x81 {
        return Err(chip.another("CCS811", identity));
    }
    let status = chip.byte(STATUS)?;
    if status & HAS_APPLICATION == 0 {
        return Err(ReadError::Damaged("its firmware is gone: it is broken".to_owned()));
    }
    if status & RUNS == 0 {
        chip.write(&[START_APPLICATION])?;
        chip.wait(Duration::from_millis(1));
        if chip.byte(STATUS)? & RUNS == 0 {
            return Err(ReadError::Silent("its firmware does not start".to_owned()));
        }
    }
    chip.write(&[MEASUREMENT_MODE, EVERY_SECOND])?;
    // Both in steps of 1/512, the temperature from −25 °C on.
    let steps = |number: f64| (number * 512.0).round().min(65_535.0) as u16;
    let [wet, wetter] = steps(opening.settings.number("humidity")).to_be_bytes();
    let [warm, warmer] = steps(opening.settings.number("temperature") + 25.0).to_be_bytes();
    chip.write(&[ENVIRONMENT, wet, wetter, warm, warmer])?;
    Ok(Box::new(Ccs811(chip)))
}

impl Driver for Ccs811 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let has_data = self.0.wait_until(Duration::from_millis(100), 25, |chip| {
            let status = chip.byte(STATUS)?;
            if status & HAS_ERROR != 0 {
                let error = chip.byte(ERROR)?;
                return Err(ReadError::Damaged(format!("it reports an error of its own ({error:#04x})")));
            }
            if status & RUNS == 0 {
                return Err(ReadError::Damaged("it has begun anew: its supply was cut".to_owned()));
            }
            Ok(status & HAS_DATA != 0)
        })?;
        if !has_data {
            return Err(ReadError::Silent("it has no new measurement after 2 seconds".to_owned()));
        }
        let [co2_high, co2_low, high, low] = self.0.registers(RESULT)?;
        let co2 = u16::from_be_bytes([co2_high, co2_low]);
        if co2 == 0 {
            // Before its first real measurement it says nothing in numbers.
            return Ok(Vec::new());
        }
        Ok(vec![
            Measured::new("tvoc", u16::from_be_bytes([high, low]).into()),
            Measured::new("eco2", co2.into()),
        ])
    }
}
