//! BMP180 and its elder BMP085: temperature and air pressure.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::terms::{I2C_WIRES, SLOW, pressure, temperature, wrong_chip};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Expect, Kind, Open, Opened, Opening, Recognition, Step, Supply};
use crate::traits::ReadError;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "bmp180",
    name: "Bosch BMP180 or BMP085",
    what: "Temperature and air pressure.",
    bus: Bus::I2c { addresses: &[0x77] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 1), pressure(300.0, 1_100.0)],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step { select: &[0xD0], expect: Expect::Bytes { value: &[0x55], mask: &[0xFF] } }],
        certainty: 95,
        or_else: &[],
    }],
    wiring: I2C_WIRES,
    supply: Supply { lowest: 1.8, highest: 3.6 },
    periods: SLOW,
    source: "Bosch Sensortec, BMP180 data sheet, BST-BMP180-DS000, rev. 2.5",
    notes: &["Its temperature is that of the chip, which stands a little above the air's."],
    open: Open::I2c(open),
};

const ID: u8 = 0xD0;
const CALIBRATION: u8 = 0xAA;
const CONTROL: u8 = 0xF4;
const RESULT: u8 = 0xF6;

/// Eight samples a measurement (oss = 3): 25.5 ms at most, and the least noise.
const OVERSAMPLING: u8 = 3;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
    calibration: Calibration,
}

/// AC1 to AC6, B1, B2, MB, MC, MD, in the arithmetic of section 3.5.
struct Calibration {
    ac: [i64; 6],
    b: [i64; 2],
    mc: i64,
    md: i64,
}

fn open(mut port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    let mut id = [0];
    port.write_read(address, &[ID], &mut id)?;
    if id[0] != 0x55 {
        return Err(wrong_chip("BMP180", id[0]));
    }
    let mut bytes = [0; 22];
    port.write_read(address, &[CALIBRATION], &mut bytes)?;
    let calibration = Calibration::of(&bytes)?;
    Ok(Box::new(Chip { port, address, pause: opening.pause, calibration }))
}

impl Calibration {
    fn of(bytes: &[u8; 22]) -> Result<Self, ReadError> {
        // A word of zeros or ones does not occur: the communication was disturbed.
        if bytes.chunks(2).any(|word| word == [0, 0] || word == [0xFF, 0xFF]) {
            return Err(ReadError::Damaged("its calibration is not there".to_owned()));
        }
        let signed = |index: usize| i64::from(i16::from_be_bytes([bytes[2 * index], bytes[2 * index + 1]]));
        let unsigned = |index: usize| i64::from(u16::from_be_bytes([bytes[2 * index], bytes[2 * index + 1]]));
        Ok(Self {
            ac: [signed(0), signed(1), signed(2), unsigned(3), unsigned(4), unsigned(5)],
            b: [signed(6), signed(7)],
            mc: signed(9),
            md: signed(10),
        })
    }

    /// B5 of the datasheet, from which both follow; nothing when it cannot be made.
    fn warmth(&self, raw: i64) -> Option<i64> {
        let [.., ac5, ac6] = self.ac;
        let x1 = ((raw - ac6) * ac5) >> 15;
        Some(x1 + (self.mc << 11).checked_div(x1 + self.md)?)
    }

    /// In Pa.
    fn pressure(&self, raw: i64, warmth: i64, oversampling: u8) -> Option<i64> {
        let [ac1, ac2, ac3, ac4, ..] = self.ac;
        let [b1, b2] = self.b;
        let b6 = warmth - 4_000;
        let square = (b6 * b6) >> 12;
        let x3 = ((b2 * square) >> 11) + ((ac2 * b6) >> 11);
        let b3 = (((ac1 * 4 + x3) << oversampling) + 2) / 4;
        let x3 = (((ac3 * b6) >> 13) + ((b1 * square) >> 16) + 2) >> 2;
        let b4 = (ac4 * (x3 + 32_768)) >> 15;
        let p = ((raw - b3) * (50_000 >> oversampling) * 2).checked_div(b4)?;
        let x1 = ((p >> 8) * (p >> 8) * 3_038) >> 16;
        let x2 = (-7_357 * p) >> 16;
        Some(p + ((x1 + x2 + 3_791) >> 4))
    }
}

impl Chip {
    fn measure<const N: usize>(&mut self, command: u8, microseconds: u32) -> Result<[u8; N], ReadError> {
        self.port.write(self.address, &[CONTROL, command])?;
        self.pause.delay_us(microseconds);
        let mut result = [0; N];
        self.port.write_read(self.address, &[RESULT], &mut result)?;
        Ok(result)
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        let raw = i64::from(u16::from_be_bytes(self.measure(0x2E, 4_500)?));
        let damaged = || ReadError::Damaged("its calibration makes no sense".to_owned());
        let warmth = self.calibration.warmth(raw).ok_or_else(damaged)?;
        let [high, middle, low] = self.measure(0x34 | OVERSAMPLING << 6, 25_500)?;
        let raw = i64::from(u32::from_be_bytes([0, high, middle, low]) >> (8 - OVERSAMPLING));
        let pressure = self.calibration.pressure(raw, warmth, OVERSAMPLING).ok_or_else(damaged)?;
        // Both have far fewer digits than a double.
        Ok(vec![
            Measured::new("temperature", (warmth + 8) as f64 / 160.0),
            Measured::new("pressure", pressure as f64 / 100.0),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_data_sheet() {
        // Section 3.5: 15.0 °C and 69964 Pa.
        let calibration = Calibration {
            ac: [408, -72, -14_383, 32_741, 32_757, 23_153],
            b: [6_190, 4],
            mc: -8_711,
            md: 2_868,
        };
        let warmth = calibration.warmth(27_898).unwrap();
        assert_eq!((warmth + 8) >> 4, 150);
        assert_eq!(calibration.pressure(23_843, warmth, 0), Some(69_964));
    }
}
