//! Bosch BME680 (BST-BME680-DS001, rev. 1.9) and BME688 (BST-BME688-DS000; the arithmetic of Bosch's BME68x sensor API).
//!
//! As with the BME280, raw values are searched for from which the integer arithmetic of Bosch's reference makes what the
//! room has; drivers use the floating-point arithmetic of the datasheet.

use super::bosch::search;
use super::{ByteRegisters, Surroundings};

/// Trimming values of the size that chips have.
const T: [i64; 3] = [26_125, 26_376, 3];
const P: [i64; 10] = [36_327, -10_361, 88, 7_193, -84, 30, 41, -1_046, -2_734, 30];
const H: [i64; 7] = [809, 1_018, 0, 45, 20, 120, -100];

/// The gas sensor of clean air: range 6, 125 kΩ where the converter is at its middle.
const GAS_RANGE: u8 = 6;
const GAS_RAW: u16 = 512;

fn fine(raw: i64) -> i64 {
    let a = (raw >> 3) - (T[0] << 1);
    let b = (a * T[1]) >> 11;
    b + (((((a >> 1) * (a >> 1)) >> 12) * (T[2] << 4)) >> 14)
}

/// In hundredths of a degree.
fn temperature(raw: i64) -> i64 {
    (fine(raw) * 5 + 128) >> 8
}

/// In Pa.
fn pressure(raw: i64, fine: i64) -> i64 {
    let a = (fine >> 1) - 64_000;
    let b = ((((a >> 2) * (a >> 2)) >> 11) * P[5]) >> 2;
    let b = ((b + ((a * P[4]) << 1)) >> 2) + (P[3] << 16);
    let a = (((((a >> 2) * (a >> 2)) >> 13) * (P[2] << 5)) >> 3) + ((P[1] * a) >> 1);
    let a = ((32_768 + (a >> 18)) * P[0]) >> 15;
    let p = (((1_048_576 - raw) - (b >> 12)) * 3_125 * 2) / a;
    let c = (P[8] * (((p >> 3) * (p >> 3)) >> 13)) >> 12;
    let d = ((p >> 2) * P[7]) >> 13;
    let e = ((p >> 8) * (p >> 8) * (p >> 8) * P[9]) >> 17;
    p + ((c + d + e + (P[6] << 7)) >> 4)
}

/// In thousandths of a percent.
fn humidity(raw: i64, celsius_100: i64) -> i64 {
    let t = celsius_100;
    let a = raw - (H[0] << 4) - (((t * H[2]) / 100) >> 1);
    let b = (H[1] * ((t * H[3]) / 100 + (((t * ((t * H[4]) / 100)) >> 6) / 100) + (1 << 14))) >> 10;
    let c = a * b;
    let d = ((H[5] << 7) + (t * H[6]) / 100) >> 4;
    let e = ((c >> 14) * (c >> 14)) >> 10;
    ((((c + ((d * e) >> 1)) >> 10) * 1_000) >> 12).clamp(0, 100_000)
}

/// The registers (section 5.2).
pub(super) struct Bme680 {
    surroundings: Surroundings,
    /// Its variant: 0, or 1 for a BME688.
    variant: u8,
    settings: [u8; 0x76],
    data: [u8; 15],
    has_news: bool,
}

impl Bme680 {
    pub(super) fn new(variant: u8) -> Self {
        let mut data = [0; 15];
        (data[0], data[3], data[6]) = (0x80, 0x80, 0x80);
        Self { surroundings: Surroundings::default(), variant, settings: [0; 0x76], data, has_news: false }
    }

