//! Lines: to read, to drive, and who has which.

use std::fmt;

use async_trait::async_trait;
use gatehouse_model::{DeviceId, Moment};

/// Header pin of each BCM line 0 to 27 on boards with the 40-pin header (Raspberry Pi documentation, "GPIO and the
/// 40-pin header"; the same since the B+ of 2014).
const HEADER_PIN_OF_LINE: [u8; 28] = [
    27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33, 8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22, 37,
    13,
];

/// The number of a line of the header's chip: the BCM number on a Raspberry Pi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineNumber(u32);

impl LineNumber {
    /// The line with this BCM number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The line at this pin of the 40-pin header (1 to 40); nothing for power, ground and pins that do not exist.
    pub fn at_header_pin(pin: u8) -> Option<Self> {
        let line = HEADER_PIN_OF_LINE.iter().position(|candidate| *candidate == pin)?;
        u32::try_from(line).ok().map(Self)
    }

    /// The BCM number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its pin on the 40-pin header, for lines that come out there.
    pub fn header_pin(self) -> Option<u8> {
        HEADER_PIN_OF_LINE.get(usize::try_from(self.0).ok()?).copied()
    }
}

impl fmt::Display for LineNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GPIO {}", self.0)?;
        match self.header_pin() {
            Some(pin) => write!(f, ", header pin {pin}"),
            None => Ok(()),
        }
    }
}

/// A line that a device is wired to: of the header, or of an expander that is a device itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pin {
    /// A line of the header's chip.
    Header(LineNumber),
    /// A line of an expander, counted from 0 as its datasheet does (an MCP23017's GPB0 is 8).
    Expander {
        /// The expander's device.
        device: DeviceId,
        /// Its line.
        line: u8,
    },
}

impl Pin {
    /// The line of the header's chip; nothing for a line of an expander.
    pub const fn header_line(&self) -> Option<LineNumber> {
        match self {
            Self::Header(line) => Some(*line),
            Self::Expander { .. } => None,
        }
    }
}

impl From<LineNumber> for Pin {
    fn from(line: LineNumber) -> Self {
        Self::Header(line)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(line) => line.fmt(f),
            Self::Expander { device, line } => write!(f, "line {line} of `{device}`"),
        }
    }
}

/// Which voltage means on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveLevel {
    /// The high one.
    High,
    /// The low one.
    Low,
}

/// What holds an input while nothing drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pull {
    /// Nothing: the line floats unless something outside holds it.
    None,
    /// A resistor to the supply.
    Up,
    /// A resistor to ground.
    Down,
}

/// A logical level, after the active level was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Off.
    Inactive,
    /// On.
    Active,
}

impl Level {
    /// Active when `on`.
    pub const fn from_on(on: bool) -> Self {
        if on { Self::Active } else { Self::Inactive }
    }

    /// Whether it is active.
    pub const fn is_on(self) -> bool {
        matches!(self, Self::Active)
    }
}

/// What an input needs of its line. Debouncing is not asked of the kernel: it is decided in `gatehouse_control`, from
/// the time stamps of all edges, the same on every backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputRequest {
    /// The line.
    pub line: LineNumber,
    /// What holds it while nothing drives it.
    pub pull: Pull,
    /// Which voltage is active.
    pub active: ActiveLevel,
    /// Who asks, for the kernel's list of line owners.
    pub consumer: String,
}

/// What an output needs of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRequest {
    /// The line.
    pub line: LineNumber,
    /// Which voltage is active.
    pub active: ActiveLevel,
    /// The level that the line takes in the moment it becomes an output, so that nothing flickers.
    pub initial: Level,
    /// The level that is safe. Where the kernel makes the line an input again when nobody holds it, a pull is all that
    /// is left, and it is set towards this level.
    pub safe: Level,
    /// Who asks, for the kernel's list of line owners.
    pub consumer: String,
}

/// A change of a line's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The level after the change.
    pub level: Level,
    /// When the kernel saw it, on the time line of the gateway's clock.
    pub at: Moment,
    /// Edges that were lost before this one because nobody took them in time.
    pub missed: u32,
}

/// Who has a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// The line.
    pub line: LineNumber,
    /// Its name on this board, empty when it has none.
    pub name: String,
    /// Who holds it; nothing when it is free.
    pub consumer: Option<String>,
    /// What it is at present.
    pub direction: Direction,
    /// What the kernel was told to hold it with; nothing when nobody told it.
    pub pull: Option<Pull>,
    /// Whether its voltage is the high one, as far as that is known without requesting it: of lines that this process
    /// holds. Nothing of all others, since asking for them could change what they are.
    pub is_high: Option<bool>,
}

/// Whether a line is read or driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Read.
    Input,
    /// Driven.
    Output,
}

/// Why a line cannot be had, read or driven. Each text says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The board has no such line.
    #[error("there is no {0} here: choose another pin")]
    NoSuchLine(Pin),
    /// Somebody else has it.
    #[error("{line} is in use by {owner}: stop that program or choose another pin")]
    Busy {
        /// The line.
        line: Pin,
        /// Who has it.
        owner: String,
    },
    /// The board has no lines at all.
    #[error(
        "this machine has no pins that Gatehouse can use ({0}): check the wiring page, or start with --demo"
    )]
    NoLines(String),
    /// The kernel or the chip refused.
    #[error("{line}: {problem}")]
    Failed {
        /// The line.
        line: Pin,
        /// What it said.
        problem: String,
    },
    /// The line has no hardware PWM.
    #[error("{0} has no hardware PWM: it is made by software instead")]
    NoPwm(Pin),
    /// The line is gone, for example because its chip was unplugged.
    #[error("{0} is gone: check the wiring")]
    Gone(Pin),
}

/// An input that was requested. Dropping it gives the line back.
#[async_trait]
pub trait InputLine: Send {
    /// The level at present.
    ///
    /// # Errors
    /// When the line cannot be read.
    async fn level(&mut self) -> Result<Level, LineError>;

    /// Waits for the next change. It is safe to drop the future and ask again: no edge is lost by that.
    ///
    /// # Errors
    /// When the line is gone.
    async fn next_edge(&mut self) -> Result<Edge, LineError>;

    /// Waits for the next change and appends it to `edges`, with all that wait behind it: a line that changes a thousand
    /// times a second must not cost a thousand turns of the runtime. It is safe to drop the future and ask again.
    ///
    /// # Errors
    /// When the line is gone.
    async fn next_edges(&mut self, edges: &mut Vec<Edge>) -> Result<(), LineError> {
        edges.push(self.next_edge().await?);
        Ok(())
    }
}

/// An output that was requested. Dropping it gives the line back; what level it has then is up to the kernel.
#[async_trait]
pub trait OutputLine: Send {
    /// Drives the line.
    ///
    /// # Errors
    /// When the line cannot be driven.
    async fn set(&mut self, level: Level) -> Result<(), LineError>;

    /// The level that the line really has.
    ///
    /// # Errors
    /// When the line cannot be read.
    async fn read_back(&mut self) -> Result<Level, LineError>;
}
