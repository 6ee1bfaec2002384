//! What is read at lines: contacts and buttons, meters with pulses, knobs, ultrasonic sensors.

use std::time::Duration;

use gatehouse_control::clicks::{DEFAULT_GAP, DEFAULT_LONG_AFTER};
use gatehouse_control::{Click, ClickRules, EncoderRules, InputRules, Metered};

use super::{ActiveLevel, DEFAULT_PERIOD, Pin, Pull};
use crate::memory::DEFAULT_SAVE_EVERY;

/// How long a contact must be quiet before its change counts, when the configuration says nothing. Contacts bounce for
/// a few milliseconds; nobody notices twenty.
pub const DEFAULT_DEBOUNCE: Duration = Duration::from_millis(20);

/// The same for meters: reed contacts settle within about 5 ms, and a hundred pulses a second are more than most give.
pub const DEFAULT_COUNTER_DEBOUNCE: Duration = Duration::from_millis(5);

/// `driver = "input"`.
#[derive(Clone, Debug, PartialEq)]
pub struct InputConfig {
    /// The line.
    pub pin: Pin,
    /// What holds the line while nothing drives it; up by default, for a contact between the pin and ground.
    pub pull: Pull,
    /// Which voltage means on; low by default, for a contact between the pin and ground. For a contact, on is open.
    pub active: ActiveLevel,
    /// How long the line must be quiet before a change counts; [`DEFAULT_DEBOUNCE`] by default.
    pub debounce: Duration,
    /// How long nothing counts behind a change that counted at once; zero by default. It is of use where `debounce` is
    /// zero, for what must be fast.
    pub settle: Duration,
    /// How long it must be on before that counts; zero by default.
    pub delayed_on: Duration,
    /// How long it must be off before that counts; zero by default.
    pub delayed_off: Duration,
    /// Whether on is published as off; no by default.
    pub invert: bool,
    /// The clicks of a button; nothing by default.
    pub clicks: Option<ClickConfig>,
    /// What it is, in Home Assistant's words for binary sensors (`door`, `window`, `motion`, …). It also names the
    /// property: see [`InputConfig::property_word`].
    pub class: Option<String>,
}

/// Which events a button gives, on `<base>/<device>/event`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickConfig {
    /// The events that are published, at least one.
    pub events: Vec<Click>,
    /// How long after a release another press belongs to the same click; 300 ms by default.
    pub gap: Duration,
    /// How long a press is until it is a long one; 600 ms by default.
    pub long_after: Duration,
    /// How often a press that is held is told again; never by default.
    pub repeat_every: Option<Duration>,
}

impl ClickConfig {
    /// These events with the usual times.
    pub const fn of(events: Vec<Click>) -> Self {
        Self { events, gap: DEFAULT_GAP, long_after: DEFAULT_LONG_AFTER, repeat_every: None }
    }

    /// What has to be told apart for them.
    pub fn rules(&self) -> ClickRules {
        let wants = |click| self.events.contains(&click);
        let most = if wants(Click::Triple) {
            3
        } else if wants(Click::Double) {
            2
        } else {
            1
        };
        let is_held = wants(Click::Long) || wants(Click::LongRelease) || wants(Click::Repeat);
        ClickRules {
            most,
            gap: self.gap,
            long_after: is_held.then_some(self.long_after),
            repeat_every: self.repeat_every.filter(|_| wants(Click::Repeat)),
        }
    }
}

impl InputConfig {
    /// An input at this line with the defaults.
    pub fn at(pin: impl Into<Pin>) -> Self {
        Self {
            pin: pin.into(),
            pull: Pull::Up,
            active: ActiveLevel::Low,
            debounce: DEFAULT_DEBOUNCE,
            settle: Duration::ZERO,
            delayed_on: Duration::ZERO,
            delayed_off: Duration::ZERO,
            invert: false,
            clicks: None,
            class: None,
        }
    }

    /// When its changes count.
    pub const fn rules(&self) -> InputRules {
        InputRules {
            debounce: self.debounce,
            settle: self.settle,
            delayed_on: self.delayed_on,
            delayed_off: self.delayed_off,
            invert: self.invert,
        }
    }

    /// The id of its property: `contact` for things that open, `motion`, `moisture` and so on for what has a name of its
    /// own, `state` for the rest.
    pub fn property_word(&self) -> &'static str {
        match self.class.as_deref() {
            Some("door" | "window" | "garage_door" | "opening" | "lock") => "contact",
            Some("motion") => "motion",
            Some("occupancy" | "presence") => "occupancy",
            Some("moisture") => "moisture",
            Some("smoke") => "smoke",
            Some("gas") => "gas",
            Some("carbon_monoxide") => "carbon-monoxide",
            Some("vibration") => "vibration",
            Some("sound") => "sound",
            Some("tamper") => "tamper",
            Some("moving") => "moving",
            Some("running") => "running",
            Some("problem") => "problem",
            Some("safety") => "safety",
            _ => "state",
        }
    }
}

