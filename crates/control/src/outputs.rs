//! All outputs of a board: every level that a pin takes is decided here.
//!
//! Outputs come and go one by one ([`Outputs::add`], [`Outputs::remove`]) while the others do what they do.
//!
//! A drive is followed by a read-back: [`Outputs::handle_read_back`] must be called after each
//! [`OutputAction::Drive`]. State, answer and fault come out of that, so that what is published is what the pin does.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Cause, Command, CommandResult, Moment, Origin};

use crate::interlock::{Blocked, Interlocks};
use crate::output::{Fault, Output, OutputRules, Pending, SAFE_RETRY, Timer};

/// What an output is called here, from when it is added until it is forgotten. No other output ever gets the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(u64);

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputAction {
    /// Drive the pin, read it back, and call [`Outputs::handle_read_back`].
    Drive {
        /// Which output.
        output: OutputId,
        /// On or off.
        on: bool,
    },
    /// Publish the state.
    State {
        /// Which output.
        output: OutputId,
        /// On or off, as read back.
        on: bool,
        /// Why.
        cause: Cause,
    },
    /// Publish the answer to a command.
    Answer {
        /// Which output.
        output: OutputId,
        /// The answer.
        result: CommandResult,
    },
    /// Publish that the output is faulty, or that it works again.
    Fault {
        /// Which output.
        output: OutputId,
        /// What is wrong, in a sentence for people; nothing when it works again.
        sentence: Option<String>,
    },
}

/// The outputs of a board.
#[derive(Debug, Default)]
pub struct Outputs {
    outputs: BTreeMap<OutputId, Output>,
    next_id: u64,
    interlocks: Interlocks,
    is_stopping: bool,
}

impl Outputs {
    /// Adds an output, which is taken to be at its safe level: that is how its pin is requested. It is driven there once,
    /// so that its state is known and published.
    pub fn add(&mut self, rules: OutputRules, now: Moment) -> (OutputId, Vec<OutputAction>) {
        let id = OutputId(self.next_id);
        self.next_id += 1;
        let cause = Cause::direct(Origin::fail_safe("the gateway starts"));
        self.outputs.insert(id, Output::new(rules, cause.clone()));
        let drive = self.drive_safe(id, cause, now);
        (id, drive.into_iter().collect())
    }

    /// Drives an output to its safe level for the last time and refuses its commands from now on, because it is taken
    /// out of the configuration. It is done with [`Outputs::forget`], once its pin was read back.
    pub fn remove(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.is_leaving = true;
        let cause = output.cause_of_end(Origin::fail_safe("it was taken out of the configuration"));
        self.drive_safe(id, cause, now).into_iter().collect()
    }

    /// Forgets an output whose pin was given back. What it may have kept off in its interlock group may go on after the
    /// dead time.
    pub fn forget(&mut self, id: OutputId, now: Moment) {
        if let Some(group) = self.outputs.remove(&id).and_then(|output| output.rules.interlock) {
            self.interlocks.note(&group, id, false, now);
        }
    }

    /// Decides about a command.
    pub fn handle_command(
        &mut self,
        id: OutputId,
        command: &Command,
        cause: Cause,
        now: Moment,
    ) -> Vec<OutputAction> {
        match self.try_command(id, command, &cause, now) {
            Ok(actions) => actions,
            Err(reason) => vec![answer(id, command.id.clone(), Some(reason), cause)],
        }
    }

