//! STMicroelectronics VL53L0X (DS11555; the registers that the data sheet does not name as STSW-IMG005 uses them).

use std::collections::BTreeMap;

use super::{ByteRegisters, Surroundings};

/// Registers on pages, which register 0xFF chooses.
pub(super) struct Vl53l0x {
    page: u8,
    registers: BTreeMap<(u8, u8), u8>,
    millimetres: f64,
}

/// It measures up to two metres.
const REACH: f64 = 2_000.0;

impl Vl53l0x {
    pub(super) fn new() -> Self {
        let registers = BTreeMap::from([
            ((0, 0xC0), 0xEE),
            ((0, 0xC1), 0xAA),
            ((0, 0xC2), 0x10),
            ((0, 0x01), 0xFF),
            // What is read at the start and written before each measurement.
            ((1, 0x91), 0x3C),
            // Five reference diodes with an aperture.
            ((7, 0x92), 0x85),
            ((0, 0xB0), 0xFF),
            ((0, 0xB1), 0xFF),
            ((0, 0xB2), 0xFF),
            ((0, 0xB3), 0xFF),
            ((0, 0xB4), 0xFF),
            ((0, 0xB5), 0xFF),
        ]);
        Self { page: 0, registers, millimetres: 0.0 }
    }

    fn get(&self, page: u8, register: u8) -> u8 {
        self.registers.get(&(page, register)).copied().unwrap_or(0)
    }

    /// A measurement ends: how it went, the range, and that it is there.
    fn measure(&mut self) {
        // The value from the start must have been written back, or nothing is measured.
        if self.get(1, 0x91) != 0x3C {
            return;
        }
        let (status, range) =
            if self.millimetres <= REACH { (11, self.millimetres.round() as u16) } else { (4, 8_190) };
        let [high, low] = range.to_be_bytes();
        self.registers.extend([
            ((0, 0x13), 0x04),
            ((0, 0x14), status << 3),
            ((0, 0x1E), high),
            ((0, 0x1F), low),
        ]);
    }
}

impl ByteRegisters for Vl53l0x {
    fn load(&mut self, register: u8) -> u8 {
        match (self.page, register) {
            (page, 0xFF) => page,
            // The memory is ready when this is no longer zero.
            (7, 0x83) => 0x10,
            (page, register) => self.get(page, register),
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        if register == 0xFF {
            self.page = value;
            return;
        }
        self.registers.insert((self.page, register), value);
        match (self.page, register) {
            // A single measurement or a calibration begins; its bit falls when it has begun.
            (0, 0x00) if value & 0x01 != 0 => self.measure(),
            (0, 0x0B) => {
                self.registers.insert((0, 0x13), 0);
            }
            _ => {}
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.millimetres = surroundings.distance;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}
