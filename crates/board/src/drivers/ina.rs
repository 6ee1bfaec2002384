//! INA219, INA226, INA260: voltage, current and power of a supply.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Setting,
    SettingKind, Step, Supply, Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static INA219: Entry = Entry {
    word: "ina219",
    name: "Texas Instruments INA219",
    what: "Voltage, current and power of a supply of up to 26 V.",
    properties: &[
        MeasuredProperty::new("voltage", "Voltage", "V", 2, (0.0, 32.0), Some("voltage")),
        MeasuredProperty::new("current", "Current", "A", 4, (-3_200.0, 3_200.0), Some("current")),
        MeasuredProperty::new("power", "Power", "W", 3, (-102_400.0, 102_400.0), Some("power")),
        MeasuredProperty::new("shunt-voltage", "Shunt voltage", "mV", 2, (-320.0, 320.0), Some("voltage")),
    ],
    recognition: &[Recognition {
        // What the configuration is at power-on: a chip that was set up already cannot be told.
        steps: &[Step {
            select: &[0x00],
            expect: Expect::Bytes { value: &[0x39, 0x9F], mask: &[0xFF, 0xFF] },
        }],
        certainty: 70,
        or_else: &[],
    }],
    supply: Supply { lowest: 3.0, highest: 5.5 },
    source: "Texas Instruments, INA219, SBOS448G, December 2015",
    notes: &[
        "The voltage is that at VIN−, behind the shunt, against its own ground.",
        "With the usual shunt of 0.1 Ω it ends at 3.2 A.",
    ],
    open: Open::I2c(open_ina219),
    ..COMMON
};

/// See [`Entry`].
pub(super) static INA226: Entry = Entry {
    word: "ina226",
    name: "Texas Instruments INA226",
    what: "Voltage, current and power of a supply of up to 36 V, with 16 bits.",
    properties: &[
        MeasuredProperty::new("voltage", "Voltage", "V", 3, (0.0, 40.96), Some("voltage")),
        MeasuredProperty::new("current", "Current", "A", 4, (-819.2, 819.2), Some("current")),
        MeasuredProperty::new("power", "Power", "W", 3, (-33_554.0, 33_554.0), Some("power")),
        MeasuredProperty::new("shunt-voltage", "Shunt voltage", "mV", 3, (-81.92, 81.92), Some("voltage")),
    ],
    recognition: &[Recognition {
        steps: &[
            Step { select: &[0xFE], expect: Expect::Bytes { value: MAKER, mask: &[0xFF, 0xFF] } },
            Step { select: &[0xFF], expect: Expect::Bytes { value: &[0x22, 0x60], mask: &[0xFF, 0xF0] } },
        ],
        certainty: 98,
        or_else: &[],
    }],
    source: "Texas Instruments, INA226, SBOS547B, September 2024",
    notes: &[
        "The voltage is that at VBUS: connect it to the side of the shunt whose voltage counts.",
        "With the usual shunt of 0.1 Ω it ends at 0.8 A; boards for more have 0.01 Ω or 0.002 Ω.",
    ],
    open: Open::I2c(open_ina226),
    ..COMMON
};

/// See [`Entry`].
pub(super) static INA260: Entry = Entry {
    word: "ina260",
    name: "Texas Instruments INA260",
    what: "Voltage, current and power of a supply of up to 36 V and 15 A; its shunt is inside.",
    properties: &[
        MeasuredProperty::new("voltage", "Voltage", "V", 3, (0.0, 40.96), Some("voltage")),
        MeasuredProperty::new("current", "Current", "A", 3, (-40.96, 40.96), Some("current")),
        MeasuredProperty::new("power", "Power", "W", 2, (-655.36, 655.36), Some("power")),
    ],
    settings: &[],
    recognition: &[Recognition {
        steps: &[
            Step { select: &[0xFE], expect: Expect::Bytes { value: MAKER, mask: &[0xFF, 0xFF] } },
            Step { select: &[0xFF], expect: Expect::Bytes { value: &[0x22, 0x70], mask: &[0xFF, 0xF0] } },
        ],
        certainty: 98,
        or_else: &[],
    }],
    source: "Texas Instruments, INA260, SBOS656C, December 2016",
    open: Open::I2c(open_ina260),
    ..COMMON
};

const COMMON: Entry = Entry {
    word: "",
    name: "",
    what: "",
    bus: Bus::I2c {
        addresses: &[
            0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D, 0x4E, 0x4F,
        ],
    },
    kind: Kind::Sensor,
    properties: &[],
    settings: &[Setting {
        key: "shunt",
        what: "The resistor that the current flows through.",
        kind: SettingKind::Number { lowest: 0.000_1, highest: 100.0, default: 0.1, unit: "Ω" },
    }],
    recognition: &[],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "and to the ground of what is measured" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire {
            pin: "A0, A1",
            to: "GND, 3V3, SDA or SCL",
            note: "they choose the address; both at GND is 0x40",
        },
        Wire {
            pin: "VIN+, VIN−",
            to: "the supply, and what it feeds",
            note: "for direct current only, never the mains",
        },
    ],
    supply: Supply { lowest: 2.7, highest: 5.5 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_millis(200) },
    source: "",
    notes: &[],
    open: Open::I2c(open_ina219),
};

/// The identity of the maker: "TI".
const MAKER: &[u8] = &[0x54, 0x49];

const CONFIGURATION: u8 = 0x00;

