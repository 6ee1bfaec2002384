//! Bosch BMP280 (BST-BMP280-DS001, rev. 1.23) and BME280 (BST-BME280-DS002, rev. 1.6).
//!
//! The chip answers with raw values from which the datasheet's integer arithmetic (section 3.11.3 and 4.2.3, 64 bits)
//! makes what the room has: they are searched for. Drivers use the floating-point arithmetic of the appendix.

use super::{ByteRegisters, Surroundings};

/// T1 to T3 and P1 to P9 of the worked example of the BMP280.
const T: [i64; 3] = [27_504, 26_435, -1_000];
const P: [i64; 9] = [36_477, -10_685, 3_024, 2_855, 140, -7, 15_500, -14_600, 6_000];

/// H1 to H6, of the size that chips have.
const H: [i64; 6] = [75, 361, 0, 324, 50, 30];

fn fine(raw: i64) -> i64 {
    let first = (((raw >> 3) - (T[0] << 1)) * T[1]) >> 11;
    let difference = (raw >> 4) - T[0];
    first + ((((difference * difference) >> 12) * T[2]) >> 14)
}

/// In hundredths of a degree.
fn temperature(raw: i64) -> i64 {
    (fine(raw) * 5 + 128) >> 8
}

/// In 256ths of a Pa.
fn pressure(raw: i64, fine: i64) -> i64 {
    let a = fine - 128_000;
    let b = a * a * P[5] + ((a * P[4]) << 17) + (P[3] << 35);
    let a = ((a * a * P[2]) >> 8) + ((a * P[1]) << 12);
    let a = (((1 << 47) + a) * P[0]) >> 33;
    let p = (((1_048_576 - raw) << 31) - b) * 3_125 / a;
    let c = (P[8] * (p >> 13) * (p >> 13)) >> 25;
    let d = (P[7] * p) >> 19;
    ((p + c + d) >> 8) + (P[6] << 4)
}

/// In 1024ths of a percent.
fn humidity(raw: i64, fine: i64) -> i64 {
    let [h1, h2, h3, h4, h5, h6] = H;
    let v = fine - 76_800;
    let slope = (((((v * h6) >> 10) * (((v * h3) >> 11) + 32_768)) >> 10) + 2_097_152) * h2 + 8_192;
    let v = (((raw << 14) - (h4 << 20) - h5 * v + 16_384) >> 15) * (slope >> 14);
    let v = v - (((((v >> 15) * (v >> 15)) >> 7) * h1) >> 4);
    v.clamp(0, 419_430_400) >> 12
}

/// The lowest raw value below `limit` for which `reaches`, which must hold from some value on.
pub(super) fn search(limit: i64, reaches: impl Fn(i64) -> bool) -> i64 {
    let (mut low, mut high) = (0, limit - 1);
    while low < high {
        let middle = (low + high) / 2;
        if reaches(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The registers (BMP280 section 4, BME280 section 5.3).
pub(super) struct Bosch {
    has_humidity: bool,
    surroundings: Surroundings,
    ctrl_hum: u8,
    ctrl_meas: u8,
    config: u8,
    data: [u8; 8],
}

/// Pressure, temperature and humidity that were not measured.
const NOTHING: [u8; 8] = [0x80, 0, 0, 0x80, 0, 0, 0x80, 0];

impl Bosch {
    pub(super) fn new(has_humidity: bool) -> Self {
        let surroundings = Surroundings::default();
        Self { has_humidity, surroundings, ctrl_hum: 0, ctrl_meas: 0, config: 0, data: NOTHING }
    }

    fn measure(&mut self) {
        let Surroundings { temperature: celsius, pressure: hectopascal, humidity: percent, .. } =
            self.surroundings;
        let raw_t = search(1 << 20, |raw| temperature(raw) as f64 >= celsius * 100.0);
        let fine = fine(raw_t);
        let raw_p = search(1 << 20, |raw| (pressure(raw, fine) as f64) <= hectopascal * 25_600.0);
        let raw_h = search(1 << 16, |raw| humidity(raw, fine) as f64 >= percent * 1_024.0);
        self.data = NOTHING;
        let twenty = |raw: i64| [(raw >> 12) as u8, (raw >> 4) as u8, (raw << 4) as u8];
        if self.ctrl_meas >> 2 & 7 != 0 {
            self.data[..3].copy_from_slice(&twenty(raw_p));
        }
        if self.ctrl_meas >> 5 != 0 {
            self.data[3..6].copy_from_slice(&twenty(raw_t));
        }
        if self.ctrl_hum & 7 != 0 {
            self.data[6..].copy_from_slice(&[(raw_h >> 8) as u8, raw_h as u8]);
        }
    }

    fn calibration(&self, register: u8) -> u8 {
        let word = |value: i64| (value as u16).to_le_bytes();
        let words: Vec<u8> = T.into_iter().chain(P).flat_map(word).collect();
        match (register, self.has_humidity) {
            (0x88..=0x9F, _) => words[usize::from(register - 0x88)],
            (0xA1, true) => H[0] as u8,
            (0xE1..=0xE2, true) => word(H[1])[usize::from(register - 0xE1)],
            (0xE3, true) => H[2] as u8,
            // Table 16: H4 is 0xE4 and the low half of 0xE5, H5 the high half of 0xE5 and 0xE6.
            (0xE4, true) => (H[3] >> 4) as u8,
            (0xE5, true) => (H[3] & 0x0F) as u8 | ((H[4] & 0x0F) << 4) as u8,
            (0xE6, true) => (H[4] >> 4) as u8,
            (0xE7, true) => H[5] as u8,
            _ => 0,
        }
    }
}

impl ByteRegisters for Bosch {
    fn load(&mut self, register: u8) -> u8 {
        match register {
            0xD0 if self.has_humidity => 0x60,
            0xD0 => 0x58,
            0xF2 if self.has_humidity => self.ctrl_hum,
            0xF3 => 0,
            0xF4 => self.ctrl_meas,
            0xF5 => self.config,
            0xF7..=0xFC => self.data[usize::from(register - 0xF7)],
            0xFD..=0xFE if self.has_humidity => self.data[usize::from(register - 0xF7)],
            _ => self.calibration(register),
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0xE0 if value == 0xB6 => self.lose_power(),
            0xF2 if self.has_humidity => self.ctrl_hum = value & 7,
            0xF4 => {
                self.ctrl_meas = value;
                if value & 3 != 0 {
                    self.measure();
                }
                // After a forced measurement it sleeps again.
                if value & 3 != 3 {
                    self.ctrl_meas &= !3;
                }
            }
            0xF5 => self.config = value,
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
        *self = Self::new(self.has_humidity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_data_sheet() {
        // The worked example of the BMP280: t_fine 128422, 25.08 °C, and 100653.27 Pa from raw 519888 and 415148.
        assert_eq!((fine(519_888), temperature(519_888)), (128_422, 2_508));
        let pascal = pressure(415_148, 128_422) as f64 / 256.0;
        assert!((pascal - 100_653.27).abs() < 0.5, "{pascal}");
    }
}
