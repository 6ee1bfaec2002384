//! Infineon DPS310 (datasheet V1.2).

use super::{ByteRegisters, Surroundings};

/// Coefficients of the size that chips have: c0, c1 (12 bits), c00, c10 (20 bits), c01, c11, c20, c21, c30
/// (16 bits).
const C: [i64; 9] = [209, -256, 80_469, -54_769, -2_803, 1_226, -9_787, 183, -1_603];
const WIDTHS: [u32; 9] = [12, 12, 20, 20, 16, 16, 16, 16, 16];

/// Scale factors by oversampling rate.
const SCALES: [i32; 8] = [524_288, 1_572_864, 3_670_016, 7_864_320, 253_952, 516_096, 1_040_384, 2_088_960];

/// Registers.
pub(super) struct Dps310 {
    surroundings: Surroundings,
    configuration: [u8; 4],
    ready: u8,
    results: [u8; 6],
}

impl Dps310 {
    pub(super) fn new() -> Self {
        let surroundings = Surroundings::default();
        Self { surroundings, configuration: [0; 4], ready: 0, results: [0x80, 0, 0, 0x80, 0, 0] }
    }

    /// The temperature that belongs to a scaled result, solved for the result (T = c0 / 2 + c1 · t).
    fn scaled_temperature(&self) -> f64 {
        (self.surroundings.temperature - C[0] as f64 / 2.0) / C[1] as f64
    }

    /// Section 4.9.1, term by term.
    fn pascal(p: f64, t: f64) -> f64 {
        let [_, _, c00, c10, c01, c11, c20, c21, c30] = C.map(|c| c as f64);
        c00 + c10 * p + c20 * p * p + c30 * p * p * p + c01 * t + c11 * t * p + c21 * t * p * p
    }

    /// The scaled result for the pressure: what is measured falls as the result rises.
    fn scaled_pressure(&self) -> f64 {
        let (wanted, t) = (self.surroundings.pressure * 100.0, self.scaled_temperature());
        let (mut low, mut high) = (-1.2, 1.2);
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if Self::pascal(middle, t) > wanted { low = middle } else { high = middle }
        }
        low
    }

    fn measure(&mut self, what: u8) {
        let [pressure, temperature, ..] = self.configuration;
        let bytes = |scaled: f64, configuration: u8| {
            let raw = (scaled * f64::from(SCALES[usize::from(configuration & 7)])).round() as i32;
            let [_, bytes @ ..] = raw.to_be_bytes();
            bytes
        };
        // A thermometer other than that of the coefficients measures something else.
        let is_right_thermometer = temperature & 0x80 == 0x80;
        let t = self.scaled_temperature() + if is_right_thermometer { 0.0 } else { 0.1 };
        match what & 7 {
            1 => {
                let result = bytes(self.scaled_pressure(), pressure);
                self.results[..3].copy_from_slice(&result);
                self.ready |= 0x10;
            }
            2 => {
                self.results[3..].copy_from_slice(&bytes(t, temperature));
                self.ready |= 0x20;
            }
            _ => {}
        }
    }

    fn coefficients() -> Vec<u8> {
        let mut bits = Vec::new();
        for (value, width) in C.into_iter().zip(WIDTHS) {
            bits.extend((0..width).rev().map(|bit| value >> bit & 1 == 1));
        }
        bits.chunks(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }
}

impl ByteRegisters for Dps310 {
    fn load(&mut self, register: u8) -> u8 {
        match register {
            0x00..=0x05 => {
                // Reading a result clears that it is ready.
                self.ready &= if register < 3 { !0x10 } else { !0x20 };
                self.results[usize::from(register)]
            }
            0x06 | 0x07 => self.configuration[usize::from(register - 6)],
            0x08 => 0xC0 | self.ready,
            0x09 => self.configuration[3],
            0x0D => 0x10,
            0x10..=0x21 => Self::coefficients()[usize::from(register - 0x10)],
            0x28 => 0x80,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0x06 | 0x07 => self.configuration[usize::from(register - 6)] = value,
            0x08 => self.measure(value),
            0x09 => self.configuration[3] = value,
            0x0C if value & 0x0F == 0x09 => self.lose_power(),
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.surroundings = surroundings.clone();
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
