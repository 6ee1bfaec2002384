//! Devices that speak in lines at a serial port.

use gatehouse_control::EndOfLine;
use gatehouse_model::MAX_TEXT_BYTES;

use crate::traits::SerialRequest;

/// Bits a second when the configuration says nothing: what most devices speak when they are new.
pub const DEFAULT_BAUD: u32 = 9_600;

/// Rates that can be set, in bits a second. Below lies nothing that is still sold; the kernel's own table ends above.
pub const BAUD_LIMITS: (u32, u32) = (50, 4_000_000);

/// Longest line in bytes: the longest text that a value may have.
pub const MAX_LINE: usize = MAX_TEXT_BYTES;

/// `driver = "serial"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamConfig {
    /// The port and how it is set; 8 data bits, no parity, one stop bit and [`DEFAULT_BAUD`] by default.
    pub port: SerialRequest,
    /// What ends a line; a line feed by default.
    pub end_of_line: EndOfLine,
    /// Longest line in bytes, received or sent, at most [`MAX_LINE`], which is the default.
    pub max_line: usize,
}

impl StreamConfig {
    /// A device at this port (`/dev/ttyUSB0`), with all that is usual.
    pub fn at(path: &str) -> Self {
        let port = SerialRequest::plain(path, DEFAULT_BAUD);
        Self { port, end_of_line: EndOfLine::default(), max_line: MAX_LINE }
    }
}
