//! Covers: blinds, shutters, awnings and gates with one relay for each way, whose place is known by the time that they
//! have been moving.
//!
//! The two relays are outputs with everything that holds for those. What a cover adds is when to switch them: never
//! both, never one right after the other, and not longer than the way takes.

use std::time::Duration;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Action, Cause, Command, Moment, Origin, Value};

use super::bucket::Bucket;
use super::rules::{COMMAND_BURST, COMMAND_REFILL};
use super::{Ask, Aspect, OutputAction, OutputId, OutputRules, Outputs, answer};
use crate::duty::Duty;
use crate::interlock::DEAD_TIME;

/// How long a relay stays on beyond the time of the whole way, if the configuration says nothing: the end switch of the
/// motor stops it, and the place is certain again.
pub const DEFAULT_OVERRUN: Duration = Duration::from_secs(2);

/// How often the place of a moving cover is published.
pub const POSITION_EVERY: Duration = Duration::from_secs(1);

/// How long a cover waits for what stands in the way of its relay (the dead time of the other way, another cover of its
/// group) before it gives up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(10);

/// How often it looks meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How near to a place between the ends is near enough, in ten-thousandths: relays take some tens of milliseconds.
const NEAR_ENOUGH: u16 = 100;

/// Spare time of the relays' own longest on-time, which only matters if the cover's does not hold.
const SPARE: Duration = Duration::from_secs(2);

/// What a cover is called here, from when it is added until it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoverId(u64);

/// What holds for a cover.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverRules {
    /// Its name for people.
    pub name: String,
    /// How long the whole way takes when it opens.
    pub open_time: Duration,
    /// How long the whole way takes when it closes.
    pub close_time: Duration,
    /// How much longer a relay is on at the ends.
    pub overrun: Duration,
    /// Time between the two ways.
    pub dead_time: Duration,
    /// A group of other outputs and covers of which at most one moves; nothing when it stands for itself.
    pub interlock: Option<String>,
}

impl CoverRules {
    /// A cover with these times and the default overrun.
    pub fn new(name: &str, open_time: Duration, close_time: Duration) -> Self {
        Self {
            name: name.to_owned(),
            open_time,
            close_time,
            overrun: DEFAULT_OVERRUN,
            dead_time: DEAD_TIME,
            interlock: None,
        }
    }

    fn relay(&self, way: Way, group: &str) -> OutputRules {
        let (word, time) = match way {
            Way::Opening => ("opening", self.open_time),
            Way::Closing => ("closing", self.close_time),
        };
        OutputRules {
            interlock: Some(group.to_owned()),
            dead_time: self.dead_time.max(DEAD_TIME),
            ..OutputRules::new(&format!("{} ({word})", self.name), Some(time + self.overrun + SPARE))
        }
    }

    fn time(&self, way: Way) -> Duration {
        match way {
            Way::Opening => self.open_time,
            Way::Closing => self.close_time,
        }
    }
}

/// What is kept of a cover over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoverMemory {
    /// Where it stands, from closed to open; nothing while it moves, since nobody would know where it ended.
    pub position: Option<Duty>,
}

/// What a cover does, and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoverState {
    /// `open`, `closed`, `opening`, `closing`, or `stopped` between the ends or where nobody knows.
    pub word: &'static str,
    /// Where it is, from closed to open; nothing when that is not known.
    pub position: Option<Duty>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Opening,
    Closing,
}

impl Way {
    const fn end(self) -> Duty {
        match self {
            Self::Opening => Duty::FULL,
            Self::Closing => Duty::OFF,
        }
    }
}

/// Where it is to go.
#[derive(Clone, Debug)]
struct Goal {
    position: Duty,
    cause: Cause,
    try_at: Moment,
    give_up_at: Moment,
}

/// A relay that is on.
#[derive(Clone, Copy, Debug)]
struct Motion {
    way: Way,
    began: Moment,
    from: Option<Duty>,
    stops_at: Moment,
    /// Whether its end leads on to the goal; whatever else switches the relay off ends the whole.
    leads_on: bool,
}

#[derive(Debug)]
pub(super) struct Cover {
    rules: CoverRules,
    relays: [OutputId; 2],
    position: Option<Duty>,
    motion: Option<Motion>,
    goal: Option<Goal>,
    cause: Cause,
    publish_at: Option<Moment>,
    bucket: Bucket,
}

