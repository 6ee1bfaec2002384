//! What tests and benchmarks let happen on the lines: bouncing contacts, pulse trains, turning knobs, floating inputs.

use std::ops::Range;
use std::time::Duration;

use gatehouse_model::{DeviceId, Moment};
use rand::RngExt;
use rand::rngs::StdRng;

use super::board::{SimulatedBoard, World};
use super::lines::is_high;
use crate::traits::{Level, LineNumber};

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
        Self { line, next: now + pause, left: edges, pause: Pause::Even(pause) }
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

impl World {
    pub(super) fn turn(&mut self, device: &DeviceId, detents: i32, quarter: Duration, now: Moment) -> bool {
        let Some((first, second)) = self.plan.encoder(device) else { return false };
        let (leads, follows) = if detents < 0 { (second, first) } else { (first, second) };
        let (left, pause) = (u64::from(detents.unsigned_abs()) * 2, Pause::Even(quarter * 2));
        let from = self.quiet_from(&[first, second]).map_or(now, |quiet| quiet.max(now));
        self.start_train(Train { line: leads, next: from + quarter, left, pause: pause.clone() });
        self.start_train(Train { line: follows, next: from + quarter * 2, left, pause });
        true
    }
}

impl SimulatedBoard {
    /// Sets an input to these levels, each so long after now. A device that is no input is left alone.
    pub fn play(&self, device: &DeviceId, changes: &[(Duration, bool)]) {
        let now = self.now();
        self.with_world(|world| {
            let Some((line, active, _)) = world.plan.input(device) else { return };
            for (after, on) in changes {
                world.schedule(now + *after, line, is_high(Level::from_on(*on), active));
            }
        });
    }

    /// Lets an input change `edges` times, at even distances, from one pause after now. Two edges are a pulse.
    pub fn pulse(&self, device: &DeviceId, edges: u64, pause: Duration) {
        let now = self.now();
        self.with_world(|world| {
            let Some((line, _, _)) = world.plan.input(device) else { return };
            world.start_train(Train::even(line, now, edges, pause));
        });
    }

    /// Turns a rotary encoder by so many detents of four quarters, backwards when negative, once it was turned by what was
    /// asked for before. It takes one `quarter` from one edge to the next. Whether the device is one.
    pub fn turn(&self, device: &DeviceId, detents: i32, quarter: Duration) -> bool {
        let now = self.now();
        let mut is_there = false;
        self.with_world(|world| is_there = world.turn(device, detents, quarter, now));
        is_there
    }

    /// Lets an input float for so many edges: nothing holds it, and it catches whatever is in the air.
    pub fn float(&self, device: &DeviceId, edges: u64) {
        let now = self.now();
        self.with_world(|world| {
            let Some((line, _, _)) = world.plan.input(device) else { return };
            world.start_train(Train { line, next: now, left: edges, pause: Pause::Noise });
        });
    }

    /// Puts something before an ultrasonic sensor, so many metres away; nothing lets no echo come back.
    pub fn set_distance(&self, device: &DeviceId, metres: Option<f64>) {
        self.with_world(|world| {
            match metres {
                Some(metres) => world.distances.insert(device.clone(), metres),
                None => world.distances.remove(device),
            };
        });
    }
}
