//! Texas Instruments INA219 (SBOS448G), INA226 (SBOS547), INA260 (SBOS656C).

use super::{Surroundings, WordRegisters};

/// What differs between the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ina219,
    Ina226,
    Ina260,
}

pub(super) struct Ina {
    kind: Kind,
    /// In Ω.
    shunt: f64,
    volts: f64,
    amperes: f64,
    configuration: u16,
    calibration: u16,
}

impl Ina {
    pub(super) const fn new(kind: Kind, shunt: f64) -> Self {
        let configuration = match kind {
            Kind::Ina219 => 0x399F,
            Kind::Ina226 => 0x4127,
            Kind::Ina260 => 0x6127,
        };
        Self { kind, shunt, volts: 0.0, amperes: 0.0, configuration, calibration: 0 }
    }

    fn shunt_register(&self) -> i16 {
        let (step, most) = match self.kind {
            // The range of ±320 mV ends at 32,000.
            Kind::Ina219 => (10e-6, 32_000.0),
            Kind::Ina226 | Kind::Ina260 => (2.5e-6, 32_767.0),
        };
        (self.amperes * self.shunt / step).round().clamp(-most, most) as i16
    }

    fn bus_register(&self) -> u16 {
        match self.kind {
            // 4 mV a step in bits 15 to 3; bit 1 says that a conversion is there.
            Kind::Ina219 => ((self.volts / 4e-3).round().clamp(0.0, 8_000.0) as u16) << 3 | 0x02,
            Kind::Ina226 | Kind::Ina260 => (self.volts / 1.25e-3).round().clamp(0.0, 32_767.0) as u16,
        }
    }

    fn current_register(&self) -> i16 {
        let shunt = f64::from(self.shunt_register());
        let current = match self.kind {
            Kind::Ina219 => shunt * f64::from(self.calibration) / 4_096.0,
            Kind::Ina226 => shunt * f64::from(self.calibration) / 2_048.0,
            Kind::Ina260 => (self.amperes / 1.25e-3).round(),
        };
        current.clamp(-32_768.0, 32_767.0) as i16
    }

    fn power_register(&self) -> u16 {
        let current = f64::from(self.current_register()).abs();
        let power = match self.kind {
            Kind::Ina219 => current * f64::from(self.bus_register() >> 3) / 5_000.0,
            Kind::Ina226 => current * f64::from(self.bus_register()) / 20_000.0,
            Kind::Ina260 => self.volts * self.amperes.abs() / 10e-3,
        };
        power.clamp(0.0, 65_535.0) as u16
    }
}

impl WordRegisters for Ina {
    fn load(&mut self, register: u8) -> u16 {
        match (self.kind, register) {
            (_, 0x00) => self.configuration,
            (Kind::Ina219 | Kind::Ina226, 0x01) => self.shunt_register().cast_unsigned(),
            (_, 0x02) => self.bus_register(),
            (_, 0x03) => self.power_register(),
            (Kind::Ina260, 0x01) | (Kind::Ina219 | Kind::Ina226, 0x04) => {
                self.current_register().cast_unsigned()
            }
            (Kind::Ina219 | Kind::Ina226, 0x05) => self.calibration,
            (Kind::Ina226 | Kind::Ina260, 0xFE) => 0x5449,
            (Kind::Ina226, 0xFF) => 0x2260,
            (Kind::Ina260, 0xFF) => 0x2270,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u16) {
        match register {
            0x00 if value & 0x8000 != 0 => *self = Self::new(self.kind, self.shunt),
            0x00 => self.configuration = value,
            0x05 => self.calibration = value,
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        (self.volts, self.amperes) = (surroundings.voltage, surroundings.current);
    }

    fn lose_power(&mut self) {
        *self = Self::new(self.kind, self.shunt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load() -> Surroundings {
        Surroundings { voltage: 11.98, current: 10.0, ..Surroundings::default() }
    }

    /// SBOS448G: 10 A through 2 mΩ at 12 V; 1 mA a step makes the calibration 0x5000.
    #[test]
    fn the_example_of_the_ina219() {
        let mut chip = Ina::new(Kind::Ina219, 0.002);
        chip.feel(&load());
        chip.store(0x05, 0x5000);
        assert_eq!(chip.load(0x01), 0x07D0);
        assert_eq!(chip.load(0x02) >> 3, 0x5D98 >> 3);
        assert_eq!(chip.load(0x04), 0x2710);
        assert_eq!(chip.load(0x03), 0x1766);
    }

    /// SBOS547: the same load; the calibration is 0xA00.
    #[test]
    fn the_example_of_the_ina226() {
        let mut chip = Ina::new(Kind::Ina226, 0.002);
        chip.feel(&load());
        chip.store(0x05, 0x0A00);
        assert_eq!(chip.load(0x01), 0x1F40);
        assert_eq!(chip.load(0x02), 0x2570);
        assert_eq!(chip.load(0x04), 0x2710);
        assert_eq!(chip.load(0x03), 0x12B8);
    }
}
