//! The seam to the kernel: what its line interface (version 2, since Linux 5.10) does for this backend and no more, so
//! that everything above it is tested without a kernel that has lines.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::traits::{ActiveLevel, Pull};

/// A chip of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chip {
    /// Its device, such as `/dev/gpiochip0`.
    pub(super) path: PathBuf,
    /// What its driver calls it, such as `pinctrl-bcm2711`.
    pub(super) label: String,
    /// How many lines it has.
    pub(super) lines: u32,
}

/// What the kernel tells of a line without a request for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LineState {
    pub(super) name: String,
    /// Who holds it: empty when the holder gave no name.
    pub(super) consumer: String,
    pub(super) is_used: bool,
    pub(super) is_output: bool,
    /// What it was told to hold it with.
    pub(super) pull: Option<Pull>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request<'r> {
    pub(super) chip: &'r Path,
    pub(super) offset: u32,
    pub(super) consumer: &'r str,
    pub(super) active: ActiveLevel,
    /// What holds the line when nothing drives it; nothing leaves that as it is.
    pub(super) pull: Option<Pull>,
}

/// One change of a line, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KernelEdge {
    /// Whether the line became active.
    pub(super) is_active: bool,
    /// When, on the kernel's monotonic clock.
    pub(super) at: Duration,
    /// Counts the edges of the line, from 1, whether or not they were fetched in time. It wraps.
    pub(super) sequence: u32,
}

/// Why the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelError {
    pub(super) kind: Refusal,
    /// Its own words.
    pub(super) words: String,
}

/// The refusals that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Somebody has the line (EBUSY).
    Busy,
    /// The device may not be opened (EACCES, EPERM).
    Forbidden,
    /// The chip is gone (ENODEV, ENXIO, EIO after an unplugged adapter).
    Gone,
    /// Anything else.
    Other,
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// The kernel's line interface.
pub(super) trait Kernel: Send + Sync + fmt::Debug {
    /// All chips that can be opened, in the order of their numbers; and the first refusal, if one could not.
    fn chips(&self) -> (Vec<Chip>, Option<KernelError>);

    /// What is known of a line. It requests nothing.
    fn line(&self, chip: &Path, offset: u32) -> Result<LineState, KernelError>;

    /// Makes a line an input whose edges are reported.
    fn input(&self, request: &Request<'_>) -> Result<Box<dyn KernelInput>, KernelError>;

    /// Makes a line an output at a level, in one step.
    fn output(&self, request: &Request<'_>, is_active: bool) -> Result<Arc<dyn KernelOutput>, KernelError>;

    /// The output of this line that another process requested, and whose descriptor it gave away.
    fn taken_over(&self, chip: &Path, offset: u32, descriptor: OwnedFd) -> Arc<dyn KernelOutput>;
}

/// A line that is read. It is given back when this is dropped.
#[async_trait]
pub(super) trait KernelInput: Send {
    fn is_active(&self) -> Result<bool, KernelError>;

    /// Waits until there are edges, and adds those that are there. Nothing is lost when the future is dropped.
    async fn edges(&mut self, found: &mut Vec<KernelEdge>) -> Result<(), KernelError>;
}

/// A line that is driven. It is given back when this is dropped and nobody else has its descriptor.
pub(super) trait KernelOutput: Send + Sync {
    fn set(&self, is_active: bool) -> Result<(), KernelError>;

    /// What the pin really has, as far as the chip can tell.
    fn is_active(&self) -> Result<bool, KernelError>;

    /// Another descriptor of it, for somebody who holds it after this process; nothing when there is none to be had.
    fn descriptor(&self) -> Option<OwnedFd>;
}
