//! BME280 and BMP280: temperature, pressure, and with the BME280 humidity.

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::I2c;

use super::terms::{
    GND, SCL, SDA, SLOW, VCC, address_wire, humidity, not_ready, pressure, temperature, wrong_chip,
};
use super::{Driver, Measured};
use crate::buses::{I2cPort, Pause};
use crate::catalogue::{Bus, Entry, Expect, Kind, Open, Opened, Opening, Recognition, Step, Supply, Wire};
use crate::traits::ReadError;

const WIRING: &[Wire] =
    &[VCC, GND, SDA, SCL, address_wire("SDO", "it chooses the address: GND is 0x76, 3V3 is 0x77")];

/// See [`Entry`].
pub(super) static BME280: Entry = Entry {
    word: "bme280",
    name: "Bosch BME280",
    what: "Temperature, humidity and air pressure.",
    bus: Bus::I2c { addresses: &[0x76, 0x77] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 1), humidity(), pressure(300.0, 1_100.0)],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step { select: &[ID], expect: Expect::Bytes { value: &[0x60], mask: &[0xFF] } }],
        certainty: 95,
        or_else: &[],
    }],
    wiring: WIRING,
    supply: Supply { lowest: 1.71, highest: 3.6 },
    periods: SLOW,
    source: "Bosch Sensortec, BME280 data sheet, BST-BME280-DS002, rev. 1.6",
    notes: &["Boards sold as BME280 often carry a BMP280, which has no humidity: its identity tells."],
    open: Open::I2c(open_bme280),
};

/// See [`Entry`].
pub(super) static BMP280: Entry = Entry {
    word: "bmp280",
    name: "Bosch BMP280",
    what: "Temperature and air pressure.",
    bus: Bus::I2c { addresses: &[0x76, 0x77] },
    kind: Kind::Sensor,
    properties: &[temperature(-40.0, 85.0, 1), pressure(300.0, 1_100.0)],
    settings: &[],
    recognition: &[Recognition {
        steps: &[Step { select: &[ID], expect: Expect::Bytes { value: &[0x58], mask: &[0xFF] } }],
        certainty: 95,
        or_else: &[],
    }],
    wiring: WIRING,
    supply: Supply { lowest: 1.71, highest: 3.6 },
    periods: SLOW,
    source: "Bosch Sensortec, BMP280 data sheet, BST-BMP280-DS001, rev. 1.23",
    notes: &[],
    open: Open::I2c(open_bmp280),
};

/// Registers (BME280 section 5.3).
const ID: u8 = 0xD0;
const CALIBRATION: u8 = 0x88;
const HUMIDITY_CALIBRATION: u8 = 0xE1;
const CTRL_HUM: u8 = 0xF2;
const STATUS: u8 = 0xF3;
const CTRL_MEAS: u8 = 0xF4;
const DATA: u8 = 0xF7;

/// Each quantity once (oversampling ×1), one measurement and then sleep again, as it recommends for weather monitoring.
const FORCED: u8 = 0b0010_0101;

/// A measurement of all three takes at most 9.3 ms.
const MEASUREMENT_MS: u32 = 10;
const TRIES: u32 = 5;

/// What a quantity reads as that was not measured.
const NOT_MEASURED: i32 = 0x80000;

struct Chip {
    port: I2cPort,
    address: u8,
    pause: Pause,
    calibration: Calibration,
    humidity: Option<HumidityCalibration>,
}

/// Trimming values (section 4.2.2): T1 to T3, P1 to P9.
struct Calibration {
    t1: f64,
    t: [f64; 2],
    p1: f64,
    p: [f64; 8],
}

/// Trimming values for humidity: H1 to H6.
struct HumidityCalibration([f64; 6]);

fn open_bme280(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(port, address, opening, &[0x60], "BME280")
}

/// Early samples of the BMP280 say 0x56 or 0x57 (BME280, table 17).
fn open_bmp280(port: I2cPort, address: u8, opening: &Opening<'_>) -> Opened<dyn Driver> {
    open(port, address, opening, &[0x56, 0x57, 0x58], "BMP280")
}

fn open(mut port: I2cPort, address: u8, opening: &Opening<'_>, ids: &[u8], name: &str) -> Opened<dyn Driver> {
    let mut id = [0];
    port.write_read(address, &[ID], &mut id)?;
    if !ids.contains(&id[0]) {
        return Err(wrong_chip(name, id[0]));
    }
    let mut first = [0; 26];
    port.write_read(address, &[CALIBRATION], &mut first)?;
    let mut humidity = None;
    if ids == [0x60] {
        let mut second = [0; 7];
        port.write_read(address, &[HUMIDITY_CALIBRATION], &mut second)?;
        humidity = Some(HumidityCalibration::of(first[25], second));
    }
    let calibration = Calibration::of(&first);
    Ok(Box::new(Chip { port, address, pause: opening.pause, calibration, humidity }))
}

impl Calibration {
    fn of(bytes: &[u8; 26]) -> Self {
        let unsigned = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let signed = |at: usize| f64::from(i16::from_le_bytes([bytes[at], bytes[at + 1]]));
        Self {
            t1: f64::from(unsigned(0)),
            t: [signed(2), signed(4)],
            p1: f64::from(unsigned(6)),
            p: std::array::from_fn(|index| signed(8 + 2 * index)),
        }
    }

