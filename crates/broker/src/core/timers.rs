//! What happens later: an ordered set of moments, each with what is due then.

use std::collections::BTreeSet;

use gatehouse_model::{Moment, TopicName};

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The client of this session has to have been heard by now.
    KeepAlive(u32),
    /// The session has waited long enough for its client.
    SessionEnd(u32),
    /// The will of this session is published now.
    Will(u32),
    /// A retained message expires.
    RetainedExpiry(TopicName),
    /// The broker's figures are published.
    Figures,
}

/// All timers. Setting and taking away cost a logarithm of their number; nothing stays behind.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    due: BTreeSet<(Moment, Timer)>,
}

impl Timers {
    pub(crate) fn set(&mut self, at: Moment, timer: Timer) {
        self.due.insert((at, timer));
    }

    pub(crate) fn cancel(&mut self, at: Moment, timer: Timer) {
        self.due.remove(&(at, timer));
    }

    /// The first moment at which something is due.
    pub(crate) fn next(&self) -> Option<Moment> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out the first timer that is due by `now`.
    pub(crate) fn pop(&mut self, now: Moment) -> Option<(Moment, Timer)> {
        if self.due.first()?.0 > now {
            return None;
        }
        self.due.pop_first()
    }
}
