//! Commands: what they ask for, and whether it may be.

use std::time::Duration;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Action, Cause, Command, Moment, Value};

use super::rules::{MAX_BLINKS, MAX_RAMP, MIN_BLINK, MIN_SAFE, RAMP_STEP};
use super::state::{Asked, Blink, Output, Ramp, Since, Timer};
use super::{Ask, Aspect, OutputAction, OutputId, Outputs, answer};
use crate::duty::{Duty, Scale};
use crate::interlock::Blocked;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Level(Duty),
    Blink { on: Duration, off: Duration },
}

impl Output {
    fn wanted(&self, aspect: Aspect, command: &Command) -> Result<Wanted, String> {
        let name = &self.rules.name;
        let is_servo = self.rules.scale.is_angle();
        match &command.action {
            Action::Set(Value::Number(number)) if aspect == Aspect::Level || is_servo => {
                let (least, most) = self.rules.scale.ends();
                let unit = self.rules.scale.unit();
                let level = self.rules.scale.level(*number);
                let why =
                    || format!("{name} goes from {least} to {most} {unit}: {number} is not between them");
                level.map(Wanted::Level).ok_or_else(why)
            }
            // To stop where it is, it needs no limit to agree: it is there.
            Action::Stop if self.ramp.is_some() => Ok(Wanted::Level(self.level)),
            _ if is_servo => {
                let (least, most) = self.rules.scale.ends();
                Err(format!("{name} takes an angle: a number from {least} to {most}"))
            }
            Action::Toggle => Ok(Wanted::Level(Duty::from_on(!self.target().is_on()))),
            Action::Set(Value::Switch(on)) => Ok(Wanted::Level(Duty::from_on(*on))),
            Action::Set(Value::Number(number)) => Scale::Switch
                .level(*number)
                .map(Wanted::Level)
                .ok_or_else(|| format!("{name} can be ON or OFF, not {number}")),
            Action::Set(Value::Text(other)) => Err(format!("{name} can be ON or OFF, not {other}")),
            Action::Blink { on, off } => Ok(Wanted::Blink { on: *on, off: *off }),
            Action::Stop => Err(format!("{name} is not on its way to another level")),
            Action::Open | Action::Close => Err(format!("{name} is no cover: it can be ON or OFF")),
        }
    }

    /// Whether it may blink like this.
    fn check_blink(&self, on: Duration, off: Duration, length: Option<Duration>) -> Result<(), String> {
        let name = &self.rules.name;
        let Some(length) = length else {
            return Err(format!("{name} blinks for a time only: say how long, such as \"for\":\"10s\""));
        };
        let shortest_on = self.rules.min_on.max(MIN_BLINK);
        let shortest_off = self.rules.min_off.max(MIN_SAFE);
        if on < shortest_on || off < shortest_off {
            return Err(format!(
                "{name} blinks no faster than {} on and {} off",
                format_duration(shortest_on),
                format_duration(shortest_off)
            ));
        }
        if length.as_millis() / (on + off).as_millis().max(1) >= u128::from(MAX_BLINKS) {
            return Err(format!(
                "{name} blinks at most {MAX_BLINKS} times in one go: ask for a shorter time"
            ));
        }
        Ok(())
    }
}

impl Outputs {
    /// Decides about a command.
    pub fn handle_command(
        &mut self,
        id: OutputId,
        aspect: Aspect,
        command: &Command,
        cause: Cause,
        ask: Ask,
        now: Moment,
    ) -> Vec<OutputAction> {
        match self.try_command(id, aspect, command, &cause, ask, now) {
            Ok(actions) => actions,
            Err(reason) => vec![answer(ask, command.id.clone(), Some(reason), cause)],
        }
    }

    fn try_command(
        &mut self,
        id: OutputId,
        aspect: Aspect,
        command: &Command,
        cause: &Cause,
        ask: Ask,
        now: Moment,
    ) -> Result<Vec<OutputAction>, String> {
        if self.is_stopping {
            return Err("the gateway is stopping: its outputs cannot be switched now".to_owned());
        }
        let Some(output) = self.outputs.get_mut(&id) else {
            return Err("there is no such output".to_owned());
        };
        if output.is_leaving {
            return Err(format!("{} is being taken out of the configuration", output.rules.name));
        }
        let tokens = output.bucket.take(now);
        let wanted = output.wanted(aspect, command)?;
        let level = match wanted {
            Wanted::Level(level) => level,
            Wanted::Blink { .. } => Duty::FULL,
        };
        let is_way_to_safety = wanted == Wanted::Level(output.rules.safe);
        if let Err(wait) = tokens
            && !is_way_to_safety
        {
            return Err(format!(
                "{} gets too many commands, from everybody together: try again in {}",
                output.rules.name,
                format_duration(wait)
            ));
        }
        if let Some(fault) = &output.fault
            && !is_way_to_safety
        {
            return Err(format!(
                "{} It stays at its safe level until a command to that level finds it working.",
                fault.sentence
            ));
        }
        let output = self.outputs.get(&id).ok_or("there is no such output")?;
        let over = ramp_time(output, wanted, command)?;
        if let Wanted::Blink { on, off } = wanted {
            output.check_blink(on, off, command.duration)?;
        }
        if level != output.level {
            output.check_times(level, now)?;
            self.check_interlock(output, id, level, now)?;
        }
        let leaves_safe = !is_way_to_safety;
        let duration = command.duration.filter(|_| leaves_safe);
        if let Some(length) = duration {
            output.check_duration(level, length, now)?;
        }
        Ok(self.grant(id, wanted, Granted { over, duration, cause, ask, command }, now))
    }

