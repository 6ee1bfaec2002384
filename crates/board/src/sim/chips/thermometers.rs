//! Thermometers with 16-bit registers: Microchip MCP9808 (DS20005095B), TI TMP102 (SBOS397H), and the thermometer of the
//! Analog Devices DS3231 (rev. 10).

use super::{ByteRegisters, Surroundings, WordRegisters};

/// Registers of the MCP9808.
pub(super) struct Mcp9808 {
    celsius: f64,
    configuration: u16,
    limits: [u16; 3],
}

impl Mcp9808 {
    pub(super) const fn new() -> Self {
        Self { celsius: 0.0, configuration: 0, limits: [0; 3] }
    }

    /// Sign and magnitude bits in two's complement, 1/16 °C each; alarms in the upper three bits.
    fn ambient(&self) -> u16 {
        let sixteenths = (self.celsius * 16.0).round() as i16;
        // With all limits at zero, above zero the critical and the upper alarm are set.
        let alarms = if sixteenths > 0 { 0xC000 } else { 0 };
        let sign = if sixteenths < 0 { 0x1000 } else { 0 };
        alarms | sign | (sixteenths.cast_unsigned() & 0x0FFF)
    }
}

impl WordRegisters for Mcp9808 {
    fn load(&mut self, register: u8) -> u16 {
        match register {
            1 => self.configuration,
            2..=4 => self.limits[usize::from(register - 2)],
            5 => self.ambient(),
            6 => 0x0054,
            7 => 0x0400,
            8 => 0x0300,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u16) {
        match register {
            1 => self.configuration = value,
            2..=4 => self.limits[usize::from(register - 2)] = value,
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

/// Registers of the TMP102: temperature, configuration, limits.
pub(super) struct Tmp102 {
    celsius: f64,
    configuration: u16,
    limits: [u16; 2],
}

impl Tmp102 {
    pub(super) const fn new() -> Self {
        // 75 °C and 80 °C, the configuration at power-on.
        Self { celsius: 0.0, configuration: 0x60A0, limits: [0x4B00, 0x5000] }
    }

    /// Twelve bits, or thirteen when bit 4 of the configuration's second byte says so.
    fn temperature(&self) -> u16 {
        let sixteenths = (self.celsius * 16.0).floor() as i16;
        if self.configuration & 0x10 == 0 {
            (sixteenths.clamp(-2_048, 2_047) << 4).cast_unsigned()
        } else {
            (sixteenths << 3 | 1).cast_unsigned()
        }
    }
}

impl WordRegisters for Tmp102 {
    fn load(&mut self, register: u8) -> u16 {
        match register & 3 {
            0 => self.temperature(),
            1 => self.configuration,
            limit => self.limits[usize::from(limit - 2)],
        }
    }

    fn store(&mut self, register: u8, value: u16) {
        match register & 3 {
            0 => {}
            1 => self.configuration = value,
            limit => self.limits[usize::from(limit - 2)] = value,
        }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.celsius = surroundings.temperature;
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}

/// Registers of the DS3231; the clock does not run.
pub(super) struct Ds3231 {
    celsius: f64,
    registers: [u8; 0x11],
}

impl Ds3231 {
    pub(super) const fn new() -> Self {
        let mut registers = [0; 0x11];
        registers[0x0E] = 0x1C;
        registers[0x0F] = 0x88;
        Self { celsius: 0.0, registers }
    }
}

impl ByteRegisters for Ds3231 {
    fn load(&mut self, register: u8) -> u8 {
        // The integer part with its sign, and quarters in the upper two bits ("Temperature Registers").
        let quarters = (self.celsius * 4.0).floor() as i32;
        match register {
            0x00..=0x10 => self.registers[usize::from(register)],
            0x11 => quarters.div_euclid(4) as u8,
            0x12 => (quarters.rem_euclid(4) as u8) << 6,
            _ => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        if let Some(stored) = self.registers.get_mut(usize::from(register)) {
            *stored = value;
        }
    }

    fn after(&self, register: u8) -> u8 {
        if register >= 0x12 { 0 } else { register + 1 }
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.celsius = surroundings.temperature;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(celsius: f64) -> Surroundings {
        Surroundings { temperature: celsius, ..Surroundings::default() }
    }

    #[test]
    fn the_codes_of_the_data_sheets() {
        // The codes that the TMP102's data sheet prints.
        for (celsius, code) in [(100.0, 0x640), (25.0, 0x190), (0.25, 0x004), (-0.25, 0xFFC), (-55.0, 0xC90)]
        {
            let mut chip = Tmp102::new();
            chip.feel(&at(celsius));
            assert_eq!(chip.load(0) >> 4, code, "{celsius}");
        }
        let mut chip = Ds3231::new();
        chip.feel(&at(25.25));
        assert_eq!((chip.load(0x11), chip.load(0x12)), (0b0001_1001, 0b0100_0000));
        // MCP9808: upper byte × 16 + lower byte / 16, less 256 when the sign bit is set.
        for celsius in [-39.5, -0.25, 0.0, 25.25, 125.0] {
            let mut chip = Mcp9808::new();
            chip.feel(&at(celsius));
            let [upper, lower] = chip.load(5).to_be_bytes();
            let magnitude = f64::from(upper & 0x0F) * 16.0 + f64::from(lower) / 16.0;
            let value = if upper & 0x10 == 0x10 { magnitude - 256.0 } else { magnitude };
            assert!((value - celsius).abs() < 1e-9, "{celsius}: {value}");
        }
    }
}