impl Cover {
    fn relay(&self, way: Way) -> OutputId {
        match way {
            Way::Opening => self.relays[0],
            Way::Closing => self.relays[1],
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Moment> {
        let stops_at = self.motion.map(|motion| motion.stops_at);
        let try_at = self.goal.as_ref().filter(|_| self.motion.is_none()).map(|goal| goal.try_at);
        [stops_at, try_at, self.publish_at].into_iter().flatten().min()
    }

    /// Where it is while it moves.
    fn place(&self, now: Moment) -> Option<Duty> {
        let Some(motion) = self.motion else { return self.position };
        let time = self.rules.time(motion.way);
        let passed = now.saturating_since(motion.began);
        match motion.from {
            // From an unknown place, the end is certain after the time of the whole way.
            None => (passed >= time).then_some(motion.way.end()),
            Some(from) => {
                let moved = passed.as_secs_f64() / time.as_secs_f64();
                let share = match motion.way {
                    Way::Opening => from.share() + moved,
                    Way::Closing => from.share() - moved,
                };
                Some(Duty::from_share(share))
            }
        }
    }

    fn state(&self, now: Moment) -> CoverState {
        let position = self.place(now);
        let word = match (self.motion.map(|motion| motion.way), position) {
            (Some(Way::Opening), _) => "opening",
            (Some(Way::Closing), _) => "closing",
            (None, Some(Duty::OFF)) => "closed",
            (None, Some(Duty::FULL)) => "open",
            (None, _) => "stopped",
        };
        CoverState { word, position }
    }

    /// The next stretch to a position: which way, and for how long. Nothing when it is there.
    fn stretch(&self, to: Duty) -> Option<(Way, Duration)> {
        let (way, share) = match self.position {
            None if to == Duty::FULL => (Way::Opening, 1.0),
            // A position between the ends can only be found from one of them.
            None => (Way::Closing, 1.0),
            // At the ends, a little more never harms: the end switch stops the motor.
            Some(_) if to == Duty::FULL => (Way::Opening, 1.0 - self.position?.share()),
            Some(_) if to == Duty::OFF => (Way::Closing, self.position?.share()),
            Some(at) if at.ten_thousandths().abs_diff(to.ten_thousandths()) <= NEAR_ENOUGH => return None,
            Some(at) if at < to => (Way::Opening, to.share() - at.share()),
            Some(at) => (Way::Closing, at.share() - to.share()),
        };
        let is_to_an_end = self.position.is_none() || to == way.end();
        let overrun = if is_to_an_end { self.rules.overrun } else { Duration::ZERO };
        Some((way, self.rules.time(way).mul_f64(share) + overrun))
    }

    fn wanted(&self, aspect: Aspect, command: &Command) -> Result<Option<Duty>, String> {
        let name = &self.rules.name;
        if command.duration.is_some() || command.over.is_some() {
            return Err(format!("{name} is a cover and takes its own time: leave out `for` and `over`"));
        }
        match &command.action {
            Action::Open => Ok(Some(Duty::FULL)),
            Action::Close => Ok(Some(Duty::OFF)),
            Action::Stop => Ok(None),
            Action::Set(Value::Number(number)) if aspect == Aspect::Level => {
                crate::duty::Scale::Percent.level(*number).map(Some).ok_or_else(|| {
                    format!("{name} goes from 0 (closed) to 100 (open): {number} is not between them")
                })
            }
            _ => Err(format!(
                "{name} is a cover: send OPEN, CLOSE or STOP, or a number from 0 to 100 to its position"
            )),
        }
    }
}

impl Outputs {
    /// Adds a cover with its two relays, both of them off. Gives its id, and those of the relays that open and close it.
    pub fn add_cover(
        &mut self,
        rules: CoverRules,
        memory: Option<CoverMemory>,
        now: Moment,
    ) -> (CoverId, [OutputId; 2], Vec<OutputAction>) {
        let cover = CoverId(self.fresh_id());
        // The group of its own cannot be named in a configuration, since it has a space in it.
        let group = rules.interlock.clone().unwrap_or_else(|| format!("cover {}", cover.0));
        let (open, mut actions) = self.add(rules.relay(Way::Opening, &group), None, now);
        let (close, more) = self.add(rules.relay(Way::Closing, &group), None, now);
        actions.extend(more);
        let cause = self.first_cause();
        let position = memory.and_then(|memory| memory.position);
        let state = Cover {
            rules,
            relays: [open, close],
            position,
            motion: None,
            goal: None,
            cause: cause.clone(),
            publish_at: None,
            bucket: Bucket::new(COMMAND_BURST, COMMAND_REFILL, now),
        };
        actions.push(OutputAction::Cover { cover, state: state.state(now), cause });
        self.covers.insert(cover, state);
        (cover, [open, close], actions)
    }

    /// What a cover does, and where it is.
    pub fn cover_state(&self, id: CoverId, now: Moment) -> Option<CoverState> {
        self.covers.get(&id).map(|cover| cover.state(now))
    }

    /// Stops a cover for the last time, because it is taken out of the configuration. It is done when both relays are
    /// forgotten.
    pub fn remove_cover(&mut self, id: CoverId, now: Moment) -> Vec<OutputAction> {
        let Some(cover) = self.covers.remove(&id) else { return Vec::new() };
        cover.relays.into_iter().flat_map(|relay| self.remove(relay, now)).collect()
    }

    /// Decides about a command to a cover.
    pub fn handle_cover_command(
        &mut self,
        id: CoverId,
        aspect: Aspect,
        command: &Command,
        cause: Cause,
        ask: Ask,
        now: Moment,
    ) -> Vec<OutputAction> {
        match self.try_cover_command(id, aspect, command, &cause, now) {
            Ok(mut actions) => {
                actions.push(answer(ask, command.id.clone(), None, cause));
                actions.extend(self.tend_covers(now));
                actions
            }
            Err(reason) => vec![answer(ask, command.id.clone(), Some(reason), cause)],
        }
    }

    fn try_cover_command(
        &mut self,
        id: CoverId,
        aspect: Aspect,
        command: &Command,
        cause: &Cause,
        now: Moment,
    ) -> Result<Vec<OutputAction>, String> {
        if self.is_stopping {
            return Err("the gateway is stopping: its outputs stay at their safe level".to_owned());
        }
        let Some(cover) = self.covers.get_mut(&id) else { return Err("there is no such cover".to_owned()) };
        let tokens = cover.bucket.take(now);
        let wanted = cover.wanted(aspect, command)?;
        if let Err(wait) = tokens
            && wanted.is_some()
        {
            return Err(format!(
                "{} gets too many commands, from everybody together: try again in {}",
                cover.rules.name,
                format_duration(wait)
            ));
        }
        let relays = cover.relays;
        let faults = relays.iter().filter_map(|relay| self.outputs.get(relay)?.fault.as_ref());
        let fault = faults.map(|fault| fault.sentence.clone()).next();
        let Some(cover) = self.covers.get_mut(&id) else { return Ok(Vec::new()) };
        match (wanted, fault) {
            (Some(_), Some(fault)) => {
                Err(format!("{fault} It stays where it is until STOP finds it working."))
            }
            (Some(position), None) => {
                cover.cause = cause.clone();
                let give_up_at = now + GIVE_UP_AFTER;
                cover.goal = Some(Goal { position, cause: cause.clone(), try_at: now, give_up_at });
                // A motion in the right direction goes on, and stops elsewhere; another ends first.
                Ok(self.turn_around(id, now))
            }
            (None, fault) => {
                cover.goal = None;
                cover.cause = cause.clone();
                Ok(self.halt(id, cause, fault.is_some(), false, now))
            }
        }
    }

    /// Ends a motion that does not lead to the new goal as it is.
    fn turn_around(&mut self, id: CoverId, now: Moment) -> Vec<OutputAction> {
        let Some(cover) = self.covers.get_mut(&id) else { return Vec::new() };
        let (Some(motion), Some(goal)) = (cover.motion, cover.goal.as_ref()) else { return Vec::new() };
        let (to, cause) = (goal.position, goal.cause.clone());
        // It goes on as if it had begun here.
        let here = cover.place(now);
        let was = std::mem::replace(&mut cover.position, here);
        let next = cover.stretch(to);
        match next.filter(|(way, _)| *way == motion.way && here.is_some()) {
            Some((_, time)) => {
                // At the end only the rest of its overrun is left.
                let is_there = here == Some(motion.way.end());
                let stops_at = if is_there { motion.stops_at } else { now + time };
                cover.motion = Some(Motion { began: now, from: here, stops_at, ..motion });
                cover.publish_at = Some(now);
                Vec::new()
            }
            None => {
                cover.position = was;
                self.halt(id, &cause, false, true, now)
            }
        }
    }

    /// Drives the relays of a cover off: the one that is on, or both when somebody had a look at a fault.
    fn halt(
        &mut self,
        id: CoverId,
        cause: &Cause,
        both: bool,
        leads_on: bool,
        now: Moment,
    ) -> Vec<OutputAction> {
        let Some(cover) = self.covers.get_mut(&id) else { return Vec::new() };
        if let Some(motion) = &mut cover.motion {
            motion.leads_on = leads_on;
        }
        let mut actions = Vec::new();
        for relay in cover.relays {
            let Some(output) = self.outputs.get_mut(&relay) else { continue };
            if both {
                // A STOP is a command to the safe level, which ends a fault that is over.
                if let Some(fault) = &mut output.fault {
                    fault.is_latched = false;
                }
            }
            if both || output.level.is_on() {
                actions.extend(self.drive_safe(relay, cause.clone(), now));
            }
        }
        actions
    }

    /// Brings what is known of the covers up to what their relays do, and switches what is due.
    pub(super) fn tend_covers(&mut self, now: Moment) -> Vec<OutputAction> {
        let ids: Vec<CoverId> = self.covers.keys().copied().collect();
        ids.into_iter().flat_map(|id| self.tend(id, now)).collect()
    }

    fn tend(&mut self, id: CoverId, now: Moment) -> Vec<OutputAction> {
        let Some(cover) = self.covers.get(&id) else { return Vec::new() };
        let mut actions = Vec::new();
        let is_over = cover.motion.is_some_and(|motion| now >= motion.stops_at);
        if is_over {
            let cause = Cause::because(Origin::part("way of the cover"), &cover.cause);
            actions.extend(self.halt(id, &cause, false, true, now));
        }
        actions.extend(self.follow_relays(id, now));
        actions.extend(self.pursue(id, now));
        if let Some(cover) = self.covers.get_mut(&id)
            && cover.publish_at.is_some_and(|at| at <= now)
        {
            cover.publish_at = cover.motion.map(|_| now + POSITION_EVERY);
            let cause = cover.cause.clone();
            actions.push(OutputAction::Cover { cover: id, state: cover.state(now), cause });
        }
        actions
    }

    /// A relay that went off, for whatever reason, has ended the motion.
    fn follow_relays(&mut self, id: CoverId, now: Moment) -> Vec<OutputAction> {
        let Some(cover) = self.covers.get_mut(&id) else { return Vec::new() };
        let is_on = |way| self.outputs.get(&cover.relay(way)).is_some_and(|output| output.level.is_on());
        let has_fault =
            |relay: &OutputId| self.outputs.get(relay).is_some_and(|output| output.fault.is_some());
        let is_faulty = cover.relays.iter().any(has_fault);
        let mut actions = Vec::new();
        if let Some(motion) = cover.motion.filter(|motion| !is_on(motion.way)) {
            cover.position = if is_faulty { None } else { cover.place(now) };
            cover.motion = None;
            cover.publish_at = Some(now);
            let is_there = cover.goal.as_ref().is_some_and(|goal| cover.position == Some(goal.position));
            if is_there || !motion.leads_on || is_faulty {
                cover.goal = None;
            }
            if let Some(goal) = &mut cover.goal {
                goal.try_at = now;
                goal.give_up_at = now + GIVE_UP_AFTER;
            }
            let memory = CoverMemory { position: cover.position };
            actions.push(OutputAction::RememberCover { cover: id, memory });
        } else if is_faulty && cover.position.is_some() {
            cover.position = None;
            cover.goal = None;
            cover.publish_at = Some(now);
            actions.push(OutputAction::RememberCover { cover: id, memory: CoverMemory { position: None } });
        }
        actions
    }

    /// Begins the next stretch to the goal, once the other way has rested.
    fn pursue(&mut self, id: CoverId, now: Moment) -> Vec<OutputAction> {
        let Some(cover) = self.covers.get_mut(&id) else { return Vec::new() };
        if cover.motion.is_some() {
            return Vec::new();
        }
        let Some(goal) = &cover.goal else { return Vec::new() };
        if goal.try_at > now {
            return Vec::new();
        }
        let (to, cause, give_up_at) = (goal.position, goal.cause.clone(), goal.give_up_at);
        let stretch = cover.stretch(to).filter(|(_, time)| !time.is_zero());
        let Some((way, time)) = stretch.filter(|_| !self.is_stopping) else {
            cover.goal = None;
            return Vec::new();
        };
        let relay = cover.relay(way);
        let may_go = self.outputs.get(&relay).is_some_and(|output| {
            output.fault.is_none()
                && !output.in_flight
                && output.check_times(Duty::FULL, now).is_ok()
                && self.check_interlock(output, relay, Duty::FULL, now).is_ok()
        });
        let Some(cover) = self.covers.get_mut(&id) else { return Vec::new() };
        if !may_go {
            if now >= give_up_at {
                cover.goal = None;
                cover.publish_at = Some(now);
            } else if let Some(goal) = &mut cover.goal {
                goal.try_at = now + LOOK_AGAIN;
            }
            return Vec::new();
        }
        let (from, stops_at) = (cover.position, now + time);
        cover.motion = Some(Motion { way, began: now, from, stops_at, leads_on: false });
        cover.publish_at = Some(now);
        let memory = CoverMemory { position: None };
        let mut actions = vec![OutputAction::RememberCover { cover: id, memory }];
        actions.extend(self.drive(relay, Duty::FULL, Some((cause, None)), now));
        actions
    }
}
