//! A list that one thread fills and another waits on.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::wait::Deadline;

/// Everything that has arrived so far, in order, and whether more can come. Clones share one list.
#[derive(Debug)]
pub struct Inbox<T> {
    shared: Arc<(Mutex<State<T>>, Condvar)>,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    closed: bool,
}

impl<T> Clone for Inbox<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self { shared: Arc::new((Mutex::new(State { items: Vec::new(), closed: false }), Condvar::new())) }
    }
}

impl<T: Clone + Debug> Inbox<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item.
    pub fn push(&self, item: T) {
        self.state().items.push(item);
        self.shared.1.notify_all();
    }

    /// Says that nothing more will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.shared.1.notify_all();
    }

    /// All that has arrived so far.
    pub fn all(&self) -> Vec<T> {
        self.state().items.clone()
    }

    /// How many items have arrived so far: a mark for [`Inbox::wait_after`].
    pub fn mark(&self) -> usize {
        self.state().items.len()
    }

    /// Waits for an item, old or new, that `pick` takes.
    ///
    /// # Panics
    /// When none has come within `limit`, or when the inbox is closed.
    pub fn wait<R>(&self, what: &str, limit: Duration, pick: impl FnMut(&T) -> Option<R>) -> R {
        self.wait_after(0, what, limit, pick)
    }

    /// Waits for an item that `pick` takes among those that came after `mark`.
    ///
    /// # Panics
    /// When none has come within `limit`, or when the inbox is closed.
    pub fn wait_after<R>(
        &self,
        mark: usize,
        what: &str,
        limit: Duration,
        pick: impl FnMut(&T) -> Option<R>,
    ) -> R {
        self.try_wait_after(mark, limit, pick)
            .unwrap_or_else(|complaint| panic!("waited for {what}, but {complaint}"))
    }

    /// Waits for an item that `pick` takes among those that came after `mark`.
    ///
    /// # Errors
    /// When none has come within `limit`, or when the inbox is closed: which of the two, and the last that came.
    pub fn try_wait_after<R>(
        &self,
        mark: usize,
        limit: Duration,
        mut pick: impl FnMut(&T) -> Option<R>,
    ) -> Result<R, String> {
        let deadline = Deadline::after(limit);
        let mut looked_at = mark;
        let mut state = self.state();
        loop {
            while looked_at < state.items.len() {
                if let Some(found) = pick(&state.items[looked_at]) {
                    return Ok(found);
                }
                looked_at += 1;
            }
            let left = deadline.left().filter(|_| !state.closed);
            let Some(left) = left else {
                let reason = if state.closed { "nothing more will come" } else { "the limit has passed" };
                let items: Vec<T> = state.items.iter().rev().take(60).rev().cloned().collect();
                return Err(format!("{reason}; the last that came: {items:#?}"));
            };
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until nothing more will come.
    ///
    /// # Panics
    /// When it has not been closed within `limit`.
    pub fn wait_closed(&self, what: &str, limit: Duration) {
        let state = self.state();
        let (state, waited) = self
            .shared
            .1
            .wait_timeout_while(state, limit, |state| !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        assert!(!waited.timed_out(), "waited {} s for {what}", limit.as_secs());
    }
}
