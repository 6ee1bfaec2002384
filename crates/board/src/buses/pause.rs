//! How drivers wait for a chip.

use std::time::Duration;

use embedded_hal::delay::DelayNs;

/// Waits on the thread of a driver, never on the loop's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// As long as the chip needs.
    Real,
    /// Not at all, for simulated chips, which are ready at once.
    Skipped,
}

impl DelayNs for Pause {
    #[expect(
        clippy::disallowed_methods,
        reason = "a driver runs on a thread of its own, and its chip's datasheet says how long to wait"
    )]
    fn delay_ns(&mut self, nanoseconds: u32) {
        match self {
            Self::Real => std::thread::sleep(Duration::from_nanos(nanoseconds.into())),
            Self::Skipped => {}
        }
    }
}