    /// Does what was found to be allowed.
    fn grant(
        &mut self,
        id: OutputId,
        wanted: Wanted,
        granted: Granted<'_>,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let Granted { over, duration, cause, ask, command } = granted;
        let level = match wanted {
            Wanted::Level(level) => level,
            Wanted::Blink { .. } => Duty::FULL,
        };
        if wanted == Wanted::Level(output.rules.safe) {
            output.rests_until = None;
        }
        output.wish = None;
        // What was asked for a time only is not what it is to come up with.
        let lasts = duration.is_none() && matches!(wanted, Wanted::Level(_));
        let commanded = if lasts { level } else { output.rules.safe };
        let is_other_wish = output.commanded.is_none_or(|(before, _)| before != commanded);
        output.commanded = Some((commanded, Since::at(now)));
        output.timer = duration.map(|length| Timer { ends: now + length, cause: cause.clone() });
        let is_there = level == output.level && output.ramp.is_none() && output.blink.is_none();
        output.ramp = None;
        output.blink = match wanted {
            Wanted::Blink { on, off } => Some(Blink { on, off, next: now + on }),
            Wanted::Level(_) => None,
        };
        let is_settled = output.fault.is_none() && output.pending.is_none();
        if is_there && is_settled && output.blink.is_none() {
            let answer = answer(ask, command.id.clone(), None, cause.clone());
            // "On for 5 s" of what is on already is not what it is to come up with after a power cut.
            let memory =
                is_other_wish.then(|| OutputAction::Remember { output: id, memory: output.memory(now) });
            return memory.into_iter().chain([answer]).collect();
        }
        let asked = Asked { ask, id: command.id.clone() };
        let first = if over <= RAMP_STEP || level == output.level {
            level
        } else {
            let ramp = Ramp { from: output.level, to: level, began: now, over, next: now + RAMP_STEP };
            output.ramp = Some(ramp);
            ramp.at(now + RAMP_STEP)
        };
        self.drive(id, first, Some((cause.clone(), Some(asked))), now)
    }

    /// Whether the output's interlock group lets it be on.
    pub(super) fn check_interlock(
        &self,
        output: &Output,
        id: OutputId,
        level: Duty,
        now: Moment,
    ) -> Result<(), String> {
        let Some(group) =
            output.rules.interlock.as_deref().filter(|_| level.is_on() && !output.level.is_on())
        else {
            return Ok(());
        };
        let name = &output.rules.name;
        self.interlocks.check(group, id, output.rules.dead_time, now).map_err(|blocked| match blocked {
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
}

/// A command that may be done.
#[derive(Clone, Copy)]
struct Granted<'c> {
    over: Duration,
    duration: Option<Duration>,
    cause: &'c Cause,
    ask: Ask,
    command: &'c Command,
}

impl Ramp {
    /// The level at a moment. What goes up from off is on from its first step.
    pub(super) fn at(&self, now: Moment) -> Duty {
        let level = self.from.on_the_way_to(self.to, now.saturating_since(self.began), self.over);
        if self.to.is_on() && !level.is_on() { Duty::from_ten_thousandths(1) } else { level }
    }
}

fn ramp_time(output: &Output, wanted: Wanted, command: &Command) -> Result<Duration, String> {
    let name = &output.rules.name;
    let is_plain = matches!(output.rules.scale, Scale::Switch) || matches!(wanted, Wanted::Blink { .. });
    match command.over {
        Some(over) if over > MAX_RAMP => {
            Err(format!("`over`: {name} takes at most {} to another level", format_duration(MAX_RAMP)))
        }
        Some(over) if is_plain && !over.is_zero() => {
            Err(format!("`over`: {name} switches at once, and has no levels between"))
        }
        Some(over) => Ok(over),
        None if is_plain => Ok(Duration::ZERO),
        None => Ok(output.rules.ramp),
    }
}
