//! What is kept of outputs over a restart and a power cut, between `control`, which counts times, and the memory, which
//! has the wall clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::Duty;
use gatehouse_control::guard::CLOCK_IS_SET_FROM;
use gatehouse_control::outputs::{CoverMemory, OutputMemory, Recollection};
use gatehouse_model::{Clock, DeviceId, Timestamp};

use crate::config::{ActiveLevel, CoverConfig};
use crate::memory::{self, Memory};

/// Tells whether the wall clock can be trusted: that it was synchronised, or that there is a clock chip.
#[derive(Clone)]
pub struct ClockTrust(Arc<dyn Fn() -> bool + Send + Sync>);

impl ClockTrust {
    /// Asks this whenever it matters. It must not block.
    pub fn new(is_trusted: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_trusted))
    }

    /// Trusts every clock that shows a time after this software was written.
    pub fn plausible(clock: Arc<dyn Clock>) -> Self {
        Self::new(move || clock.now() >= CLOCK_IS_SET_FROM)
    }

    /// Whether it can be trusted at this moment.
    pub fn is_trusted(&self) -> bool {
        (self.0)()
    }
}

impl fmt::Debug for ClockTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClockTrust").field(&self.is_trusted()).finish()
    }
}

/// What was kept of an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) recollection: Recollection,
    /// When, if the clock could be trusted then.
    pub(super) at: Option<Timestamp>,
}

/// What the place of a cover follows from: its relays and how long they take. It is a checksum, which suffices to see that
/// something changed.
pub(super) fn travel(cover: &CoverConfig) -> u32 {
    let CoverConfig { open, close, active, open_time, close_time, .. } = cover;
    let (open_ms, close_ms) = (open_time.as_millis(), close_time.as_millis());
    let is_high = *active == ActiveLevel::High;
    crc32fast::hash(format!("{open}|{close}|{is_high}|{open_ms}|{close_ms}").as_bytes())
}

/// Keeps and recalls.
#[derive(Clone)]
pub(super) struct Keeper {
    memory: Memory,
    clock: Arc<dyn Clock>,
    trust: ClockTrust,
}

impl Keeper {
    pub(super) fn new(memory: Memory, clock: Arc<dyn Clock>, trust: ClockTrust) -> Self {
        Self { memory, clock, trust }
    }

    /// Keeps the state of an output.
    pub(super) fn keep(&self, device: &DeviceId, kept: &OutputMemory) {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let memory = memory::OutputMemory {
            commanded: kept.commanded.map(|(level, before)| (level.share(), millis(before))),
            since_change_ms: kept.since_change.map(millis),
            away_ms: kept.away_for.map(millis),
            used_ms: kept.used.map(millis),
            rests_ms: kept.rests_for.map(millis),
            had_fault: kept.had_fault,
            ..self.blank(kept.level.share())
        };
        self.memory.remember_output(device, memory);
    }

    /// Keeps the place of a cover with this [`travel`].
    pub(super) fn keep_cover(&self, device: &DeviceId, kept: CoverMemory, travel: u32) {
        let position = kept.position.map(Duty::share);
        let memory = memory::OutputMemory { position, travel: Some(travel), ..self.blank(0.0) };
        self.memory.remember_output(device, memory);
    }

    fn blank(&self, level: f64) -> memory::OutputMemory {
        memory::OutputMemory::of_level(level, self.clock.now(), self.trust.is_trusted())
    }

    /// What was kept of an output, and how long ago, if the clock can tell.
    pub(super) fn recall(&self, device: &DeviceId) -> Option<Kept> {
        let kept = self.memory.output(device)?;
        let memory = OutputMemory {
            level: Duty::from_share(kept.level),
            since_change: kept.since_change_ms.map(Duration::from_millis),
            commanded: kept
                .commanded
                .map(|(level, before)| (Duty::from_share(level), Duration::from_millis(before))),
            away_for: kept.away_ms.map(Duration::from_millis),
            used: kept.used_ms.map(Duration::from_millis),
            rests_for: kept.rests_ms.map(Duration::from_millis),
            had_fault: kept.had_fault,
        };
        let at = kept.clock_was_set.then_some(kept.changed);
        Some(Kept { recollection: Recollection { memory, age: at.and_then(|at| self.age(at)) }, at })
    }

    /// What was kept of a cover. With other relays or travel times it says nothing of where the cover is: people correct the
    /// times because the place was wrong. What an earlier release kept says nothing of them and is believed.
    pub(super) fn recall_cover(&self, device: &DeviceId, travel: u32) -> Option<CoverMemory> {
        let kept = self.memory.output(device)?;
        if kept.travel.is_some_and(|kept| kept != travel) {
            return None;
        }
        Some(CoverMemory { position: kept.position.map(Duty::from_share) })
    }

    /// How long ago a time was; nothing when the clock cannot be trusted, or when that time is in its future.
    pub(super) fn age(&self, at: Timestamp) -> Option<Duration> {
        let now = self.clock.now();
        (self.trust.is_trusted() && now >= at).then(|| now.saturating_since(at))
    }
}
