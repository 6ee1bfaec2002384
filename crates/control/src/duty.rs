//! How far an output is on.

use std::fmt;
use std::time::Duration;

use gatehouse_model::Value;

/// The largest level: ten thousand parts of ten thousand.
const PARTS: u16 = 10_000;

/// How far two levels may be apart and still count as the same when one of them was read back: the coarsest chips that
/// are driven have 8 bits, which is 39 parts a step.
const NEAR: u16 = 40;

/// How far an output is on, in ten-thousandths: relays know off and on, dimmers everything between, and a servo stands
/// at this part of its range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duty(u16);

impl Duty {
    /// Off; for a servo the least angle.
    pub const OFF: Self = Self(0);

    /// Fully on; for a servo the greatest angle.
    pub const FULL: Self = Self(PARTS);

    /// The level of a switch.
    pub const fn from_on(on: bool) -> Self {
        if on { Self::FULL } else { Self::OFF }
    }

    /// This many ten-thousandths; more than all is all.
    pub const fn from_ten_thousandths(share: u16) -> Self {
        if share > PARTS { Self::FULL } else { Self(share) }
    }

    /// The level nearest to a share between 0 and 1. What lies outside becomes the nearer end, and what is no number off.
    pub fn from_share(share: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is between 0 and 10,000, and what is no number becomes 0"
        )]
        let parts = (share.clamp(0.0, 1.0) * f64::from(PARTS)).round() as u16;
        Self(parts)
    }

    /// In ten-thousandths, 0 to 10,000.
    pub const fn ten_thousandths(self) -> u16 {
        self.0
    }

    /// The share between 0 and 1.
    pub fn share(self) -> f64 {
        f64::from(self.0) / f64::from(PARTS)
    }

    /// The on-time within a period.
    pub fn of(self, period: Duration) -> Duration {
        period.mul_f64(self.share())
    }

    /// Whether it is on at all.
    pub const fn is_on(self) -> bool {
        self.0 > 0
    }

    /// Whether a level that was read back is this one: as far on, within what the hardware can express, and not on where
    /// this one is off.
    pub const fn is_shown_by(self, measured: Self) -> bool {
        self.is_on() == measured.is_on() && self.0.abs_diff(measured.0) <= NEAR
    }

    /// The level on the straight way from this one to another, when `passed` of `over` is behind it.
    pub fn on_the_way_to(self, to: Self, passed: Duration, over: Duration) -> Self {
        if passed >= over {
            return to;
        }
        let part = passed.as_secs_f64() / over.as_secs_f64();
        Self::from_share(self.share() + (to.share() - self.share()) * part)
    }
}

/// How the level of an output is written in commands and states.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// On and off.
    Switch,
    /// 0 to 100 %.
    Percent,
    /// An angle between two, in degrees.
    Degrees {
        /// The angle of [`Duty::OFF`].
        least: f64,
        /// The angle of [`Duty::FULL`].
        most: f64,
    },
}

impl Scale {
    /// The ends of the scale, in its unit.
    pub const fn ends(self) -> (f64, f64) {
        match self {
            Self::Switch => (0.0, 1.0),
            Self::Percent => (0.0, 100.0),
            Self::Degrees { least, most } => (least, most),
        }
    }

    /// Whether the levels are angles, of which none is off.
    pub const fn is_angle(self) -> bool {
        matches!(self, Self::Degrees { .. })
    }

    /// The unit, as people write it.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Switch => "",
            Self::Percent => "%",
            Self::Degrees { .. } => "°",
        }
    }

    /// The level of a number; nothing when it is not on the scale.
    pub fn level(self, number: f64) -> Option<Duty> {
        let (least, most) = self.ends();
        match self {
            Self::Switch if number == 0.0 => Some(Duty::OFF),
            Self::Switch if number == 1.0 => Some(Duty::FULL),
            Self::Switch => None,
            Self::Percent | Self::Degrees { .. } if (least..=most).contains(&number) => {
                let level = Duty::from_share((number - least) / (most - least));
                // Whoever asks for the least bit of light does not ask for darkness.
                let is_least_light = matches!(self, Self::Percent) && number > 0.0 && !level.is_on();
                Some(if is_least_light { Duty(1) } else { level })
            }
            Self::Percent | Self::Degrees { .. } => None,
        }
    }

    /// The number of a level, rounded to hundredths of a percent and to tenths of a degree.
    pub fn number(self, level: Duty) -> f64 {
        let (least, most) = self.ends();
        let digits = if self.is_angle() { 10.0 } else { 100.0 };
        ((least + level.share() * (most - least)) * digits).round() / digits
    }

    /// A level as it is published: a switch's as on or off, others as a number.
    pub fn value(self, level: Duty) -> Value {
        match self {
            Self::Switch => Value::Switch(level.is_on()),
            Self::Percent | Self::Degrees { .. } => Value::Number(self.number(level)),
        }
    }

    /// A level in words for people.
    pub fn describe(self, level: Duty) -> String {
        Described { scale: self, level }.to_string()
    }
}

struct Described {
    scale: Scale,
    level: Duty,
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scale {
            Scale::Switch if self.level == Duty::FULL => f.write_str("on"),
            Scale::Switch if self.level == Duty::OFF => f.write_str("off"),
            Scale::Switch => write!(f, "{} % on", Scale::Percent.number(self.level)),
            Scale::Percent => write!(f, "{} %", self.scale.number(self.level)),
            Scale::Degrees { .. } => write!(f, "{}°", self.scale.number(self.level)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_level_is_shown_by_what_the_hardware_can_express() {
        let half = Duty::from_share(0.5);
        assert!(half.is_shown_by(Duty::from_share(128.0 / 255.0)));
        assert!(!half.is_shown_by(Duty::from_share(0.51)));
        assert!(!Duty::OFF.is_shown_by(Duty(1)), "what is a little on is not off");
        assert_eq!(Duty::from_share(f64::NAN), Duty::OFF);
    }

    #[test]
    fn scales_say_what_is_not_on_them() {
        assert_eq!(Scale::Switch.level(0.5), None);
        assert_eq!(Scale::Percent.level(101.0), None);
        assert_eq!(Scale::Percent.level(0.001), Some(Duty(1)));
        let servo = Scale::Degrees { least: -90.0, most: 90.0 };
        assert_eq!(servo.level(0.0), Some(Duty(5_000)));
        assert_eq!(servo.describe(Duty::FULL), "90°");
        assert_eq!(servo.level(91.0), None);
    }

    proptest! {
        #[test]
        fn a_number_comes_back(percent in 0.0f64..=100.0) {
            let level = Scale::Percent.level(percent).unwrap();
            prop_assert!((Scale::Percent.number(level) - percent).abs() <= 0.011);
        }

        /// On its way a level never leaves the stretch between its ends, and never turns back.
        #[test]
        fn the_way_is_straight(from in 0u16..=10_000, to in 0u16..=10_000, first in 0u64..2_000, more in 0u64..2_000) {
            let (from, to) = (Duty(from), Duty(to));
            let at = |millis| from.on_the_way_to(to, Duration::from_millis(millis), Duration::from_secs(2));
            let (one, two) = (at(first), at(first + more));
            prop_assert!(one.0.abs_diff(to.0) >= two.0.abs_diff(to.0));
            prop_assert!((from.min(to)..=from.max(to)).contains(&one));
        }
    }
}
