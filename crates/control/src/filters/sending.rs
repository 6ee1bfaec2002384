//! How many readings a filter remembers, and how often it gives one of them.

/// Most readings that a filter remembers: an hour and a half at the usual period of ten seconds, 16 KiB of memory.
pub const MAX_WINDOW: usize = 512;

/// How often a filter that remembers readings gives one: after the first `first_at` readings, then after each `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sending {
    /// Readings between two that are given; at least 1.
    pub every: usize,
    /// Readings before the first that is given; 1 to `every`.
    pub first_at: usize,
}

impl Default for Sending {
    fn default() -> Self {
        Self { every: 1, first_at: 1 }
    }
}

/// Counts readings until one is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendCounter {
    every: usize,
    since: usize,
}

impl SendCounter {
    pub(super) fn new(sending: Sending) -> Self {
        let every = sending.every.clamp(1, MAX_WINDOW);
        Self { every, since: every - sending.first_at.clamp(1, every) }
    }

    /// Counts a reading. Whether one is given now.
    pub(super) fn count(&mut self) -> bool {
        self.since += 1;
        let is_due = self.since >= self.every;
        if is_due {
            self.since = 0;
        }
        is_due
    }
}
