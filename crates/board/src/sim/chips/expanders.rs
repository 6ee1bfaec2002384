//! Expanders: Microchip MCP23017 and MCP23S17 (DS20001952D) and MCP23008 (DS20001919F), NXP PCF8574 (rev. 5) and TI PCF8575
//! (SCPS121E), NXP PCA9555 (rev. 10) and PCA9685 (rev. 4), TI TCA9548A (SCPS207H).

use super::{ByteRegisters, Bytewise, I2cChip, SpiChip};
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

/// MCP23017 with two ports, MCP23008 with one. Registers as of IOCON.BANK = 0 (table 3-5), by their number there times
/// the number of ports.
pub(super) struct Mcp230 {
    ports: u8,
    registers: [[u8; 2]; 11],
    outside: Outside,
    /// What the lines were when they were last looked at for changes.
    previous: u16,
}

const IODIR: usize = 0;
const IPOL: usize = 1;
const GPINTEN: usize = 2;
const DEFVAL: usize = 3;
const INTCON: usize = 4;
const IOCON: usize = 5;
const GPPU: usize = 6;
const INTF: usize = 7;
const INTCAP: usize = 8;
const GPIO: usize = 9;
const OLAT: usize = 10;

/// Bits of IOCON (register 3-6).
const MIRROR: u8 = 0x40;
const ODR: u8 = 0x04;
const INTPOL: u8 = 0x02;

impl Mcp230 {
    pub(super) fn new(ports: u8) -> Self {
        // All registers are zero after power-on but the directions (table 3-5).
        let mut registers = [[0; 2]; 11];
        registers[IODIR] = [0xFF; 2];
        Self { ports, registers, outside: Outside::default(), previous: 0 }
    }

    fn word(&self, register: usize) -> u16 {
        u16::from_le_bytes(self.registers[register])
    }

    fn voltages(&self) -> u16 {
        self.outside.voltages(!self.word(IODIR), self.word(OLAT), self.word(GPPU))
    }

    /// Looks for changes: each input that is enabled is compared with what it was, or with its bit
    /// of DEFVAL. The first change of a port is kept in INTF and INTCAP until the interrupt is taken back; those that follow
    /// meanwhile leave no trace.
    fn watch(&mut self) {
        let now = self.voltages();
        let fixed = self.word(INTCON);
        let changed = ((now ^ self.previous) & !fixed) | ((now ^ self.word(DEFVAL)) & fixed);
        let changed = (changed & self.word(GPINTEN) & self.word(IODIR)).to_le_bytes();
        self.previous = now;
        for (port, changed) in changed.into_iter().enumerate() {
            if changed != 0 && self.registers[INTF][port] == 0 {
                self.registers[INTF][port] = changed;
                self.registers[INTCAP][port] = now.to_le_bytes()[port];
            }
        }
    }

    fn place(&self, register: u8) -> Option<(usize, usize)> {
        let (number, port) = (register / self.ports, register % self.ports);
        (number < 11).then_some((number.into(), port.into()))
    }
}

impl ByteRegisters for Mcp230 {
    fn load(&mut self, register: u8) -> u8 {
        let value = match self.place(register) {
            // A set bit of IPOL inverts what an input reads (section 3.5.2).
            Some((GPIO, port)) => (self.voltages() ^ self.word(IPOL)).to_le_bytes()[port],
            Some((number, port)) => self.registers[number][port],
            None => 0,
        };
        // Reading either of them takes the interrupt of the port back.
        if let Some((GPIO | INTCAP, port)) = self.place(register) {
            self.registers[INTF][port] = 0;
            self.watch();
        }
        value
    }

    fn store(&mut self, register: u8, value: u8) {
        match self.place(register) {
            // Writing the port writes its latch (section 3.5.10); there is one control register for both ports.
            Some((GPIO, port)) => self.registers[OLAT][port] = value,
            Some((IOCON, _)) => self.registers[IOCON] = [value; 2],
            // They can only be read (INTCAP: section 3.5.9).
            Some((INTF | INTCAP, _)) => {}
            Some((number, port)) => self.registers[number][port] = value,
            None => {}
        }
        self.watch();
    }

