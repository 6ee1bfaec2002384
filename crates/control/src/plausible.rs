//! Whether a number can be believed: what a sensor says while it is disconnected or has just been switched on, what it
//! cannot measure, jumps that nothing in a house makes, and numbers that never move.
//!
//! A number that is hard to believe is marked as suspect, not hidden: it may be true. Only what is known to be no
//! measurement is refused, with a sentence that says why.

use std::time::Duration;

use gatehouse_model::{Moment, Quality};

use crate::lookup::NoMeaning;
use crate::measured::Measured;
use crate::rounding::are_same;

/// How long a reading near the power-on number vouches for it. A real temperature that stays exactly there for longer,
/// to a sixteenth of a degree, is rarer than a sensor that hangs.
const NEIGHBOUR_LIMIT: Duration = Duration::from_secs(600);

/// Shortest time over which a change is judged: between two readings in quick succession the noise is no jump.
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// Most readings in a row after which a number can be called frozen.
pub const MAX_FROZEN_AFTER: u32 = 100_000;

/// The number that a sensor gives before its first measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerOn {
    /// The number (85 °C for a DS18B20: its datasheet, "Operation: Measuring Temperature").
    pub value: f64,
    /// How near a reading must be that makes the number believable: a real one comes from its neighbourhood.
    pub neighbourhood: f64,
}

/// What is done with numbers outside the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfRange {
    /// They are set to the limit and marked.
    #[default]
    Clamped,
    /// They are refused.
    Refused,
}

/// What can be believed of one property.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlausibilityRules {
    /// Numbers that are no measurement but a sign of trouble (-127 of a DS18B20 library, when nothing answers).
    pub never: Vec<f64>,
    /// The number before the first measurement.
    pub power_on: Option<PowerOn>,
    /// Lowest and highest number.
    pub range: Option<(f64, f64)>,
    /// What is done with numbers outside.
    pub out_of_range: OutOfRange,
    /// The fastest believable change, in the property's unit per second. A second reading beside the one that jumped
    /// confirms it: doors are opened and heaters switched on.
    pub max_change_per_second: Option<f64>,
    /// Readings in a row with exactly the same number after which it is suspect: for sensors whose last digit is noise.
    pub frozen_after: Option<u32>,
}

/// Why a number was refused, in a sentence for people.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// It is no measurement.
    #[error(
        "the sensor gives {0}, which is no measurement but what it gives when something is wrong: check its wires"
    )]
    Never(f64),
    /// It is outside the range.
    #[error("the sensor gives {value}, outside {low} to {high}: check its wires, or correct the range")]
    OutOfRange {
        /// The number.
        value: f64,
        /// The lowest that is believed.
        low: f64,
        /// The highest.
        high: f64,
    },
    /// It has no meaning.
    #[error(transparent)]
    NoMeaning(#[from] NoMeaning),
}

/// Watches the numbers of one property.
#[derive(Clone, Debug, Default)]
pub struct Plausibility {
    rules: PlausibilityRules,
    /// The last number that was believed.
    believed: Option<(f64, Moment)>,
    /// The last number that jumped, until another one confirms it.
    jumped: Option<(f64, Moment)>,
    /// The last reading near the power-on number that was not exactly it.
    neighbour: Option<Moment>,
    /// The last number and how often it came in a row.
    repeated: Option<(u64, u32)>,
}

