//! Outputs that somebody else holds while one release of the gateway takes the place of another.
//!
//! The kernel keeps an output as long as anybody has the descriptor of its request. The daemon that stops gives its
//! descriptors to a [`Holder`], with what the holder must know to end each in time; the daemon that starts gets them back.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use gatehouse_model::DeviceId;
use gpiocdev_uapi::v2::{LineValues, get_line_values, set_line_values};
use serde::{Deserialize, Serialize};

/// Most outputs that are held together: more than a header has lines.
pub const MAX_HELD: usize = 64;

/// What the holder of an output knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOutput {
    /// Whose it is.
    pub device: DeviceId,
    /// The chip of its line, as the board tells it.
    pub chip: String,
    /// The number of its line on the chip.
    pub line: u32,
    /// Whether the low voltage switches it on.
    pub is_active_low: bool,
    /// Whether it is on when it is safe.
    pub is_safe_on: bool,
    /// Whether it is on.
    pub is_on: bool,
    /// After this time it must be at its safe level, in milliseconds; nothing where only the holder's own limit ends it.
    pub at_most_ms: Option<u64>,
    /// How much was left of a command's time, in milliseconds.
    pub timer_ms: Option<u64>,
    /// How long it had been away from its safe level, in milliseconds.
    pub away_ms: u64,
}

/// An output that was held and comes back.
#[derive(Debug)]
pub struct ReturnedOutput {
    /// What was known of it when it was handed over; whether it is on is what its line says now.
    pub output: HeldOutput,
    /// How long ago that was.
    pub age: Duration,
    /// The request of its line.
    pub line: Box<dyn Line>,
}

/// A line that is held.
pub trait Line: Send + Sync + fmt::Debug {
    /// Drives it.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn set(&self, on: bool) -> io::Result<()>;

    /// Whether it is on.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn is_on(&self) -> io::Result<bool>;

    /// Another descriptor of the same request.
    ///
    /// # Errors
    /// When this process may not have another one.
    fn descriptor(&self) -> io::Result<OwnedFd>;
}

/// Whoever holds outputs while the gateway is replaced. Its calls block, for a second at most.
pub trait Holder: Send + Sync + fmt::Debug {
    /// Whether there is anybody. It does not block.
    fn is_there(&self) -> bool;

    /// Hands these outputs over.
    ///
    /// # Errors
    /// When they were not taken, in a sentence for the log. All of them are the caller's still.
    fn hold(&self, outputs: Vec<(HeldOutput, OwnedFd)>) -> Result<(), String>;

    /// What was taken from the holder before is safe, or in the hands of this process, from now on: it may forget it. Until it
    /// hears this, the holder ends each in its time. Comes back when the holder has closed its lines: those that nobody else has
    /// are free then.
    fn let_go(&self);
}

/// The kernel's request of one output line, of whichever process made it.
#[derive(Debug)]
pub struct HeldLine(File);

impl HeldLine {
    /// The request behind a descriptor.
    pub fn new(descriptor: OwnedFd) -> Self {
        Self(File::from(descriptor))
    }
}

/// On is what the request calls active.
impl Line for HeldLine {
    fn set(&self, on: bool) -> io::Result<()> {
        let values = LineValues { bits: u64::from(on), mask: 1 };
        set_line_values(&self.0, &values).map_err(|error| of_the_kernel(&error))
    }

    fn is_on(&self) -> io::Result<bool> {
        let mut values = LineValues { bits: 0, mask: 1 };
        get_line_values(&self.0, &mut values).map_err(|error| of_the_kernel(&error))?;
        Ok(values.bits & 1 == 1)
    }

    fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }
}

fn of_the_kernel(error: &gpiocdev_uapi::Error) -> io::Error {
    match error {
        gpiocdev_uapi::Error::Os(number) => io::Error::from_raw_os_error(number.0),
        other => io::Error::other(other.to_string()),
    }
}
