//! Where in the text a device says what others can be in the way of.

use std::ops::Range;

use gatehouse_board::catalogue::Kind;
use gatehouse_board::config::{ChipPlace, KernelDevice, Pin};
use gatehouse_model::PropertyPath;

use super::numbering::Numbering;
use super::numbers::Numbers;
use super::section::Spanned;

/// Those of one device.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) pins: Vec<Spanned<Pin>>,
    /// Whose lines their numbers are.
    pub(super) numbering: Numbering,
    /// Where its chip is connected.
    pub(super) chip: Option<Spanned<ChipPlace>>,
    /// Where it names its bus.
    pub(super) bus: Option<Range<usize>>,
    /// Which of the kernel's devices it is.
    pub(super) kernel: Option<Spanned<KernelDevice>>,
    /// What it is to devices that are connected through it; nothing while its driver is not known.
    pub(super) offers: Option<Kind>,
    /// Whether it reads its pins.
    pub(super) reads_lines: bool,
    pub(super) interlock: Option<Spanned<String>>,
    /// Where it says that its safe state is on.
    pub(super) safe_on: Option<Range<usize>>,
    /// Numbers of other devices that it is derived from, or that it watches.
    pub(super) sources: Vec<Spanned<PropertyPath>>,
    /// The numbers that it gives, when its driver is known.
    pub(super) numbers: Option<Numbers>,
}
