//! Outputs with pins that do what they are told, or do not, in time that is stepped.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_model::{Action, Cause, Command, Moment, Origin, Value};

use super::super::*;
use crate::interlock::DEAD_TIME;

pub(super) const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pin {
    pub(super) level: Duty,
    /// It stays where it is.
    is_stuck: bool,
    /// It says nothing.
    is_mute: bool,
}

/// Outputs with their pins: every drive is read back at once.
pub(super) struct Bench {
    pub(super) outputs: Outputs,
    pub(super) ids: Vec<OutputId>,
    pub(super) now: Moment,
    pub(super) pins: BTreeMap<OutputId, Pin>,
    /// What was said, without the drives.
    pub(super) said: Vec<OutputAction>,
    /// What is kept over a restart, and when it was.
    pub(super) kept: BTreeMap<OutputId, (OutputMemory, Moment)>,
    /// What was kept before.
    recalled: BTreeMap<OutputId, Recollection>,
    /// The first level that each pin was driven to.
    pub(super) first: BTreeMap<OutputId, Duty>,
}

impl Bench {
    pub(super) fn new(rules: Vec<OutputRules>) -> Self {
        let mut bench = Self::empty();
        let has_group = rules.iter().any(|rules| rules.interlock.is_some());
        for rules in rules {
            bench.add(rules, None);
        }
        if has_group {
            // After the start they are all taken to have gone off just then.
            bench.pass(DEAD_TIME);
        }
        bench
    }

    pub(super) fn empty() -> Self {
        Self {
            outputs: Outputs::default(),
            ids: Vec::new(),
            now: Moment::default(),
            pins: BTreeMap::new(),
            said: Vec::new(),
            kept: BTreeMap::new(),
            recalled: BTreeMap::new(),
            first: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, rules: OutputRules, recollection: Option<Recollection>) {
        let (id, actions) = self.outputs.add(rules, recollection, self.now);
        self.ids.push(id);
        self.recalled.extend(recollection.map(|recollection| (id, recollection)));
        self.carry_out(actions);
    }

    /// What is remembered of an output in a process that starts after this one: what was kept last, by whichever process.
    pub(super) fn remembered(
        &self,
        id: OutputId,
        later: Duration,
        clock_is_right: bool,
    ) -> Option<Recollection> {
        let (memory, age) = match (self.kept.get(&id), self.recalled.get(&id)) {
            (Some((memory, at)), _) => (*memory, Some(self.now.saturating_since(*at) + later)),
            (None, Some(Recollection { memory, age })) => {
                let here = self.now.saturating_since(Moment::default()) + later;
                (*memory, age.map(|age| age + here))
            }
            (None, None) => return None,
        };
        Some(Recollection { memory, age: age.filter(|_| clock_is_right) })
    }

    pub(super) fn carry_out(&mut self, actions: Vec<OutputAction>) {
        for action in actions {
            match action {
                OutputAction::Drive { output, level, ticket } => {
                    self.first.entry(output).or_insert(level);
                    let pin = self.pins.entry(output).or_default();
                    if !pin.is_stuck && !pin.is_mute {
                        pin.level = level;
                    }
                    self.report(output, ticket);
                }
                OutputAction::Check { output, ticket } => self.report(output, ticket),
                OutputAction::Remember { output, memory } => {
                    self.kept.insert(output, (memory, self.now));
                }
                other => self.said.push(other),
            }
        }
    }

    fn report(&mut self, output: OutputId, ticket: Ticket) {
        let pin = self.pins[&output];
        let measured =
            if pin.is_mute { Err("GPIO 22 is in use by somebody".to_owned()) } else { Ok(pin.level) };
        let actions = self.outputs.handle_read_back(output, ticket, measured, self.now);
        self.carry_out(actions);
    }

    /// Sends a command; gives why it was refused.
    pub(super) fn command_of(
        &mut self,
        user: &str,
        output: usize,
        aspect: Aspect,
        command: &Command,
    ) -> Result<(), String> {
        let cause = Cause::direct(Origin::Page { user: user.into() });
        self.said.clear();
        let id = self.ids[output];
        let actions = self.outputs.handle_command(id, aspect, command, cause, Ask(7), self.now);
        self.carry_out(actions);
        self.answer()
    }

    pub(super) fn answer(&self) -> Result<(), String> {
        let result = self.said.iter().find_map(|action| match action {
            OutputAction::Answer { ask: Ask(7), result } => Some(result.clone()),
            _ => None,
        });
        let result = result.expect("every command is answered");
        if result.ok { Ok(()) } else { Err(result.reason.expect("a refusal has a reason").to_string()) }
    }

    pub(super) fn command(
        &mut self,
        output: usize,
        action: Action,
        duration: Option<Duration>,
    ) -> Result<(), String> {
        let command = Command { duration, ..Command::new(action) };
        self.command_of("ana", output, Aspect::Power, &command)
    }

    pub(super) fn switch(&mut self, output: usize, on: bool) -> Result<(), String> {
        self.command(output, Action::Set(Value::Switch(on)), None)
    }

    pub(super) fn dim(&mut self, output: usize, number: f64, over: Option<Duration>) -> Result<(), String> {
        let command = Command { over, ..Command::new(Action::Set(Value::Number(number))) };
        self.command_of("ana", output, Aspect::Level, &command)
    }

    /// Lets time pass, stopping at each deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        self.said.clear();
        let end = self.now + time;
        let mut idle = 0;
        while let Some(deadline) = self.outputs.next_deadline().filter(|deadline| *deadline <= end) {
            // What was put off while a drive was on its way is due when that is done.
            idle = if deadline <= self.now { idle + 1 } else { 0 };
            assert!(idle < 10, "a deadline that is not dealt with would be waited for again and again");
            self.now = self.now.max(deadline);
            let actions = self.outputs.handle_timeout(self.now);
            self.carry_out(actions);
        }
        self.now = end;
    }

