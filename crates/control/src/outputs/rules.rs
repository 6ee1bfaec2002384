//! What holds for an output, below MQTT, and the limits behind it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::PropertyPath;

use crate::duty::{Duty, Scale};
use crate::interlock::DEAD_TIME;

/// How long after a failed drive to the safe level it is tried again.
pub const SAFE_RETRY: Duration = Duration::from_secs(5);

/// After its longest on-time an output rests for this part of it, at most [`MAX_REST`]: whoever repeats `ON` for ever
/// would otherwise keep a heater on but for an instant. A command to the safe level ends the rest: somebody had a look.
pub const REST_SHARE: u32 = 4;

/// Longest rest after the longest on-time.
pub const MAX_REST: Duration = Duration::from_secs(15 * 60);

/// How much of its longest on-time an output has had is kept each time that another such part of it is over: a restart
/// that nobody can date costs as much.
pub(super) const COUNT_SHARE: u32 = 16;

/// Shortest and longest time between two such records: a card wears by each.
pub(super) const COUNT_EVERY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5 * 60));

/// Shortest time at the safe level, whatever the configuration says: many clients together, or one with many names, must
/// not make a relay chatter.
pub const MIN_SAFE: Duration = Duration::from_millis(500);

/// Shortest time that a blinking output is on: a relay needs some tens of milliseconds to settle, an eye more to see it.
pub const MIN_BLINK: Duration = Duration::from_millis(250);

/// Most times that one command makes an output blink. A relay lasts for some hundred thousand operations: this takes a
/// hundredth of them at worst.
pub const MAX_BLINKS: u32 = 1_000;

/// Time between two steps of a level on its way to another: 25 steps a second look smooth and cost little.
pub const RAMP_STEP: Duration = Duration::from_millis(40);

/// Longest way to another level.
pub const MAX_RAMP: Duration = Duration::from_secs(3_600);

/// How often the state of a level on its way is published.
pub const STATE_EVERY: Duration = Duration::from_secs(1);

/// How often an output is read back while nothing happens: a pin that was changed by somebody else, or an expander that
/// lost its supply, is noticed within this time.
pub const CHECK_EVERY: Duration = Duration::from_secs(10);

/// How soon a read-back between drives that failed is tried again.
pub const CHECK_RETRY: Duration = Duration::from_secs(1);

/// Read-backs between drives that may fail in a row before that is a fault: one lost answer on a long wire is everyday,
/// and the output was driven well.
pub const CHECKS_BEFORE_FAULT: u32 = 3;

/// Commands that one output takes in a burst, from everybody together.
pub const COMMAND_BURST: u32 = 20;

/// Time after which an output takes one more command.
pub const COMMAND_REFILL: Duration = Duration::from_millis(250);

/// How old the last change may be when the output is to come up again as it was, if the configuration says nothing: a
/// power cut of a minute, not a house that stood in the dark over the holidays.
pub const LAST_WITHIN: Duration = Duration::from_secs(15 * 60);

/// How long after the start an output waits for the clock to be set before it gives up coming up as it was. A Raspberry
/// Pi has no clock chip: until its time is synchronised nobody knows how long the power was away.
pub const CLOCK_WAIT: Duration = Duration::from_secs(3 * 60);

/// How long after the start an output that is to come up on waits for what stands in its way.
pub const START_WAIT: Duration = Duration::from_secs(5 * 60);

/// How often it looks whether it still stands in the way.
pub const START_RETRY: Duration = Duration::from_secs(5);

/// What an output does when the gateway starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PowerOn {
    /// It stays at its safe level.
    #[default]
    Safe,
    /// It goes on.
    On,
    /// It becomes what it was, if that is not longer ago than this.
    Last(Duration),
}

/// Whose word an output hears.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Any message on this topic filter.
    Topic(Arc<str>),
    /// A client of the broker that is connected.
    Client(Arc<str>),
    /// A value of a sensor that can be trusted.
    Sensor(PropertyPath),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(filter) => write!(f, "the topic {filter}"),
            Self::Client(id) => write!(f, "the client {id}"),
            Self::Sensor(path) => write!(f, "the sensor {path}"),
        }
    }
}

/// The output is away from its safe level only while somebody else is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadMan {
    /// Who must be heard.
    pub source: Source,
    /// Longest silence.
    pub within: Duration,
}

/// What being on must bring about.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// Where it shows.
    pub sensor: PropertyPath,
    /// By how much the value must change, in its unit: up when positive, down when negative.
    pub change: f64,
    /// In what time.
    pub within: Duration,
    /// Whether the output goes safe, with a latched fault, when it does not; otherwise it is only said.
    pub goes_safe: bool,
}

/// What holds for an output, below MQTT.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputRules {
    /// Its name for people.
    pub name: String,
    /// How its level is written.
    pub scale: Scale,
    /// Its safe level.
    pub safe: Duty,
    /// Longest time away from its safe level in one go; nothing is the owner's explicit "unlimited".
    pub max_on: Option<Duration>,
    /// Shortest time that it stays on.
    pub min_on: Duration,
    /// Shortest time that it stays off.
    pub min_off: Duration,
    /// The group of outputs of which at most one is on.
    pub interlock: Option<String>,
    /// Time between another output of its group going off and this one going on.
    pub dead_time: Duration,
    /// How long the way to another level takes, unless a command says otherwise.
    pub ramp: Duration,
    /// What it does when the gateway starts.
    pub power_on: PowerOn,
    /// Whether it stays as it is while another release of the gateway takes the place of this one.
    pub holds_over_upgrade: bool,
    /// Who must be alive.
    pub dead_man: Option<DeadMan>,
    /// What it must bring about.
    pub effect: Option<Effect>,
    /// Commands in a burst.
    pub command_burst: u32,
    /// Time after which one more command is taken.
    pub command_refill: Duration,
    /// How often it is read back while nothing happens; nothing for pins that cannot be read.
    pub check_every: Option<Duration>,
}

impl OutputRules {
    /// How long it rests after its longest on-time.
    pub(super) fn longest_rest(&self) -> Option<Duration> {
        self.max_on.map(|longest| (longest / REST_SHARE).min(MAX_REST))
    }

    /// How often it is kept how much of its longest on-time an output has had that comes up by itself.
    pub(super) fn count_every(&self) -> Option<Duration> {
        let longest = self.max_on.filter(|_| self.power_on != PowerOn::Safe)?;
        Some((longest / COUNT_SHARE).clamp(COUNT_EVERY.0, COUNT_EVERY.1))
    }

    /// A switch that is safe when off, with a longest on-time and nothing else.
    pub fn new(name: &str, max_on: Option<Duration>) -> Self {
        Self {
            name: name.to_owned(),
            scale: Scale::Switch,
            safe: Duty::OFF,
            max_on,
            min_on: Duration::ZERO,
            min_off: Duration::ZERO,
            interlock: None,
            dead_time: DEAD_TIME,
            ramp: Duration::ZERO,
            power_on: PowerOn::Safe,
            holds_over_upgrade: false,
            dead_man: None,
            effect: None,
            command_burst: COMMAND_BURST,
            command_refill: COMMAND_REFILL,
            check_every: Some(CHECK_EVERY),
        }
    }
}
