//! Bosch BMP180 (BST-BMP180-DS000, rev. 2.5).

use super::{ByteRegisters, Surroundings};

/// AC1 to AC6, B1, B2, MB, MC, MD of the worked example.
const CALIBRATION: [i32; 11] = [408, -72, -14_383, 32_741, 32_757, 23_153, 6_190, 4, -32_768, -8_711, 2_868];

/// B5.
fn b5(ut: i32) -> i32 {
    let [.., ac5, ac6, _, _, _, mc, md] = CALIBRATION;
    let x1 = ((i64::from(ut - ac6) * i64::from(ac5)) / 32_768) as i32;
    let x2 = mc * 2_048 / (x1 + md);
    x1 + x2
}

/// In tenths of a degree.
fn temperature(ut: i32) -> i32 {
    (b5(ut) + 8) / 16
}

/// In Pa, without shortcuts, with the divisions of the data sheet.
fn pressure(up: i64, b5: i64, oss: u32) -> i64 {
    let [ac1, ac2, ac3, ac4, _, _, b1, b2, ..] = CALIBRATION.map(i64::from);
    let b6 = b5 - 4_000;
    let x1 = (b2 * (b6 * b6).div_euclid(4_096)).div_euclid(2_048);
    let x2 = (ac2 * b6).div_euclid(2_048);
    let b3 = (((ac1 * 4 + x1 + x2) << oss) + 2) / 4;
    let x1 = (ac3 * b6).div_euclid(8_192);
    let x2 = (b1 * (b6 * b6).div_euclid(4_096)).div_euclid(65_536);
    let x3 = (x1 + x2 + 2).div_euclid(4);
    let b4 = ac4 * (x3 + 32_768) / 32_768;
    let b7 = (up - b3) * (50_000 >> oss);
    let p = if b7 < 0x8000_0000 { b7 * 2 / b4 } else { b7 / b4 * 2 };
    let x1 = (p / 256) * (p / 256) * 3_038 / 65_536;
    let x2 = (-7_357 * p).div_euclid(65_536);
    p + (x1 + x2 + 3_791).div_euclid(16)
}

pub(super) struct Bmp180 {
    surroundings: Surroundings,
    result: [u8; 3],
}

impl Bmp180 {
    pub(super) fn new() -> Self {
        Self { surroundings: Surroundings::default(), result: [0x80, 0, 0] }
    }

    fn raw_temperature(&self) -> i32 {
        let wanted = self.surroundings.temperature * 10.0;
        // Below, the arithmetic has its pole.
        (23_500..40_000).find(|ut| f64::from(temperature(*ut)) >= wanted).unwrap_or(40_000)
    }

    fn measure(&mut self, command: u8) {
        let ut = self.raw_temperature();
        match command {
            0x2E => {
                let [.., high, low] = ut.to_be_bytes();
                self.result = [high, low, 0];
            }
            0x34 | 0x74 | 0xB4 | 0xF4 => {
                let (oss, b5) = (u32::from(command >> 6), i64::from(b5(ut)));
                let wanted = self.surroundings.pressure * 100.0;
                let mut range = 0..1i64 << (16 + oss);
                while range.start < range.end {
                    let middle = i64::midpoint(range.start, range.end);
                    if (pressure(middle, b5, oss) as f64) < wanted {
                        range.start = middle + 1;
                    } else {
                        range.end = middle;
                    }
                }
                // Nineteen bits at most, left-justified in three bytes.
                let [.., high, middle, low] = (range.start << (8 - oss)).to_be_bytes();
                self.result = [high, middle, low];
            }
            _ => {}
        }
    }
}

impl ByteRegisters for Bmp180 {
    fn load(&mut self, register: u8) -> u8 {
        match register {
            0xAA..=0xBF => {
                let at = usize::from(register - 0xAA);
                (CALIBRATION[at / 2] as u16).to_be_bytes()[at % 2]
            }
            0xD0 => 0x55,
            0xF6..=0xF8 => self.result[usize::from(register - 0xF6)],
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        if register == 0xF4 {
            self.measure(value);
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.surroundings = surroundings.clone();
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_data_sheet() {
        // Section 3.5: UT 27898 and UP 23843 at oss 0 are 15.0 °C and 69964 Pa.
        assert_eq!(temperature(27_898), 150);
        assert_eq!(pressure(23_843, i64::from(b5(27_898)), 0), 69_964);
    }
}
