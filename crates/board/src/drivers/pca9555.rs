//! PCA9555 and its family: sixteen lines.

use embedded_hal::i2c::I2c;

use super::terms::{GND, INT, SCL, SDA, VCC, address_wire, no_pull_down, with_bit};
use super::{Expected, LineExpander, Seen};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Periods, Supply};
use crate::traits::{Level, Pull, ReadError};

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "pca9555",
    name: "NXP PCA9555 or PCA9535, TI TCA9555 or TCA9535, XINLUDA XL9535 or XL9555",
    what: "Sixteen lines: P00 to P07 are lines 0 to 7, P10 to P17 are lines 8 to 15.",
    bus: Bus::I2c { addresses: &[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27] },
    kind: Kind::LineExpander { lines: 16 },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: &[
        VCC,
        GND,
        SDA,
        SCL,
        address_wire("A0, A1, A2", "they choose the address; all at GND is 0x20"),
        INT,
    ],
    supply: Supply { lowest: 2.3, highest: 5.5 },
    periods: Periods::NONE,
    source: "NXP, PCA9555 product data sheet, rev. 10",
    notes: &[
        "Those that end in 55 have pull-ups that are always on; those that end in 35 have none, and an input needs a resistor.",
        "Its lines are inputs after power-on, so a relay board decides what its relays do until Gatehouse runs.",
    ],
    open: Open::Lines(open),
};

/// Register pairs.
const PINS: u8 = 0x00;
const LATCHES: u8 = 0x02;
const POLARITY: u8 = 0x04;
const DIRECTION: u8 = 0x06;

struct Chip {
    port: I2cPort,
    address: u8,
    latches: u16,
    direction: u16,
}

/// Leaves every line as it is: what drives a relay goes on driving it while the gateway is started again.
fn open(port: I2cPort, address: u8, _: &Opening<'_>) -> Opened<dyn LineExpander> {
    let mut chip = Chip { port, address, latches: 0, direction: 0 };
    chip.latches = chip.read(LATCHES)?;
    chip.direction = chip.read(DIRECTION)?;
    chip.write(POLARITY, 0)?;
    Ok(Box::new(chip))
}

impl Chip {
    fn read(&mut self, register: u8) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        self.port.write_read(self.address, &[register], &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn write(&mut self, register: u8, value: u16) -> Result<(), ReadError> {
        let [low, high] = value.to_le_bytes();
        Ok(self.port.write(self.address, &[register, low, high])?)
    }

    fn turn(&mut self, line: u8, is_input: bool) -> Result<(), ReadError> {
        let direction = with_bit(self.direction, line, is_input);
        self.write(DIRECTION, direction)?;
        self.direction = direction;
        Ok(())
    }
}

impl LineExpander for Chip {
    fn expect(&mut self, line: u8, will_be: Expected) {
        if let Expected::Output(level) = will_be {
            self.latches = with_bit(self.latches, line, level.is_on());
        }
        self.direction = with_bit(self.direction, line, matches!(will_be, Expected::Input(_)));
    }

    fn make_output(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        // The level is in the latch before the line is driven.
        self.drive(line, level)?;
        self.turn(line, false)
    }

    fn make_input(&mut self, line: u8, pull: Pull) -> Result<(), ReadError> {
        if pull == Pull::Down {
            return Err(no_pull_down());
        }
        // A chip that lost its supply unnoticed would drive its outputs by latches that are ones.
        self.write(LATCHES, self.latches)?;
        self.turn(line, true)
    }

    fn drive(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        let latches = with_bit(self.latches, line, level.is_on());
        self.write(LATCHES, latches)?;
        self.latches = latches;
        Ok(())
    }

    fn look(&mut self) -> Result<Seen, ReadError> {
        Ok(Seen::of(self.read(PINS)?.into()))
    }

    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        Ok(self.read(DIRECTION)? == self.direction
            && self.read(LATCHES)? == self.latches
            && self.read(POLARITY)? == 0)
    }
}
