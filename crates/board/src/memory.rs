//! What the board must remember over a power cut: totals of counters, amounts such as energy, and the last level of each
//! output.
//!
//! One small file in the data directory has two slots that are written in turn, each with a sequence number, its length
//! and a CRC-32 over both and over its payload, which is JSON that anybody can read. A power cut while one is written
//! leaves the other whole. One thread writes, only when something changed, with `fdatasync` behind each record.
//!
//! What was counted between the last record and a power cut is lost: at most the time that its owner allows. A record
//! that turns out to be damaged is told by the [`MemoryNotice`], since totals may then be lower than what was published.

mod disk;
mod record;
mod restored;
mod slots;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId, Moment, PropertyId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use record::{Entry, Record};

pub use restored::keep_outputs;
pub use slots::MemoryNotice;

/// Most totals, amounts and outputs that are remembered together. A house has a few dozen; beyond it those that nobody
/// has written since the start, and longest before it, are forgotten.
pub const MAX_REMEMBERED: usize = 1_024;

/// Longest time that a change waits for its record when its owner says nothing: what a power cut can cost.
pub const DEFAULT_SAVE_EVERY: Duration = Duration::from_secs(1);

/// Why something cannot be remembered. Each text says what to do next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be opened, read or written.
    #[error("{path}: {problem}: check the disk and who owns the directory")]
    File {
        /// Where it is.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// The record does not fit into its slot.
    #[error("what the board has to remember takes {bytes} bytes, and there is room for {room}")]
    TooLarge {
        /// What it takes.
        bytes: usize,
        /// What there is.
        room: usize,
    },
}

/// What is remembered of an output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputMemory {
    /// Its last level: 0 off, 1 on, between them for those that can be dimmed.
    pub level: f64,
    /// When that was kept, by the wall clock.
    pub changed: Timestamp,
    /// Whether the wall clock was known to be right then. An age that is worked out from a time that was not tells nothing.
    pub clock_was_set: bool,
    /// The position of a cover, from 0 closed to 1 open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<f64>,
    /// What the position follows from, as a checksum: the relays of the cover and its travel times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub travel: Option<u32>,
    /// The level that a command gave it last, and how many milliseconds before `changed` that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commanded: Option<(f64, u64)>,
    /// How many milliseconds before `changed` it last went on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_change_ms: Option<u64>,
    /// For how many milliseconds it had been away from its safe level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_ms: Option<u64>,
    /// How many milliseconds of its longest on-time it had behind it when the gateway's own stop ended that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_ms: Option<u64>,
    /// For how many milliseconds it had to rest after its longest on-time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_ms: Option<u64>,
    /// Whether it had a fault that nobody has looked at.
    #[serde(default)]
    pub had_fault: bool,
}

impl OutputMemory {
    /// A level that was kept at this time, of an output of which nothing else is known.
    #[must_use]
    pub const fn of_level(level: f64, changed: Timestamp, clock_was_set: bool) -> Self {
        Self {
            level,
            changed,
            clock_was_set,
            position: None,
            travel: None,
            commanded: None,
            since_change_ms: None,
            away_ms: None,
            used_ms: None,
            rests_ms: None,
            had_fault: false,
        }
    }
}

/// Tells which change is meant: see [`Memory::kept`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// Remembers. Copies share the same memory; the file is given back when the last one is dropped.
#[derive(Clone)]
pub struct Memory {
    handle: Arc<Handle>,
}

/// How far the writer is.
#[derive(Clone, Debug, Default)]
struct Progress {
    saved: u64,
    failures: u64,
    problem: Option<MemoryError>,
}

struct State {
    record: Record,
    /// Counts the changes.
    changes: u64,
    /// When what has changed must be written.
    due: Option<Moment>,
    is_closing: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    wake: Condvar,
    progress: watch::Sender<Progress>,
    clock: Arc<dyn Clock>,
    /// Whether nobody writes, because nothing outlives the process.
    is_volatile: bool,
    /// Whether what was read at the start may not have been all.
    may_have_lost: bool,
}

struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.state().is_closing = true;
        self.shared.wake.notify_one();
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.handle.shared.state().record.len();
        f.debug_struct("Memory").field("entries", &entries).finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// Opens the file, or makes it, and tells in what state it was found. One process may have it open.
    ///
    /// # Errors
    /// When the file cannot be opened, read or made. Damage is no error: it is in the notice.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<(Self, MemoryNotice), MemoryError> {
        let (slots, record, notice) = slots::open(path)?;
        let shared = Arc::new(Shared::new(record, clock, false, notice.may_have_lost()));
        writer::start(shared.clone(), slots)?;
        Ok((Self { handle: Arc::new(Handle { shared }) }, notice))
    }

    /// A memory that lasts as long as the process: for tests, and for a board that has nothing to lose.
    pub fn volatile(clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared::new(Record::default(), clock, true, false));
        Self { handle: Arc::new(Handle { shared }) }
    }

    /// Whether totals may be lower than what was published before this start: see [`MemoryNotice::may_have_lost`].
    pub fn may_have_lost(&self) -> bool {
        self.handle.shared.may_have_lost
    }

    /// The total of a counter, in pulses.
    pub fn total(&self, device: &DeviceId, property: &PropertyId) -> Option<u64> {
        self.handle.shared.state().record.totals.get(&key(device, property)).map(|entry| entry.value)
    }

    /// Remembers the total of a counter, in pulses, at the latest after `within`.
    pub fn set_total(&self, device: &DeviceId, property: &PropertyId, pulses: u64, within: Duration) -> Mark {
        let key = key(device, property);
        self.change(within, |record, at| put(&mut record.totals, key, pulses, at))
    }

    /// An amount that is summed up, such as energy, in its property's unit.
    pub fn amount(&self, device: &DeviceId, property: &PropertyId) -> Option<f64> {
        self.handle.shared.state().record.amounts.get(&key(device, property)).map(|entry| entry.value)
    }

    /// Remembers an amount at the latest after `within`. What is no finite number is left out.
    pub fn set_amount(
        &self,
        device: &DeviceId,
        property: &PropertyId,
        amount: f64,
        within: Duration,
    ) -> Mark {
        let key = key(device, property);
        self.change(within, |record, at| amount.is_finite() && put(&mut record.amounts, key, amount, at))
    }

    /// What is known of an output.
    pub fn output(&self, device: &DeviceId) -> Option<OutputMemory> {
        self.handle.shared.state().record.outputs.get(device.as_str()).map(|entry| entry.value)
    }

    /// Remembers an output at the latest after [`DEFAULT_SAVE_EVERY`]. A level or position that is no finite number is
    /// left out.
    pub fn remember_output(&self, device: &DeviceId, memory: OutputMemory) -> Mark {
        let is_finite = memory.level.is_finite() && memory.position.is_none_or(f64::is_finite);
        let is_finite = is_finite && memory.commanded.is_none_or(|(level, _)| level.is_finite());
        self.change(DEFAULT_SAVE_EVERY, |record, at| {
            is_finite && put(&mut record.outputs, device.to_string(), memory, at)
        })
    }

    /// Waits until a change is in the file. It is not hurried: see [`Memory::flush`].
    ///
    /// # Errors
    /// When the next attempt to write fails. It is tried again all the same.
    pub async fn kept(&self, mark: Mark) -> Result<(), MemoryError> {
        let failures = self.handle.shared.progress.borrow().failures;
        self.kept_after(mark, failures).await
    }

    /// Waits until a change is in the file, or more attempts have failed than `failures`.
    async fn kept_after(&self, mark: Mark, failures: u64) -> Result<(), MemoryError> {
        let mut progress = self.handle.shared.progress.subscribe();
        let found = progress.wait_for(|now| now.saved >= mark.0 || now.failures > failures).await;
        // The sender is behind `self`, so it is there.
        let Ok(now) = found else { return Ok(()) };
        match &now.problem {
            Some(problem) if now.saved < mark.0 => Err(problem.clone()),
            _ => Ok(()),
        }
    }

    /// Writes everything now, and waits until it is in the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn flush(&self) -> Result<(), MemoryError> {
        let failures = self.handle.shared.progress.borrow().failures;
        let mark = {
            let mut state = self.handle.shared.state();
            state.due = Some(Moment::default());
            Mark(state.changes)
        };
        self.handle.shared.wake.notify_one();
        self.kept_after(mark, failures).await
    }

    /// Makes a change, and wakes the writer when it has become urgent by it.
    fn change(&self, within: Duration, change: impl FnOnce(&mut Record, Timestamp) -> bool) -> Mark {
        let shared = &self.handle.shared;
        let due = shared.clock.moment() + within;
        let mut state = shared.state();
        if !change(&mut state.record, shared.clock.now()) {
            return Mark(state.changes);
        }
        state.record.forget_beyond(MAX_REMEMBERED);
        state.changes += 1;
        let mark = Mark(state.changes);
        if shared.is_volatile {
            shared.progress.send_modify(|progress| progress.saved = mark.0);
        } else if state.due.is_none_or(|earlier| due < earlier) {
            state.due = Some(due);
            shared.wake.notify_one();
        }
        mark
    }
}

impl Shared {
    fn new(record: Record, clock: Arc<dyn Clock>, is_volatile: bool, may_have_lost: bool) -> Self {
        let state = State { record, changes: 0, due: None, is_closing: false };
        let (progress, _) = watch::channel(Progress::default());
        Self { state: Mutex::new(state), wake: Condvar::new(), progress, clock, is_volatile, may_have_lost }
    }
}

fn key(device: &DeviceId, property: &PropertyId) -> String {
    format!("{device}/{property}")
}

/// Puts a value there and tells whether that changed anything.
fn put<T: PartialEq>(entries: &mut BTreeMap<String, Entry<T>>, key: String, value: T, at: Timestamp) -> bool {
    let entry = Entry { value, at, is_of_this_run: true };
    match entries.get_mut(&key) {
        Some(known) if known.value == entry.value => {
            known.is_of_this_run = true;
            false
        }
        Some(known) => {
            *known = entry;
            true
        }
        None => {
            entries.insert(key, entry);
            true
        }
    }
}

#[cfg(test)]
mod tests;
