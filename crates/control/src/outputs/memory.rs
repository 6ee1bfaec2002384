//! What is kept of an output over a restart, and what it is to become by that.

use std::time::Duration;

use gatehouse_model::Moment;

use super::rules::OutputRules;
use crate::duty::Duty;

/// What is kept of an output over a restart and a power cut. Times are counted from when it was kept: whoever keeps it
/// adds what the wall clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputMemory {
    /// The level that it was driven to.
    pub level: Duty,
    /// How long before that it last went on or off; nothing when that is not known.
    pub since_change: Option<Duration>,
    /// The level that a command gave it last, and how long before that was.
    pub commanded: Option<(Duty, Duration)>,
    /// How long it had been away from its safe level; nothing when it was there.
    pub away_for: Option<Duration>,
    /// How much of its longest on-time it had behind it when the gateway's own stop ended that; nothing otherwise.
    pub used: Option<Duration>,
    /// For how long it had to rest after its longest on-time; nothing when it had not.
    pub rests_for: Option<Duration>,
    /// Whether it had a fault that nobody has looked at: it comes up safe then, whatever its rules say.
    pub had_fault: bool,
}

/// What is remembered when an output is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recollection {
    /// What was kept.
    pub memory: OutputMemory,
    /// How long ago; nothing when the clock cannot be trusted, now or when it was kept.
    pub age: Option<Duration>,
}

impl Recollection {
    /// How much of its longest on-time it has had by now. Nobody looks at an output that comes up by itself, so neither a
    /// stop nor a crash gives it that time anew, however often; only a rest does that, and a command.
    ///
    /// It counts as away for all of the time since it was kept to be so. Where the clock does not tell that time, it is
    /// the longest that may lie between two records: what restarts again and again has used its time up all the same.
    pub(super) fn away(self, rules: &OutputRules) -> Option<Duration> {
        let Self { memory, age } = self;
        if let Some(away) = memory.away_for {
            let since = age.unwrap_or_else(|| rules.count_every().unwrap_or_default());
            return Some(away.saturating_add(since));
        }
        let has_rested = age.zip(rules.longest_rest()).is_some_and(|(age, rest)| age >= rest);
        memory.used.filter(|_| !has_rested)
    }
}

/// What an output is to become after the start, once nothing stands in the way.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(super) kind: WishKind,
    /// When to try again.
    pub(crate) at: Moment,
    /// When to give up.
    pub(super) expires: Moment,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum WishKind {
    /// To be at this level; it has been away from its safe level for this time already.
    Level(Duty, Option<Duration>),
    /// To be as it was, once the clock says how long ago that was.
    Clock(OutputMemory, Duration),
}

impl Wish {
    /// What it has had of its longest on-time already, if that is known.
    pub(super) fn used(&self) -> Option<Duration> {
        match self.kind {
            WishKind::Level(_, used) => used,
            WishKind::Clock(memory, _) => memory.used,
        }
    }
}
