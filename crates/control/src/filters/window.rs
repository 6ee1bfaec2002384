//! `quantile`, `median`, `min`, `max`, `sliding_window_moving_average`: one number for the latest few.

use std::collections::VecDeque;

use gatehouse_model::Moment;

use super::Filter;
use super::sending::{MAX_WINDOW, SendCounter, Sending};
use crate::measured::Measured;

/// Which number stands for the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Statistic {
    /// The smallest that this share (0 to 1) of the numbers does not exceed: always one that was measured.
    Quantile(f64),
    /// The middle one; the mean of the two middle ones when their count is even.
    Median,
    /// The lowest.
    Min,
    /// The highest.
    Max,
    /// The mean of all.
    Mean,
}

impl Statistic {
    /// That number. It is as good as what it was taken from: a median that is a good reading stays one although a
    /// doubtful reading is among the others, and the mean is as good as the worst.
    pub fn of(self, numbers: impl Iterator<Item = Measured>) -> Option<Measured> {
        let mut sorted: Vec<Measured> = numbers.collect();
        sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
        let newest = sorted.iter().map(|measured| measured.at).max()?;
        let taken = match self {
            Self::Quantile(share) => {
                let index = rank(share, sorted.len());
                sorted.get(index..=index)?
            }
            Self::Median => sorted.get((sorted.len() - 1) / 2..=sorted.len() / 2)?,
            Self::Min => sorted.first().map(std::slice::from_ref)?,
            Self::Max => sorted.last().map(std::slice::from_ref)?,
            Self::Mean => &sorted,
        };
        let quality = taken.iter().map(|measured| measured.quality).max()?;
        Some(Measured { value: mean(taken)?, quality, at: newest })
    }
}

/// The index of the number at a share, by the nearest rank.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a window has at most 512 numbers and the share is kept within 0 and 1"
)]
fn rank(share: f64, count: usize) -> usize {
    let rank = (count as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
    rank.clamp(1, count.max(1)) - 1
}

/// The mean, which lies between the lowest and the highest whatever rounding does.
#[expect(clippy::cast_precision_loss, reason = "a window has at most 512 numbers")]
fn mean(sorted: &[Measured]) -> Option<f64> {
    let (low, high) = (sorted.first()?.value, sorted.last()?.value);
    let count = sorted.len() as f64;
    let mean: f64 = sorted.iter().map(|measured| measured.value / count).sum();
    Some(mean.max(low).min(high))
}

/// Remembers the latest few.
#[derive(Clone, Debug)]
pub(super) struct Window {
    statistic: Statistic,
    size: usize,
    counter: SendCounter,
    latest: VecDeque<Measured>,
}

impl Window {
    pub(super) fn new(statistic: Statistic, size: usize, sending: Sending) -> Self {
        let size = size.clamp(1, MAX_WINDOW);
        Self { statistic, size, counter: SendCounter::new(sending), latest: VecDeque::with_capacity(size) }
    }
}

impl Filter for Window {
    fn handle_value(&mut self, measured: Measured, _now: Moment) -> Option<Measured> {
        if self.latest.len() >= self.size {
            self.latest.pop_front();
        }
        self.latest.push_back(measured);
        if self.counter.count() { self.statistic.of(self.latest.iter().copied()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::test_support::{after, good};
    use gatehouse_model::Quality;
    use proptest::prelude::*;

    const ALL: [Statistic; 5] =
        [Statistic::Quantile(0.9), Statistic::Median, Statistic::Min, Statistic::Max, Statistic::Mean];

    fn outputs(statistic: Statistic, size: usize, sending: Sending, inputs: &[f64]) -> Vec<Option<f64>> {
        let mut window = Window::new(statistic, size, sending);
        let mut pass = |input: &f64| window.handle_value(good(*input), after(0)).map(|output| output.value);
        inputs.iter().map(&mut pass).collect()
    }

    #[test]
    fn a_spike_does_not_reach_the_median() {
        let found = outputs(Statistic::Median, 3, Sending::default(), &[20.0, 21.0, 85.0, 22.0, 23.0]);
        assert_eq!(found, [Some(20.0), Some(20.5), Some(21.0), Some(22.0), Some(23.0)]);
    }

    #[test]
    fn it_gives_one_number_for_so_many() {
        let sending = Sending { every: 3, first_at: 1 };
        let found = outputs(Statistic::Mean, 3, sending, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(found, [Some(1.0), None, None, Some(3.0), None, None, Some(6.0)]);
    }

    #[test]
    fn a_doubtful_reading_spoils_what_is_made_of_it_and_nothing_else() {
        let spike = Measured { value: 85.0, quality: Quality::Suspect, at: good(0.0).at };
        let numbers = [good(20.0), good(21.0), spike];
        let quality = |statistic: Statistic| statistic.of(numbers.into_iter()).unwrap().quality;
        assert_eq!(quality(Statistic::Median), Quality::Ok);
        assert_eq!(quality(Statistic::Min), Quality::Ok);
        assert_eq!(quality(Statistic::Max), Quality::Suspect);
        assert_eq!(quality(Statistic::Mean), Quality::Suspect);
    }

    proptest! {
        #[test]
        fn every_statistic_lies_between_the_lowest_and_the_highest(
            numbers in proptest::collection::vec(any::<f64>().prop_filter("finite", |n| n.is_finite()), 1..40)
        ) {
            let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for statistic in ALL {
                let value = statistic.of(numbers.iter().copied().map(good)).unwrap().value;
                prop_assert!((low..=high).contains(&value), "{statistic:?} is {value}");
            }
        }

        #[test]
        fn a_quantile_was_measured_and_the_share_does_not_exceed_it(
            numbers in proptest::collection::vec(-100.0f64..100.0, 1..40), share in 0.0f64..=1.0
        ) {
            let value = Statistic::Quantile(share).of(numbers.iter().copied().map(good)).unwrap().value;
            prop_assert!(numbers.contains(&value));
            let not_above = numbers.iter().filter(|number| **number <= value).count();
            prop_assert!(not_above as f64 >= share * numbers.len() as f64 - 1e-9);
        }

        #[test]
        fn only_the_latest_count(
            numbers in proptest::collection::vec(-100.0f64..100.0, 1..60), size in 1usize..20
        ) {
            let last = *outputs(Statistic::Max, size, Sending::default(), &numbers).last().unwrap();
            let expected = numbers.iter().rev().take(size).copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert_eq!(last, Some(expected));
        }
    }
}