/// The INA219 without calibration: the current follows from the shunt's voltage.
struct Ina219 {
    chip: I2cChip,
    shunt: f64,
}

/// 32 V, ±320 mV; 128 samples of 12 bits for each value, which takes 68 ms; both, again and again (configuration
/// register, ADC settings).
const INA219_SETUP: u16 = 1 << 13 | 0b11 << 11 | 0b1111 << 7 | 0b1111 << 3 | 0b111;

fn open_ina219(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    set_up(&mut chip, INA219_SETUP)?;
    chip.wait(Duration::from_millis(150));
    Ok(Box::new(Ina219 { chip, shunt: opening.settings.number("shunt") }))
}

/// Writes the configuration and reads it back: another chip at this address would not keep it.
fn set_up(chip: &mut I2cChip, setup: u16) -> Result<(), ReadError> {
    let [high, low] = setup.to_be_bytes();
    chip.write(&[CONFIGURATION, high, low])?;
    let kept = chip.word(CONFIGURATION)?;
    if kept == setup { Ok(()) } else { Err(chip.another("chip that keeps its configuration", kept)) }
}

impl Driver for Ina219 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let setup = self.chip.word(CONFIGURATION)?;
        if setup != INA219_SETUP {
            return Err(ReadError::Damaged("it has lost its configuration: its supply was cut".to_owned()));
        }
        // 10 µV and 4 mV a step; the lowest three bits of the second are flags. They end at 320 mV and 32 V.
        let (shunt, bus) = (self.chip.word(0x01)?.cast_signed(), self.chip.word(0x02)? >> 3);
        let shunt_voltage = Ended::new(f64::from(shunt) * 10e-6, shunt.unsigned_abs() >= 32_000);
        let voltage = Ended::new(f64::from(bus) * 4e-3, bus >= 8_000);
        Ok(with_power(voltage, shunt_voltage, self.shunt))
    }
}

/// A value, and whether it stands at the end of its scale.
#[derive(Clone, Copy)]
struct Ended {
    value: f64,
    is_at_the_end: bool,
}

impl Ended {
    const fn new(value: f64, is_at_the_end: bool) -> Self {
        Self { value, is_at_the_end }
    }

    const fn measured(self, property: &'static str) -> Measured {
        Measured::at_the_end_if(self.is_at_the_end, property, self.value)
    }

    fn times(self, other: Self) -> Self {
        Self::new(self.value * other.value, self.is_at_the_end || other.is_at_the_end)
    }
}

fn with_power(voltage: Ended, shunt_voltage: Ended, shunt: f64) -> Vec<Measured> {
    let current = Ended { value: shunt_voltage.value / shunt, ..shunt_voltage };
    vec![
        voltage.measured("voltage"),
        current.measured("current"),
        voltage.times(current).measured("power"),
        Ended { value: shunt_voltage.value * 1e3, ..shunt_voltage }.measured("shunt-voltage"),
    ]
}

fn check_identity(chip: &mut I2cChip, name: &str, die: u16) -> Result<(), ReadError> {
    let (maker, found) = (chip.registers::<2>(0xFE)?, chip.word(0xFF)?);
    if maker == *MAKER && found & 0xFFF0 == die { Ok(()) } else { Err(chip.another(name, found)) }
}

struct Ina226 {
    chip: I2cChip,
    shunt: f64,
}

/// 16 samples of 1.1 ms for each value; both, again and again. The reserved bits as they are at
/// power-on.
const INA226_SETUP: u16 = 0b0100 << 12 | 0b010 << 9 | 0b100 << 6 | 0b100 << 3 | 0b111;

fn open_ina226(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    check_identity(&mut chip, "INA226", 0x2260)?;
    set_up(&mut chip, INA226_SETUP)?;
    chip.wait(Duration::from_millis(40));
    Ok(Box::new(Ina226 { chip, shunt: opening.settings.number("shunt") }))
}

impl Driver for Ina226 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        // 2.5 µV and 1.25 mV a step.
        let shunt_voltage = signed(self.chip.word(0x01)?, 2.5e-6);
        let voltage = bus_voltage(self.chip.word(0x02)?);
        Ok(with_power(voltage, shunt_voltage, self.shunt))
    }
}

/// A code of 16 bits with a sign.
fn signed(code: u16, step: f64) -> Ended {
    let code = code.cast_signed();
    Ended::new(f64::from(code) * step, code.unsigned_abs() >= i16::MAX.unsigned_abs())
}

/// The code of a voltage of the bus, whose highest bit is always zero: 1.25 mV a step.
fn bus_voltage(code: u16) -> Ended {
    Ended::new(f64::from(code) * 1.25e-3, code >= 0x7FFF)
}

struct Ina260(I2cChip);

/// As for the INA226; other reserved bits.
const INA260_SETUP: u16 = 0b0110 << 12 | 0b010 << 9 | 0b100 << 6 | 0b100 << 3 | 0b111;

fn open_ina260(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    check_identity(&mut chip, "INA260", 0x2270)?;
    set_up(&mut chip, INA260_SETUP)?;
    chip.wait(Duration::from_millis(40));
    Ok(Box::new(Ina260(chip)))
}

impl Driver for Ina260 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        // 1.25 mA and 1.25 mV a step; the chip's own power has no sign.
        let current = signed(self.0.word(0x01)?, 1.25e-3);
        let voltage = bus_voltage(self.0.word(0x02)?);
        Ok(vec![
            voltage.measured("voltage"),
            current.measured("current"),
            voltage.times(current).measured("power"),
        ])
    }
}