    fn after(&self, register: u8) -> u8 {
        // Sequential operation goes round.
        if register + 1 >= 11 * self.ports { 0 } else { register + 1 }
    }

    fn lose_power(&mut self) {
        *self = Self { outside: self.outside.clone(), ..Self::new(self.ports) };
        self.watch();
    }

    fn lines(&self) -> Option<u32> {
        Some(self.voltages().into())
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.outside.drive(line, is_high);
        self.watch();
    }

    /// Of two ports, the wire is at INTA, which speaks for port B with IOCON.MIRROR only. INTPOL counts without ODR only
    /// (register 3-6).
    fn interrupts(&self) -> bool {
        let [a, b] = self.registers[INTF];
        let control = self.registers[IOCON][0];
        let is_pending = a != 0 || (control & MIRROR != 0 && b != 0);
        is_pending != (control & (ODR | INTPOL) == INTPOL)
    }
}

/// MCP23S17: the same registers behind an opcode (DS20001952). Without IOCON.HAEN its number is 0.
pub(super) struct Mcp23s17 {
    chip: Bytewise<Mcp230>,
    /// What its pins A0 to A2 are wired to.
    number: u8,
    frame: Frame,
}

/// How far a transaction is.
enum Frame {
    Opcode,
    Register {
        is_read: bool,
    },
    Data {
        register: u8,
        is_read: bool,
    },
    /// It is for another chip.
    NotOurs,
}

/// The bit of IOCON by which it listens to its number.
const HAEN: u8 = 0x08;

impl Mcp23s17 {
    pub(super) fn new(number: u8) -> Self {
        Self { chip: Bytewise::new(Mcp230::new(2)), number, frame: Frame::Opcode }
    }
}

impl SpiChip for Mcp23s17 {
    fn select(&mut self) {
        self.frame = Frame::Opcode;
    }

    /// Its output is not driven before the data, and reads as ones then.
    fn exchange(&mut self, byte: u8) -> u8 {
        let (frame, answer) = match self.frame {
            Frame::Opcode => {
                let is_numbered = self.chip.registers().registers[IOCON][0] & HAEN != 0;
                let number = if is_numbered { self.number } else { 0 };
                let is_ours = byte >> 1 == 0x20 | number;
                (if is_ours { Frame::Register { is_read: byte & 1 == 1 } } else { Frame::NotOurs }, 0xFF)
            }
            Frame::Register { is_read } => (Frame::Data { register: byte, is_read }, 0xFF),
            Frame::Data { register, is_read } => {
                let mut answer = [0xFF];
                let bytes = [register, byte];
                let done = self.chip.write(if is_read { &bytes[..1] } else { &bytes });
                let done = done.and_then(|()| if is_read { self.chip.read(&mut answer) } else { Ok(()) });
                debug_assert!(done.is_ok(), "registers take everything");
                (Frame::Data { register: self.chip.registers().after(register), is_read }, answer[0])
            }
            Frame::NotOurs => (Frame::NotOurs, 0xFF),
        };
        self.frame = frame;
        answer
    }

    fn as_on_i2c(&mut self) -> Option<&mut dyn I2cChip> {
        Some(&mut self.chip)
    }
}

/// PCF8574 with one byte, PCF8575 with two: what is written are the latches, what is read are the pins.
pub(super) struct Pcf857 {
    bytes: usize,
    latches: u16,
    outside: Outside,
    /// What the pins were at the last read or write.
    seen: u16,
    notes: Option<Vec<u32>>,
}

impl Pcf857 {
    pub(super) fn new(bytes: usize) -> Self {
        // All lines are high after power-on (PCF8574 section 8.1).
        Self { bytes, latches: 0xFFFF, outside: Outside::default(), seen: 0xFFFF, notes: None }
    }

