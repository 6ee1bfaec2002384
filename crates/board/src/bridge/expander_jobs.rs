//! What the thread of an expander is told: what its lines shall be, what it is asked, and for how long it may work.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatehouse_model::Moment;
use tokio::sync::oneshot;

use crate::config::Pull;
use crate::traits::{Duty, Level};

/// What a line shall be. Levels are those of the wire: active means high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Output(Level),
    Input(Pull),
    Pwm(Duty),
}

/// What is wanted of each line now, in the one place that the thread looks at.
#[derive(Default)]
pub(super) struct WantedLines(Mutex<BTreeMap<u8, Wanted>>);

impl WantedLines {
    pub(super) fn set(&self, line: u8, wanted: Wanted) {
        self.lines().insert(line, wanted);
    }

    /// Nothing is wanted of this line any more.
    pub(super) fn give_up(&self, line: u8) {
        self.lines().remove(&line);
    }

    pub(super) fn all(&self) -> BTreeMap<u8, Wanted> {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<u8, Wanted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Make the lines as they are wanted, and tell their levels.
    Apply,
    /// The same, by whoever follows this line: its changes are told from the level that this gives.
    Begin(u8),
    /// Look whether the chip still is as it was set, and set it again when not.
    Check,
    /// The levels at the pins.
    Levels,
    /// The duty of a PWM output.
    Duty(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Levels(u32),
    Duty(Duty),
}

/// A request on its way.
pub(super) struct Job {
    pub(super) ask: Ask,
    /// When what has changed by now began to change, as far as that is known.
    pub(super) at: Moment,
    /// When it was asked.
    pub(super) now: Moment,
    pub(super) answer: oneshot::Sender<Result<Said, String>>,
}

/// For how long a thread may touch its chip. What waits in its queue when its expander is given up is not done any more: an
/// older thread that looks at the chip late finds it other than it knows it, and would set it back over its successor.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    is_over: AtomicBool,
    /// Held by the thread while it works.
    work: Mutex<()>,
}

impl Tenure {
    /// Lets the thread work once, unless its time is over.
    pub(super) fn work(&self) -> Option<MutexGuard<'_, ()>> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.is_over.load(Ordering::SeqCst)).then_some(work)
    }

    /// From here on the thread begins nothing more.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Waits until the thread has ended what it was about to do when its time was over.
    pub(super) fn outlast(&self) {
        drop(self.work.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
