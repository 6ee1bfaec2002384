//! What other parts have to tell the diary.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::damage::{Found, Log};
use crate::diary::GatewayWord;

/// Most notes that wait for the recorder; more come only when none is at work, and say nothing new.
const MAX_NOTES: usize = 100;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The gateway is about to stop, and why.
    Stops(String),
    /// Something happened to it.
    Tell(GatewayWord, String),
}

/// Notes on their way to the recorder.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    waiting: Mutex<Vec<Note>>,
    damage: Mutex<Log>,
    wake: Notify,
}

impl Notes {
    pub(crate) fn put(&self, note: Note) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_NOTES {
            waiting.push(note);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    pub(crate) fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A chunk was found to be damaged. It is told once, however often it is found.
    pub(crate) fn damaged(&self, found: Found) {
        if self.damage().take(found) {
            self.wake.notify_one();
        }
    }

    /// What was found to be damaged in this run.
    pub(crate) fn damage(&self) -> MutexGuard<'_, Log> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is one.
    pub(crate) async fn come(&self) {
        self.wake.notified().await;
    }
}
