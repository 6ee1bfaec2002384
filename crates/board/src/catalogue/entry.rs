//! One entry of the catalogue.

use std::fmt;
use std::time::Duration;

use super::settings::{Setting, Settings};
use crate::buses::{I2cPort, Pause, SerialPort, SpiPort};
use crate::drivers::{Driver, LineExpander, PwmExpander};
use crate::traits::{BusError, ReadError};

/// A chip, or another thing with wires, as data.
#[derive(Debug)]
pub struct Entry {
    /// Its word in the configuration: `driver = "bme280"`.
    pub word: &'static str,
    /// Its maker and name, for people.
    pub name: &'static str,
    /// What it is for, in one sentence.
    pub what: &'static str,
    /// How it is connected.
    pub bus: Bus,
    /// What it gives.
    pub kind: Kind,
    /// What it measures; empty for expanders.
    pub properties: &'static [MeasuredProperty],
    /// What can be set, beside what every device has.
    pub settings: &'static [Setting],
    /// How it is told from other chips at the same address, without writing to it. Empty: it cannot be told.
    pub recognition: &'static [Recognition],
    /// Which of its pins goes where.
    pub wiring: &'static [Wire],
    /// Its supply.
    pub supply: Supply,
    /// How often it can be read.
    pub periods: Periods,
    /// The datasheet that all of this is from: maker, title, revision.
    pub source: &'static str,
    /// What its owner should know, a sentence each: limits, common mistakes.
    pub notes: &'static [&'static str],
    /// Opens it.
    pub open: Open,
}

/// An entry is what its word says: words are unique.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

/// How a chip is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// I²C, at one of these 7-bit addresses; the first is the one that it has when nothing is changed on its board.
    I2c {
        /// All addresses that it can have.
        addresses: &'static [u8],
    },
    /// SPI.
    Spi {
        /// Clock polarity and phase: 0 to 3.
        mode: u8,
        /// Highest clock, in hertz.
        max_hertz: u32,
    },
    /// A serial port with 8 data bits, no parity and one stop bit.
    Serial {
        /// Bits a second.
        baud: u32,
    },
}

/// What a chip gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers and words that are read from time to time.
    Sensor,
    /// Lines, which other devices use as `pin = "<device>:<line>"`.
    LineExpander {
        /// How many.
        lines: u8,
    },
    /// PWM outputs, which other devices use as `pin = "<device>:<line>"`.
    PwmExpander {
        /// How many.
        lines: u8,
    },
    /// Further I²C buses, which other devices use as `bus = "<device>:<channel>"`.
    Multiplexer {
        /// How many.
        channels: u8,
    },
}

impl Kind {
    /// How many lines it has that are pins of other devices.
    pub const fn lines(self) -> u8 {
        match self {
            Self::LineExpander { lines } | Self::PwmExpander { lines } => lines,
            Self::Sensor | Self::Multiplexer { .. } => 0,
        }
    }

    /// How many buses it has that are those of other devices.
    pub const fn channels(self) -> u8 {
        match self {
            Self::Multiplexer { channels } => channels,
            Self::Sensor | Self::LineExpander { .. } | Self::PwmExpander { .. } => 0,
        }
    }
}

/// A value that a chip measures.
#[derive(Debug)]
pub struct MeasuredProperty {
    /// Its id, the last level of its topic.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Its unit, empty when it has none.
    pub unit: &'static str,
    /// Digits behind the point that the chip deserves.
    pub decimals: u8,
    /// Lowest and highest value that the chip can measure, from its datasheet.
    pub range: (f64, f64),
    /// What it is, in Home Assistant's words; nothing where they have none.
    pub class: Option<&'static str>,
    /// A value that the chip gives before its first measurement.
    pub power_on: Option<f64>,
    /// Fastest believable change, in units a second; nothing when anything goes.
    pub fastest: Option<f64>,
    /// What kind of value it is.
    pub content: Content,
    /// The setting and its word that leave this property out, as for an input that is wired to nothing.
    pub absent_when: Option<(&'static str, &'static str)>,
}

impl MeasuredProperty {
    /// A property with nothing special about it.
    pub const fn new(
        id: &'static str,
        name: &'static str,
        unit: &'static str,
        decimals: u8,
        range: (f64, f64),
        class: Option<&'static str>,
    ) -> Self {
        Self {
            id,
            name,
            unit,
            decimals,
            range,
            class,
            power_on: None,
            fastest: None,
            content: Content::Number,
            absent_when: None,
        }
    }

    /// What is no number.
    pub const fn of(id: &'static str, name: &'static str, content: Content) -> Self {
        Self { content, ..Self::new(id, name, "", 0, (0.0, 0.0), None) }
    }
}

