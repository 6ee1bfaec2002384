//! Solomon Systech SSD1306 (rev. 1.1, April 2008), at I²C.

use super::I2cChip;
use crate::traits::BusFault;

const COLUMNS: usize = 128;
const PAGES: usize = 8;

/// Its memory, and where the next byte of dots goes (horizontal addressing).
pub(super) struct Ssd1306 {
    memory: [[u8; COLUMNS]; PAGES],
    is_on: bool,
    has_pump: bool,
    is_inverted: bool,
    /// Columns from the right, and rows from the bottom.
    is_mirrored: [bool; 2],
    rows: usize,
    addressing: u8,
    columns: [usize; 2],
    pages: [usize; 2],
    place: (usize, usize),
}

impl Ssd1306 {
    pub(super) const fn new() -> Self {
        Self {
            // The memory is anything after power-on.
            memory: [[0xA5; COLUMNS]; PAGES],
            is_on: false,
            has_pump: false,
            is_inverted: false,
            is_mirrored: [false; 2],
            rows: 64,
            addressing: 2,
            columns: [0, COLUMNS - 1],
            pages: [0, PAGES - 1],
            place: (0, 0),
        }
    }

    /// How many bytes follow a command.
    const fn arguments(command: u8) -> usize {
        match command {
            0x20 | 0x81 | 0x8D | 0xA8 | 0xD3 | 0xD5 | 0xD9 | 0xDA | 0xDB => 1,
            0x21 | 0x22 | 0xA3 => 2,
            0x29 | 0x2A => 5,
            0x26 | 0x27 => 6,
            _ => 0,
        }
    }

    fn obey(&mut self, command: u8, arguments: &[u8]) {
        match (command, arguments) {
            (0x20, [mode]) => self.addressing = mode & 0b11,
            (0x21, [first, last]) => {
                self.columns = [usize::from(first & 0x7F), usize::from(last & 0x7F)];
                self.place.0 = self.columns[0];
            }
            (0x22, [first, last]) => {
                self.pages = [usize::from(first & 0x07), usize::from(last & 0x07)];
                self.place.1 = self.pages[0];
            }
            (0x8D, [setting]) => self.has_pump = setting & 0x04 != 0,
            (0xA0 | 0xA1, _) => self.is_mirrored[0] = command & 1 != 0,
            (0xA6 | 0xA7, _) => self.is_inverted = command & 1 != 0,
            (0xA8, [last]) => self.rows = usize::from(last & 0x3F) + 1,
            (0xAE | 0xAF, _) => self.is_on = command & 1 != 0,
            (0xC0..=0xCF, _) => self.is_mirrored[1] = command & 0x08 != 0,
            _ => {}
        }
    }

    fn take_dots(&mut self, dots: u8) {
        let (column, page) = self.place;
        self.memory[page % PAGES][column % COLUMNS] = dots;
        if self.addressing != 0 {
            self.place.0 = (column + 1) % COLUMNS;
        } else if column < self.columns[1] {
            self.place.0 = column + 1;
        } else {
            let next = if page < self.pages[1] { page + 1 } else { self.pages[0] };
            self.place = (self.columns[0], next);
        }
    }
}

impl I2cChip for Ssd1306 {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BusFault> {
        let Some((control, rest)) = bytes.split_first() else { return Ok(()) };
        match control {
            0x00 => {
                let mut rest = rest.iter().copied();
                while let Some(command) = rest.next() {
                    let arguments: Vec<u8> = rest.by_ref().take(Self::arguments(command)).collect();
                    self.obey(command, &arguments);
                }
            }
            0x40 => rest.iter().for_each(|dots| self.take_dots(*dots)),
            // Single bytes with a control byte each are not simulated.
            _ => return Err(BusFault::NoAcknowledge),
        }
        Ok(())
    }

    /// The status: bit 6 is set while it is off.
    fn read(&mut self, buffer: &mut [u8]) -> Result<(), BusFault> {
        buffer.fill(if self.is_on { 0x03 } else { 0x43 });
        Ok(())
    }

    fn lose_power(&mut self) {
        *self = Self::new();
    }

    /// As people see it on the usual board, where both directions are the other way round.
    fn picture(&self) -> Option<Vec<String>> {
        let is_lit = self.is_on && self.has_pump;
        let [columns, rows] = self.is_mirrored;
        let dot = |row: usize, column: usize| {
            let row = if rows { row } else { self.rows - 1 - row };
            let column = if columns { column } else { COLUMNS - 1 - column };
            let is_set = self.memory[row / 8][column] >> (row % 8) & 1 == 1;
            if is_lit && is_set != self.is_inverted { '#' } else { '.' }
        };
        let line = |row| (0..COLUMNS).map(|column| dot(row, column)).collect();
        Some((0..self.rows).map(line).collect())
    }
}