    pub(super) fn pin(&mut self, output: usize) -> &mut Pin {
        self.pins.get_mut(&self.ids[output]).expect("a pin that was driven")
    }

    pub(super) fn level(&self, output: usize) -> Duty {
        self.pins[&self.ids[output]].level
    }

    pub(super) fn is_on(&self, output: usize) -> bool {
        self.level(output).is_on()
    }

    pub(super) fn all(&self) -> Vec<bool> {
        self.pins.values().map(|pin| pin.level.is_on()).collect()
    }

    pub(super) fn count_on(&self) -> usize {
        self.pins.values().filter(|pin| pin.level.is_on()).count()
    }

    /// Somebody else changes the pin.
    pub(super) fn meddle(&mut self, output: usize, level: Duty) {
        self.pin(output).level = level;
    }

    pub(super) fn set_stuck(&mut self, output: usize, is_stuck: bool) {
        self.pin(output).is_stuck = is_stuck;
    }

    pub(super) fn set_mute(&mut self, output: usize, is_mute: bool) {
        self.pin(output).is_mute = is_mute;
    }

    pub(super) fn is_stuck(&self, output: usize) -> bool {
        self.pins[&self.ids[output]].is_stuck
    }

    /// Whether a pin is not what it should be by now.
    pub(super) fn is_broken(&self, output: usize) -> bool {
        let pin = self.pins[&self.ids[output]];
        pin.is_stuck || pin.is_mute
    }

    pub(super) fn unstick(&mut self) {
        for pin in self.pins.values_mut() {
            pin.is_stuck = false;
        }
    }

    pub(super) fn fault(&self) -> Option<Option<String>> {
        self.said.iter().rev().find_map(|action| match action {
            OutputAction::Fault { sentence, .. } => Some(sentence.clone()),
            _ => None,
        })
    }

    pub(super) fn warning(&self) -> Option<Option<String>> {
        self.said.iter().rev().find_map(|action| match action {
            OutputAction::Warning { sentence, .. } => Some(sentence.clone()),
            _ => None,
        })
    }

    pub(super) fn states(&self) -> Vec<Duty> {
        let state = |action: &OutputAction| match action {
            OutputAction::State { level, .. } => Some(*level),
            _ => None,
        };
        self.said.iter().filter_map(state).collect()
    }

    pub(super) fn cause(&self) -> String {
        let state = self.said.iter().rev().find_map(|action| match action {
            OutputAction::State { cause, .. } => Some(cause.to_string()),
            _ => None,
        });
        state.expect("a state was published")
    }
}
