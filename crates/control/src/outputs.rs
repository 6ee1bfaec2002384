//! All outputs of a board: every level that a pin takes is decided here.
//!
//! Outputs come and go one by one ([`Outputs::add`], [`Outputs::remove`]) while the others do what they do.
//!
//! A drive is followed by a read-back: [`Outputs::handle_read_back`] must be called after each
//! [`OutputAction::Drive`] and [`OutputAction::Check`], with its ticket. State, answer and fault come out of that, so
//! that what is published is what the pin does. A newer drive of the same output may come before the read-back of an
//! older one: whoever drives the pins does the newest, and what the older one reports is ignored.

mod bucket;
mod command;
mod cover;
mod effect;
mod limits;
mod memory;
mod read_back;
mod replacement;
mod rules;
mod start;
mod state;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gatehouse_model::{Cause, CommandResult, Moment, Origin};

use crate::duty::Duty;
use crate::interlock::Interlocks;
use state::{Asked, Output, Pending, Since};

pub use cover::{
    CoverId, CoverMemory, CoverRules, CoverState, DEFAULT_OVERRUN, GIVE_UP_AFTER, POSITION_EVERY,
};
pub use memory::{OutputMemory, Recollection};
pub use replacement::{Holdable, Resumption};
pub use rules::{
    CHECK_EVERY, CHECK_RETRY, CHECKS_BEFORE_FAULT, CLOCK_WAIT, COMMAND_BURST, COMMAND_REFILL, DeadMan,
    Effect, LAST_WITHIN, MAX_BLINKS, MAX_RAMP, MAX_REST, MIN_BLINK, MIN_SAFE, OutputRules, PowerOn,
    RAMP_STEP, REST_SHARE, SAFE_RETRY, START_RETRY, START_WAIT, STATE_EVERY, Source,
};

/// What an output is called here, from when it is added until it is forgotten. No other output ever gets the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(u64);

/// Which drive or check of an output it is; the greater number is the newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// The asker's mark on a command, so that the answer finds its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u64);

