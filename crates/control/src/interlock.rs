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
    /// The two members that went off last: of these one at least is another than who asks.
    latest_off: [Option<(OutputId, Moment)>; 2],
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
        let others = group.latest_off.iter().flatten().filter(|(other, _)| *other != output);
        match others.map(|(_, at)| *at + dead_time).max() {
            Some(end) if now < end => Err(Blocked::DeadTime(end.saturating_since(now))),
            _ => Ok(()),
        }
    }

    /// Notes that a member is on or may be, or that it was seen to be off.
    pub fn note(&mut self, group: &str, output: OutputId, on: bool, now: Moment) {
        let group = self.groups.entry(group.to_owned()).or_default();
        if on {
            group.on.insert(output);
        } else if group.on.remove(&output) {
            let before = group.latest_off.into_iter().flatten().find(|(other, _)| *other != output);
            group.latest_off = [Some((output, now)), before];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OutputRules, Outputs};

    /// A member that was added just then hid that another one had gone off a moment ago.
    #[test]
    fn the_dead_time_holds_after_whoever_went_off_last_but_oneself() {
        let mut outputs = Outputs::default();
        let mut id = || outputs.add(OutputRules::new("X", None), None, Moment::default()).0;
        let (one, other) = (id(), id());
        let mut interlocks = Interlocks::default();
        let at = |millis| Moment::from_start(Duration::from_millis(millis));
        for (output, on, time) in [(one, true, 0), (one, false, 10), (other, true, 20), (other, false, 30)] {
            interlocks.note("group", output, on, at(time));
        }
        let check = |output, millis| interlocks.check("group", output, DEAD_TIME, at(millis));
        assert_eq!(check(other, 40), Err(Blocked::DeadTime(Duration::from_millis(470))));
        assert_eq!(check(one, 40), Err(Blocked::DeadTime(Duration::from_millis(490))));
        assert_eq!((check(other, 510), check(one, 530)), (Ok(()), Ok(())));
    }
}
