//! DockerPi 4 Channel Relay: four relays behind a small controller, a register for each.

use embedded_hal::i2c::I2c;

use super::terms::{SCL, SDA};
use super::{Expected, LineExpander, Seen};
use crate::buses::I2cPort;
use crate::catalogue::{Bus, Entry, Kind, Open, Opened, Opening, Periods, Supply, Wire};
use crate::traits::{Level, Pull, ReadError};

/// Its relays.
const RELAYS: u8 = 4;

/// See [`Entry`].
pub(super) static ENTRY: Entry = Entry {
    word: "dockerpi-relay",
    name: "52Pi DockerPi 4 Channel Relay (EP-0099)",
    what: "Four relays: relay 1 to relay 4 are lines 0 to 3.",
    bus: Bus::I2c { addresses: &[0x10, 0x11, 0x12, 0x13] },
    kind: Kind::LineExpander { lines: RELAYS },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: &[
        Wire { pin: "header", to: "the whole header", note: "it sits on the Pi and takes 5 V from there" },
        SDA,
        SCL,
        Wire {
            pin: "switches of its board",
            to: "the address",
            note: "they choose 0x10 to 0x13, as its page shows",
        },
    ],
    supply: Supply { lowest: 5.0, highest: 5.0 },
    periods: Periods::NONE,
    source: "52Pi, EP-0099, DockerPi 4 Channel Relay, register map of its wiki page",
    notes: &[
        "Its lines are outputs only; high switches a relay on, so leave active = \"high\".",
        "What is read back is what its controller was told, not the contact: it says whether the board heard the command.",
        "It has no interrupt output.",
        "A scan does not ask what is at its addresses: its page says nothing of what a register's number alone does there.",
    ],
    open: Open::Lines(|port, address, _: &Opening<'_>| open(port, address)),
};

/// What its page gives: 0 is off, 1 and 255 are on.
const OFF: u8 = 0x00;
const ON: u8 = 0xFF;

struct Board {
    port: I2cPort,
    address: u8,
    /// The relays that were switched, and which of them on.
    used: u32,
    on: u32,
}

/// Reads only: a relay that is on stays on while the gateway is started again.
fn open(port: I2cPort, address: u8) -> Opened<dyn LineExpander> {
    let mut board = Board { port, address, used: 0, on: 0 };
    board.relays()?;
    Ok(Box::new(board))
}

impl Board {
    /// Which relays are on, by their registers 1 to 4; each is read by itself.
    fn relays(&mut self) -> Result<u32, ReadError> {
        let mut on = 0;
        for line in 0..RELAYS {
            let mut state = [0];
            self.port.write_read(self.address, &[line + 1], &mut state)?;
            on |= u32::from(state != [OFF]) << line;
        }
        Ok(on)
    }
}

impl LineExpander for Board {
    /// Each relay has a register of its own, so that writing one never writes another.
    fn expect(&mut self, _: u8, _: Expected) {}

    fn make_output(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        self.drive(line, level)
    }

    fn make_input(&mut self, _: u8, _: Pull) -> Result<(), ReadError> {
        Err(ReadError::Cannot("its lines are relays, which are outputs only".to_owned()))
    }

    fn drive(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        self.port.write(self.address, &[line + 1, if level.is_on() { ON } else { OFF }])?;
        let bit = 1 << line;
        self.used |= bit;
        self.on = if level.is_on() { self.on | bit } else { self.on & !bit };
        Ok(())
    }

    fn look(&mut self) -> Result<Seen, ReadError> {
        Ok(Seen::of(self.relays()?))
    }

    /// After a cut of its supply all are off: one that should be on tells.
    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        Ok(self.relays()? & self.used == self.on)
    }
}
