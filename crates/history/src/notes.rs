//! What other parts have to tell the diary.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

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
    /// Who wants to know whether the recorder works.
    questions: Mutex<Vec<oneshot::Sender<()>>>,
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

    /// Asks whether the recorder works. The answer comes once nothing of it is on its way to the disk.
    pub(crate) fn ask(&self) -> oneshot::Receiver<()> {
        let (question, answer) = oneshot::channel();
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those who have given up nobody has to hear.
        questions.retain(|question| !question.is_closed());
        questions.push(question);
        drop(questions);
        self.wake.notify_one();
        answer
    }

    /// Answers everybody who asks.
    pub(crate) fn answer(&self) {
        let questions = std::mem::take(&mut *self.questions.lock().unwrap_or_else(PoisonError::into_inner));
        // Who has given up does not hear it.
        questions.into_iter().for_each(|question| _ = question.send(()));
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
