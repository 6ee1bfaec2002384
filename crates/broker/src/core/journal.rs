//! What a round changed that has to outlive the process, and which acknowledgements wait for it.

use crate::store::{Change, Ticket};

/// The changes of the round that is going on. Rounds are numbered; a round without changes costs nothing.
#[derive(Debug)]
pub(crate) struct Journal {
    keeps: bool,
    changes: Vec<Change>,
    /// How many of them something may wait for.
    awaited: usize,
    /// The ticket that the changes of this round will have.
    ticket: Ticket,
}

impl Journal {
    /// A journal for a store that keeps changes, or for one that does not want them.
    pub(crate) fn new(keeps: bool) -> Self {
        Self { keeps, changes: Vec::new(), awaited: 0, ticket: Ticket(1) }
    }

    /// Whether anybody keeps what is recorded.
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Notes a change that what follows from it has to wait for; it is made only when somebody keeps it.
    pub(crate) fn record(&mut self, change: impl FnOnce() -> Change) {
        if self.keeps {
            self.changes.push(change());
            self.awaited += 1;
        }
    }

    /// Notes a change of a session that an answer to its client stands for; `covered_by` is the session's.
    pub(crate) fn record_for(&mut self, covered_by: &mut Ticket, change: impl FnOnce() -> Change) {
        if self.keeps {
            *covered_by = self.ticket;
        }
        self.record(change);
    }

    /// Notes a change that nobody is told of, so that nothing waits for it.
    pub(crate) fn record_aside(&mut self, change: impl FnOnce() -> Change) {
        if self.keeps {
            self.changes.push(change());
        }
    }

    /// The ticket that what is recorded now will have, when there is one.
    pub(crate) fn current(&self) -> Option<Ticket> {
        self.keeps.then_some(self.ticket)
    }

    /// A mark to ask later with [`Journal::since`].
    pub(crate) fn mark(&self) -> usize {
        self.awaited
    }

    /// The ticket that an acknowledgement has to wait for, when something was recorded since `mark`.
    pub(crate) fn since(&self, mark: usize) -> Option<Ticket> {
        (self.awaited > mark).then_some(self.ticket)
    }

    /// Ends the round: its ticket and changes, when there were any.
    pub(crate) fn end_round(&mut self) -> Option<(Ticket, Vec<Change>)> {
        if self.changes.is_empty() {
            return None;
        }
        let ticket = self.ticket;
        self.awaited = 0;
        self.ticket = Ticket(ticket.0 + 1);
        Some((ticket, std::mem::take(&mut self.changes)))
    }
}
