//! What happens by itself when its time has come.

use gatehouse_model::span::format_duration;
use gatehouse_model::{Cause, Moment, Origin};

use super::rules::RAMP_STEP;
use super::state::Output;
use super::{OutputAction, OutputId, Outputs};
use crate::duty::Duty;

/// What is due, the most urgent first.
#[derive(Clone, Copy, Debug)]
enum Due {
    Longest,
    Silent,
    Timer,
    Retry,
    NoEffect,
    Blink,
    Ramp,
    Wish,
    Check,
    Count,
}

impl Output {
    fn due(&self, now: Moment) -> Option<Due> {
        let is_due = |at: Option<Moment>| at.is_some_and(|at| at <= now);
        let idle = !self.in_flight || self.is_check;
        [
            (Due::Longest, is_due(self.longest_ends()) && !self.is_leaving),
            (Due::Silent, is_due(self.dead_man_ends())),
            (Due::Timer, is_due(self.timer.as_ref().map(|timer| timer.ends))),
            (Due::Retry, idle && is_due(self.retry_at)),
            (Due::NoEffect, is_due(self.effect.ends)),
            (Due::Blink, idle && is_due(self.blink.map(|blink| blink.next))),
            (Due::Ramp, idle && is_due(self.ramp.map(|ramp| ramp.next))),
            (Due::Wish, is_due(self.wish.as_ref().map(|wish| wish.at))),
            (Due::Check, !self.in_flight && is_due(self.check_at)),
            (Due::Count, is_due(self.count_at)),
        ]
        .into_iter()
        .find_map(|(due, is_due)| is_due.then_some(due))
    }
}

impl Outputs {
    /// Applies the limits that have been reached.
    pub fn handle_timeout(&mut self, now: Moment) -> Vec<OutputAction> {
        let ids: Vec<OutputId> = self.outputs.keys().copied().collect();
        let mut actions = Vec::new();
        for id in ids {
            if let Some(due) = self.outputs.get(&id).and_then(|output| output.due(now)) {
                actions.extend(self.apply(id, due, now));
            }
        }
        actions.extend(self.tend_covers(now));
        actions
    }

    fn apply(&mut self, id: OutputId, due: Due, now: Moment) -> Vec<OutputAction> {
        match due {
            Due::Longest => self.end_longest(id, now),
            Due::Silent => self.fall_silent(id, now),
            Due::Timer => self.end_timer(id, now),
            Due::Retry => self.retry(id, now),
            Due::NoEffect => self.miss_effect(id, now),
            Due::Blink => self.blink(id, now),
            Due::Ramp => self.step(id, now),
            Due::Wish => self.try_wish(id, now),
            Due::Check => self.check(id),
            Due::Count => self.count(id, now),
        }
    }

    fn end_longest(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let longest = output.rules.max_on.map(format_duration).unwrap_or_default();
        let origin = Origin::fail_safe(&format!("longest on-time of {longest}"));
        let cause = Cause::because(origin, &output.cause);
        output.rest(now);
        self.end(id, cause, now)
    }

    fn end_timer(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get(&id) else { return Vec::new() };
        let earlier = output.timer.as_ref().map_or(&output.cause, |timer| &timer.cause);
        let cause = Cause::because(Origin::part("timer of the command"), earlier);
        self.end(id, cause, now)
    }

    fn retry(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get(&id) else { return Vec::new() };
        let cause = Cause::because(Origin::fail_safe("its fault"), &output.cause);
        self.end(id, cause, now)
    }

    /// Goes on or off in turn. Whatever stands in the way ends it.
    fn blink(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get(&id) else { return Vec::new() };
        let Some(mut blink) = output.blink else { return Vec::new() };
        let on = !output.level.is_on();
        let level = Duty::from_on(on);
        let allowed = output.check_times(level, now);
        let allowed = allowed.and_then(|()| self.check_interlock(output, id, level, now));
        let cause = output.cause.clone();
        if let Err(reason) = allowed {
            let cause = Cause::because(Origin::fail_safe(&reason), &cause);
            return self.end(id, cause, now);
        }
        if let Some(output) = self.outputs.get_mut(&id) {
            blink.next = now + if on { blink.on } else { blink.off };
            output.blink = Some(blink);
        }
        let mut actions = self.drive(id, level, Some((cause, None)), now);
        // What is kept is that it began to blink; each change would only wear the disk.
        actions.retain(|action| !matches!(action, OutputAction::Remember { .. }));
        actions
    }

    /// The next step on the way to a level.
    fn step(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        let Some(mut ramp) = output.ramp else { return Vec::new() };
        let level = ramp.at(now);
        ramp.next = now + RAMP_STEP;
        let is_there = level == ramp.to && now.saturating_since(ramp.began) >= ramp.over;
        output.ramp = (!is_there).then_some(ramp);
        if is_there {
            // The end of the way is told as a state.
            output.is_news = true;
        } else if level == output.level {
            return Vec::new();
        }
        self.drive(id, level, None, now)
    }

    /// Keeps how much of its longest on-time it has had.
    fn count(&mut self, id: OutputId, now: Moment) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.count_at = output.rules.count_every().map(|every| now + every);
        vec![OutputAction::Remember { output: id, memory: output.memory(now) }]
    }

    fn check(&mut self, id: OutputId) -> Vec<OutputAction> {
        let Some(output) = self.outputs.get_mut(&id) else { return Vec::new() };
        output.check_at = None;
        output.ticket.0 += 1;
        output.in_flight = true;
        output.is_check = true;
        vec![OutputAction::Check { output: id, ticket: output.ticket }]
    }
}
