//! `delta`, `skip_initial`: which numbers are worth passing on.

use gatehouse_model::Moment;

use super::Filter;
use crate::measured::Measured;

/// Most readings that are skipped at the beginning.
pub const MAX_SKIPPED: u32 = 10_000;

/// How far a number must be from the last one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// In the property's unit.
    Absolute(f64),
    /// In percent of the last one.
    Percent(f64),
}

impl Step {
    /// What is wrong with it, in a sentence for people.
    pub(super) fn problem(self) -> Option<String> {
        let (Self::Absolute(step) | Self::Percent(step)) = self;
        let is_one = step.is_finite() && step > 0.0;
        (!is_one).then(|| "it needs a number greater than zero".to_owned())
    }

    /// Whether the difference between two numbers is as large.
    pub fn is_between(self, last: f64, new: f64) -> bool {
        let step = match self {
            Self::Absolute(step) => step,
            Self::Percent(percent) => last.abs() * percent / 100.0,
        };
        // Rounding errors must not hide a change of exactly the step; and where a percentage is of zero, only a change
        // is one.
        new != last && (new - last).abs() >= step * (1.0 - 1e-9)
    }
}

/// Lets a number through that differs from the last one that went through, or is better or worse than it.
#[derive(Clone, Debug)]
pub(super) struct Delta {
    step: Step,
    passed: Option<Measured>,
}

impl Delta {
    pub(super) fn new(step: Step) -> Self {
        Self { step, passed: None }
    }
}

impl Filter for Delta {
    fn handle_value(&mut self, measured: Measured, _now: Moment) -> Option<Measured> {
        let is_worth = self.passed.is_none_or(|passed| {
            passed.quality != measured.quality || self.step.is_between(passed.value, measured.value)
        });
        is_worth.then(|| *self.passed.insert(measured))
    }
}

/// Skips the first few: some sensors need a while until they measure.
#[derive(Clone, Debug)]
pub(super) struct SkipInitial {
    left: u32,
}

impl SkipInitial {
    pub(super) fn new(count: u32) -> Self {
        Self { left: count.min(MAX_SKIPPED) }
    }
}

impl Filter for SkipInitial {
    fn handle_value(&mut self, measured: Measured, _now: Moment) -> Option<Measured> {
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        Some(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::test_support::{after, good};
    use gatehouse_model::Quality;
    use proptest::prelude::*;

    fn passed(filter: &mut dyn Filter, inputs: &[f64]) -> Vec<f64> {
        let pass = |input: &f64| filter.handle_value(good(*input), after(0)).map(|output| output.value);
        inputs.iter().filter_map(pass).collect()
    }

    #[test]
    fn a_change_counts_from_the_last_one_that_passed() {
        let mut delta = Delta::new(Step::Absolute(0.5));
        assert_eq!(passed(&mut delta, &[20.0, 20.3, 20.5, 20.9, 20.0]), [20.0, 20.5, 20.0]);
        let mut percent = Delta::new(Step::Percent(10.0));
        assert_eq!(passed(&mut percent, &[0.0, 0.0, 1.0, 1.05, 1.1, 1.15]), [0.0, 1.0, 1.1]);
    }

    #[test]
    fn a_change_of_quality_passes() {
        let mut delta = Delta::new(Step::Absolute(5.0));
        delta.handle_value(good(20.0), after(0));
        let doubtful = good(20.0).at_best(Quality::Suspect);
        assert_eq!(delta.handle_value(doubtful, after(1)), Some(doubtful));
        assert_eq!(delta.handle_value(doubtful, after(2)), None);
    }

    proptest! {
        #[test]
        fn what_passes_is_a_step_away_and_what_does_not_is_nearer(
            step in 0.01f64..20.0, numbers in proptest::collection::vec(-100.0f64..100.0, 1..60)
        ) {
            let mut delta = Delta::new(Step::Absolute(step));
            let mut last = None::<f64>;
            for number in numbers {
                let has_passed = delta.handle_value(good(number), after(0)).is_some();
                match last {
                    Some(last) if has_passed => prop_assert!((number - last).abs() >= step * 0.999_999),
                    Some(last) => prop_assert!((number - last).abs() < step),
                    None => prop_assert!(has_passed),
                }
                if has_passed { last = Some(number); }
            }
        }

        #[test]
        fn exactly_the_first_few_are_skipped(count in 0u32..50, given in 0usize..80) {
            let numbers: Vec<f64> = (0..given).map(|n| n as f64).collect();
            let left = passed(&mut SkipInitial::new(count), &numbers);
            prop_assert_eq!(left, numbers.into_iter().skip(count as usize).collect::<Vec<_>>());
        }
    }
}