    fn try_command(
        &mut self,
        id: OutputId,
        command: &Command,
        cause: &Cause,
        now: Moment,
    ) -> Result<Vec<OutputAction>, String> {
        if self.is_stopping {
            return Err("the gateway is stopping: its outputs stay at their safe level".to_owned());
        }
        let Some(output) = self.outputs.get(&id) else { return Err("there is no such output".to_owned()) };
        if output.is_leaving {
            return Err(format!("{} is being taken out of the configuration", output.rules.name));
        }
        let on = output.wanted(command)?;
        if let Some(fault) = &output.fault
            && on != output.rules.safe_on
        {
            return Err(format!(
                "{} It stays at its safe level until a command to that level finds it working.",
                fault.sentence
            ));
        }
        let changes = on != output.driven_on;
        if changes {
            self.check_change(output, id, on, now)?;
        }
        let Some(output) = self.outputs.get_mut(&id) else { return Ok(Vec::new()) };
        if on == output.rules.safe_on {
            output.rests_until = None;
        }
        let duration = command.duration.filter(|_| on != output.rules.safe_on);
        if let Some(length) = duration {
            output.check_duration(on, length, now)?;
        }
        output.timer = duration.map(|length| Timer { ends: now + length, cause: cause.clone() });
        if !changes && output.fault.is_none() && output.pending.is_none() {
            return Ok(vec![answer(id, command.id.clone(), None, cause.clone())]);
        }
        output.pending = Some(Pending { cause: cause.clone(), answer: Some(command.id.clone()) });
        Ok(self.drive(id, on, now).into_iter().collect())
    }

    fn check_change(&self, output: &Output, id: OutputId, on: bool, now: Moment) -> Result<(), String> {
        output.check_rest(on, now)?;
        output.check_minimum_times(on, now)?;
        let Some(group) = output.rules.interlock.as_deref().filter(|_| on) else { return Ok(()) };
        let name = &output.rules.name;
        self.interlocks.check(group, id, now).map_err(|blocked| match blocked {
            Blocked::ByOther(other) => format!(
                "{} is on, or may be: {name} stays off (interlock {group})",
                self.outputs.get(&other).map_or("another output", |other| &other.rules.name)
            ),
            Blocked::DeadTime(wait) => format!(
                "another output of interlock {group} went off a moment ago: {name} may go on in {}",
                format_duration(wait)
            ),
        })
    }

    /// Takes what the pin said after a drive: its level, or why it could not be driven or read.
    pub fn handle_read_back(
        &mut self,
        id: OutputId,
        measured: Result<bool, String>,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        // What was driven off is off for its group when it was seen to be, and not before.
        if let Some(group) = &output.rules.interlock {
            self.interlocks.note(group, id, measured != Ok(false), now);
        }
        let pending = output.pending.take();
        let problem = match &measured {
            Ok(on) if *on == output.driven_on => None,
            Ok(on) => Some(format!(
                "{} was switched {} but its pin reads {}. Check the wiring.",
                output.rules.name,
                word(output.driven_on),
                word(*on)
            )),
            Err(problem) => Some(format!("{} cannot be switched: {problem}.", output.rules.name)),
        };
        match problem {
            None => self.accept(id, pending),
            Some(problem) => self.latch(id, pending, measured.ok(), &problem, now),
        }
    }

