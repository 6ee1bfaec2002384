//! Chips with registers: the first byte of a write is a pointer, what follows goes into registers, and a read begins
//! where the pointer stands.

use super::{I2cChip, Surroundings};
use crate::traits::BusFault;

/// Registers of a byte each.
pub trait ByteRegisters: Send {
    /// What a register reads as. Reading may change the chip, as reading a result clears its flag.
    fn load(&mut self, register: u8) -> u8;

    /// Writes a register; those that cannot be written ignore it.
    fn store(&mut self, register: u8, value: u8);

    /// The register that follows in the same transfer. Most chips count up.
    fn after(&self, register: u8) -> u8 {
        register.wrapping_add(1)
    }

    /// Whether a write of several bytes is pairs of register and value, as Bosch's chips have it, instead of one register
    /// and the values of those that follow it.
    fn writes_pairs(&self) -> bool {
        false
    }

    /// See [`I2cChip::feel`].
    fn feel(&mut self, _surroundings: &Surroundings) {}

    /// See [`I2cChip::lose_power`].
    fn lose_power(&mut self) {}

    /// See [`I2cChip::lines`].
    fn lines(&self) -> Option<u32> {
        None
    }

    /// See [`I2cChip::drive_from_outside`].
    fn drive_from_outside(&mut self, _line: u8, _is_high: Option<bool>) {}

    /// See [`I2cChip::interrupts`].
    fn interrupts(&self) -> bool {
        false
    }
}

/// A chip with byte registers on I²C.
#[derive(Debug)]
pub struct Bytewise<R> {
    registers: R,
    pointer: u8,
    notes: Option<Vec<u32>>,
}

impl<R: ByteRegisters> Bytewise<R> {
    /// The chip with these registers.
    pub const fn new(registers: R) -> Self {
        Self { registers, pointer: 0, notes: None }
    }

    /// Its registers.
    pub const fn registers(&self) -> &R {
        &self.registers
    }
}

impl<R: ByteRegisters> I2cChip for Bytewise<R> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let Some((pointer, values)) = bytes.split_first() else { return Ok(()) };
        self.pointer = *pointer;
        for (index, value) in values.iter().enumerate() {
            if self.registers.writes_pairs() && index % 2 == 1 {
                self.pointer = *value;
                continue;
            }
            self.registers.store(self.pointer, *value);
            if let Some(notes) = &mut self.notes {
                notes.extend(self.registers.lines());
            }
            if !self.registers.writes_pairs() {
                self.pointer = self.registers.after(self.pointer);
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        for byte in buffer {
            *byte = self.registers.load(self.pointer);
            self.pointer = self.registers.after(self.pointer);
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.registers.feel(surroundings);
    }

    fn lose_power(&mut self) {
        self.pointer = 0;
        self.registers.lose_power();
        if let Some(notes) = &mut self.notes {
            notes.extend(self.registers.lines());
        }
    }

    fn lines(&self) -> Option<u32> {
        self.registers.lines()
    }

    fn drive_from_outside(&mut self, line: u8, is_high: Option<bool>) {
        self.registers.drive_from_outside(line, is_high);
    }

    fn interrupts(&self) -> bool {
        self.registers.interrupts()
    }

    fn note_lines(&mut self) {
        self.notes.get_or_insert_default();
    }

    fn noted_lines(&mut self) -> Vec<u32> {
        self.notes.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// Registers of 16 bits each, the high byte first on the wire.
pub trait WordRegisters: Send {
    /// What a register reads as.
    fn load(&mut self, register: u8) -> u16;

    /// Writes a register; those that cannot be written ignore it.
    fn store(&mut self, register: u8, value: u16);

    /// See [`I2cChip::feel`].
    fn feel(&mut self, _surroundings: &Surroundings) {}

    /// See [`I2cChip::lose_power`].
    fn lose_power(&mut self) {}
}

/// A chip with 16-bit registers on I²C. The pointer stays where it is: a longer read repeats the register. A write of a
/// single byte after the pointer changes the high byte only.
#[derive(Debug)]
pub struct Wordwise<R> {
    registers: R,
    pointer: u8,
}

impl<R: WordRegisters> Wordwise<R> {
    /// The chip with these registers.
    pub const fn new(registers: R) -> Self {
        Self { registers, pointer: 0 }
    }
}

impl<R: WordRegisters> I2cChip for Wordwise<R> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        match *bytes {
            [] => {}
            [pointer] => self.pointer = pointer,
            [pointer, high] => {
                self.pointer = pointer;
                let [_, low] = self.registers.load(pointer).to_be_bytes();
                self.registers.store(pointer, u16::from_be_bytes([high, low]));
            }
            [pointer, high, low, ..] => {
                self.pointer = pointer;
                self.registers.store(pointer, u16::from_be_bytes([high, low]));
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        for pair in buffer.chunks_mut(2) {
            let value = self.registers.load(self.pointer).to_be_bytes();
            for (byte, value) in pair.iter_mut().zip(value) {
                *byte = value;
            }
        }
        Ok(())
    }

    fn feel(&mut self, surroundings: &Surroundings) {
        self.registers.feel(surroundings);
    }

    fn lose_power(&mut self) {
        self.pointer = 0;
        self.registers.lose_power();
    }
}
