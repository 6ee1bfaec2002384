//! The wall clock: whether it is set, and whether somebody has set it while the gateway ran.

use std::time::Duration;

use gatehouse_dashboard::{Warning, WarningWord};
use gatehouse_model::{Clock, Moment, Timestamp};

use super::warning;

/// A step of the clock that people should know of. A time server corrects what a crystal loses in a day, a second or two.
const STEP: i64 = 30_000;

/// How long a step is told.
const TOLD_OF_STEP: Duration = Duration::from_secs(3_600);

/// What was seen of the clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ClockLook {
    last: Option<Look>,
    /// The last step, in milliseconds, and when.
    step: Option<(i64, Moment)>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    wall: Timestamp,
    moment: Moment,
    was_set: bool,
}

impl ClockLook {
    /// What people should know of the clock now. That a clock is set for the first time is what everybody waits for, and no
    /// step.
    pub(super) fn judge(&mut self, clock: &dyn Clock, is_set: bool) -> Option<Warning> {
        let (wall, moment) = (clock.now(), clock.moment());
        let last = self.last.replace(Look { wall, moment, was_set: is_set });
        if let Some(last) = last.filter(|last| last.was_set) {
            let passed = i64::try_from(moment.saturating_since(last.moment).as_millis()).unwrap_or(i64::MAX);
            let by = wall.as_millis().saturating_sub(last.wall.as_millis()).saturating_sub(passed);
            if by.saturating_abs() >= STEP {
                self.step = Some((by, moment));
            }
        }
        if !is_set {
            return Some(warning(WarningWord::ClockNotSet, ""));
        }
        self.step = self.step.filter(|(_, then)| moment.saturating_since(*then) < TOLD_OF_STEP);
        self.step.map(|(by, _)| warning(WarningWord::ClockStepped, (by / 1_000).to_string()))
    }
}
