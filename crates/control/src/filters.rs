//! Filters: what is done with the numbers of one property between calibration and the report.
//!
//! The list is ESPHome's, and so is the meaning of each, with three differences. What ESPHome says with "not a number"
//! is said here with the quality or not at all; a number is never made up. `timeout` therefore marks the last value as
//! stale. And there is no `lambda`: code in a configuration belongs to rules, which come with their own language and
//! limits.
//!
//! Each family has its file. A filter is a small state machine in the grammar of this crate; the arithmetic in it is
//! plain functions, tested by properties.

mod arithmetic;
mod change;
mod either;
mod exponential;
mod limits;
mod pacing;
mod rules;
mod sending;
mod window;

use std::fmt;

use gatehouse_model::Moment;

pub use crate::filters::arithmetic::{FitProblem, Line, MAX_DEGREE, Polynomial};
pub use crate::filters::change::{MAX_SKIPPED, Step};
pub use crate::filters::pacing::{LONGEST_FILTER_TIME, SHORTEST_FILTER_TIME};
pub use crate::filters::rules::{FilterRule, MAX_FILTERS};
pub use crate::filters::sending::{MAX_WINDOW, Sending};
pub use crate::filters::window::Statistic;
use crate::measured::Measured;

/// What comes out of a filter by the passing of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FilterEvent {
    /// A number.
    Value(Measured),
    /// Nothing came in for too long: the last number is stale.
    Silence,
}

/// One filter.
trait Filter: fmt::Debug + Send + Sync {
    /// Takes a number. Gives the one that goes on, if any.
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured>;

    /// When [`Filter::handle_timeout`] has something to do.
    fn next_deadline(&self) -> Option<Moment> {
        None
    }

    /// Called at or after the deadline; the next one lies behind `now`.
    fn handle_timeout(&mut self, _now: Moment) -> Option<FilterEvent> {
        None
    }
}

/// A chain of filters.
#[derive(Debug, Default)]
pub struct Filters {
    stages: Vec<Box<dyn Filter>>,
}

impl Filters {
    /// A chain of these filters, in this order. Without any, every number passes. Rules with a
    /// [`FilterRule::problem`] are kept within the limits.
    pub fn new(rules: &[FilterRule]) -> Self {
        Self { stages: rules.iter().map(FilterRule::build).collect() }
    }

    /// Takes a number. Gives the one that comes out, if any.
    pub fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        self.pass_from(0, measured, now)
    }

    fn pass_from(&mut self, first: usize, measured: Measured, now: Moment) -> Option<Measured> {
        let mut passing = measured;
        for stage in self.stages.iter_mut().skip(first) {
            passing = stage.handle_value(passing, now).filter(|passed| passed.value.is_finite())?;
        }
        Some(passing)
    }

    /// When [`Filters::handle_timeout`] has something to do.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.stages.iter().filter_map(|stage| stage.next_deadline()).min()
    }

    /// Lets time pass. Gives what comes out of the chain by that; call it again until nothing comes out any more.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<FilterEvent> {
        for index in 0..self.stages.len() {
            let stage = self.stages.get_mut(index)?;
            if stage.next_deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            match stage.handle_timeout(now) {
                None => {}
                Some(FilterEvent::Silence) => return Some(FilterEvent::Silence),
                Some(FilterEvent::Value(measured)) => {
                    if let Some(passed) = self.pass_from(index + 1, measured, now) {
                        return Some(FilterEvent::Value(passed));
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
