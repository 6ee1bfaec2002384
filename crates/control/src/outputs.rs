//! All outputs of a board: every level that a pin takes is decided here.
//!
//! A drive is followed by a read-back: [`Outputs::handle_read_back`] must be called after each
//! [`OutputAction::Drive`]. State, answer and fault come out of that, so that what is published is what the pin does.

use std::sync::Arc;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Cause, Command, CommandResult, Moment, Origin};

use crate::interlock::{Blocked, Interlocks};
use crate::output::{Fault, Output, OutputRules, Pending, SAFE_RETRY, Timer};

/// The place of an output in the order in which the rules were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(pub usize);

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
#[derive(Debug)]
pub struct Outputs {
    outputs: Vec<Output>,
    interlocks: Interlocks,
    is_stopping: bool,
}

impl Outputs {
    /// Outputs with these rules, all of them taken to be at their safe level: that is how they were requested.
    pub fn new(rules: Vec<OutputRules>) -> Self {
        let cause = Cause::direct(Origin::fail_safe("the gateway starts"));
        let outputs = rules.into_iter().map(|rules| Output::new(rules, cause.clone())).collect();
        Self { outputs, interlocks: Interlocks::default(), is_stopping: false }
    }

    /// Drives every output to its safe level once, so that its state is known and published.
    pub fn start(&mut self, now: Moment) -> Vec<OutputAction> {
        let cause = Cause::direct(Origin::fail_safe("the gateway starts"));
        self.ids().map(|id| self.drive_safe(id, cause.clone(), now)).collect()
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
        let Some(output) = self.outputs.get(id.0) else { return Err("there is no such output".to_owned()) };
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
            self.check_change(id, on, now)?;
        }
        let output = &mut self.outputs[id.0];
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
        Ok(vec![self.drive(id, on, now)])
    }

    fn check_change(&self, id: OutputId, on: bool, now: Moment) -> Result<(), String> {
        let output = &self.outputs[id.0];
        output.check_rest(on, now)?;
        output.check_minimum_times(on, now)?;
        let Some(group) = output.rules.interlock.as_deref().filter(|_| on) else { return Ok(()) };
        let name = &output.rules.name;
        self.interlocks.check(group, id, now).map_err(|blocked| match blocked {
            Blocked::ByOther(other) => format!(
                "{} is on, or may be: {name} stays off (interlock {group})",
                self.outputs.get(other.0).map_or("another output", |other| &other.rules.name)
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
        let Some(output) = self.outputs.get_mut(id.0) else { return Vec::new() };
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
        let output = &mut self.outputs[id.0];
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
        let output = &mut self.outputs[id.0];
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
            actions.push(self.drive_safe(id, cause, now));
        }
        actions
    }

    /// When the next limit is reached.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.outputs.iter().filter_map(Output::next_deadline).min()
    }

    /// Applies the limits that have been reached.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<OutputAction> {
        let mut actions = Vec::new();
        for id in self.ids() {
            let output = &self.outputs[id.0];
            if output.next_deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            let reached_longest = output
                .left_safe_at
                .zip(output.rules.max_on)
                .is_some_and(|(left, longest)| left + longest <= now);
            let ended = output.timer.as_ref().filter(|timer| timer.ends <= now);
            let mut earlier = &output.cause;
            let origin = if reached_longest {
                let longest = output.rules.max_on.map(format_duration).unwrap_or_default();
                Origin::fail_safe(&format!("longest on-time of {longest}"))
            } else if output.retry_at.is_some_and(|retry_at| retry_at <= now) {
                Origin::fail_safe("its fault")
            } else {
                earlier = ended.map_or(earlier, |timer| &timer.cause);
                Origin::part("timer of the command")
            };
            let cause = Cause::because(origin, earlier);
            if reached_longest {
                self.outputs[id.0].rest(now);
            }
            actions.push(self.drive_safe(id, cause, now));
        }
        actions
    }

    /// Drives every output to its safe level and refuses all commands from now on.
    pub fn stop(&mut self, now: Moment) -> Vec<OutputAction> {
        self.is_stopping = true;
        let origin = Origin::fail_safe("the gateway stops");
        self.ids()
            .map(|id| {
                let output = &self.outputs[id.0];
                let cause = if output.is_safe() {
                    Cause::direct(origin.clone())
                } else {
                    Cause::because(origin.clone(), &output.cause)
                };
                self.drive_safe(id, cause, now)
            })
            .collect()
    }

    fn ids(&self) -> impl Iterator<Item = OutputId> + use<> {
        (0..self.outputs.len()).map(OutputId)
    }

    fn drive_safe(&mut self, id: OutputId, cause: Cause, now: Moment) -> OutputAction {
        let output = &mut self.outputs[id.0];
        output.timer = None;
        output.retry_at = None;
        output.pending = Some(Pending { cause, answer: None });
        let safe_on = output.rules.safe_on;
        self.drive(id, safe_on, now)
    }

    fn drive(&mut self, id: OutputId, on: bool, now: Moment) -> OutputAction {
        let output = &mut self.outputs[id.0];
        if on != output.driven_on {
            output.driven_on = on;
            output.changed_at = Some(now);
            output.left_safe_at = (!output.is_safe()).then_some(now);
            // From now on it may be on; that it went off is noted when it is read back.
            if let Some(group) = output.rules.interlock.as_ref().filter(|_| on) {
                self.interlocks.note(group, id, true, now);
            }
        }
        OutputAction::Drive { output: id, on }
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
