//! Expanders: Microchip MCP23017 (DS20001952D) and MCP23008 (DS20001919F), NXP PCF8574 (rev. 5) and TI PCF8575
//! (SCPS121E), NXP PCA9555 (rev. 10) and PCA9685 (rev. 4), TI TCA9548A (SCPS207H).

use super::{ByteRegisters, I2cChip};
use crate::traits::BusFault;

/// What is connected to the lines of an expander, seen from outside.
#[derive(Clone, Debug, Default)]
struct Outside {
    driven: u16,
    levels: u16,
}

impl Outside {
    fn drive(&mut self, line: u8, is_high: Option<bool>) {
        let bit = 1u16.checked_shl(line.into()).unwrap_or(0);
        self.driven = if is_high.is_some() { self.driven | bit } else { self.driven & !bit };
        self.levels = if is_high == Some(true) { self.levels | bit } else { self.levels & !bit };
    }

    /// The voltages: outputs as they are driven, others as they are driven from outside, and the rest as `idle` says.
    fn voltages(&self, outputs: u16, latches: u16, idle: u16) -> u16 {
        let inputs = (self.levels & self.driven) | (idle & !self.driven);
        (latches & outputs) | (inputs & !outputs)
    }
}

/// MCP23017 with two ports, MCP23008 with one. Registers as of IOCON.BANK = 0 (table 3-1), by their number there times
/// the number of ports.
pub(super) struct Mcp230 {
    ports: u8,
    registers: [[u8; 2]; 11],
    outside: Outside,
}

const IODIR: usize = 0;
const IPOL: usize = 1;
const IOCON: usize = 5;
const GPPU: usize = 6;
const GPIO: usize = 9;
const OLAT: usize = 10;

impl Mcp230 {
    pub(super) fn new(ports: u8) -> Self {
        // All registers are zero after power-on but the directions (table 3-1).
        let mut registers = [[0; 2]; 11];
        registers[IODIR] = [0xFF; 2];
        Self { ports, registers, outside: Outside::default() }
    }

    fn word(&self, register: usize) -> u16 {
        u16::from_le_bytes(self.registers[register])
    }

    fn voltages(&self) -> u16 {
        self.outside.voltages(!self.word(IODIR), self.word(OLAT), self.word(GPPU))
    }

    fn place(&self, register: u8) -> Option<(usize, usize)> {
        let (number, port) = (register / self.ports, register % self.ports);
        (number < 11).then_some((number.into(), port.into()))
    }
}

impl ByteRegisters for Mcp230 {
    fn load(&mut self, register: u8) -> u8 {
        match self.place(register) {
            // A set bit of IPOL inverts what an input reads (section 3.5.2).
            Some((GPIO, port)) => (self.voltages() ^ self.word(IPOL)).to_le_bytes()[port],
            Some((number, port)) => self.registers[number][port],
            None => 0,
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        match self.place(register) {
            // Writing the port writes its latch (section 3.5.10); there is one control register for both ports.
            Some((GPIO, port)) => self.registers[OLAT][port] = value,
            Some((IOCON, _)) => self.registers[IOCON] = [value; 2],
            Some((number, port)) => self.registers[number][port] = value,
            None => {}
        }
    }

    fn after(&self, register: u8) -> u8 {
        // Sequential operation goes round (section 3.2.1).
        if register + 1 >= 11 * self.ports { 0 } else { register + 1 }
    }

    fn lose_power(&mut self) {
        *self = Self { outside: self.outside.clone(), ..Self::new(self.ports) };
    }

    fn lines(&self) -> Option<u32> {
        Some(self.voltages().into())
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.outside.drive(line, is_high);
    }
}

/// PCF8574 with one byte, PCF8575 with two: what is written are the latches, what is read are the pins.
pub(super) struct Pcf857 {
    bytes: usize,
    latches: u16,
    outside: Outside,
}

impl Pcf857 {
    pub(super) fn new(bytes: usize) -> Self {
        // All lines are high after power-on (PCF8574 section 8.1).
        Self { bytes, latches: 0xFFFF, outside: Outside::default() }
    }

