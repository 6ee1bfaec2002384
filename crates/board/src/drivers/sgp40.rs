//! SGP40: how much the air smells, by the maker's index.

use std::time::Duration;

use gas_index_algorithm::{AlgorithmType, GasIndexAlgorithm};

use super::i2c_chip::I2cChip;
use super::terms::I2C_WIRES;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Setting, SettingKind, Supply,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "sgp40",
    name: "Sensirion SGP40",
    what: "An index of volatile organic compounds: 100 is the average of the last day, more smells more.",
    bus: Bus::I2c { addresses: &[0x59] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("voc-index", "VOC index", "", 0, (1.0, 500.0), Some("aqi")),
        MeasuredProperty::new("raw", "Raw signal", "", 0, (0.0, 65_535.0), None),
    ],
    settings: &[
        Setting {
            key: "humidity",
            what: "Usual humidity at the sensor, for the compensation.",
            kind: SettingKind::Number { lowest: 0.0, highest: 100.0, default: 50.0, unit: "%" },
        },
        Setting {
            key: "temperature",
            what: "Usual temperature at the sensor, for the compensation.",
            kind: SettingKind::Number { lowest: -45.0, highest: 130.0, default: 25.0, unit: "°C" },
        },
    ],
    recognition: &[],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.7, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(1), shortest: Duration::from_secs(1) },
    source: "Sensirion, SGP40 datasheet, version 1.2, February 2022; index by the maker's gas index algorithm",
    notes: &[
        "The index is made for one reading a second, and works with up to one in ten seconds; publish less often with a filter.",
        "The index begins 45 readings after its opening and knows what is usual here after a day.",
    ],
    open: Open::I2c(open),
};

const MEASURE: u16 = 0x260F;
const SELF_TEST: u16 = 0x280E;
const SELF_TEST_PASSED: u16 = 0xD400;

struct Sgp40 {
    chip: I2cChip,
    /// Humidity and temperature in the chip's steps.
    air: [u16; 2],
    index: GasIndexAlgorithm,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let [outcome] = chip.ask::<1, 3>(SELF_TEST, Duration::from_millis(320))?;
    // The lower byte is of no meaning.
    if outcome & 0xFF00 != SELF_TEST_PASSED {
        return Err(ReadError::Damaged(format!("its self-test failed ({outcome:#06x}): it is broken")));
    }
    let steps = |part: f64| (part * 65_535.0).round() as u16;
    let humidity = steps(opening.settings.number("humidity") / 100.0);
    let temperature = steps((opening.settings.number("temperature") + 45.0) / 175.0);
    let index = GasIndexAlgorithm::new(AlgorithmType::Voc, opening.every.as_secs_f32());
    Ok(Box::new(Sgp40 { chip, air: [humidity, temperature], index }))
}

impl Driver for Sgp40 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        self.chip.command_with(MEASURE, &self.air)?;
        self.chip.wait(Duration::from_millis(30));
        let [raw] = self.chip.words::<1, 3>()?;
        let mut measured = vec![Measured::new("raw", raw.into())];
        let index = self.index.process(raw.into());
        // Zero while the algorithm gets to know the sensor.
        if index > 0 {
            measured.push(Measured::new("voc-index", index.into()));
        }
        Ok(measured)
    }
}
