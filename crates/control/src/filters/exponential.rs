//! `exponential_moving_average`: each number moves the average by a share of the difference.

use gatehouse_model::Moment;

use super::Filter;
use super::sending::{SendCounter, Sending};
use crate::measured::Measured;

#[derive(Clone, Debug)]
pub(super) struct ExponentialAverage {
    alpha: f64,
    counter: SendCounter,
    average: Option<f64>,
}

impl ExponentialAverage {
    pub(super) fn new(alpha: f64, sending: Sending) -> Self {
        // A share outside would let the average run away.
        Self { alpha: alpha.clamp(0.0, 1.0), counter: SendCounter::new(sending), average: None }
    }
}

impl Filter for ExponentialAverage {
    fn handle_value(&mut self, measured: Measured, _now: Moment) -> Option<Measured> {
        let average = match self.average {
            // What is hard to believe would stay in the average for ever, so it does not move it; the mark goes on.
            before if measured.is_doubtful() => before.unwrap_or(measured.value),
            Some(before) => *self.average.insert(self.alpha * measured.value + (1.0 - self.alpha) * before),
            None => *self.average.insert(measured.value),
        };
        if self.counter.count() { measured.with_value(average) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::test_support::{after, good};
    use gatehouse_model::Quality;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_followed_by_the_share() {
        let mut average = ExponentialAverage::new(0.5, Sending::default());
        let mut pass = |value| average.handle_value(good(value), after(0)).unwrap().value;
        assert_eq!([pass(0.0), pass(8.0), pass(8.0), pass(8.0)], [0.0, 4.0, 6.0, 7.0]);
    }

    #[test]
    fn what_is_hard_to_believe_does_not_move_the_average() {
        let mut average = ExponentialAverage::new(0.5, Sending::default());
        let spike = Measured { value: 85.0, quality: Quality::Suspect, at: good(0.0).at };
        assert_eq!(average.handle_value(spike, after(0)), Some(spike), "there is nothing better yet");
        average.handle_value(good(20.0), after(1));
        let marked = average.handle_value(spike, after(2)).unwrap();
        assert_eq!((marked.value, marked.quality), (20.0, Quality::Suspect));
        assert_eq!(average.handle_value(good(20.0), after(3)), Some(good(20.0)));
    }

    proptest! {
        #[test]
        fn the_average_stays_within_what_came(
            alpha in 0.01f64..=1.0, numbers in proptest::collection::vec(-1e3f64..1e3, 1..60)
        ) {
            let mut average = ExponentialAverage::new(alpha, Sending::default());
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for number in numbers {
                (low, high) = (low.min(number), high.max(number));
                let value = average.handle_value(good(number), after(0)).unwrap().value;
                prop_assert!(value >= low - 1e-9 && value <= high + 1e-9);
            }
        }
    }
}
