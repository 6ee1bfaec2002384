//! Lines that change again and again: pulses, knobs that are turned, inputs that nothing holds.

use std::ops::Range;
use std::time::Duration;

use gatehouse_model::Moment;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::traits::LineNumber;

/// Microseconds between two edges of an input that nothing holds: mains hum and radio, irregular and fast.
const NOISE_MICROSECONDS: Range<u64> = 150..4_000;

/// Time between two edges of a knob that somebody turns at leisure.
pub const USUAL_QUARTER: Duration = Duration::from_millis(12);

/// When a line of a [`Train`] changes next.
#[derive(Clone, Debug)]
enum Pause {
    Even(Duration),
    Noise,
}

/// A line that changes again and again.
#[derive(Clone, Debug)]
pub(super) struct Train {
    line: LineNumber,
    next: Moment,
    left: u64,
    pause: Pause,
}

impl Train {
    /// So many edges at even distances, from one pause after `now`.
    pub(super) fn even(line: LineNumber, now: Moment, edges: u64, pause: Duration) -> Self {
        Self::even_from(line, now + pause, edges, pause)
    }

    /// The same with its first edge at `first`.
    pub(super) fn even_from(line: LineNumber, first: Moment, edges: u64, pause: Duration) -> Self {
        Self { line, next: first, left: edges, pause: Pause::Even(pause) }
    }

    /// So many edges of an input that nothing holds, the first one now.
    pub(super) fn noise(line: LineNumber, now: Moment, edges: u64) -> Self {
        Self { line, next: now, left: edges, pause: Pause::Noise }
    }

    /// Its next change.
    pub(super) fn next(&self) -> Moment {
        self.next
    }

    /// Makes its next change due, and gives the line that changes now; nothing when it is over.
    pub(super) fn step(&mut self, random: &mut StdRng) -> Option<LineNumber> {
        self.left = self.left.checked_sub(1)?;
        let pause = match &self.pause {
            Pause::Even(pause) => *pause,
            Pause::Noise => Duration::from_micros(random.random_range(NOISE_MICROSECONDS)),
        };
        self.next = self.next + pause;
        Some(self.line)
    }

    /// The line that changes, and its last change; that of noise is only known when it is there.
    pub(super) fn last(&self) -> (LineNumber, Moment) {
        let more = u32::try_from(self.left.saturating_sub(1)).unwrap_or(u32::MAX);
        match self.pause {
            Pause::Even(pause) => (self.line, self.next + pause.saturating_mul(more)),
            Pause::Noise => (self.line, self.next),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }
}