    fn note(&mut self) {
        let lines = self.voltages().into();
        if let Some(notes) = &mut self.notes {
            notes.push(lines);
        }
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
            self.note();
        }
        self.seen = self.voltages();
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        let pins = self.voltages().to_le_bytes();
        for (index, byte) in buffer.iter_mut().enumerate() {
            *byte = pins[index % self.bytes];
        }
        self.seen = self.voltages();
        Ok(())
    }

    fn lose_power(&mut self) {
        self.latches = 0xFFFF;
        // What is held low from outside interrupts at once (PCF8574 section 8.5).
        self.seen = 0xFFFF;
        self.note();
    }

    fn lines(&self) -> Option<u32> {
        Some(self.voltages().into())
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.outside.drive(line, is_high);
    }

    /// While an input (a one) differs from what it was when the port was last read or written; the same level again takes
    /// it back (PCF8574 section 8.5).
    fn interrupts(&self) -> bool {
        let used = if self.bytes == 1 { 0x00FF } else { 0xFFFF };
        (self.voltages() ^ self.seen) & self.latches & used != 0
    }

    fn note_lines(&mut self) {
        self.notes.get_or_insert_default();
    }

    fn noted_lines(&mut self) -> Vec<u32> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// PCA9555: pairs of registers for input, output, polarity, configuration.
pub(super) struct Pca9555 {
    registers: [u8; 8],
    outside: Outside,
    /// What each port was when it was last read.
    seen: [u8; 2],
}

impl Pca9555 {
    pub(super) fn new() -> Self {
        // Outputs are ones and all lines inputs after power-on.
        let registers = [0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF];
        let new = Self { registers, outside: Outside::default(), seen: [0; 2] };
        Self { seen: new.voltages().to_le_bytes(), ..new }
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
        // Each port is taken note of by its own reading.
        match register & 7 {
            0 => self.seen[0] = p0,
            1 => self.seen[1] = p1,
            _ => {}
        }
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
        // The two of a pair follow each other in turn.
        register ^ 1
    }

    fn lose_power(&mut self) {
        *self = Self { outside: self.outside.clone(), ..Self::new() };
        self.seen = self.voltages().to_le_bytes();
    }

    fn lines(&self) -> Option<u32> {
        Some(self.voltages().into())
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.outside.drive(line, is_high);
    }

    /// While an input differs from what it was when its port was last read; an output does not count.
    fn interrupts(&self) -> bool {
        let [.., c0, c1] = self.registers;
        (self.voltages() ^ u16::from_le_bytes(self.seen)) & u16::from_le_bytes([c0, c1]) != 0
    }
}

/// PCA9685.
pub(super) struct Pca9685 {
    registers: [u8; 256],
}

impl Pca9685 {
    pub(super) fn new() -> Self {
        let mut registers = [0; 256];
        // Asleep and answering to all call; every output fully off; 200 Hz.
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
        // Four registers load those of all outputs at once.
        if let Some(part @ 0..4) = register.checked_sub(0xFA) {
            for output in 0..16 {
                self.registers[0x06 + 4 * output + usize::from(part)] = value;
            }
        }
    }

    fn after(&self, register: u8) -> u8 {
        // Only with auto-increment; after the last output it begins again.
        match register {
            _ if self.registers[0] & 0x20 == 0 => register,
            0x45 => 0,
            other => other.wrapping_add(1),
        }
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }

    /// The outputs that are high for any part of a period. MODE2 (table 6) inverts them; as open drains nothing pulls them up.
    fn lines(&self) -> Option<u32> {
        let (mode1, mode2) = (self.registers[0x00], self.registers[0x01]);
        let is_on = |output: &usize| {
            let [on, off] = [0x06, 0x08].map(|first| {
                u16::from_le_bytes([
                    self.registers[first + 4 * output],
                    self.registers[first + 1 + 4 * output],
                ])
            });
            // Bit 12 is always off before it is always on (section 7.3.3); a clock that stands drives nothing.
            mode1 & 0x10 == 0 && off & 0x1000 == 0 && (on & 0x1000 != 0 || on != off)
        };
        let on = (0..16).filter(is_on).fold(0, |lines, output| lines | 1 << output);
        let shown = if mode2 & 0x10 == 0 { on } else { !on & 0xFFFF };
        Some(if mode2 & 0x04 == 0 { 0 } else { shown })
    }
}

/// TCA9548A: one register, a bit for each channel; none after power-on.
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