    /// Fine temperature, which the others need (section 4.2.3 in floating point); 5120 steps a degree.
    fn fine(&self, raw: i32) -> f64 {
        let [t2, t3] = self.t;
        let first = (f64::from(raw) / 16_384.0 - self.t1 / 1_024.0) * t2;
        let difference = f64::from(raw) / 131_072.0 - self.t1 / 8_192.0;
        first + difference * difference * t3
    }

    /// In Pa; nothing when the trimming values are no trimming values.
    fn pressure(&self, raw: i32, fine: f64) -> Option<f64> {
        let [p2, p3, p4, p5, p6, p7, p8, p9] = self.p;
        let x = fine / 2.0 - 64_000.0;
        let offset = (x * x * p6 / 32_768.0 + x * p5 * 2.0) / 4.0 + p4 * 65_536.0;
        let scale = (1.0 + (p3 * x * x / 524_288.0 + p2 * x) / 524_288.0 / 32_768.0) * self.p1;
        if scale == 0.0 {
            return None;
        }
        let p = (1_048_576.0 - f64::from(raw) - offset / 4_096.0) * 6_250.0 / scale;
        Some(p + (p9 * p * p / 2_147_483_648.0 + p * p8 / 32_768.0 + p7) / 16.0)
    }
}

impl HumidityCalibration {
    /// H4 and H5 have twelve bits each and share a byte (table 16).
    fn of(h1: u8, bytes: [u8; 7]) -> Self {
        let [h2_low, h2_high, h3, e4, e5, e6, h6] = bytes;
        let twelve = |high: u8, low: u8| f64::from(i16::from(high.cast_signed()) * 16 + i16::from(low));
        Self([
            f64::from(h1),
            f64::from(i16::from_le_bytes([h2_low, h2_high])),
            f64::from(h3),
            twelve(e4, e5 & 0x0F),
            twelve(e6, e5 >> 4),
            f64::from(h6.cast_signed()),
        ])
    }

    /// In %.
    fn humidity(&self, raw: i32, fine: f64) -> f64 {
        let [h1, h2, h3, h4, h5, h6] = self.0;
        let x = fine - 76_800.0;
        let slope = h2 / 65_536.0 * (1.0 + h6 / 67_108_864.0 * x * (1.0 + h3 / 67_108_864.0 * x));
        let y = (f64::from(raw) - (h4 * 64.0 + h5 / 16_384.0 * x)) * slope;
        (y * (1.0 - h1 * y / 524_288.0)).clamp(0.0, 100.0)
    }
}

impl Driver for Chip {
    fn read(&mut self) -> Result<Vec<Measured>, ReadError> {
        if self.humidity.is_some() {
            // It takes effect with the write to CTRL_MEAS that follows (section 5.4.3).
            self.port.write(self.address, &[CTRL_HUM, 1])?;
        }
        self.port.write(self.address, &[CTRL_MEAS, FORCED])?;
        self.wait()?;
        let mut data = [0; 8];
        let length = if self.humidity.is_some() { 8 } else { 6 };
        self.port.write_read(self.address, &[DATA], &mut data[..length])?;
        let twenty = |high: u8, middle: u8, low: u8| {
            i32::from(high) << 12 | i32::from(middle) << 4 | i32::from(low) >> 4
        };
        let [p0, p1, p2, t0, t1, t2, h0, h1] = data;
        let (raw_pressure, raw_temperature) = (twenty(p0, p1, p2), twenty(t0, t1, t2));
        if raw_temperature == NOT_MEASURED || raw_pressure == NOT_MEASURED {
            return Err(ReadError::Damaged("it has not measured yet".to_owned()));
        }
        if data[..length].iter().all(|byte| *byte == 0) {
            return Err(ReadError::Damaged(
                "all bits are zeros, as on a wire with a short circuit".to_owned(),
            ));
        }
        let fine = self.calibration.fine(raw_temperature);
        let pressure = self.calibration.pressure(raw_pressure, fine);
        let pressure = pressure.ok_or_else(|| ReadError::Damaged("it has no calibration".to_owned()))?;
        let mut measured =
            vec![Measured::new("temperature", fine / 5_120.0), Measured::new("pressure", pressure / 100.0)];
        if let Some(humidity) = &self.humidity {
            let raw = i32::from(u16::from_be_bytes([h0, h1]));
            measured.push(Measured::new("humidity", humidity.humidity(raw, fine)));
        }
        Ok(measured)
    }
}

impl Chip {
    /// Until the measurement is done: bit 3 of the status is set while it runs (section 5.4.4).
    fn wait(&mut self) -> Result<(), ReadError> {
        for _ in 0..TRIES {
            self.pause.delay_ms(MEASUREMENT_MS);
            let mut status = [0];
            self.port.write_read(self.address, &[STATUS], &mut status)?;
            if status[0] & 0x08 == 0 {
                return Ok(());
            }
        }
        Err(not_ready())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_bmp280_data_sheet() {
        // Section 3.12: 25.08 °C and 100653.27 Pa.
        let calibration = Calibration {
            t1: 27_504.0,
            t: [26_435.0, -1_000.0],
            p1: 36_477.0,
            p: [-10_685.0, 3_024.0, 2_855.0, 140.0, -7.0, 15_500.0, -14_600.0, 6_000.0],
        };
        let fine = calibration.fine(519_888);
        assert!((fine / 5_120.0 - 25.08).abs() < 0.005, "{fine}");
        let pressure = calibration.pressure(415_148, fine).unwrap();
        assert!((pressure - 100_653.27).abs() < 0.3, "{pressure}");
    }
}