    /// A low latch pulls hard; a high one is a weak current that anything outside beats.
    fn voltages(&self) -> u16 {
        let used = if self.bytes == 1 { 0x00FF } else { 0xFFFF };
        self.outside.voltages(!self.latches, self.latches, self.latches) & used
    }
}

impl I2cChip for Pcf857 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        for (index, byte) in bytes.iter().enumerate() {
            let mut latches = self.latches.to_le_bytes();
            latches[index % self.bytes] = *byte;
            self.latches = u16::from_le_bytes(latches);
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let pins = self.voltages().to_le_bytes();
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = pins[index % self.bytes];
        }
        Ok(())
    }

    fn lose_power(&mut self) {
        self.latches = 0xFFFF;
    }

    fn lines(&self) -> Option<u32> {
        Some(self.voltages().into())
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.outside.drive(line, is_high);
    }
}

/// PCA9555: pairs of registers for input, output, polarity, configuration (section 6.2).
pub(super) struct Pca9555 {
    registers: [u8; 8],
    outside: Outside,
}

impl Pca9555 {
    pub(super) fn new() -> Self {
        // Outputs are ones and all lines inputs after power-on (sections 6.2.3 to 6.2.5).
        Self { registers: [0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF], outside: Outside::default() }
    }

    fn voltages(&self) -> u16 {
        let [_, _, o0, o1, _, _, c0, c1] = self.registers;
        let (latches, inputs) = (u16::from_le_bytes([o0, o1]), u16::from_le_bytes([c0, c1]));
        // Its pull-ups are always on.
        self.outside.voltages(!inputs, latches, 0xFFFF)
    }
}

impl ByteRegisters for Pca9555 {
    fn load(&mut self, register: u8) -> u8 {
        let [p0, p1] = self.voltages().to_le_bytes();
        match register & 7 {
            0 => p0 ^ self.registers[4],
            1 => p1 ^ self.registers[5],
            other => self.registers[usize::from(other)],
        }
    }

    fn store(&mut self, register: u8, value: u8) {
        if register & 7 > 1 {
            self.registers[usize::from(register & 7)] = value;
        }
    }

    fn after(&self, register: u8) -> u8 {
        // The two of a pair follow each other in turn (section 6.3.1).
        register ^ 1
    }

    fn lose_power(&mut self) {
        *self = Self { outside: self.outside.clone(), ..Self::new() };
    }

    fn lines(&self) -> Option<u32> {
        Some(self.voltages().into())
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.outside.drive(line, is_high);
    }
}

/// PCA9685 (section 7.3).
pub(super) struct Pca9685 {
    registers: [u8; 256],
}

impl Pca9685 {
    pub(super) fn new() -> Self {
        let mut registers = [0; 256];
        // Asleep and answering to all call; every output fully off; 200 Hz (tables 5, 7 and section 7.3.5).
        registers[0x00] = 0x11;
        registers[0x01] = 0x04;
        for output in 0..16 {
            registers[0x09 + 4 * output] = 0x10;
        }
        registers[0xFE] = 0x1E;
        Self { registers }
    }
}

impl ByteRegisters for Pca9685 {
    fn load(&mut self, register: u8) -> u8 {
        self.registers[usize::from(register)]
    }

    fn store(&mut self, register: u8, value: u8) {
        // The scale is locked while the clock runs.
        if register != 0xFE || self.registers[0] & 0x10 != 0 {
            self.registers[usize::from(register)] = value;
        }
    }

    fn after(&self, register: u8) -> u8 {
        // Only with auto-increment; after the last output it begins again (table 5).
        match register {
            _ if self.registers[0] & 0x20 == 0 => register,
            0x45 => 0,
            other => other.wrapping_add(1),
        }
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }
}

/// TCA9548A: one register, a bit for each channel (section 8.6.2); none after power-on.
#[derive(Default)]
pub(super) struct Tca9548a(u8);

impl I2cChip for Tca9548a {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        self.0 = bytes.last().copied().unwrap_or(self.0);
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        buffer.fill(self.0);
        Ok(())
    }

    fn lose_power(&mut self) {
        self.0 = 0;
    }

    fn channels(&self) -> u8 {
        self.0
    }
}