    fn measure(&mut self) {
        let room = self.surroundings.clone();
        let raw_t = search(1 << 20, |raw| temperature(raw) as f64 >= room.temperature * 100.0);
        let fine = fine(raw_t);
        let raw_p = search(1 << 20, |raw| pressure(raw, fine) as f64 <= room.pressure * 100.0);
        let celsius = temperature(raw_t);
        let raw_h = search(1 << 16, |raw| humidity(raw, celsius) as f64 >= room.humidity * 1_000.0);
        let twenty = |raw: i64| [(raw >> 12) as u8, (raw >> 4) as u8, (raw << 4) as u8];
        self.data[..3].copy_from_slice(&twenty(raw_p));
        self.data[3..6].copy_from_slice(&twenty(raw_t));
        self.data[6..8].copy_from_slice(&(raw_h as u16).to_be_bytes());
        // Gas only when it was asked for, with a set point and a time for the heater.
        let [heat, wait, gas] = [0x5A, 0x64, 0x71].map(|register| self.settings[register]);
        let run = if self.variant == 0 { 0x10 } else { 0x20 };
        let flags = if gas & run != 0 && heat != 0 && wait != 0 { 0x30 } else { 0 };
        // A BME688 has its result two bytes behind that of a BME680, and another scale: 1 MΩ at its middle in range 6.
        let at = if self.variant == 0 { 11 } else { 13 };
        self.data[at] = (GAS_RAW >> 2) as u8;
        self.data[at + 1] = (GAS_RAW << 6) as u8 | flags | GAS_RANGE;
        self.has_news = true;
    }

    fn calibration(register: u8) -> u8 {
        let low = |value: i64| value as u8;
        let high = |value: i64| (value >> 8) as u8;
        match register {
            0x00 => 43,
            0x02 => 0x10,
            0x04 => 0x20,
            0x8A => low(T[1]),
            0x8B => high(T[1]),
            0x8C => low(T[2]),
            0x8E => low(P[0]),
            0x8F => high(P[0]),
            0x90 => low(P[1]),
            0x91 => high(P[1]),
            0x92 => low(P[2]),
            0x94 => low(P[3]),
            0x95 => high(P[3]),
            0x96 => low(P[4]),
            0x97 => high(P[4]),
            0x98 => low(P[6]),
            0x99 => low(P[5]),
            0x9C => low(P[7]),
            0x9D => high(P[7]),
            0x9E => low(P[8]),
            0x9F => high(P[8]),
            0xA0 => low(P[9]),
            0xE1 => (H[1] >> 4) as u8,
            0xE2 => (H[1] << 4) as u8 | (H[0] & 0x0F) as u8,
            0xE3 => (H[0] >> 4) as u8,
            0xE4 => low(H[2]),
            0xE5 => low(H[3]),
            0xE6 => low(H[4]),
            0xE7 => low(H[5]),
            0xE8 => low(H[6]),
            0xE9 => low(T[0]),
            0xEA => high(T[0]),
            0xEB => low(-9_543),
            0xEC => high(-9_543),
            0xED => low(-19),
            0xEE => 18,
            _ => 0,
        }
    }
}

impl ByteRegisters for Bme680 {
    fn load(&mut self, register: u8) -> u8 {
        match register {
            0xD0 => 0x61,
            0x1D => u8::from(self.has_news) << 7,
            0xF0 => self.variant,
            0x1F..=0x2D => self.data[usize::from(register - 0x1F)],
            0x5A..=0x75 => self.settings[usize::from(register)],
            _ => Self::calibration(register),
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0xE0 if value == 0xB6 => self.lose_power(),
            0x74 => {
                self.has_news = false;
                // All three are measured by these drivers; a chip that is told less gives less.
                if value & 3 == 1 && value >> 5 != 0 && value >> 2 & 7 != 0 && self.settings[0x72] & 7 != 0 {
                    self.measure();
                }
                self.settings[0x74] = value & !3;
            }
            0x5A..=0x75 => self.settings[usize::from(register)] = value,
            _ => {}
        }
    }

    fn writes_pairs(&self) -> bool {
        true
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.surroundings = surroundings.clone();
    }

    fn lose_power(&mut self) {
        let surroundings = self.surroundings.clone();
        *self = Self { surroundings, ..Self::new(self.variant) };
    }
}
