//! MPU6050: acceleration and turning rate in three axes.

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
    word: "mpu6050",
    name: "InvenSense MPU-6050",
    what: "Acceleration and turning rate in three axes, and the chip's own temperature.",
    bus: Bus::I2c { addresses: &[0x68, 0x69] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("acceleration-x", "Acceleration X", "m/s²", 2, (-157.0, 157.0), None),
        MeasuredProperty::new("acceleration-y", "Acceleration Y", "m/s²", 2, (-157.0, 157.0), None),
        MeasuredProperty::new("acceleration-z", "Acceleration Z", "m/s²", 2, (-157.0, 157.0), None),
        MeasuredProperty::new("rotation-x", "Rotation X", "°/s", 1, (-2_000.0, 2_000.0), None),
        MeasuredProperty::new("rotation-y", "Rotation Y", "°/s", 1, (-2_000.0, 2_000.0), None),
        MeasuredProperty::new("rotation-z", "Rotation Z", "°/s", 1, (-2_000.0, 2_000.0), None),
        MeasuredProperty::new("temperature", "Chip temperature", "°C", 1, (-40.0, 85.0), Some("temperature")),
    ],
    settings: &[
        Setting {
            key: "acceleration_range",
            what: "Highest acceleration, in g: the smallest that is never exceeded is the finest.",
            kind: SettingKind::Choice { words: &["2", "4", "8", "16"], default: "2" },
        },
        Setting {
            key: "rotation_range",
            what: "Highest turning rate, in °/s.",
            kind: SettingKind::Choice { words: &["250", "500", "1000", "2000"], default: "250" },
        },
    ],
    recognition: &[Recognition {
        steps: &[Step { select: &[0x75], expect: Expect::Bytes { value: &[0x68], mask: &[0xFF] } }],
        certainty: 80,
        or_else: &["ds3231"],
    }],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire {
            pin: "AD0",
            to: "GND",
            note: "at 3V3 its address is 0x69: clocks like the DS3231 have 0x68 too",
        },
    ],
    supply: Supply { lowest: 2.375, highest: 3.46 },
    periods: Periods { default: Duration::from_secs(1), shortest: Duration::from_millis(100) },
    source: "InvenSense, MPU-6000 and MPU-6050 product specification 3.4 and register map 4.2, August 2013",
    notes: &["Its temperature is that of the chip, some degrees above the air's."],
    open: Open::I2c(open),
};

const ROTATION_SETUP: u8 = 0x1B;
const ACCELERATION_SETUP: u8 = 0x1C;
const FIRST_RESULT: u8 = 0x3B;
const POWER: u8 = 0x6B;
const IDENTITY: u8 = 0x75;

/// Awake, with the clock of the X gyroscope, as the register map advises.
const AWAKE: u8 = 0x01;

const STANDARD_GRAVITY: f64 = 9.806_65;

struct Mpu6050 {
    chip: I2cChip,
    /// m/s² and °/s of one step.
    acceleration: f64,
    rotation: f64,
}

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.byte(IDENTITY)?;
    if identity != 0x68 {
        return Err(chip.another("MPU6050", identity));
    }
    let (acceleration, acceleration_bits) = match opening.settings.word("acceleration_range") {
        "4" => (4.0, 1),
        "8" => (8.0, 2),
        "16" => (16.0, 3),
        _ => (2.0, 0),
    };
    let (rotation, rotation_bits) = match opening.settings.word("rotation_range") {
        "500" => (500.0, 1),
        "1000" => (1_000.0, 2),
        "2000" => (2_000.0, 3),
        _ => (250.0, 0),
    };
    chip.write(&[POWER, AWAKE])?;
    // The gyroscope needs 30 ms to start.
    chip.wait(Duration::from_millis(50));
    chip.write(&[ACCELERATION_SETUP, acceleration_bits << 3])?;
    chip.write(&[ROTATION_SETUP, rotation_bits << 3])?;
    Ok(Box::new(Mpu6050 {
        chip,
        acceleration: acceleration * STANDARD_GRAVITY / 32_768.0,
        // 131 steps a degree a second in the finest range.
        rotation: rotation / 250.0 / 131.0,
    }))
}

impl Driver for Mpu6050 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.chip.byte(POWER)? != AWAKE {
            return Err(ReadError::Damaged("it has fallen asleep: its supply was cut".to_owned()));
        }
        let results: [u8; 14] = self.chip.registers(FIRST_RESULT)?;
        let scales = [
            ("acceleration-x", self.acceleration, 0.0),
            ("acceleration-y", self.acceleration, 0.0),
            ("acceleration-z", self.acceleration, 0.0),
            ("temperature", 1.0 / 340.0, 36.53),
            ("rotation-x", self.rotation, 0.0),
            ("rotation-y", self.rotation, 0.0),
            ("rotation-z", self.rotation, 0.0),
        ];
        let measured =
            results.chunks_exact(2).zip(scales).filter_map(|(bytes, (property, scale, offset))| {
                let code = i16::from_be_bytes(bytes.try_into().ok()?);
                let is_at_the_end = code == i16::MIN || code == i16::MAX;
                Some(Measured::at_the_end_if(is_at_the_end, property, f64::from(code) * scale + offset))
            });
        Ok(measured.collect())
    }
}
