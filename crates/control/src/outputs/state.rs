//! One output: the state that its rules are applied to, and whether they allow what is asked.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Cause, Moment, Origin};

use super::bucket::Bucket;
use super::effect::EffectWatch;
use super::memory::Wish;
use super::rules::{MIN_SAFE, OutputRules};
use super::{Ask, Ticket};
use crate::duty::Duty;

/// A point in time that may lie before this process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since {
    /// A moment of this process.
    at: Moment,
    /// How long before that moment it was.
    before: Duration,
}

impl Since {
    pub(crate) const fn at(at: Moment) -> Self {
        Self { at, before: Duration::ZERO }
    }

    pub(crate) const fn before(at: Moment, before: Duration) -> Self {
        Self { at, before }
    }

    pub(crate) fn elapsed(self, now: Moment) -> Duration {
        now.saturating_since(self.at).saturating_add(self.before)
    }

    /// The moment at which this time has passed since then; of this process, so perhaps later than it was.
    pub(crate) fn after(self, time: Duration) -> Moment {
        self.at + time.saturating_sub(self.before)
    }
}

/// A drive that waits for its read-back.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Why it was driven.
    pub(crate) cause: Cause,
    /// The command to answer, when there was one.
    pub(crate) answer: Option<Asked>,
}

/// A command that is to be answered.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    pub(crate) id: Option<Arc<str>>,
}

/// What is wrong with an output.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// In a sentence for people.
    pub(crate) sentence: String,
    /// A pin that read something else than it was driven to stays faulty, even when it follows to the safe level: only
    /// a person's command to that level says that somebody had a look. A pin that could not be had at all is well as
    /// soon as it can.
    pub(crate) is_latched: bool,
}

/// When a command's duration ends, and who asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    pub(crate) ends: Moment,
    pub(crate) cause: Cause,
}

/// A level on its way to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    pub(crate) from: Duty,
    pub(crate) to: Duty,
    pub(crate) began: Moment,
    pub(crate) over: Duration,
    pub(crate) next: Moment,
}

/// An output that goes on and off in turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blink {
    pub(crate) on: Duration,
    pub(crate) off: Duration,
    pub(crate) next: Moment,
}

/// The state of one output.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) rules: OutputRules,
    /// The level that it was last driven to.
    pub(crate) level: Duty,
    /// When it last went on or off; nothing when that is not known, so that `min_off` does not hold.
    pub(crate) changed: Option<Since>,
    /// When it left its safe level; while it blinks, when that began.
    pub(crate) left_safe: Option<Since>,
    /// How much of its longest on-time it had when the gateway ended that.
    pub(crate) used: Option<Duration>,
    /// When it is kept next how much of it it has had.
    pub(crate) count_at: Option<Moment>,
    /// The level that it was last given by a command, and when.
    pub(crate) commanded: Option<(Duty, Since)>,
    /// The end of a command's duration.
    pub(crate) timer: Option<Timer>,
    pub(crate) ramp: Option<Ramp>,
    pub(crate) blink: Option<Blink>,
    /// Why it is as it is.
    pub(crate) cause: Cause,
    /// Until when it rests after its longest on-time.
    pub(crate) rests_until: Option<Moment>,
    /// What is wrong with it.
    pub(crate) fault: Option<Fault>,
    /// When a drive to the safe level that failed is tried again.
    pub(crate) retry_at: Option<Moment>,
    pub(crate) pending: Option<Pending>,
    /// The latest drive or check.
    pub(crate) ticket: Ticket,
    /// Whether that was not reported yet.
    pub(crate) in_flight: bool,
    /// Whether it is a check, which drives nothing.
    pub(crate) is_check: bool,
    /// When it is read back next, while nothing happens.
    pub(crate) check_at: Option<Moment>,
    pub(crate) failed_checks: u32,
    /// Whether its state is to be published when it was read back.
    pub(crate) is_news: bool,
    /// When its state was last published.
    pub(crate) said_at: Option<Moment>,
    /// What it is to become after the start.
    pub(crate) wish: Option<Wish>,
    /// When its dead-man source was last heard.
    pub(crate) heard_at: Option<Moment>,
    /// Whether that source is a sensor that failed, or went stale, and was not heard since.
    pub(crate) source_is_lost: bool,
    pub(crate) effect: EffectWatch,
    pub(crate) bucket: Bucket,
    /// Whether it is being taken out of the configuration.
    pub(crate) is_leaving: bool,
}

impl Output {
    pub(crate) fn new(rules: OutputRules, cause: Cause, now: Moment) -> Self {
        Self {
            level: rules.safe,
            changed: None,
            left_safe: None,
            used: None,
            count_at: None,
            commanded: None,
            timer: None,
            ramp: None,
            blink: None,
            cause,
            rests_until: None,
            fault: None,
            retry_at: None,
            pending: None,
            ticket: Ticket::default(),
            in_flight: false,
            is_check: false,
            check_at: None,
            failed_checks: 0,
            is_news: false,
            said_at: None,
            wish: None,
            heard_at: None,
            source_is_lost: false,
            effect: EffectWatch::default(),
            bucket: Bucket::new(rules.command_burst, rules.command_refill, now),
            is_leaving: false,
            rules,
        }
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.level == self.rules.safe
    }

    /// Where it is going: the end of its way, or its level.
    pub(crate) fn target(&self) -> Duty {
        self.ramp.map_or(self.level, |ramp| ramp.to)
    }

