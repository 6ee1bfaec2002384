//! Outputs that must never be on together, such as the two directions of a motor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gatehouse_model::Moment;

use crate::OutputId;

/// Time that passes between one member of a group going off and another going on: a relay's contacts take some
/// milliseconds to open, a motor to stop takes longer.
pub const DEAD_TIME: Duration = Duration::from_millis(500);

/// Which members of each group are on, and when the last one went off.
#[derive(Clone, Debug, Default)]
pub struct Interlocks {
    groups: BTreeMap<String, Group>,
}

#[derive(Clone, Debug, Default)]
struct Group {
    /// Members that are on, or of which it is not known that they are off. More than one only when pins do not follow.
    on: BTreeSet<OutputId>,
    latest_off: Option<(OutputId, Moment)>,
}

/// Why an output may not go on now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// Another member is on, or may be.
    ByOther(OutputId),
    /// Another member went off a moment ago; it may go on after this time.
    DeadTime(Duration),
}

impl Interlocks {
    /// Whether `output` may go on now, `dead_time` after another one went off.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(
        &self,
        group: &str,
        output: OutputId,
        dead_time: Duration,
        now: Moment,
    ) -> Result<(), Blocked> {
        let Some(group) = self.groups.get(group) else { return Ok(()) };
        if let Some(other) = group.on.iter().find(|other| **other != output) {
            return Err(Blocked::ByOther(*other));
        }
        match group.latest_off {
            Some((other, at)) if other != output && now < at + dead_time => {
                Err(Blocked::DeadTime((at + dead_time).saturating_since(now)))
            }
            _ => Ok(()),
        }
    }

    /// Notes that a member is on or may be, or that it was seen to be off.
    pub fn note(&mut self, group: &str, output: OutputId, on: bool, now: Moment) {
        let group = self.groups.entry(group.to_owned()).or_default();
        if on {
            group.on.insert(output);
        } else if group.on.remove(&output) {
            group.latest_off = Some((output, now));
        }
    }
}
