//! `filter_out`, `clamp`, `round`, `round_to_multiple_of`: what may pass, and how fine.

use gatehouse_model::{Moment, Quality};

use super::Filter;
use crate::measured::Measured;
use crate::rounding::{are_same, round};

#[derive(Clone, Debug)]
pub(super) enum Limit {
    FilterOut(Vec<f64>),
    Clamp { min: f64, max: f64, ignore_out_of_range: bool },
    Round(u8),
    RoundToMultipleOf(f64),
}

fn nearest_multiple(value: f64, step: f64) -> f64 {
    let multiple = (value / step).round() * step;
    // Numbers too large for the step have no digits that it could take away.
    if multiple.is_finite() { multiple } else { value }
}

impl Filter for Limit {
    fn handle_value(&mut self, measured: Measured, _now: Moment) -> Option<Measured> {
        match self {
            Self::FilterOut(numbers) => {
                let is_one = numbers.iter().any(|number| are_same(*number, measured.value));
                (!is_one).then_some(measured)
            }
            Self::Clamp { min, max, ignore_out_of_range } => {
                if (*min..=*max).contains(&measured.value) {
                    return Some(measured);
                }
                if *ignore_out_of_range {
                    return None;
                }
                // Not `clamp`, which would panic on limits in the wrong order.
                measured.at_best(Quality::Clamped).with_value(measured.value.min(*max).max(*min))
            }
            Self::Round(digits) => measured.with_value(round(measured.value, *digits)),
            Self::RoundToMultipleOf(step) => measured.with_value(nearest_multiple(measured.value, *step)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::test_support::{after, good};
    use proptest::prelude::*;

    fn passed(mut limit: Limit, value: f64) -> Option<Measured> {
        limit.handle_value(good(value), after(0))
    }

    #[test]
    fn what_is_filtered_out_is_gone_although_it_was_computed() {
        let out = || Limit::FilterOut(vec![85.0, 0.3]);
        assert_eq!(passed(out(), 85.0), None);
        assert_eq!(passed(out(), 0.1 + 0.2), None, "0.1 + 0.2 is not 0.3 for a computer, but for its owner");
        assert_eq!(passed(out(), 85.0625).map(|passed| passed.value), Some(85.0625));
    }

    #[test]
    fn a_clamped_number_is_marked_and_an_ignored_one_is_gone() {
        let clamp = |ignore_out_of_range| Limit::Clamp { min: 0.0, max: 100.0, ignore_out_of_range };
        let moved = passed(clamp(false), 130.0).unwrap();
        assert_eq!((moved.value, moved.quality), (100.0, Quality::Clamped));
        assert_eq!(passed(clamp(true), 130.0), None);
        assert_eq!(passed(clamp(true), 99.0).unwrap().quality, Quality::Ok);
    }

    proptest! {
        #[test]
        fn a_multiple_is_one_and_nearest(value in -1e6f64..1e6, step in 0.001f64..1e3) {
            let multiple = passed(Limit::RoundToMultipleOf(step), value).unwrap().value;
            let times = multiple / step;
            prop_assert!((times - times.round()).abs() < 1e-6);
            prop_assert!((multiple - value).abs() <= step / 2.0 * (1.0 + 1e-9));
        }

        #[test]
        fn rounding_twice_is_rounding_once(value in -1e6f64..1e6, digits in 0u8..=9) {
            let once = passed(Limit::Round(digits), value).unwrap().value;
            prop_assert_eq!(passed(Limit::Round(digits), once).unwrap().value, once);
            // A large number has no digits as fine as that.
            let fineness = value.abs() * f64::EPSILON;
            prop_assert!((once - value).abs() <= 0.5 * 10f64.powi(-i32::from(digits)) * (1.0 + 1e-6) + fineness);
        }

        #[test]
        fn a_clamped_number_is_within_the_limits(value in any::<f64>(), min in -100.0f64..0.0, max in 0.0f64..100.0) {
            prop_assume!(value.is_finite());
            let clamped = passed(Limit::Clamp { min, max, ignore_out_of_range: false }, value).unwrap();
            prop_assert!((min..=max).contains(&clamped.value));
            prop_assert_eq!(clamped.quality == Quality::Clamped, clamped.value != value);
        }
    }
}