impl Plausibility {
    /// Nothing was heard yet.
    pub fn new(rules: PlausibilityRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Takes a number. Gives it with its quality.
    ///
    /// # Errors
    /// When it is known to be no measurement.
    pub fn handle_value(&mut self, measured: Measured, now: Moment) -> Result<Measured, Refusal> {
        let value = measured.value;
        if self.rules.never.iter().any(|never| are_same(*never, value)) {
            return Err(Refusal::Never(value));
        }
        let kept = self.within_range(measured)?;
        let is_power_on = self.is_power_on(value, now);
        let is_frozen = self.is_frozen(value);
        // A power-on number says nothing about where the real one is.
        let is_jump = !is_power_on && self.is_jump(kept.value, now);
        let is_suspect = is_power_on || is_frozen || is_jump;
        Ok(if is_suspect { kept.at_best(Quality::Suspect) } else { kept })
    }

    fn within_range(&self, measured: Measured) -> Result<Measured, Refusal> {
        let Some((low, high)) = self.rules.range.filter(|(low, high)| low <= high) else {
            return Ok(measured);
        };
        let value = measured.value;
        if (low..=high).contains(&value) {
            return Ok(measured);
        }
        match self.rules.out_of_range {
            OutOfRange::Refused => Err(Refusal::OutOfRange { value, low, high }),
            OutOfRange::Clamped => {
                Ok(Measured { value: value.clamp(low, high), ..measured.at_best(Quality::Clamped) })
            }
        }
    }

    fn is_power_on(&mut self, value: f64, now: Moment) -> bool {
        let Some(power_on) = self.rules.power_on else { return false };
        if !are_same(value, power_on.value) {
            let is_near = (value - power_on.value).abs() <= power_on.neighbourhood;
            self.neighbour = is_near.then_some(now);
            return false;
        }
        self.neighbour.is_none_or(|neighbour| now.saturating_since(neighbour) > NEIGHBOUR_LIMIT)
    }

    fn is_frozen(&mut self, value: f64) -> bool {
        let count = match self.repeated {
            Some((bits, count)) if bits == value.to_bits() => count.saturating_add(1),
            _ => 1,
        };
        self.repeated = Some((value.to_bits(), count));
        self.rules.frozen_after.is_some_and(|after| count > after.max(1))
    }

    fn is_jump(&mut self, value: f64, now: Moment) -> bool {
        let Some(rate) = self.rules.max_change_per_second.filter(|rate| *rate > 0.0) else { return false };
        let is_near = |(before, at): (f64, Moment)| {
            let seconds = now.saturating_since(at).max(SHORTEST_STEP).as_secs_f64();
            (value - before).abs() <= rate * seconds
        };
        let is_believed = self.believed.is_none_or(is_near) || self.jumped.is_some_and(is_near);
        if is_believed {
            self.believed = Some((value, now));
            self.jumped = None;
        } else {
            self.jumped = Some((value, now));
        }
        !is_believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::test_support::{after, good};
    use proptest::prelude::*;

    /// What a DS18B20's driver asks for.
    fn ds18b20() -> PlausibilityRules {
        PlausibilityRules {
            never: vec![-127.0],
            power_on: Some(PowerOn { value: 85.0, neighbourhood: 3.0 }),
            range: Some((-55.0, 125.0)),
            ..PlausibilityRules::default()
        }
    }

    /// Readings every ten seconds; gives what was said of each.
    fn said(rules: PlausibilityRules, numbers: &[f64]) -> Vec<String> {
        let mut watch = Plausibility::new(rules);
        let mut judge = |(index, number): (usize, &f64)| match watch
            .handle_value(good(*number), after(10 * index as u64))
        {
            Ok(judged) => format!("{} {}", judged.value, judged.quality.as_str()),
            Err(_) => "refused".to_owned(),
        };
        numbers.iter().enumerate().map(&mut judge).collect()
    }

    #[test]
    fn a_power_on_value_out_of_the_blue_is_suspect() {
        let found = said(ds18b20(), &[85.0, 21.0, 85.0, 21.1]);
        assert_eq!(found, ["85 suspect", "21 ok", "85 suspect", "21.1 ok"]);
    }

    /// A boiler that is heated to 85 °C goes through 84 °C on its way; the reading was called suspect for ever.
    #[test]
    fn a_real_85_degrees_is_believed() {
        let found = said(ds18b20(), &[80.0, 83.0, 84.5, 85.0, 85.0, 85.0625, 85.0]);
        assert!(found.iter().all(|said| said.ends_with("ok")), "{found:?}");
    }

    /// It is hot from the start: the first reading that is not exactly 85 confirms it.
    #[test]
    fn a_hot_start_is_believed_once_it_moves() {
        let found = said(ds18b20(), &[85.0, 85.0, 84.9375, 85.0]);
        assert_eq!(found, ["85 suspect", "85 suspect", "84.9375 ok", "85 ok"]);
    }

    #[test]
    fn a_sensor_that_hangs_at_85_degrees_becomes_suspect_although_it_came_from_near() {
        let mut numbers = vec![84.0];
        numbers.resize(100, 85.0);
        let found = said(ds18b20(), &numbers);
        assert_eq!(found[1], "85 ok");
        assert_eq!(found[99], "85 suspect");
    }

    #[test]
    fn a_disconnected_sensor_gives_nothing() {
        assert_eq!(said(ds18b20(), &[-127.0, 21.0, -127.0]), ["refused", "21 ok", "refused"]);
        assert!(Refusal::Never(-127.0).to_string().contains("wires"));
    }

    #[test]
    fn what_is_out_of_range_is_clamped_or_refused() {
        let rules = |out_of_range| PlausibilityRules {
            range: Some((0.0, 100.0)),
            out_of_range,
            ..PlausibilityRules::default()
        };
        assert_eq!(said(rules(OutOfRange::Clamped), &[50.0, 130.0]), ["50 ok", "100 clamped"]);
        assert_eq!(said(rules(OutOfRange::Refused), &[50.0, 130.0]), ["50 ok", "refused"]);
    }

    #[test]
    fn a_jump_is_suspect_until_a_second_reading_confirms_it() {
        let rules = || PlausibilityRules { max_change_per_second: Some(0.1), ..PlausibilityRules::default() };
        let spike = said(rules(), &[20.0, 20.5, 60.0, 20.6]);
        assert_eq!(spike, ["20 ok", "20.5 ok", "60 suspect", "20.6 ok"]);
        let step = said(rules(), &[20.0, 60.0, 60.3, 60.2]);
        assert_eq!(step, ["20 ok", "60 suspect", "60.3 ok", "60.2 ok"]);
        let wild = said(rules(), &[20.0, 60.0, -10.0, 100.0]);
        assert_eq!(wild, ["20 ok", "60 suspect", "-10 suspect", "100 suspect"], "nothing confirms them");
    }

    #[test]
    fn a_number_that_never_moves_is_suspect_until_it_does() {
        let rules = PlausibilityRules { frozen_after: Some(3), ..PlausibilityRules::default() };
        let found = said(rules, &[20.1, 20.1, 20.1, 20.1, 20.1, 20.2]);
        assert_eq!(found, ["20.1 ok", "20.1 ok", "20.1 ok", "20.1 suspect", "20.1 suspect", "20.2 ok"]);
    }

    proptest! {
        /// No number is made up: what comes out is what came in, or a limit and marked so.
        #[test]
        fn a_number_is_kept_or_marked(
            numbers in proptest::collection::vec(prop_oneof![-200.0f64..200.0, Just(85.0), Just(-127.0)], 1..60),
            rate in proptest::option::of(0.001f64..10.0), frozen in proptest::option::of(0u32..5),
            refused in any::<bool>()
        ) {
            let out_of_range = if refused { OutOfRange::Refused } else { OutOfRange::Clamped };
            let rules = PlausibilityRules {
                max_change_per_second: rate, frozen_after: frozen, out_of_range, ..ds18b20()
            };
            let mut watch = Plausibility::new(rules);
            for (index, number) in numbers.iter().enumerate() {
                match watch.handle_value(good(*number), after(index as u64)) {
                    Ok(judged) if judged.value == *number => {}
                    Ok(judged) => {
                        prop_assert!(judged.quality >= Quality::Clamped);
                        prop_assert!(judged.value == -55.0 || judged.value == 125.0);
                    }
                    Err(_) => prop_assert!(*number == -127.0 || refused && !(-55.0..=125.0).contains(number)),
                }
            }
        }

        /// Whatever happened before, a sensor that stays where it is and wobbles is believed from its second reading on.
        #[test]
        fn a_steady_sensor_is_believed_again(
            before in proptest::collection::vec(-55.0f64..125.0, 0..30), settled in -50.0f64..120.0
        ) {
            let rules = PlausibilityRules { max_change_per_second: Some(0.1), ..ds18b20() };
            let mut watch = Plausibility::new(rules);
            let mut second = 0;
            for number in before {
                second += 10;
                let _ = watch.handle_value(good(number), after(second));
            }
            let wobble = |n: u64| settled + 0.0625 * (n % 2) as f64;
            let quality = |n: u64, watch: &mut Plausibility| {
                watch.handle_value(good(wobble(n)), after(second + 10 * (n + 1))).unwrap().quality
            };
            let _ = quality(0, &mut watch);
            for n in 1..10 {
                prop_assert_eq!(quality(n, &mut watch), Quality::Ok);
            }
        }
    }
}
