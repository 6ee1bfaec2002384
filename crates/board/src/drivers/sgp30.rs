//! SGP30: organic compounds, and what carbon dioxide they suggest.

use std::time::Duration;

use super::air::{estimated_co2, tvoc};
use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Periods, Setting, SettingKind, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "sgp30",
    name: "Sensirion SGP30",
    what: "Volatile organic compounds, and an estimate of carbon dioxide from them.",
    bus: Bus::I2c { addresses: &[0x58] },
    kind: Kind::Sensor,
    properties: &[tvoc(60_000.0), estimated_co2(60_000.0)],
    settings: &[Setting {
        key: "absolute_humidity",
        what: "Water in the air, for the compensation; 0 switches it off.",
        kind: SettingKind::Number { lowest: 0.0, highest: 255.0, default: 0.0, unit: "g/m³" },
    }],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.62, highest: 1.98 },
    // Its baseline follows the air only when it is asked once a second.
    periods: Periods { default: Duration::from_secs(1), shortest: Duration::from_secs(1) },
    source: "Sensirion, SGP30 datasheet, version 1.0, May 2020",
    notes: &[
        "Leave it at one reading a second, which its baseline needs, and publish less often with a filter.",
        "Nothing is published during its first 15 seconds; its baseline needs 12 hours after power-on.",
        "The chip itself is for 1.8 V: boards for 3.3 V have a regulator.",
        "The estimate of carbon dioxide knows nothing of people: an SCD4x measures it.",
    ],
    open: Open::I2c(open),
};

const INITIALISE: u16 = 0x2003;
const MEASURE: u16 = 0x2008;
const SET_HUMIDITY: u16 = 0x2061;
const FEATURES: u16 = 0x202F;

/// Readings that it answers with fixed values, one a second (section "Air quality signals").
const WARM_UP: u32 = 15;

struct Sgp30 {
    chip: I2cChip,
    readings: u32,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let [features] = chip.ask::<1, 3>(FEATURES, Duration::from_millis(10))?;
    // The upper four bits are the product type: 0 is the SGP30.
    if features >> 12 != 0 {
        return Err(chip.another("SGP30", features));
    }
    chip.command(INITIALISE)?;
    chip.wait(Duration::from_millis(10));
    let humidity = opening.settings.number("absolute_humidity");
    if humidity > 0.0 {
        // In steps of 1/256 g/m³.
        chip.command_with(SET_HUMIDITY, &[(humidity * 256.0).round() as u16])?;
        chip.wait(Duration::from_millis(10));
    }
    Ok(Box::new(Sgp30 { chip, readings: 0 }))
}

impl Driver for Sgp30 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let [co2, compounds] = self.chip.ask::<2, 6>(MEASURE, Duration::from_millis(12))?;
        self.readings = self.readings.saturating_add(1);
        if self.readings <= WARM_UP && (co2, compounds) == (400, 0) {
            return Ok(Vec::new());
        }
        Ok(vec![Measured::new("tvoc", compounds.into()), Measured::new("eco2", co2.into())])
    }
}