    /// Why it goes safe for good: also because of what it was away for, if it was.
    pub(crate) fn cause_of_end(&self, origin: Origin) -> Cause {
        if self.is_safe() { Cause::direct(origin) } else { Cause::because(origin, &self.cause) }
    }

    /// The name of a level of this output.
    pub(crate) fn describe(&self, level: Duty) -> String {
        self.rules.scale.describe(level)
    }

    /// What to send for its safe level.
    pub(crate) fn safe_word(&self) -> String {
        self.describe(self.rules.safe).to_uppercase()
    }

    /// Notes that the longest on-time ended what was asked for: now it rests.
    pub(crate) fn rest(&mut self, now: Moment) {
        self.rests_until = self.rules.longest_rest().map(|rest| now + rest);
    }

    /// Notes that the gateway ends it, and not a person or a limit: what it has had of its longest on-time still counts.
    pub(crate) fn note_used(&mut self, now: Moment) {
        self.used = self.left_safe.map(|left| left.elapsed(now));
    }

    /// Whether it may be at this level as far as time and its dead-man are concerned; interlocks are asked elsewhere.
    pub(crate) fn check_times(&self, level: Duty, now: Moment) -> Result<(), String> {
        if level != self.rules.safe {
            self.check_rest(now)?;
            self.check_dead_man(now)?;
        }
        // A servo stands somewhere, and is neither on nor off.
        let switches = level.is_on() != self.level.is_on() && !self.rules.scale.is_angle();
        if switches { self.check_minimum_times(level, now) } else { Ok(()) }
    }

    /// Whether its rest after the longest on-time stands in the way of leaving the safe level.
    fn check_rest(&self, now: Moment) -> Result<(), String> {
        match self.rests_until.filter(|until| self.is_safe() && now < *until) {
            None => Ok(()),
            Some(until) => Err(format!(
                "{} has reached its longest on-time and rests: try again in {}, or send {} first",
                self.rules.name,
                format_duration(up_to_a_second(until.saturating_since(now))),
                self.safe_word(),
            )),
        }
    }

    /// Whether minimum times stand in the way of going on or off.
    fn check_minimum_times(&self, level: Duty, now: Moment) -> Result<(), String> {
        let Some(changed) = self.changed else { return Ok(()) };
        let (minimum, was) =
            if level.is_on() { (self.rules.min_off, "off") } else { (self.rules.min_on, "on") };
        let minimum = if level == self.rules.safe { minimum } else { minimum.max(MIN_SAFE) };
        let since = changed.elapsed(now);
        if since >= minimum {
            return Ok(());
        }
        Err(format!(
            "{} was switched {was} {} ago and stays {was} for at least {}: try again in {}",
            self.rules.name,
            format_duration(Duration::from_secs(since.as_secs())),
            format_duration(minimum),
            format_duration(up_to_a_second(minimum - since)),
        ))
    }

    /// Whether it may be at this level for `length` from now and then go back to its safe level. What the limits do not
    /// allow is refused: cut short in silence, a granted command would not be what was asked for.
    pub(crate) fn check_duration(&self, level: Duty, length: Duration, now: Moment) -> Result<(), String> {
        // An output that is away already has part of its time behind it.
        let away = self.left_safe.map(|left| left.elapsed(now)).unwrap_or_default();
        let (name, asked) = (&self.rules.name, format_duration(length));
        let word = if level.is_on() { "on" } else { "off" };
        if let Some(longest) = self.rules.max_on.filter(|longest| away.saturating_add(length) > *longest) {
            let longest = format_duration(longest);
            let stays =
                if self.rules.safe.is_on() == level.is_on() { "away from its safe level" } else { word };
            return Err(format!(
                "{name} stays {stays} for at most {longest}: ask for a shorter time than {asked}"
            ));
        }
        if level.is_on() == self.rules.safe.is_on() {
            return Ok(());
        }
        let minimum = if level.is_on() { self.rules.min_on } else { self.rules.min_off };
        let there = self.changed.filter(|_| level.is_on() == self.level.is_on());
        let there = there.map(|changed| changed.elapsed(now)).unwrap_or_default();
        if there.saturating_add(length) < minimum {
            let minimum = format_duration(minimum);
            return Err(format!(
                "{name} stays {word} for at least {minimum}: ask for a longer time than {asked}"
            ));
        }
        Ok(())
    }

    /// When its longest on-time is over.
    pub(crate) fn longest_ends(&self) -> Option<Moment> {
        self.left_safe.zip(self.rules.max_on).map(|(left, longest)| left.after(longest))
    }

    /// When something about this output is due.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        // While a drive is on its way nothing but a limit is worth another one.
        let idle = |at: Option<Moment>| at.filter(|_| !self.in_flight || self.is_check);
        [
            self.longest_ends().filter(|_| !self.is_leaving),
            self.timer.as_ref().map(|timer| timer.ends),
            idle(self.retry_at),
            idle(self.ramp.map(|ramp| ramp.next)),
            idle(self.blink.map(|blink| blink.next)),
            self.check_at.filter(|_| !self.in_flight),
            self.wish.as_ref().map(|wish| wish.at),
            self.dead_man_ends(),
            self.effect.ends,
            self.count_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

/// Rounded up, so that who waits as long as a sentence says is not refused again.
pub(crate) fn up_to_a_second(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX))
}
