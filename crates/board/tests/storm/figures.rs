//! What a storm, or many of them, came to.

use std::ops::AddAssign;

/// What was lived through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) hours: u64,
    pub(crate) happenings: u64,
    pub(crate) commands: u64,
    pub(crate) restarts: u64,
    pub(crate) sudden_ends: u64,
    pub(crate) configurations: u64,
    pub(crate) changes: u64,
    pub(crate) went_away: u64,
    pub(crate) readings: u64,
    pub(crate) doubtful: u64,
    pub(crate) pulses: u64,
    pub(crate) counted: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.hours += other.hours;
        self.happenings += other.happenings;
        self.commands += other.commands;
        self.restarts += other.restarts;
        self.sudden_ends += other.sudden_ends;
        self.configurations += other.configurations;
        self.changes += other.changes;
        self.went_away += other.went_away;
        self.readings += other.readings;
        self.doubtful += other.doubtful;
        self.pulses += other.pulses;
        self.counted += other.counted;
    }
}
