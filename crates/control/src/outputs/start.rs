//! What an output does when the gateway starts, and what is remembered for that.

use std::time::Duration;

use gatehouse_model::{Cause, Moment, Origin};

use super::memory::{OutputMemory, Recollection, Wish, WishKind};
use super::rules::{CLOCK_WAIT, MIN_SAFE, PowerOn, START_RETRY, START_WAIT};
use super::state::{Output, Since};
use super::{OutputAction, OutputId, Outputs};
use crate::duty::Duty;

impl Output {
    /// What is to be kept of it.
    pub(super) fn memory(&self, now: Moment) -> OutputMemory {
        OutputMemory {
            level: self.level,
            since_change: self.changed.map(|changed| changed.elapsed(now)),
            commanded: self.commanded.map(|(level, since)| (level, since.elapsed(now))),
            away_for: self.left_safe.map(|left| left.elapsed(now)),
            used: self.used.or_else(|| self.wish.as_ref().and_then(Wish::used)),
            rests_for: self
                .rests_until
                .map(|until| until.saturating_since(now))
                .filter(|rest| !rest.is_zero()),
            had_fault: self.fault.as_ref().is_some_and(|fault| fault.is_latched),
        }
    }

    /// Takes up what was kept. Where the clock does not say how long ago that was, the shortest time is assumed: it
    /// rests longer than it had to, and never shorter.
    pub(super) fn recall(&mut self, recollection: Option<Recollection>, now: Moment) {
        if let Some(Recollection { memory, age }) = recollection {
            let known = age.unwrap_or_default();
            let has_shortest_times = !self.rules.min_off.is_zero() || !self.rules.min_on.is_zero();
            self.changed = if memory.level.is_on() == self.level.is_on() {
                memory.since_change.map(|before| Since::before(now, before.saturating_add(known)))
            } else if has_shortest_times || self.rules.power_on == PowerOn::Safe {
                // It was on and goes off by this very start, as far as anybody knows.
                Some(Since::at(now))
            } else {
                // What nothing but a start lies between comes up without a flicker.
                None
            };
            self.commanded = memory
                .commanded
                .map(|(level, before)| (level, Since::before(now, before.saturating_add(known))));
            let rest = memory.rests_for.map(|rest| rest.saturating_sub(known)).filter(|rest| !rest.is_zero());
            self.rests_until = rest.map(|rest| now + rest);
        }
        let kind = match (self.rules.power_on, recollection) {
            (PowerOn::Safe, _) | (PowerOn::Last(_), None) => None,
            (PowerOn::On, recollection) => {
                let away = recollection.and_then(|recollection| recollection.away(&self.rules));
                Some(WishKind::Level(Duty::FULL, away))
            }
            (PowerOn::Last(within), Some(recollection)) => match recollection.age {
                None => Some(WishKind::Clock(recollection.memory, within)),
                Some(_) => self.as_it_was(recollection, within),
            },
        };
        let wait = match kind {
            Some(WishKind::Clock(..)) => CLOCK_WAIT,
            _ => START_WAIT,
        };
        let had_fault = recollection.is_some_and(|recollection| recollection.memory.had_fault);
        let kind = kind.filter(|kind| !had_fault && !self.has_had_its_time(kind, now));
        self.wish = kind.map(|kind| Wish { kind, at: now, expires: now + wait });
    }

    fn as_it_was(&self, recollection: Recollection, within: Duration) -> Option<WishKind> {
        let (level, before) = recollection.memory.commanded?;
        let is_recent = before.saturating_add(recollection.age?) <= within;
        let wish = WishKind::Level(level, recollection.away(&self.rules));
        (is_recent && level != self.rules.safe).then_some(wish)
    }

    /// Whether its longest on-time is over already. The rest after it has begun then, too.
    fn has_had_its_time(&mut self, kind: &WishKind, now: Moment) -> bool {
        let WishKind::Level(_, Some(away)) = kind else { return false };
        let is_over = self.rules.max_on.is_some_and(|longest| *away >= longest);
        let comes_up_anyway = self.rules.power_on == PowerOn::On;
        if is_over && self.rests_until.is_none() {
            self.rest(now);
        }
        is_over && !comes_up_anyway
    }
}

