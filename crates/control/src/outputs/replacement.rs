//! Outputs that stay as they are while one release of the gateway takes the place of another: who may, for how long, and how
//! the next process goes on with them.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse_model::{Cause, Moment, Origin};

use super::memory::OutputMemory;
use super::rules::OutputRules;
use super::state::{Output, Since, Timer};
use super::{OutputAction, OutputId, Outputs};
use crate::duty::Duty;

/// What somebody else must know to hold an output for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdable {
    /// Which output.
    pub output: OutputId,
    /// The level that it has, which is not its safe one.
    pub level: Duty,
    /// After this time it must be at its safe level, whatever happens: its longest on-time is over then, or that of a
    /// command. Nothing where neither is limited.
    pub at_most: Option<Duration>,
    /// How much is left of a command's time.
    pub timer: Option<Duration>,
    /// How long it has been away from its safe level.
    pub away: Duration,
}

/// What is known of an output that was held while the gateway was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// What was kept of it when it was handed over.
    pub memory: OutputMemory,
    /// How long ago that was, on a clock that nobody sets.
    pub age: Duration,
    /// How long it had been away from its safe level then.
    pub away: Duration,
    /// The level that its pin has now.
    pub level: Duty,
    /// How much was left of a command's time when it was handed over.
    pub timer: Option<Duration>,
}

impl Resumption {
    /// How long it has been away from its safe level by now.
    fn away_by_now(&self) -> Duration {
        self.away.saturating_add(self.age)
    }

    /// Whether its longest on-time is over.
    pub fn has_had_its_time(&self, rules: &OutputRules) -> bool {
        rules.max_on.is_some_and(|longest| self.away_by_now() >= longest)
    }

    /// Whether the output may go on as it is: its rules want that, its pin is where it was left, and neither its longest
    /// on-time nor a command's is over.
    pub fn goes_on(&self, rules: &OutputRules) -> bool {
        may_be_held(rules)
            && self.level != rules.safe
            && self.level == self.memory.level
            && !self.memory.had_fault
            && !self.has_had_its_time(rules)
            && self.timer.is_none_or(|left| self.age < left)
    }
}

/// Whether an output's rules want it to be held, and nobody but time has to be asked meanwhile: a dead-man may fall silent,
/// and another output of a group may go on.
fn may_be_held(rules: &OutputRules) -> bool {
    rules.holds_over_upgrade && rules.dead_man.is_none() && rules.interlock.is_none()
}

impl Output {
    fn holdable(&self, id: OutputId, now: Moment) -> Option<Holdable> {
        // To be read back now and then is no movement: one in ten seconds would be caught at it.
        let is_driven = self.in_flight && !self.is_check;
        let is_still = !is_driven && self.pending.is_none() && self.ramp.is_none() && self.blink.is_none();
        let is_fine = self.fault.is_none() && !self.is_leaving;
        if !may_be_held(&self.rules) || self.is_safe() || !is_still || !is_fine {
            return None;
        }
        let timer = self.timer.as_ref().map(|timer| timer.ends.saturating_since(now));
        let longest = self.longest_ends().map(|ends| ends.saturating_since(now));
        let at_most = [timer, longest].into_iter().flatten().min();
        let is_over = at_most.is_some_and(|left| left.is_zero());
        let away = self.left_safe.map(|left| left.elapsed(now)).unwrap_or_default();
        (!is_over).then_some(Holdable { output: id, level: self.level, at_most, timer, away })
    }

    /// Goes on as it was left.
    fn resume(&mut self, resumption: &Resumption, now: Moment) {
        let Resumption { memory, age, level, timer, .. } = resumption;
        let before = |earlier: Duration| Since::before(now, earlier.saturating_add(*age));
        self.level = *level;
        self.changed = memory.since_change.map(before);
        let away = resumption.away_by_now();
        self.left_safe = Some(Since::before(now, away));
        self.count_at = self.rules.count_every().map(|every| now + every);
        self.commanded = memory.commanded.map(|(level, earlier)| (level, before(earlier)));
        let ends = timer.map(|left| now + left.saturating_sub(*age));
        self.timer = ends.map(|ends| Timer { ends, cause: self.cause.clone() });
        // What has shown its effect before would have to show it once more: a room that is warm does not rise.
        if self.rules.effect.as_ref().is_some_and(|effect| away < effect.within) {
            self.expect_effect(now);
        }
    }
}

impl Outputs {
    /// The outputs that somebody else may hold while the gateway is replaced: those whose rules say so, which are away from
    /// their safe level, well, and doing nothing.
    pub fn holdable(&self, now: Moment) -> Vec<Holdable> {
        self.outputs.iter().filter_map(|(id, output)| output.holdable(*id, now)).collect()
    }

    /// Drives every output to its safe level but these, which somebody else holds from now on, and refuses all commands.
    pub fn stop_but(&mut self, held: &BTreeSet<OutputId>, now: Moment) -> Vec<OutputAction> {
        self.is_stopping = true;
        let (staying, ending): (Vec<_>, Vec<_>) = self.outputs.iter().partition(|(id, _)| held.contains(id));
        let remember = |(id, output): (&OutputId, &Output)| OutputAction::Remember {
            output: *id,
            memory: output.memory(now),
        };
        let mut actions: Vec<OutputAction> = staying.into_iter().map(remember).collect();
        let ending: BTreeSet<OutputId> = ending.into_iter().map(|(id, _)| *id).collect();
        actions.extend(self.stop_these(&ending, now));
        actions.extend(self.tend_covers(now));
        actions
    }

    /// Drives these outputs to their safe level, because the gateway stops.
    pub fn stop_these(&mut self, ending: &BTreeSet<OutputId>, now: Moment) -> Vec<OutputAction> {
        let mut actions = Vec::new();
        for id in ending {
            let Some(output) = self.outputs.get_mut(id) else { continue };
            output.note_used(now);
            let cause = output.cause_of_end(Origin::fail_safe("the gateway stops"));
            actions.extend(self.drive_safe(*id, cause, now));
        }
        actions
    }

    /// Notes that an output's longest on-time ended while it was held: it rests now, as if it had ended here.
    pub fn rest(&mut self, id: OutputId, now: Moment) {
        if let Some(output) = self.outputs.get_mut(&id) {
            output.rest(now);
        }
    }

    /// Adds an output that was held while the gateway was replaced, and [may go on](Resumption::goes_on). Its pin is driven
    /// to the level that it has, and all times go on as if there had been no replacement.
    pub fn resume(
        &mut self,
        rules: OutputRules,
        resumption: &Resumption,
        now: Moment,
    ) -> (OutputId, Vec<OutputAction>) {
        let id = OutputId(self.fresh_id());
        let cause = Cause::direct(Origin::part("start of the gateway: was held over the upgrade"));
        let mut output = Output::new(rules, cause.clone(), now);
        output.resume(resumption, now);
        self.outputs.insert(id, output);
        (id, self.drive(id, resumption.level, Some((cause, None)), now))
    }
}
