//! Those who follow the inputs of one expander.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gatehouse_model::Moment;
use tokio::sync::mpsc;

use crate::drivers::Seen;
use crate::traits::{Edge, Level};

/// Changes that wait for the one who follows a line; it takes more than a second of bouncing to fill it.
const EDGE_QUEUE: usize = 64;

/// Somebody who follows the changes of an input.
struct Watcher {
    line: u8,
    /// What was told last; nothing before the first level.
    is_high: Option<bool>,
    /// When the last change was told to be: time does not go back for anybody.
    told: Moment,
    missed: u32,
    edges: mpsc::Sender<Edge>,
}

impl Watcher {
    fn tell(&mut self, is_high: bool, at: Moment) {
        self.is_high = Some(is_high);
        self.told = self.told.max(at);
        let edge = Edge { level: Level::from_on(is_high), at: self.told, missed: self.missed };
        let is_taken = self.edges.try_send(edge).is_ok();
        self.missed = if is_taken { 0 } else { self.missed.saturating_add(1) };
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Watchers(Mutex<Vec<Watcher>>);

impl Watchers {
    /// Follows a line, from [`Watchers::begin`] on.
    pub(super) fn follow(&self, line: u8) -> mpsc::Receiver<Edge> {
        let (edges, followed) = mpsc::channel(EDGE_QUEUE);
        let watcher = Watcher { line, is_high: None, told: Moment::default(), missed: 0, edges };
        self.all().push(watcher);
        followed
    }

    /// Whoever follows this line is told this level now: the next change is one from there.
    pub(super) fn begin(&self, line: u8, levels: u32, now: Moment) {
        for watcher in self.all().iter_mut().filter(|watcher| watcher.line == line) {
            watcher.is_high = Some(levels >> line & 1 == 1);
            watcher.told = watcher.told.max(now);
        }
    }

    /// Tells what a reading that was asked for at `now` has found. What had changed began at `at`; a line that has changed
    /// back since then is told to have done that now.
    pub(super) fn tell(&self, seen: Seen, at: Moment, now: Moment) {
        for watcher in self.all().iter_mut() {
            let bit = |of: u32| of >> watcher.line & 1 == 1;
            let (was_caught, caught, is_high) = (bit(seen.flagged), bit(seen.captured), bit(seen.levels));
            let Some(was_high) = watcher.is_high else { continue };
            let has_been_otherwise = was_caught && caught != was_high;
            if has_been_otherwise {
                watcher.tell(caught, at);
            }
            if watcher.is_high != Some(is_high) {
                watcher.tell(is_high, if has_been_otherwise { now } else { at });
            }
        }
    }

    /// The lines that are followed or will be.
    pub(super) fn lines(&self) -> Vec<u8> {
        self.all().iter().map(|watcher| watcher.line).collect()
    }

    /// Whether there is anybody.
    pub(super) fn are_there(&self) -> bool {
        let mut watchers = self.all();
        watchers.retain(|watcher| !watcher.edges.is_closed());
        !watchers.is_empty()
    }

    /// The lines are gone: all of them learn it.
    pub(super) fn lose(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