impl Outputs {
    /// The first drive of an output.
    pub(super) fn start(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let cause = output.cause.clone();
        let level = match &output.wish {
            // The others of its group may not be added yet, and were not seen to be off.
            Some(_) if output.rules.interlock.is_some() => None,
            Some(Wish { kind: WishKind::Level(level, _), .. }) => Some(*level),
            _ => None,
        };
        if let Some(level) = level.filter(|level| self.may_be(id, *level, now)) {
            return self.come_up(id, level, now);
        }
        let wish = self.outputs.get_mut(&id).and_then(|output| output.wish.take());
        let actions = self.drive_safe(id, cause, now);
        if let Some(output) = self.outputs.get_mut(&id) {
            output.wish = wish.map(|wish| Wish { at: now + START_RETRY, ..wish });
        }
        actions
    }

    /// Tells how long ago the memory of an output was kept, now that the clock is set. Outputs that come up as they were
    /// wait for it.
    pub fn handle_clock(&mut self, id: OutputId, age: Duration, now: Moment) {
        let Some(output) = self.outputs.get_mut(&id) else { return };
        let Some(Wish { kind: WishKind::Clock(memory, within), .. }) = output.wish else { return };
        let kind = output.as_it_was(Recollection { memory, age: Some(age) }, within);
        let kind = kind.filter(|kind| !output.has_had_its_time(kind, now));
        output.wish = kind.map(|kind| Wish { kind, at: now, expires: now + START_WAIT });
    }

    /// Whether an output waits for the clock.
    pub fn waits_for_clock(&self, id: OutputId) -> bool {
        let wish = self.outputs.get(&id).and_then(|output| output.wish.as_ref());
        wish.is_some_and(|wish| matches!(wish.kind, WishKind::Clock(..)))
    }

    fn may_be(&self, id: OutputId, level: Duty, now: Moment) -> bool {
        let Some(output) = self.outputs.get(&id) else { return false };
        !self.is_stopping
            && output.fault.is_none()
            && output.check_times(level, now).is_ok()
            && self.check_interlock(output, id, level, now).is_ok()
    }

    /// Tries what an output is to become after the start.
    pub(super) fn try_wish(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let Some(wish) = &mut output.wish else { return Vec::new() };
        // Its own rest is no reason to give up.
        let off_until = output.changed.map(|changed| changed.after(output.rules.min_off.max(MIN_SAFE)));
        let held_until = output.rests_until.max(off_until).map(|until| until + START_WAIT);
        let is_for_clock = matches!(wish.kind, WishKind::Clock(..));
        if now >= held_until.filter(|_| !is_for_clock).map_or(wish.expires, |held| held.max(wish.expires)) {
            output.wish = None;
            return Vec::new();
        }
        wish.at = now + START_RETRY;
        let kind = wish.kind;
        match kind {
            WishKind::Level(level, _) if self.may_be(id, level, now) => self.come_up(id, level, now),
            WishKind::Level(..) | WishKind::Clock(..) => Vec::new(),
        }
    }

    fn come_up(&mut self, id: OutputId, level: Duty, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let wish = output.wish.take();
        let what = if output.rules.power_on == PowerOn::On { "on" } else { "as it was" };
        let cause = Cause::direct(Origin::part(&format!("start of the gateway: comes up {what}")));
        let mut actions = self.drive(id, level, Some((cause, None)), now);
        // What it has had of its longest on-time before the start is not given twice, but for a rest that was kept.
        if let Some(output) = self.outputs.get_mut(&id)
            && let Some(Wish { kind: WishKind::Level(_, Some(away)), .. }) = wish
            && output.rules.max_on.is_none_or(|longest| away < longest)
            && output.left_safe.is_some()
        {
            output.left_safe = Some(Since::before(now, away));
            for action in &mut actions {
                if let OutputAction::Remember { memory, .. } = action {
                    *memory = output.memory(now);
                }
            }
        }
        actions
    }
}
