//! PCF8574, PCF8574A and PCF8575: eight or sixteen lines without registers. A one is a weak pull-up, which is an input
//! at the same time.

use embedded_hal::i2c::I2c;

use super::terms::{GND, INT, SCL, SDA, VCC, address_wire, no_pull_down, with_bit};
use super::{Expected, LineExpander, Seen};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Periods, Supply, Wire};
use crate::traits::{Level, Pull, ReadError};

const WIRING: &[Wire] = &[
    VCC,
    GND,
    SDA,
    SCL,
    address_wire("A0, A1, A2", "they choose the address; all at GND is the lowest"),
    INT,
];

const NOTES: &[&str] = &[
    "All lines are high after power-on: use relay boards that switch on when low, with active = \"low\".",
    "A high output gives about 0.1 mA: it switches a transistor off, not a lamp on.",
];

/// See [`Entry`].
pub(super) static PCF8574: Entry = Entry {
    word: "pcf8574",
    name: "NXP or TI PCF8574 or PCF8574A",
    what: "Eight lines: P0 to P7 are lines 0 to 7.",
    bus: Bus::I2c {
        addresses: &[
            0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F,
        ],
    },
    kind: Kind::LineExpander { lines: 8 },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: WIRING,
    supply: Supply { lowest: 2.5, highest: 6.0 },
    periods: Periods::NONE,
    source: "NXP, PCF8574; PCF8574A product data sheet, rev. 5",
    notes: NOTES,
    open: Open::Lines(|port, address, _: &Opening<'_>| open(port, address, 1)),
};

/// See [`Entry`].
pub(super) static PCF8575: Entry = Entry {
    word: "pcf8575",
    name: "NXP or TI PCF8575",
    what: "Sixteen lines: P00 to P07 are lines 0 to 7, P10 to P17 are lines 8 to 15.",
    bus: Bus::I2c { addresses: &[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27] },
    kind: Kind::LineExpander { lines: 16 },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: WIRING,
    supply: Supply { lowest: 2.5, highest: 5.5 },
    periods: Periods::NONE,
    source: "Texas Instruments, PCF8575 data sheet, SCPS121E",
    notes: NOTES,
    open: Open::Lines(|port, address, _: &Opening<'_>| open(port, address, 2)),
};

struct Chip {
    port: I2cPort,
    address: u8,
    bytes: usize,
    /// What was written last; one bit a line.
    latches: u16,
    outputs: u16,
}

/// What is at the pins is the best guess of what was written before: the latches cannot be read. Nothing is written, so
/// nothing moves.
fn open(port: I2cPort, address: u8, bytes: usize) -> Opened<dyn LineExpander> {
    let mut chip = Chip { port, address, bytes, latches: 0, outputs: 0 };
    chip.latches = chip.read()?;
    Ok(Box::new(chip))
}

impl Chip {
    fn read(&mut self) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        self.port.read(self.address, &mut bytes[..self.bytes])?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn write(&mut self, line: u8, is_high: bool) -> Result<(), ReadError> {
        let latches = with_bit(self.latches, line, is_high);
        self.port.write(self.address, &latches.to_le_bytes()[..self.bytes])?;
        self.latches = latches;
        Ok(())
    }

    fn mark(&mut self, line: u8, is_output: bool) {
        self.outputs = with_bit(self.outputs, line, is_output);
    }
}

impl LineExpander for Chip {
    fn expect(&mut self, line: u8, will_be: Expected) {
        // An input is a one, that pulls up weakly.
        let is_high = !matches!(will_be, Expected::Output(Level::Inactive));
        self.latches = with_bit(self.latches, line, is_high);
        self.mark(line, matches!(will_be, Expected::Output(_)));
    }

    fn make_output(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        self.write(line, level.is_on())?;
        self.mark(line, true);
        Ok(())
    }

    fn make_input(&mut self, line: u8, pull: Pull) -> Result<(), ReadError> {
        if pull == Pull::Down {
            return Err(no_pull_down());
        }
        self.write(line, true)?;
        self.mark(line, false);
        Ok(())
    }

    fn drive(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        self.write(line, level.is_on())
    }

    fn look(&mut self) -> Result<Seen, ReadError> {
        Ok(Seen::of(self.read()?.into()))
    }

    /// After power-on all lines are high: an output that should be low tells. One that should be high may be pulled low
    /// from outside, which is nothing that writing it again would change.
    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        Ok(self.read()? & self.outputs & !self.latches == 0)
    }
}