/// What kind of value a property is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A number.
    Number,
    /// A text that the chip says.
    Said,
    /// A text that the chip shows, and that can be set.
    Shown {
        /// Most bytes of it.
        max_bytes: usize,
    },
    /// No value: something that happens, and is told on the device's event topic.
    Happens {
        /// The words for what can happen.
        words: &'static [&'static str],
    },
}

/// One way to tell a chip: all steps must come out as expected.
#[derive(Debug)]
pub struct Recognition {
    /// What is read.
    pub steps: &'static [Step],
    /// How sure that makes it, in percent: 95 for an identity register with several bits or a checksum, 50 for a
    /// pattern that others can have too.
    pub certainty: u8,
    /// Other chips, by their words or names, that would look the same.
    pub or_else: &'static [&'static str],
}

/// One read of a recognition. A register's number is written and its value read in the same transfer (write, repeated
/// start, read), which changes nothing in a chip with registers; a chip whose first byte sets its outputs must never be
/// asked, so the scan asks nothing at addresses that an expander without registers may have.
#[derive(Debug)]
pub struct Step {
    /// The bytes that choose what is read: a register number, or for some chips a command that only reads. Empty for a
    /// plain read.
    pub select: &'static [u8],
    /// What must come back.
    pub expect: Expect,
}

/// What a read must give.
#[derive(Debug)]
pub enum Expect {
    /// These bytes where the mask has ones.
    Bytes {
        /// The bytes, the first one first.
        value: &'static [u8],
        /// Which bits count.
        mask: &'static [u8],
    },
    /// This many bytes for which the test holds (for example a checksum).
    Test {
        /// How many.
        length: usize,
        /// The test.
        holds: fn(&[u8]) -> bool,
    },
}

/// One wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The chip's pin as its board calls it (`SDA`, `VIN`).
    pub pin: &'static str,
    /// Where it goes, in the words of the header: `SDA`, `SCL`, `3V3`, `5V`, `GND`, `MOSI`, `MISO`, `SCLK`, `CE`, `TXD`,
    /// `RXD`, or a sentence.
    pub to: &'static str,
    /// What else is needed there: a resistor, a divider.
    pub note: &'static str,
}

/// The supply of a chip, in volts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Supply {
    /// Lowest.
    pub lowest: f64,
    /// Highest.
    pub highest: f64,
}

/// How often a chip can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Periods {
    /// When the configuration says nothing.
    pub default: Duration,
    /// Shortest: a measurement takes that long, or more often would warm it.
    pub shortest: Duration,
}

impl Periods {
    /// For chips that are not read from time to time.
    pub const NONE: Self = Self { default: Duration::ZERO, shortest: Duration::ZERO };
}

/// What a driver is opened with.
pub struct Opening<'a> {
    /// The settings, complete and checked against the entry.
    pub settings: &'a Settings,
    /// How it waits.
    pub pause: Pause,
    /// How often it will be read.
    pub every: Duration,
    /// Whether somebody listens to its interrupt output; for expanders of lines.
    pub interrupts: bool,
}

/// How a chip is opened: the first contact is made here, so that a chip that is not there, or another one, is noticed
/// at once. It is opened again after it failed.
pub enum Open {
    /// A sensor on I²C at this address.
    I2c(fn(I2cPort, u8, &Opening<'_>) -> Opened<dyn Driver>),
    /// A sensor on SPI.
    Spi(fn(SpiPort, &Opening<'_>) -> Opened<dyn Driver>),
    /// A sensor on a serial port.
    Serial(fn(SerialPort, &Opening<'_>) -> Opened<dyn Driver>),
    /// An expander of lines on I²C at this address.
    Lines(fn(I2cPort, u8, &Opening<'_>) -> Opened<dyn LineExpander>),
    /// An expander of lines on SPI.
    SpiLines(fn(SpiPort, &Opening<'_>) -> Opened<dyn LineExpander>),
    /// PWM outputs on I²C at this address.
    Pwm(fn(I2cPort, u8, &Opening<'_>) -> Opened<dyn PwmExpander>),
    /// Nothing to open: the bus's owner selects the channel of a multiplexer with each transfer.
    ByBusOwner,
}

/// What opening gives.
pub type Opened<T> = Result<Box<T>, ReadError>;

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I2c(_) => "I2c",
            Self::Spi(_) => "Spi",
            Self::Serial(_) => "Serial",
            Self::Lines(_) => "Lines",
            Self::SpiLines(_) => "SpiLines",
            Self::Pwm(_) => "Pwm",
            Self::ByBusOwner => "ByBusOwner",
        })
    }
}

/// Why a chip cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// Its bus cannot be had.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// It does not answer as it should.
    #[error(transparent)]
    Chip(#[from] ReadError),
}
