//! ADXL345: acceleration in three axes.

use std::time::Duration;

use super::i2c_chip::I2cChip;
use super::{Driver, Measured};
use crate::buses::I2cPort;
use crate::catalogue::{
    Bus, Entry, Expect, Kind, MeasuredProperty, Open, Opened, Opening, Periods, Recognition, Step, Supply,
    Wire,
};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "adxl345",
    name: "Analog Devices ADXL345",
    what: "Acceleration in three axes, up to 16 g.",
    bus: Bus::I2c { addresses: &[0x53, 0x1D] },
    kind: Kind::Sensor,
    properties: &[
        MeasuredProperty::new("acceleration-x", "Acceleration X", "m/s²", 2, (-160.0, 160.0), None),
        MeasuredProperty::new("acceleration-y", "Acceleration Y", "m/s²", 2, (-160.0, 160.0), None),
        MeasuredProperty::new("acceleration-z", "Acceleration Z", "m/s²", 2, (-160.0, 160.0), None),
    ],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step { select: &[0x00], expect: Expect::Bytes { value: &[0xE5], mask: &[0xFF] } }],
        certainty: 90,
        or_else: &[],
    }],
    wiring: &[
        Wire { pin: "VCC", to: "3V3", note: "" },
        Wire { pin: "GND", to: "GND", note: "" },
        Wire { pin: "SDA", to: "SDA", note: "" },
        Wire { pin: "SCL", to: "SCL", note: "" },
        Wire { pin: "CS", to: "3V3", note: "else it speaks SPI" },
        Wire { pin: "SDO", to: "GND", note: "at 3V3 its address is 0x1d" },
    ],
    supply: Supply { lowest: 2.0, highest: 3.6 },
    periods: Periods { default: Duration::from_secs(1), shortest: Duration::from_millis(100) },
    source: "Analog Devices, ADXL345 data sheet, rev. G, 2022",
    notes: &["For g instead of m/s², set calibrate.acceleration-x.scale and the others to 0.10197."],
    open: Open::I2c(open),
};

const IDENTITY: u8 = 0x00;
const POWER: u8 = 0x2D;
const FORMAT: u8 = 0x31;
const FIRST_RESULT: u8 = 0x32;

const MEASURES: u8 = 0x08;
/// Full resolution, ±16 g: 256 steps a g whatever the range.
const FULL_RESOLUTION_16_G: u8 = 0x0B;
const STEP: f64 = 9.806_65 / 256.0;
/// The ends of its 13 bits.
const LOWEST: i16 = -4_096;
const HIGHEST: i16 = 4_095;

struct Adxl345(I2cChip);

fn open(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut chip = I2cChip::new(port, address, opening);
    let identity = chip.byte(IDENTITY)?;
    if identity != 0xE5 {
        return Err(chip.another("ADXL345", identity));
    }
    chip.write(&[FORMAT, FULL_RESOLUTION_16_G])?;
    chip.write(&[POWER, MEASURES])?;
    // 100 measurements a second; the first is there after 11.1 ms.
    chip.wait(Duration::from_millis(20));
    Ok(Box::new(Adxl345(chip)))
}

impl Driver for Adxl345 {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.0.byte(POWER)? & MEASURES == 0 {
            return Err(ReadError::Damaged("it has stopped measuring: its supply was cut".to_owned()));
        }
        // All six in one transfer, so that they belong together.
        let [x, x_high, y, y_high, z, z_high] = self.0.registers(FIRST_RESULT)?;
        let axis = |property, low, high| {
            let code = i16::from_le_bytes([low, high]);
            let is_at_the_end = !(LOWEST + 1..HIGHEST).contains(&code);
            Measured::at_the_end_if(is_at_the_end, property, f64::from(code) * STEP)
        };
        Ok(vec![
            axis("acceleration-x", x, x_high),
            axis("acceleration-y", y, y_high),
            axis("acceleration-z", z, z_high),
        ])
    }
}
