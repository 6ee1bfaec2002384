//! One output: its rules, and the state that they are applied to.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::span::format_duration;
use gatehouse_model::{Action, Cause, Command, Moment, Origin, Value};

/// How long after a failed drive to the safe level it is tried again.
pub const SAFE_RETRY: Duration = Duration::from_secs(5);

/// After its longest on-time an output rests for this part of it, at most [`MAX_REST`]: whoever repeats `ON` for ever
/// would otherwise keep a heater on but for an instant. A command to the safe level ends the rest: somebody had a look.
pub const REST_SHARE: u32 = 4;

/// Longest rest after the longest on-time.
pub const MAX_REST: Duration = Duration::from_secs(15 * 60);

/// Shortest time at the safe level, whatever the configuration says: many clients together, or one with many names, must
/// not make a relay chatter.
pub const MIN_SAFE: Duration = Duration::from_millis(500);

/// What holds for an output, below MQTT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRules {
    /// Its name for people.
    pub name: String,
    /// Whether its safe level is on.
    pub safe_on: bool,
    /// Longest time away from its safe level in one go; nothing is the owner's explicit "unlimited".
    pub max_on: Option<Duration>,
    /// Shortest time that it stays on.
    pub min_on: Duration,
    /// Shortest time that it stays off.
    pub min_off: Duration,
    /// The group of outputs of which at most one is on.
    pub interlock: Option<String>,
}

impl OutputRules {
    /// An output that is safe when off, with a longest on-time and nothing else.
    pub fn new(name: &str, max_on: Option<Duration>) -> Self {
        Self {
            name: name.to_owned(),
            safe_on: false,
            max_on,
            min_on: Duration::ZERO,
            min_off: Duration::ZERO,
            interlock: None,
        }
    }
}

/// A drive that waits for its read-back.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// Why it was driven.
    pub(crate) cause: Cause,
    /// The command to answer, when there was one: its id.
    pub(crate) answer: Option<Option<Arc<str>>>,
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

/// The state of one output.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) rules: OutputRules,
    /// The level that it was last driven to.
    pub(crate) driven_on: bool,
    /// When it last changed its level; nothing before the first change, so that `min_off` does not hold after a start.
    pub(crate) changed_at: Option<Moment>,
    /// When it left its safe level.
    pub(crate) left_safe_at: Option<Moment>,
    /// The end of a command's duration.
    pub(crate) timer: Option<Timer>,
    /// Why it is as it is.
    pub(crate) cause: Cause,
    /// Until when it rests after its longest on-time.
    pub(crate) rests_until: Option<Moment>,
    /// What is wrong with it.
    pub(crate) fault: Option<Fault>,
    /// When a drive to the safe level that failed is tried again.
    pub(crate) retry_at: Option<Moment>,
    pub(crate) pending: Option<Pending>,
    /// Whether it is being taken out of the configuration.
    pub(crate) is_leaving: bool,
}

impl Output {
    pub(crate) fn new(rules: OutputRules, cause: Cause) -> Self {
        Self {
            driven_on: rules.safe_on,
            rules,
            changed_at: None,
            left_safe_at: None,
            rests_until: None,
            timer: None,
            cause,
            fault: None,
            retry_at: None,
            pending: None,
            is_leaving: false,
        }
    }

    /// Why it goes safe for good: also because of what it was away for, if it was.
    pub(crate) fn cause_of_end(&self, origin: Origin) -> Cause {
        if self.is_safe() { Cause::direct(origin) } else { Cause::because(origin, &self.cause) }
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.driven_on == self.rules.safe_on
    }

    /// The level that a command asks for.
    pub(crate) fn wanted(&self, command: &Command) -> Result<bool, String> {
        match &command.action {
            Action::Toggle => Ok(!self.driven_on),
            Action::Set(Value::Switch(on)) => Ok(*on),
            Action::Set(Value::Number(number)) if *number == 1.0 => Ok(true),
            Action::Set(Value::Number(number)) if *number == 0.0 => Ok(false),
            Action::Set(other) => Err(format!("{} can be ON or OFF, not {other}", self.rules.name)),
        }
    }

    /// Notes that the longest on-time ended what was asked for: now it rests.
    pub(crate) fn rest(&mut self, now: Moment) {
        let rest = self.rules.max_on.map(|longest| (longest / REST_SHARE).min(MAX_REST));
        self.rests_until = rest.map(|rest| now + rest);
    }

    /// Whether its rest after the longest on-time stands in the way of leaving the safe level.
    pub(crate) fn check_rest(&self, on: bool, now: Moment) -> Result<(), String> {
        match self.rests_until.filter(|until| on != self.rules.safe_on && now < *until) {
            None => Ok(()),
            Some(until) => Err(format!(
                "{} has reached its longest on-time and rests: try again in {}, or send {} first",
                self.rules.name,
                format_duration(up_to_a_second(until.saturating_since(now))),
                if self.rules.safe_on { "ON" } else { "OFF" },
            )),
        }
    }

    /// Whether minimum times stand in the way of a change.
    pub(crate) fn check_minimum_times(&self, on: bool, now: Moment) -> Result<(), String> {
        let Some(changed_at) = self.changed_at else { return Ok(()) };
        let (minimum, was, stays) =
            if on { (self.rules.min_off, "off", "off") } else { (self.rules.min_on, "on", "on") };
        let minimum = if on == self.rules.safe_on { minimum } else { minimum.max(MIN_SAFE) };
        let since = now.saturating_since(changed_at);
        if since >= minimum {
            return Ok(());
        }
        let wait = up_to_a_second(minimum - since);
        Err(format!(
            "{} was switched {was} {} ago and stays {stays} for at least {}: try again in {}",
            self.rules.name,
            format_duration(Duration::from_secs(since.as_secs())),
            format_duration(minimum),
            format_duration(wait),
        ))
    }

    /// Whether it may be at the level `on` for `length` from now and then go back to its safe level. What the limits do
    /// not allow is refused: cut short in silence, a granted command would not be what was asked for.
    pub(crate) fn check_duration(&self, on: bool, length: Duration, now: Moment) -> Result<(), String> {
        // An output that is there already has part of its time behind it.
        let passed =
            self.left_safe_at.filter(|_| on == self.driven_on).map(|left| now.saturating_since(left));
        let total = passed.unwrap_or_default().saturating_add(length);
        let (name, level) = (&self.rules.name, if on { "on" } else { "off" });
        let asked = format_duration(length);
        if let Some(longest) = self.rules.max_on.filter(|longest| total > *longest) {
            let longest = format_duration(longest);
            return Err(format!(
                "{name} stays {level} for at most {longest}: ask for a shorter time than {asked}"
            ));
        }
        let minimum = if on { self.rules.min_on } else { self.rules.min_off };
        if total < minimum {
            let minimum = format_duration(minimum);
            return Err(format!(
                "{name} stays {level} for at least {minimum}: ask for a longer time than {asked}"
            ));
        }
        Ok(())
    }

    /// When something about this output is due.
    pub(crate) fn next_deadline(&self) -> Option<Moment> {
        let longest = self.left_safe_at.and_then(|left| Some(left + self.rules.max_on?));
        [longest, self.timer.as_ref().map(|timer| timer.ends), self.retry_at].into_iter().flatten().min()
    }
}

/// Rounded up, so that who waits as long as a sentence says is not refused again.
fn up_to_a_second(wait: Duration) -> Duration {
    Duration::from_secs(wait.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX))
}
