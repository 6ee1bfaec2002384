//! ADS1015 and ADS1115: four inputs, each against ground or against another one.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Setting,
    SettingKind, Step, Supply, Wire,
};
use crate::traits::ReadError;

/// The one with 16 bits. See [`Entry`].
pub(super) static ADS1115: Entry = Entry {
    word: "ads1115",
    name: "Texas Instruments ADS1115",
    what: "Four analogue inputs with 16 bits: voltages, also against each other.",
    source: "Texas Instruments, ADS111x, SBAS444E, December 2024",
    ..COMMON
};

/// The one with 12 bits. See [`Entry`].
pub(super) static ADS1015: Entry = Entry {
    word: "ads1015",
    name: "Texas Instruments ADS1015",
    what: "Four analogue inputs with 12 bits: voltages, also against each other.",
    source: "Texas Instruments, ADS101x, SBAS473F, December 2024",
    open: Open::I2c(open_ads1015),
    ..COMMON
};

const COMMON: Entry = Entry {
    word: "",
    name: "",
    what: "",
    bus: Bus::I2c { addresses: &[0x48, 0x49, 0x4A, 0x4B] },
    kind: Kind::Sensor,
    properties: &[
        input("a0", "Input A0"),
        input("a1", "Input A1"),
        input("a2", "Input A2"),
        input("a3", "Input A3"),
    ],
    settings: &[
        Setting {
            key: "full_scale",
            what: "The voltage, in V, at which the converter is full: the smallest that is never exceeded is the finest.",
            kind: SettingKind::Choice {
                words: &["6.144", "4.096", "2.048", "1.024", "0.512", "0.256"],
                default: "4.096",
            },
        },
        mode("a0", &["single", "minus-a1", "minus-a3", "off"]),
        mode("a1", &["single", "minus-a3", "off"]),
        mode("a2", &["single", "minus-a3", "off"]),
        mode("a3", &["single", "off"]),
    ],
    recognition: &[Recognition {
        // What the configuration is at power-on: a chip that was set up already cannot be told.
        steps: &[Step {
            select: &[0x01],
            expect: Expect::Bytes { value: &[0x85, 0x83], mask: &[0xFF, 0xFF] },
        }],
        certainty: 70,
        or_else: &["ads1015", "ads1115"],
    }],
    wiring: &[
        Wire { pin: "VDD", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire { pin: "ADDR", to: "GND, 3V3, SDA or SCL", note: "for 0x48, 0x49, 0x4a, 0x4b" },
        Wire {
            pin: "A0 to A3",
            to: "what is measured",
            note: "never above the supply by more than 0.3 V: a divider where it can be more",
        },
    ],
    supply: Supply { lowest: 2.0, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_millis(200) },
    source: "",
    notes: &[
        "With `full_scale = \"6.144\"` the inputs still end at the supply: it is for a supply of 5 V.",
        "A value at either end of `full_scale` is marked as clamped: the voltage may be beyond it.",
        "Inputs that are wired to nothing show a voltage all the same: set them to \"off\".",
    ],
    open: Open::I2c(open_ads1115),
};

const fn input(id: &'static str, name: &'static str) -> MeasuredProperty {
    MeasuredProperty {
        absent_when: Some((id, "off")),
        ..MeasuredProperty::new(id, name, "V", 4, (-6.144, 6.144), Some("voltage"))
    }
}

const fn mode(key: &'static str, words: &'static [&'static str]) -> Setting {
    Setting {
        key,
        what: "Whether the input is measured against ground, against another one, or not at all.",
        kind: SettingKind::Choice { words, default: "single" },
    }
}

const CONVERSION: u8 = 0x00;
const CONFIGURATION: u8 = 0x01;

/// Bits of the configuration: start (and, when read, done), one conversion at a time, comparator off.
const START: u16 = 1 << 15;
const ONCE: u16 = 1 << 8;
const NO_COMPARATOR: u16 = 0b11;
/// 128 samples a second on the ADS1115, 1,600 on the ADS1015: what both have at power-on.
const RATE: u16 = 0b100 << 5;

/// Full scale and gain bits.
const GAINS: [(&str, f64, u16); 6] = [
    ("6.144", 6.144, 0),
    ("4.096", 4.096, 1),
    ("2.048", 2.048, 2),
    ("1.024", 1.024, 3),
    ("0.512", 0.512, 4),
    ("0.256", 0.256, 5),
];

/// What the multiplexer is set to, for an input and its word.
const INPUTS: [(&str, &str, u16); 8] = [
    ("a0", "minus-a1", 0),
    ("a0", "minus-a3", 1),
    ("a1", "minus-a3", 2),
    ("a2", "minus-a3", 3),
    ("a0", "single", 4),
    ("a1", "single", 5),
    ("a2", "single", 6),
    ("a3", "single", 7),
];

/// The highest codes: the ADS1015 has its twelve bits at the upper end.
const FULL_ADS1115: i16 = 0x7FFF;
const FULL_ADS1015: i16 = 0x7FF0;

struct Ads1x15 {
    chip: I2cChip,
    /// The highest code.
    full: i16,
    full_scale: f64,
    gain: u16,
    /// The inputs that are measured: their properties and multiplexer bits.
    inputs: Vec<(&'static str, u16)>,
}

fn open_ads1115(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(port, address, opening, FULL_ADS1115)
}

fn open_ads1015(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(port, address, opening, FULL_ADS1015)
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>, full: i16) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    chip.word(CONFIGURATION)?;
    let wanted = opening.settings.word("full_scale");
    let (_, full_scale, gain) = GAINS.into_iter().find(|(word, ..)| *word == wanted).unwrap_or(GAINS[1]);
    let chosen = INPUTS.iter().filter(|(input, word, _)| opening.settings.word(input) == *word);
    let mut inputs: Vec<_> = chosen.map(|(input, _, bits)| (*input, *bits)).collect();
    inputs.sort_unstable();
    Ok(Box::new(Ads1x15 { chip, full, full_scale, gain, inputs }))
}

impl Ads1x15 {
    fn measure(&mut self, input: &'static str, multiplexer: u16) -> Result<Measured, ReadError> {
        let [high, low] =
            (START | multiplexer << 12 | self.gain << 9 | ONCE | RATE | NO_COMPARATOR).to_be_bytes();
        self.chip.write(&[CONFIGURATION, high, low])?;
        // A conversion takes 7.8 ms, a tenth more at worst, and 25 µs to wake up.
        let is_done = self
            .chip
            .wait_until(Duration::from_millis(3), 10, |chip| Ok(chip.word(CONFIGURATION)? & START != 0))?;
        if !is_done {
            return Err(ReadError::Silent("it does not end its conversion".to_owned()));
        }
        let code = self.chip.word(CONVERSION)?.cast_signed();
        let is_at_the_end = code >= self.full || code == i16::MIN;
        Ok(Measured::at_the_end_if(is_at_the_end, input, f64::from(code) * self.full_scale / 32_768.0))
    }
}

impl Driver for Ads1x15 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let inputs = self.inputs.clone();
        inputs.into_iter().map(|(input, bits)| self.measure(input, bits)).collect()
    }
}
