//! TSL2561: brightness from two diodes, one of which sees infrared only.

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
pub(super) static ENTRY: Entry = Entry {
    word: "tsl2561",
    name: "TAOS (ams) TSL2561",
    what: "Brightness as the eye sees it, and how much of the light is infrared.",
    bus: Bus::I2c { addresses: &[0x39, 0x29, 0x49] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("illuminance", "Brightness", "lx", 1, (0.0, 40_000.0), Some("illuminance")),
        MeasuredProperty::new(
            "broadband",
            "Visible and infrared light",
            "",
            0,
            (0.0, 65_535.0 * 470.0),
            None,
        ),
        MeasuredProperty::new("infrared", "Infrared light", "", 0, (0.0, 65_535.0 * 470.0), None),
    ],
    settings: &[Setting {
        key: "package",
        what: "Which package it has, since each has a formula of its own: `t` also for FN and CL.",
        kind: SettingKind::Choice { words: &["t", "cs"], default: "t" },
    }],
    // The upper half of the identity names the part; the lower half is its revision.
    recognition: &[
        Recognition {
            steps: &[Step { select: &[0x8A], expect: part(&[0x50]) }],
            certainty: 70,
            or_else: &[],
        },
        Recognition {
            steps: &[Step { select: &[0x8A], expect: part(&[0x10]) }],
            certainty: 60,
            or_else: &[],
        },
    ],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire { pin: "ADDR", to: "open", note: "at GND its address is 0x29, open 0x39, at 3V3 0x49" },
    ],
    supply: Supply { lowest: 2.7, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(10), shortest: Duration::from_secs(1) },
    source: "TAOS, TSL2560, TSL2561 light-to-digital converter, TAOS059N, March 2009",
    notes: &["Broadband and infrared are counts as they would be at gain 16 and 402 ms."],
    open: Open::I2c(open),
};

const fn part(value: &'static [u8]) -> Expect {
    Expect::Bytes { value, mask: &[0xF0] }
}

/// A register's number with the command bit.
const CONTROL: u8 = 0x80;
const TIMING: u8 = 0x81;
const DATA: u8 = 0x8C;

/// An exposure: the timing register, how long it takes, the count at which it is full, and how many counts at gain 16
/// and 402 ms one of its counts is worth (table "Integration time" and section "Calculating lux").
struct Exposure {
    timing: u8,
    milliseconds: u64,
    full: u16,
    worth: f64,
}

const EXPOSURES: [Exposure; 3] = [
    Exposure { timing: 0x12, milliseconds: 402, full: 65_535, worth: 1.0 },
    Exposure { timing: 0x02, milliseconds: 402, full: 65_535, worth: 16.0 },
    Exposure { timing: 0x00, milliseconds: 14, full: 5_047, worth: 16.0 * 322.0 / 11.0 },
];

struct Tsl2561 {
    chip: I2cChip,
    is_chip_scale: bool,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    chip.write(&[CONTROL, 0x03])?;
    if chip.byte(CONTROL)? & 0x03 != 0x03 {
        return Err(ReadError::Damaged("it does not wake up: it may be another chip".to_owned()));
    }
    Ok(Box::new(Tsl2561 { chip, is_chip_scale: opening.settings.word("package") == "cs" }))
}

/// The empirical formula of the datasheet, for counts at gain 16 and 402 ms.
fn lux(broadband: f64, infrared: f64, is_chip_scale: bool) -> f64 {
    if broadband <= 0.0 {
        return 0.0;
    }
    let ratio = infrared / broadband;
    let (ends, [a, b, c, d]) = if is_chip_scale {
        ([0.52, 0.65, 0.80], [(0.0315, 0.0593), (0.0229, 0.0291), (0.0157, 0.0180), (0.00338, 0.00260)])
    } else {
        ([0.50, 0.61, 0.80], [(0.0304, 0.062), (0.0224, 0.031), (0.0128, 0.0153), (0.00146, 0.00112)])
    };
    let [first, second, third] = ends;
    let line = |(all, red): (f64, f64)| all * broadband - red * infrared;
    let lux = match ratio {
        _ if ratio <= first => a.0 * broadband - a.1 * broadband * ratio.powf(1.4),
        _ if ratio <= second => line(b),
        _ if ratio <= third => line(c),
        _ if ratio <= 1.30 => line(d),
        _ => 0.0,
    };
    lux.max(0.0)
}

impl Driver for Tsl2561 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        for Exposure { timing, milliseconds, full, worth } in EXPOSURES {
            // Taking the supply away and giving it again begins a new measurement with the new timing.
            self.chip.write(&[CONTROL, 0x00])?;
            self.chip.write(&[TIMING, timing])?;
            self.chip.write(&[CONTROL, 0x03])?;
            self.chip.wait(Duration::from_millis(milliseconds * 12 / 10 + 2));
            let [low, high, infrared_low, infrared_high] = self.chip.registers(DATA)?;
            let broadband = u16::from_le_bytes([low, high]);
            let infrared = u16::from_le_bytes([infrared_low, infrared_high]);
            if broadband >= full || infrared >= full {
                continue;
            }
            let (broadband, infrared) = (f64::from(broadband) * worth, f64::from(infrared) * worth);
            return Ok(vec![
                Measured::new("illuminance", lux(broadband, infrared, self.is_chip_scale)),
                Measured::new("broadband", broadband),
                Measured::new("infrared", infrared),
            ]);
        }
        Err(ReadError::Damaged("it is too bright for it: shade it".to_owned()))
    }
}
