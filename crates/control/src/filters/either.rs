//! `or`: several filters see the same numbers, and the first that lets something through decides.

use gatehouse_model::Moment;

use super::{Filter, FilterEvent, FilterRule};
use crate::measured::Measured;

/// See [`FilterRule::Or`].
#[derive(Debug)]
pub(super) struct Either {
    branches: Vec<Box<dyn Filter>>,
}

impl Either {
    pub(super) fn new(rules: &[FilterRule]) -> Self {
        Self { branches: rules.iter().map(FilterRule::build).collect() }
    }
}

impl Filter for Either {
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        // Each of them has to see the number, also those behind the one that decides.
        let mut first = None;
        for branch in &mut self.branches {
            let passed = branch.handle_value(measured, now);
            first = first.or(passed);
        }
        first
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.branches.iter().filter_map(|branch| branch.next_deadline()).min()
    }

    fn handle_timeout(&mut self, now: Moment) -> Option<FilterEvent> {
        let mut first = None;
        for branch in &mut self.branches {
            if branch.next_deadline().is_some_and(|deadline| deadline <= now) {
                let event = branch.handle_timeout(now);
                first = first.or(event);
            }
        }
        first
    }
}
