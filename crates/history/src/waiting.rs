//! What the recorder holds, seen by a query: readings that wait for their commit belong to the answer.
//!
//! A query takes its copy here first and reads the file afterwards. What was received before is then in the copy or in
//! the file, and what was committed in between is in both and counted once, since a sample is known by its series and
//! its time. So neither waits for the other, and a chart costs no commit, as flushing first would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::intake::{Held, HeldLatest, HeldTexts, Intake};
use crate::names::SeriesName;

/// The intake of a recorder, which queries may look into.
#[derive(Clone, Debug)]
pub(crate) struct SharedIntake(Arc<Mutex<Intake>>);

impl SharedIntake {
    /// Locked for as long as one message takes to be kept or one series to be copied; never while the disk is busy.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Intake> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where queries find the recorder that is at work, if one is. When it ends, what it could not save ends with it.
#[derive(Debug, Default)]
pub(crate) struct Recording(Mutex<Weak<Mutex<Intake>>>);

impl Recording {
    /// A recorder starts with this intake; queries see it from now on.
    pub(crate) fn begin(&self, intake: Intake) -> SharedIntake {
        let shared = Arc::new(Mutex::new(intake));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&shared);
        SharedIntake(shared)
    }

    /// What it holds of one series of numbers or switches.
    pub(crate) fn of_series(&self, name: &SeriesName) -> Held {
        let intake = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        intake.map(|intake| SharedIntake(intake).lock().held(name, false)).unwrap_or_default()
    }

    /// What it holds of one series of texts.
    pub(crate) fn texts_of(&self, name: &SeriesName) -> HeldTexts {
        let intake = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        intake.map(|intake| SharedIntake(intake).lock().held_texts(name)).unwrap_or_default()
    }

    /// The last that it holds of each series at or before a moment.
    pub(crate) fn latest_at(&self, at: i64) -> Vec<HeldLatest> {
        let intake = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        intake.map(|intake| SharedIntake(intake).lock().latest_at(at)).unwrap_or_default()
    }
}