    /// The pin does what it was told.
    fn accept(&mut self, id: OutputId, pending: Option<Pending>) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.retry_at = None;
        let mut actions = Vec::new();
        let was_asked = pending.as_ref().is_some_and(|pending| pending.answer.is_some());
        let is_mended = output.fault.as_ref().is_some_and(|fault| was_asked || !fault.is_latched);
        if output.is_safe() && is_mended {
            output.fault = None;
            actions.push(OutputAction::Fault { output: id, sentence: None });
        }
        let Some(pending) = pending else { return actions };
        output.cause = pending.cause.clone();
        actions.push(OutputAction::State { output: id, on: output.driven_on, cause: pending.cause.clone() });
        actions.extend(pending.answer.map(|command| answer(id, command, None, pending.cause)));
        actions
    }

    /// The pin does not do what it was told: that is a fault, and the output goes safe. When even that fails it is
    /// tried again from time to time.
    fn latch(
        &mut self,
        id: OutputId,
        pending: Option<Pending>,
        measured: Option<bool>,
        problem: &str,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let mut actions = Vec::new();
        let is_new = output.fault.is_none();
        if is_new {
            output.fault = Some(Fault { sentence: problem.to_owned(), is_latched: measured.is_some() });
            actions.push(OutputAction::Fault { output: id, sentence: Some(problem.to_owned()) });
        }
        let asked_by = pending.as_ref().map_or_else(|| output.cause.clone(), |pending| pending.cause.clone());
        if let Some(Pending { cause, answer: Some(command) }) = pending {
            actions.push(answer(id, command, Some(problem.to_owned()), cause));
        }
        let cause = Cause::because(Origin::fail_safe(problem), &asked_by);
        if output.is_safe() {
            output.retry_at = Some(now + SAFE_RETRY);
            // What the pin really does is what is published, and once.
            if let Some(on) = measured.filter(|_| is_new) {
                actions.push(OutputAction::State { output: id, on, cause });
            }
        } else {
            actions.extend(self.drive_safe(id, cause, now));
        }
        actions
    }

    /// When the next limit is reached.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.outputs.values().filter_map(Output::next_deadline).min()
    }

    /// Applies the limits that have been reached.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<OutputAction> {
        let is_due = |output: &Output| output.next_deadline().is_some_and(|deadline| deadline <= now);
        let due = self.outputs.iter().filter(|(_, output)| is_due(output)).map(|(id, _)| *id);
        let due: Vec<OutputId> = due.collect();
        due.into_iter().filter_map(|id| self.apply_limit(id, now)).collect()
    }

    fn apply_limit(&mut self, id: OutputId, now: Moment) -> Option<OutputAction> {
        let output = self.outputs.get_mut(&id)?;
        let longest = output.left_safe_at.zip(output.rules.max_on);
        let longest = longest.filter(|(left, longest)| *left + *longest <= now).map(|(_, longest)| longest);
        let ended = output.timer.as_ref().filter(|timer| timer.ends <= now);
        let mut earlier = &output.cause;
        let origin = if let Some(longest) = longest {
            Origin::fail_safe(&format!("longest on-time of {}", format_duration(longest)))
        } else if output.retry_at.is_some_and(|retry_at| retry_at <= now) {
            Origin::fail_safe("its fault")
        } else {
            earlier = ended.map_or(earlier, |timer| &timer.cause);
            Origin::part("timer of the command")
        };
        let cause = Cause::because(origin, earlier);
        if longest.is_some() {
            output.rest(now);
        }
        self.drive_safe(id, cause, now)
    }

    /// Drives every output to its safe level and refuses all commands from now on.
    pub fn stop(&mut self, now: Moment) -> Vec<OutputAction> {
        self.is_stopping = true;
        let ids: Vec<OutputId> = self.outputs.keys().copied().collect();
        let drive = |id| {
            let cause = self.outputs.get(&id)?.cause_of_end(Origin::fail_safe("the gateway stops"));
            self.drive_safe(id, cause, now)
        };
        ids.into_iter().filter_map(drive).collect()
    }

    fn drive_safe(&mut self, id: OutputId, cause: Cause, now: Moment) -> Option<OutputAction> {
        let output = self.outputs.get_mut(&id)?;
        output.timer = None;
        output.retry_at = None;
        output.pending = Some(Pending { cause, answer: None });
        let safe_on = output.rules.safe_on;
        self.drive(id, safe_on, now)
    }

    fn drive(&mut self, id: OutputId, on: bool, now: Moment) -> Option<OutputAction> {
        let output = self.outputs.get_mut(&id)?;
        if on != output.driven_on {
            output.driven_on = on;
            output.changed_at = Some(now);
            output.left_safe_at = (!output.is_safe()).then_some(now);
            // From now on it may be on; that it went off is noted when it is read back.
            if let Some(group) = output.rules.interlock.as_ref().filter(|_| on) {
                self.interlocks.note(group, id, true, now);
            }
        }
        Some(OutputAction::Drive { output: id, on })
    }
}

fn answer(output: OutputId, id: Option<Arc<str>>, reason: Option<String>, cause: Cause) -> OutputAction {
    let result = CommandResult { id, ok: reason.is_none(), reason: reason.map(Into::into), cause };
    OutputAction::Answer { output, result }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

#[cfg(test)]
mod tests;
