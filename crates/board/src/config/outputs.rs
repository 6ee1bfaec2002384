//! What is switched: relays, lamps, servos, covers.

use std::time::Duration;

use gatehouse_control::outputs::{COMMAND_REFILL, DEFAULT_OVERRUN, DeadMan, Effect, PowerOn};
use gatehouse_control::{Duty, Scale, interlock};

use super::{ActiveLevel, Pin};

/// Longest on-time of an output whose configuration says nothing.
pub const DEFAULT_MAX_ON: Duration = Duration::from_secs(2 * 3600);

/// Period of a PWM output whose configuration says nothing: 500 Hz do not flicker to the eye, and leave every step of a
/// hundredth its own length.
pub const DEFAULT_PWM_PERIOD: Duration = Duration::from_millis(2);

/// Shortest period of hardware PWM: 100 kHz is more than lamps and motors can follow.
pub const MIN_PWM_PERIOD: Duration = Duration::from_micros(10);

/// Longest period of PWM: a heating element behind a solid-state relay is driven in slices of some seconds.
pub const MAX_PWM_PERIOD: Duration = Duration::from_secs(60);

/// Shortest period of PWM that is made by software: timers have a resolution of a millisecond, and whoever dims faster
/// would see their uncertainty as flicker.
pub const MIN_SOFTWARE_PERIOD: Duration = Duration::from_millis(10);

/// Period of a servo's signal: 50 Hz, which they all understand.
pub const SERVO_PERIOD: Duration = Duration::from_millis(20);

/// Pulses of a servo at the ends of its range, when the configuration says nothing: 1 to 2 ms never drive one against its
/// stop.
pub const DEFAULT_SERVO_PULSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(2));

/// What kind of output it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OutputKind {
    /// On or off.
    Switch,
    /// Anything between.
    Pwm {
        /// Length of one period; [`DEFAULT_PWM_PERIOD`] by default.
        period: Duration,
    },
    /// An angle.
    Servo {
        /// The least and the greatest angle, in degrees; 0 and 180 by default.
        angles: (f64, f64),
        /// The lengths of the pulses that bring it there; [`DEFAULT_SERVO_PULSES`] by default.
        pulses: (Duration, Duration),
    },
}

impl OutputKind {
    /// The word for it in the configuration file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Switch => "output",
            Self::Pwm { .. } => "pwm",
            Self::Servo { .. } => "servo",
        }
    }

    /// How its levels are written.
    pub const fn scale(self) -> Scale {
        match self {
            Self::Switch => Scale::Switch,
            Self::Pwm { .. } => Scale::Percent,
            Self::Servo { angles: (least, most), .. } => Scale::Degrees { least, most },
        }
    }
}

/// `driver = "output"`, `"pwm"` or `"servo"`. Its properties are `power`, `power` and `level`, or `angle`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputConfig {
    /// The line.
    pub pin: Pin,
    /// Which voltage switches it on; high by default. Many relay boards switch on when the pin is low.
    pub active: ActiveLevel,
    /// What kind it is; a switch by default.
    pub kind: OutputKind,
    /// Its safe level; off by default. It is driven to it at start, at stop, and when a fail-safe says so.
    pub safe: Duty,
    /// Longest time that it stays away from its safe level in one go; nothing is the owner's explicit `"unlimited"`.
    pub max_on: Option<Duration>,
    /// Shortest time that it stays on; zero by default.
    pub min_on: Duration,
    /// Shortest time that it stays off, for example for a compressor; zero by default.
    pub min_off: Duration,
    /// Outputs with the same word here are never on together.
    pub interlock: Option<String>,
    /// Time between another output of its group going off and this one going on;
    /// [`DEAD_TIME`](gatehouse_control::interlock::DEAD_TIME) by default.
    pub dead_time: Duration,
    /// How long the way to another level takes, unless a command says otherwise; zero by default.
    pub ramp: Duration,
    /// What it does when the gateway starts; it stays safe by default.
    pub power_on: PowerOn,
    /// Whether it stays as it is while another release of the gateway takes the place of this one; it goes safe by default.
    pub holds_over_upgrade: bool,
    /// Who must be alive while it is away from its safe level.
    pub dead_man: Option<DeadMan>,
    /// What its being away from the safe level must bring about.
    pub effect: Option<Effect>,
    /// Time after which it takes one more command, from everybody together;
    /// [`COMMAND_REFILL`](gatehouse_control::outputs::COMMAND_REFILL) by default.
    pub command_every: Duration,
    /// What it is, in Home Assistant's words (`light`, `heat`, `fan`, …).
    pub class: Option<String>,
}

impl OutputConfig {
    /// A switch at this line: on when high, safe when off, on for at most [`DEFAULT_MAX_ON`].
    pub fn at(pin: impl Into<Pin>) -> Self {
        Self {
            pin: pin.into(),
            active: ActiveLevel::High,
            kind: OutputKind::Switch,
            safe: Duty::OFF,
            max_on: Some(DEFAULT_MAX_ON),
            min_on: Duration::ZERO,
            min_off: Duration::ZERO,
            interlock: None,
            dead_time: interlock::DEAD_TIME,
            ramp: Duration::ZERO,
            power_on: PowerOn::Safe,
            holds_over_upgrade: false,
            dead_man: None,
            effect: None,
            command_every: COMMAND_REFILL,
            class: None,
        }
    }
}

/// `driver = "cover"`. Its properties are `state` and `position`. Both relays off is its safe state.
#[derive(Clone, Debug, PartialEq)]
pub struct CoverConfig {
    /// The line of the relay that opens it.
    pub open: Pin,
    /// The line of the relay that closes it.
    pub close: Pin,
    /// Which voltage switches the relays on; high by default.
    pub active: ActiveLevel,
    /// How long the whole way takes when it opens.
    pub open_time: Duration,
    /// How long the whole way takes when it closes.
    pub close_time: Duration,
    /// How much longer a relay is on at the ends, until the end switch has certainly stopped the motor;
    /// [`DEFAULT_OVERRUN`](gatehouse_control::outputs::DEFAULT_OVERRUN) by default.
    pub overrun: Duration,
    /// Time between the two ways; [`DEAD_TIME`](gatehouse_control::interlock::DEAD_TIME) by default.
    pub dead_time: Duration,
    /// Covers and outputs with the same word here never move together.
    pub interlock: Option<String>,
    /// What it is, in Home Assistant's words (`blind`, `shutter`, `awning`, `gate`, …).
    pub class: Option<String>,
}

impl CoverConfig {
    /// A cover at these lines, whose way takes this time in both directions.
    pub fn at(open: impl Into<Pin>, close: impl Into<Pin>, time: Duration) -> Self {
        Self {
            open: open.into(),
            close: close.into(),
            active: ActiveLevel::High,
            open_time: time,
            close_time: time,
            overrun: DEFAULT_OVERRUN,
            dead_time: interlock::DEAD_TIME,
            interlock: None,
            class: None,
        }
    }
}