/// Which of a device's two properties a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect {
    /// On and off, or the way of a cover: `1` is on.
    Power,
    /// The level or the position: `1` is one of its unit.
    Level,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputAction {
    /// Drive the pin, read it back, and call [`Outputs::handle_read_back`].
    Drive {
        /// Which output.
        output: OutputId,
        /// The level.
        level: Duty,
        /// What the report must carry.
        ticket: Ticket,
    },
    /// Read the pin back without driving it, and call [`Outputs::handle_read_back`].
    Check {
        /// Which output.
        output: OutputId,
        /// What the report must carry.
        ticket: Ticket,
    },
    /// Publish the state.
    State {
        /// Which output.
        output: OutputId,
        /// The level, as read back.
        level: Duty,
        /// Why.
        cause: Cause,
    },
    /// Publish where a cover is.
    Cover {
        /// Which cover.
        cover: CoverId,
        /// What it does, and where it is.
        state: CoverState,
        /// Why.
        cause: Cause,
    },
    /// Publish the answer to a command.
    Answer {
        /// Which command.
        ask: Ask,
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
    /// Publish that something about the output is not as it should be, although it does what it is told; or that it is.
    Warning {
        /// Which output.
        output: OutputId,
        /// What is wrong, in a sentence for people; nothing when that is over.
        sentence: Option<String>,
    },
    /// Keep this over a restart and a power cut.
    Remember {
        /// Which output.
        output: OutputId,
        /// What [`Outputs::add`] wants to have back.
        memory: OutputMemory,
    },
    /// Keep this over a restart and a power cut.
    RememberCover {
        /// Which cover.
        cover: CoverId,
        /// What [`Outputs::add_cover`] wants to have back.
        memory: CoverMemory,
    },
}

/// The outputs of a board.
#[derive(Debug, Default)]
pub struct Outputs {
    outputs: BTreeMap<OutputId, Output>,
    covers: BTreeMap<CoverId, cover::Cover>,
    next_id: u64,
    interlocks: Interlocks,
    is_stopping: bool,
    /// The start is over: what is added comes with another configuration.
    is_under_way: bool,
}

impl Outputs {
    /// Ends the start: whatever is added from now on comes with another configuration, and says so.
    pub fn under_way(&mut self) {
        self.is_under_way = true;
    }

    /// Why an output that is added is driven for the first time.
    fn first_cause(&self) -> Cause {
        let why = if self.is_under_way { "the configuration changed" } else { "the gateway starts" };
        Cause::direct(Origin::fail_safe(why))
    }

    /// Adds an output. Its pin is requested with the level of the first drive, so that nothing flickers. That is its
    /// safe level, unless its rules say that it comes up otherwise and nothing stands in the way.
    pub fn add(
        &mut self,
        rules: OutputRules,
        recollection: Option<Recollection>,
        now: Moment,
    ) -> (OutputId, Vec<OutputAction>) {
        let id = OutputId(self.fresh_id());
        let cause = self.first_cause();
        let mut output = Output::new(rules, cause, now);
        output.recall(recollection, now);
        // Another process may have had it on until a moment ago: it counts as on until it is seen to be off, and then as
        // having gone off.
        if let Some(group) = &output.rules.interlock {
            self.interlocks.note(group, id, true, now);
        }
        self.outputs.insert(id, output);
        let actions = self.start(id, now);
        (id, actions)
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Drives an output to its safe level for the last time and refuses its commands from now on, because it is taken
    /// out of the configuration. It is done with [`Outputs::forget`], once it [is at rest](Outputs::is_at_rest); until then
    /// it is tried again and again, and whoever is in its group stays off.
    pub fn remove(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.is_leaving = true;
        // Nobody can have a look at it by a command any more: once it is seen at its safe level it is done.
        if let Some(fault) = &mut output.fault {
            fault.is_latched = false;
        }
        output.note_used(now);
        let cause = output.cause_of_end(Origin::fail_safe("it was taken out of the configuration"));
        self.drive_safe(id, cause, now)
    }

    /// Whether the pin of an output was seen at its safe level and nothing is on its way to it.
    pub fn is_at_rest(&self, id: OutputId) -> bool {
        self.outputs
            .get(&id)
            .is_none_or(|output| output.is_safe() && !output.in_flight && output.fault.is_none())
    }

    /// What is wrong with an output, in a sentence for people.
    pub fn fault(&self, id: OutputId) -> Option<&str> {
        self.outputs.get(&id)?.fault.as_ref().map(|fault| fault.sentence.as_str())
    }

    /// Forgets an output whose pin was given back. What it may have kept off in its interlock group may go on after the
    /// dead time.
    pub fn forget(&mut self, id: OutputId, now: Moment) {
        if let Some(group) = self.outputs.remove(&id).and_then(|output| output.rules.interlock) {
            self.interlocks.note(&group, id, false, now);
        }
    }

    /// When the next limit is reached.
    pub fn next_deadline(&self) -> Option<Moment> {
        let outputs = self.outputs.values().filter_map(Output::next_deadline);
        outputs.chain(self.covers.values().filter_map(cover::Cover::next_deadline)).min()
    }

    /// Drives every output to its safe level and refuses all commands from now on.
    pub fn stop(&mut self, now: Moment) -> Vec<OutputAction> {
        self.stop_but(&BTreeSet::new(), now)
    }

    /// Drives an output to its safe level, because a limit or its time has ended what a command asked for.
    fn end(&mut self, id: OutputId, cause: Cause, now: Moment) -> Vec<OutputAction> {
        if let Some(output) = self.outputs.get_mut(&id) {
            output.commanded = Some((output.rules.safe, Since::at(now)));
        }
        self.drive_safe(id, cause, now)
    }

    fn drive_safe(&mut self, id: OutputId, cause: Cause, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let safe = output.rules.safe;
        output.timer = None;
        output.retry_at = None;
        output.ramp = None;
        output.blink = None;
        output.wish = None;
        self.drive(id, safe, Some((cause, None)), now)
    }

    /// Drives an output. `why` is nothing for a step on its way, which is no news of its own.
    fn drive(
        &mut self,
        id: OutputId,
        level: Duty,
        why: Option<(Cause, Option<Asked>)>,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let mut actions = Vec::new();
        if let Some((cause, answer)) = why {
            output.is_news = true;
            let overtaken = output.pending.replace(Pending { cause, answer });
            if let Some(Pending { cause, answer: Some(asked) }) = overtaken {
                let reason =
                    format!("another command or a limit of {} came before it was done", output.rules.name);
                actions.push(answer_to(asked, Some(reason), cause));
            }
        }
        let was = output.level;
        output.level = level;
        output.ticket.0 += 1;
        output.in_flight = true;
        output.is_check = false;
        output.check_at = None;
        if level.is_on() != was.is_on() {
            output.changed = Some(Since::at(now));
        }
        actions.extend(Self::note_safe_level(output, id, now));
        // From now on it may be on; that it went off is noted when it is read back.
        if let Some(group) = output.rules.interlock.as_ref().filter(|_| level.is_on()) {
            self.interlocks.note(group, id, true, now);
        }
        // What is kept must be kept before it is true: after a sudden end it is better to rest for nothing.
        if (level.is_on() != was.is_on() || output.ramp.is_none()) && level != was {
            actions.push(OutputAction::Remember { output: id, memory: output.memory(now) });
        }
        actions.push(OutputAction::Drive { output: id, level, ticket: output.ticket });
        actions
    }
}

fn answer_to(asked: Asked, reason: Option<String>, cause: Cause) -> OutputAction {
    let Asked { ask, id } = asked;
    answer(ask, id, reason, cause)
}

fn answer(ask: Ask, id: Option<Arc<str>>, reason: Option<String>, cause: Cause) -> OutputAction {
    let result = CommandResult { id, ok: reason.is_none(), reason: reason.map(Into::into), cause };
    OutputAction::Answer { ask, result }
}

#[cfg(test)]
mod tests;