/// `driver = "counter"`: a meter that gives a pulse for each unit of what it measures.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterConfig {
    /// The line.
    pub pin: Pin,
    /// What holds the line while nothing drives it; up by default, for a contact between the pin and ground.
    pub pull: Pull,
    /// Which voltage is a pulse; low by default.
    pub active: ActiveLevel,
    /// How long the line must be quiet before a change counts; [`DEFAULT_COUNTER_DEBOUNCE`] by default. Zero for
    /// electronics, which do not bounce.
    pub debounce: Duration,
    /// What is counted; pulses by default.
    pub unit: Metered,
    /// How much of it a pulse stands for; 1 by default. It is greater than zero.
    pub per_pulse: f64,
    /// What the meter showed when the owner wrote it here; nothing by default. The total is set to it when it is new.
    pub reading: Option<f64>,
    /// Over what time the rate is averaged; 10 s by default.
    pub window: Duration,
    /// After what time without a pulse the rate is zero; 5 min by default.
    pub zero_after: Duration,
    /// How often total and rate are published when they have changed; [`DEFAULT_PERIOD`] by default.
    pub every: Duration,
    /// How much counting a power cut may cost; [`DEFAULT_SAVE_EVERY`] by default.
    pub save_every: Duration,
}

impl CounterConfig {
    /// A counter of pulses at this line with the defaults.
    pub fn at(pin: impl Into<Pin>) -> Self {
        Self {
            pin: pin.into(),
            pull: Pull::Up,
            active: ActiveLevel::Low,
            debounce: DEFAULT_COUNTER_DEBOUNCE,
            unit: Metered::Pulses,
            per_pulse: 1.0,
            reading: None,
            window: Duration::from_secs(10),
            zero_after: Duration::from_secs(300),
            every: DEFAULT_PERIOD,
            save_every: DEFAULT_SAVE_EVERY,
        }
    }

    /// Digits behind the point that its total deserves.
    pub fn decimals(&self) -> u8 {
        let wanted = (0u8..6).find(|digits| {
            let scaled = self.per_pulse * 10f64.powi(i32::from(*digits));
            (scaled - scaled.round()).abs() < 1e-6
        });
        wanted.unwrap_or(3)
    }

    /// The id of the property with its rate.
    pub const fn rate_word(&self) -> &'static str {
        match self.unit {
            Metered::Pulses => "frequency",
            Metered::CubicMetres | Metered::Litres => "flow",
            Metered::KilowattHours => "power",
            Metered::Millimetres => "rate",
        }
    }
}

/// `driver = "encoder"`: a knob that turns without an end.
#[derive(Clone, Debug, PartialEq)]
pub struct EncoderConfig {
    /// The line of the contact that goes first clockwise.
    pub pin: Pin,
    /// The line of the other contact.
    pub second_pin: Pin,
    /// What holds the lines while the contacts are open; up by default.
    pub pull: Pull,
    /// Which voltage means that a contact is closed; low by default.
    pub active: ActiveLevel,
    /// Quarter steps from one detent to the next: 4 by default, 2 and 1 exist.
    pub quarters_per_detent: u8,
    /// The lowest and the highest position; without an end by default.
    pub range: Option<(i64, i64)>,
}

impl EncoderConfig {
    /// An encoder at these lines with the defaults.
    pub fn at(pin: impl Into<Pin>, second_pin: impl Into<Pin>) -> Self {
        Self {
            pin: pin.into(),
            second_pin: second_pin.into(),
            pull: Pull::Up,
            active: ActiveLevel::Low,
            quarters_per_detent: 4,
            range: None,
        }
    }

    /// How its contacts are read.
    pub fn rules(&self) -> EncoderRules {
        let range = self.range.unwrap_or(EncoderRules::default().range);
        EncoderRules { quarters_per_detent: self.quarters_per_detent, range }
    }
}

/// `driver = "hc-sr04"`: an ultrasonic distance sensor, also of other makes with a trigger and an echo line.
#[derive(Clone, Debug, PartialEq)]
pub struct UltrasonicConfig {
    /// The line that starts a measurement. It is low but for some microseconds, and low is always safe.
    pub trigger: Pin,
    /// The line that is high while sound is on its way: 5 V, so it needs a divider before the pin.
    pub echo: Pin,
    /// How often it is read; [`DEFAULT_PERIOD`] by default.
    pub every: Duration,
    /// The temperature of the air in °C; 20 by default. Sound is faster in warm air, by 0.17 % a degree.
    pub air: f64,
}

impl UltrasonicConfig {
    /// A sensor at these lines with the defaults.
    pub fn at(trigger: impl Into<Pin>, echo: impl Into<Pin>) -> Self {
        let air = gatehouse_control::echo::DEFAULT_AIR;
        Self { trigger: trigger.into(), echo: echo.into(), every: DEFAULT_PERIOD, air }
    }
}
