//! What the recorder holds, seen by a query: readings that wait for their commit belong to the answer.
//!
//! A query takes its copy here first and reads the file afterwards. What was received before is then in the copy or in
//! the file, and what was committed in between is in both and counted once, since a sample is known by its series and
//! its time. So neither waits for the other, and a chart costs no commit, as flushing first would.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::intake::{Intake, Sample};
use crate::names::{Kind, SeriesName};
use crate::range::Entry;

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

/// The last that a recorder holds of a series at or before some moment.
#[derive(Clone, Debug)]
pub(crate) struct HeldLatest {
    pub(crate) name: SeriesName,
    pub(crate) kind: Kind,
    pub(crate) unit: Option<Arc<str>>,
    pub(crate) entry: Entry,
    /// Of a text, what it says: its number is none of the file.
    pub(crate) text: Option<Arc<str>>,
}

/// What a recorder holds of a series of texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldTexts {
    /// In the order of time. The value of each is -1 minus its place in `contents`: no text of the file has such a
    /// number.
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) contents: Vec<Arc<str>>,
}

/// What a recorder holds of one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// The samples that may not be in the file yet, in the order of their arrival.
    pub(crate) waiting: Vec<Sample>,
    /// The sample with the latest time that it ever met, whether it is in the file yet or not.
    pub(crate) latest: Option<Sample>,
}
