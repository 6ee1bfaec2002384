//! InvenSense MPU-6050 (register map 4.2): lying flat and still.

use super::{ByteRegisters, Surroundings};

pub(super) struct Mpu6050 {
    power: u8,
    rotation_setup: u8,
    acceleration_setup: u8,
    celsius: f64,
}

impl Mpu6050 {
    pub(super) const fn new() -> Self {
        // It sleeps at power-on.
        Self { power: 0x40, rotation_setup: 0, acceleration_setup: 0, celsius: 0.0 }
    }

    /// Acceleration, temperature and turning rate: seven words from register 0x3B on.
    fn results(&self) -> [i16; 7] {
        if self.power & 0x40 != 0 {
            return [0; 7];
        }
        let one_g = 16_384 >> (self.acceleration_setup >> 3 & 0b11);
        // 131 steps a degree a second in the finest range; it turns round Z by 10 °/s.
        let turning = 1_310 >> (self.rotation_setup >> 3 & 0b11);
        let temperature = ((self.celsius - 36.53) * 340.0).round() as i16;
        [0, 0, one_g, temperature, 0, 0, turning]
    }
}

impl ByteRegisters for Mpu6050 {
    fn load(&mut self, register: u8) -> u8 {
        match register {
            0x1B => self.rotation_setup,
            0x1C => self.acceleration_setup,
            0x3B..=0x48 => {
                let place = usize::from(register - 0x3B);
                self.results()[place / 2].to_be_bytes()[place % 2]
            }
            0x6B => self.power,
            0x75 => 0x68,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match register {
            0x1B => self.rotation_setup = value,
            0x1C => self.acceleration_setup = value,
            0x6B => self.power = value,
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.celsius = surroundings.temperature;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
