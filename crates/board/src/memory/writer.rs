//! The one thread that writes.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::slots::Slots;
use super::{MemoryError, Shared};

/// How long a disk that refuses is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Starts the writer; it ends when the last handle is dropped, after a last record.
pub(super) fn start(shared: Arc<Shared>, slots: Slots) -> Result<(), MemoryError> {
    let started =
        std::thread::Builder::new().name("board-memory".to_owned()).spawn(move || run(&shared, slots));
    started.map(drop).map_err(|error| MemoryError::File {
        path: "the thread that writes what the board remembers".to_owned(),
        problem: error.to_string(),
    })
}

fn run(shared: &Shared, mut slots: Slots) {
    let mut is_failing = false;
    loop {
        let (record, changes, is_closing) = {
            let mut state = shared.state();
            loop {
                let saved = shared.progress.borrow().saved;
                if state.is_closing && (saved == state.changes || is_failing) {
                    return;
                }
                let wait = match state.due {
                    Some(_) if saved == state.changes => {
                        state.due = None;
                        None
                    }
                    Some(due) => Some(due.saturating_since(shared.clock.moment())),
                    None => None,
                };
                if state.is_closing || wait.is_some_and(|wait| wait.is_zero()) {
                    state.due = None;
                    break (state.record.clone(), state.changes, state.is_closing);
                }
                state = match wait {
                    Some(wait) => {
                        shared.wake.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                    }
                    None => shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                };
            }
        };
        match slots.write(&record) {
            Ok(()) => {
                if is_failing {
                    tracing::info!("what the board remembers can be written again");
                }
                is_failing = false;
                shared.progress.send_modify(|progress| {
                    progress.saved = changes;
                    progress.problem = None;
                });
            }
            Err(problem) => {
                if !is_failing {
                    tracing::warn!(%problem, "what the board remembers cannot be written; it is tried again");
                }
                is_failing = true;
                shared.progress.send_modify(|progress| {
                    progress.failures += 1;
                    progress.problem = Some(problem);
                });
                if is_closing {
                    return;
                }
                let mut state = shared.state();
                let again = shared.clock.moment() + RETRY_AFTER;
                state.due = Some(state.due.map_or(again, |due| due.max(again)));
            }
        }
    }
}
