//! MCP23017 and MCP23008, and the MCP23S17 on SPI: sixteen or eight lines with pull-ups.

use embedded_hal::i2c::I2c;
use embedded_hal::spi::{Operation, SpiDevice};

use super::terms::{GND, INT, SCL, SDA, VCC, address_wire, no_pull_down, with_bit};
use super::{Expected, LineExpander, Seen};
use crate::buses::{I2cPort, SpiPort};
use crate::catalogue::{
    Bus, Entry, Kind, Open, Opened, Opening, Periods, Setting, SettingKind, Supply, Wire,
};
use crate::traits::{Level, Pull, ReadError};

const ADDRESSES: Bus = Bus::I2c { addresses: &[0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27] };

const WIRING: &[Wire] = &[
    VCC,
    GND,
    SDA,
    SCL,
    address_wire("A0, A1, A2", "they choose the address; all at GND is 0x20"),
    Wire { pin: "RESET", to: "3V3", note: "it must not hang in the air" },
    INT,
];

/// See [`Entry`].
pub(super) static MCP23017: Entry = Entry {
    word: "mcp23017",
    name: "Microchip MCP23017",
    what: "Sixteen lines: GPA0 to GPA7 are lines 0 to 7, GPB0 to GPB7 are lines 8 to 15.",
    bus: ADDRESSES,
    kind: Kind::LineExpander { lines: 16 },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: WIRING,
    supply: Supply { lowest: 1.8, highest: 5.5 },
    periods: Periods::NONE,
    source: "Microchip, MCP23017/MCP23S17 data sheet, DS20001952D",
    notes: &[
        "GPA7 and GPB7 (lines 7 and 15) are for outputs: as inputs they can disturb the bus (data sheet).",
        "Its lines are inputs after power-on, so a relay board decides what its relays do until Gatehouse runs.",
        "Of its two interrupt outputs either does: each then speaks for both ports.",
    ],
    open: Open::Lines(|port, address, opening: &Opening<'_>| open(port, address, 2, opening.interrupts)),
};

/// See [`Entry`].
pub(super) static MCP23008: Entry = Entry {
    word: "mcp23008",
    name: "Microchip MCP23008",
    what: "Eight lines: GP0 to GP7 are lines 0 to 7.",
    bus: ADDRESSES,
    kind: Kind::LineExpander { lines: 8 },
    properties: &[],
    settings: &[],
    recognition: &[],
    wiring: WIRING,
    supply: Supply { lowest: 1.8, highest: 5.5 },
    periods: Periods::NONE,
    source: "Microchip, MCP23008/MCP23S08 data sheet, DS20001919F",
    notes: &[
        "Its lines are inputs after power-on, so a relay board decides what its relays do until Gatehouse runs.",
    ],
    open: Open::Lines(|port, address, opening: &Opening<'_>| open(port, address, 1, opening.interrupts)),
};

/// See [`Entry`].
pub(super) static MCP23S17: Entry = Entry {
    word: "mcp23s17",
    name: "Microchip MCP23S17 (PiFace Digital 2)",
    what: "Sixteen lines: GPA0 to GPA7 are lines 0 to 7, GPB0 to GPB7 are lines 8 to 15.",
    bus: Bus::Spi { mode: 0, max_hertz: 1_000_000 },
    kind: Kind::LineExpander { lines: 16 },
    properties: &[],
    settings: &[Setting {
        key: "board",
        what: "The number that its A0, A1 and A2 are wired to, or the jumpers JP1 and JP2 of a PiFace are set to.",
        kind: SettingKind::Choice { words: &["0", "1", "2", "3", "4", "5", "6", "7"], default: "0" },
    }],
    recognition: &[],
    wiring: &[
        Wire { pin: "VDD", to: "3V3", note: "a PiFace has its own and shifts the levels" },
        GND,
        Wire { pin: "SCK", to: "SCLK", note: "" },
        Wire { pin: "SI", to: "MOSI", note: "" },
        Wire { pin: "SO", to: "MISO", note: "" },
        Wire { pin: "CS", to: "CE", note: "CE0 on a PiFace: bus = \"spi-0.0\"" },
        address_wire("A0, A1, A2", "they choose the number of the board"),
        Wire { pin: "RESET", to: "3V3", note: "it must not hang in the air" },
        Wire {
            pin: "INT",
            to: "a free line of the header",
            note: "GPIO 25 on a PiFace; only if inputs are to be read at once, by `interrupt`",
        },
    ],
    supply: Supply { lowest: 1.8, highest: 5.5 },
    periods: Periods::NONE,
    source: "Microchip, MCP23017/MCP23S17 data sheet, DS20001952; PiFace Digital's public library for what is wired where",
    notes: &[
        "On a PiFace Digital 2 the outputs 0 to 7 are lines 0 to 7 (the relays are 0 and 1), and the inputs 0 to 7 are lines 8 to 15 with pull = \"up\" and active = \"low\": a switch there connects to ground.",
        "One board for each chip select.",
        "Its lines are inputs after power-on, so a relay board decides what its relays do until Gatehouse runs.",
    ],
    open: Open::SpiLines(open_on_spi),
};

/// Registers, one for each port of eight lines, the ports of a register beside each other (IOCON.BANK = 0; table 3-5).
const DIRECTION: u8 = 0x00;
const POLARITY: u8 = 0x01;
/// GPINTEN: which lines tell their changes.
const INTERRUPTS: u8 = 0x02;
/// INTCON: a zero compares a line with what it was, a one with a fixed level.
const COMPARISON: u8 = 0x04;
/// IOCON.
const CONTROL: u8 = 0x05;
/// INTF, and behind it INTCAP and GPIO: which lines have changed, what they were then, and what they are. The interrupt is
/// taken back when INTCAP or GPIO was read (sections 3.5.9 and 3.5.10), in this order without a gap in between: what
/// changes after INTCAP was read is seen by the reading of GPIO.
const FLAGS: u8 = 0x07;
const PULL_UPS: u8 = 0x06;
const LATCHES: u8 = 0x0A;

/// Where IOCON is if the registers of each port lie together (IOCON.BANK = 1), and with one port always. With two ports
/// beside each other it is the enabling of port B's interrupts. Zero is right for both.
const BANKED_CONTROL: u8 = 0x05;

/// IOCON.MIRROR: each interrupt output speaks for both ports. The bit does not exist where there is one.
const MIRROR: u8 = 1 << 6;

/// IOCON.ODR: the interrupt outputs only pull down.
const OPEN_DRAIN: u8 = 1 << 2;

/// IOCON.HAEN: the chip on SPI listens to the number that its pins have. Without it, it is number 0. A chip that is there
/// reads with this bit set; wires that nobody drives read as zeros or ones throughout.
const NUMBERED: u8 = 1 << 3;

/// What is in front of each transfer on SPI: this, the number of the chip, and whether it is read.
const OPCODE: u8 = 0x40;
const READ: u8 = 0x01;

/// How the registers are reached.
trait Wires: Send {
    /// Reads registers that follow each other.
    fn read(&mut self, register: u8, bytes: &mut [u8]) -> Result<(), ReadError>;

    /// Writes what follows the first byte into the registers from there on.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ReadError>;

    /// Writes the same where the chip may not know its number yet.
    fn write_first(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.write(bytes)
    }
}

struct OnI2c {
    port: I2cPort,
    address: u8,
}

impl Wires for OnI2c {
    fn read(&mut self, register: u8, bytes: &mut [u8]) -> Result<(), ReadError> {
        Ok(self.port.write_read(self.address, &[register], bytes)?)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        Ok(self.port.write(self.address, bytes)?)
    }
}

struct OnSpi {
    port: SpiPort,
    /// The number of the chip, where it stands in the opcode.
    number: u8,
    /// What IOCON reads as if it is there.
    control: u8,
}

impl OnSpi {
    fn send(&mut self, opcode: u8, bytes: &[u8]) -> Result<(), ReadError> {
        Ok(self.port.transaction(&mut [Operation::Write(&[opcode]), Operation::Write(bytes)])?)
    }

    fn receive(&mut self, register: u8, bytes: &mut [u8]) -> Result<(), ReadError> {
        let question = [OPCODE | self.number | READ, register];
        Ok(self.port.transaction(&mut [Operation::Write(&question), Operation::Read(bytes)])?)
    }
}

impl Wires for OnSpi {
    /// There is no acknowledge on SPI: whether anybody answers is told by the register whose content is known.
    fn read(&mut self, register: u8, bytes: &mut [u8]) -> Result<(), ReadError> {
        self.receive(register, bytes)?;
        let mut control = [0];
        self.receive(2 * CONTROL, &mut control)?;
        if control != [self.control] {
            return Err(ReadError::Silent(
                "nothing answers as an MCP23S17 does: check power and wiring, the chip select, and the number of its board"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.send(OPCODE | self.number, bytes)
    }

    fn write_first(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        self.send(OPCODE, bytes)?;
        if self.number == 0 { Ok(()) } else { self.write(bytes) }
    }
}

struct Chip<W> {
    wires: W,
    ports: u8,
    /// What IOCON is to be.
    control: u8,
    /// Whether changes are to be told by the interrupt output.
    interrupts: bool,
    /// The lines that tell their changes.
    telling: u16,
    /// What the chip was told last; one bit a line.
    direction: u16,
    latches: u16,
    pull_ups: u16,
}

/// What IOCON is to be.
const fn control(ports: u8, interrupts: bool) -> u8 {
    match (interrupts, ports) {
        (false, _) => 0,
        (true, 1) => OPEN_DRAIN,
        (true, _) => MIRROR | OPEN_DRAIN,
    }
}

fn open(port: I2cPort, address: u8, ports: u8, interrupts: bool) -> Opened<dyn LineExpander> {
    begin(OnI2c { port, address }, ports, control(ports, interrupts), interrupts)
}

fn open_on_spi(port: SpiPort, opening: &Opening<'_>) -> Opened<dyn LineExpander> {
    let number = opening.settings.word("board").parse::<u8>().unwrap_or_default() << 1;
    let control = control(2, opening.interrupts) | NUMBERED;
    begin(OnSpi { port, number, control }, 2, control, opening.interrupts)
}

/// Leaves every line as it is: what drives a relay goes on driving it while the gateway is started again.
fn begin<W: Wires + 'static>(wires: W, ports: u8, control: u8, interrupts: bool) -> Opened<dyn LineExpander> {
    let mut chip =
        Chip { wires, ports, control, interrupts, telling: 0, direction: 0, latches: 0, pull_ups: 0 };
    chip.wires.write_first(&[BANKED_CONTROL, if ports == 1 { control } else { 0 }])?;
    let bytes = [CONTROL * ports, control, control];
    chip.wires.write_first(&bytes[..=usize::from(ports)])?;
    chip.write_all(POLARITY, 0)?;
    chip.write_all(INTERRUPTS, 0)?;
    chip.write_all(COMPARISON, 0)?;
    chip.direction = chip.read(DIRECTION)?;
    chip.latches = chip.read(LATCHES)?;
    chip.pull_ups = chip.read(PULL_UPS)?;
    Ok(Box::new(chip))
}

impl<W: Wires> Chip<W> {
    fn read(&mut self, register: u8) -> Result<u16, ReadError> {
        let mut bytes = [0; 2];
        let wanted = &mut bytes[..usize::from(self.ports)];
        self.wires.read(register * self.ports, wanted)?;
        Ok(u16::from_le_bytes(bytes))
    }

    /// Lets a line tell its changes, or not, if anybody hears them. Only inputs do: an output would report itself.
    fn let_tell(&mut self, line: u8, tells: bool) -> Result<(), ReadError> {
        let telling = with_bit(self.telling, line, tells && self.interrupts);
        if telling != self.telling {
            self.write_all(INTERRUPTS, telling)?;
            self.telling = telling;
        }
        Ok(())
    }

    fn write_all(&mut self, register: u8, value: u16) -> Result<(), ReadError> {
        let [low, high] = value.to_le_bytes();
        let bytes = [register * self.ports, low, high];
        self.wires.write(&bytes[..=usize::from(self.ports)])
    }
}

impl<W: Wires> LineExpander for Chip<W> {
    fn expect(&mut self, line: u8, will_be: Expected) {
        match will_be {
            Expected::Output(level) => {
                self.latches = with_bit(self.latches, line, level.is_on());
                self.direction = with_bit(self.direction, line, false);
            }
            Expected::Input(pull) => {
                self.direction = with_bit(self.direction, line, true);
                if let Some(pull) = pull {
                    self.pull_ups = with_bit(self.pull_ups, line, pull == Pull::Up);
                }
            }
        }
    }

    fn make_output(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        self.let_tell(line, false)?;
        // The level is in the latch before the line is driven.
        self.drive(line, level)?;
        let direction = with_bit(self.direction, line, false);
        self.write_all(DIRECTION, direction)?;
        self.direction = direction;
        Ok(())
    }

    fn make_input(&mut self, line: u8, pull: Pull) -> Result<(), ReadError> {
        if pull == Pull::Down {
            return Err(no_pull_down());
        }
        let (direction, pull_ups) =
            (with_bit(self.direction, line, true), with_bit(self.pull_ups, line, pull == Pull::Up));
        // A chip that lost its supply unnoticed would drive its outputs by latches that are zero.
        self.write_all(LATCHES, self.latches)?;
        self.write_all(DIRECTION, direction)?;
        self.direction = direction;
        self.write_all(PULL_UPS, pull_ups)?;
        self.pull_ups = pull_ups;
        self.let_tell(line, true)
    }

    fn drive(&mut self, line: u8, level: Level) -> Result<(), ReadError> {
        let latches = with_bit(self.latches, line, level.is_on());
        self.write_all(LATCHES, latches)?;
        self.latches = latches;
        Ok(())
    }

    fn look(&mut self) -> Result<Seen, ReadError> {
        let mut bytes = [0; 6];
        let wanted = &mut bytes[..3 * usize::from(self.ports)];
        self.wires.read(FLAGS * self.ports, wanted)?;
        let [flagged, captured, levels] = match (self.ports, bytes) {
            (1, [flags, captured, levels, ..]) => [[flags, 0], [captured, 0], [levels, 0]],
            (_, [a, b, c, d, e, f]) => [[a, b], [c, d], [e, f]],
        }
        .map(|pair| u32::from(u16::from_le_bytes(pair)));
        Ok(Seen { flagged, captured, levels })
    }

    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        Ok(self.read(DIRECTION)? == self.direction
            && self.read(LATCHES)? == self.latches
            && self.read(PULL_UPS)? == self.pull_ups
            && self.read(POLARITY)? == 0
            && self.read(INTERRUPTS)? == self.telling
            && self.read(CONTROL)?.to_le_bytes()[0] == self.control)
    }
}
