//! How fast the history grows, from its counters over a window of elapsed time; and what that does to a memory card.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_model::Moment;

/// The time over which bytes a day are measured: sealing and its rollups come by the hour, tidying by the day.
const LONG: Duration = Duration::from_secs(86_400);

/// The time over which samples a second are measured.
const SHORT: Duration = Duration::from_secs(600);

/// Shortest time between two looks that are kept: a day has 1,440 of them, in 48 KiB.
const STEP: Duration = Duration::from_secs(60);

/// What the counters showed.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Moment,
    samples: u64,
    bytes: u64,
}

/// What was seen of the counters in the last day.
#[derive(Debug)]
pub(crate) struct Pace {
    looks: VecDeque<Look>,
}

/// How fast a history grows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rates {
    /// Samples that were stored each second, over the last ten minutes or since the history was opened; nothing in its
    /// first minute.
    pub samples_per_second: Option<f64>,
    /// Bytes written to the disk in a day; nothing in the first minute.
    pub bytes_per_day: Option<u64>,
    /// The time over which the bytes were counted: up to a day. A shorter one is scaled up.
    pub measured_for: Duration,
}

impl Pace {
    /// Begins with counters at zero.
    pub(crate) fn new(now: Moment) -> Self {
        Self { looks: VecDeque::from([Look { at: now, samples: 0, bytes: 0 }]) }
    }

    /// What the counters show now: so many samples were stored and so many bytes written since the beginning.
    pub(crate) fn look(&mut self, now: Moment, samples: u64, bytes: u64) -> Rates {
        let look = Look { at: now, samples, bytes };
        // The oldest that stays is the last that is at least a day old, so that a whole day is measured.
        while self.looks.get(1).is_some_and(|next| now.saturating_since(next.at) >= LONG) {
            self.looks.pop_front();
        }
        let rates = self.rates(look);
        if self.looks.back().is_none_or(|last| now.saturating_since(last.at) >= STEP) {
            self.looks.push_back(look);
        }
        rates
    }

    fn rates(&self, now: Look) -> Rates {
        let age = |look: &Look| now.at.saturating_since(look.at);
        let Some(first) = self.looks.front() else { return Rates::default() };
        // The last look that is as old as the short time, or else the first of all.
        let begin = self.looks.iter().rev().find(|look| age(look) >= SHORT).unwrap_or(first);
        let per_second = |count: u64, time: Duration| {
            #[expect(clippy::cast_precision_loss, reason = "a rate is a rounded number")]
            (time >= STEP).then(|| count as f64 / time.as_secs_f64())
        };
        let bytes = per_second(now.bytes.saturating_sub(first.bytes), age(first));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate is not negative, and the conversion ends at the greatest number"
        )]
        let bytes_per_day = bytes.map(|bytes| (bytes * LONG.as_secs_f64()).round() as u64);
        Rates {
            samples_per_second: per_second(now.samples.saturating_sub(begin.samples), age(begin)),
            bytes_per_day,
            measured_for: age(first),
        }
    }
}

/// What recording does to a memory card, as far as it can be told from outside: cards do not say how worn they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wear {
    /// Bytes that reach the flash in a day.
    pub flash_bytes_per_day: u64,
    /// Years until the assumed endurance is used up by the history alone; nothing when nothing is written.
    pub years: Option<f64>,
}

impl Wear {
    /// How much more the flash writes than the history does. An assumption: a card writes whole flash pages of 16 KiB and
    /// more where a commit has some pages of 4 KiB, moves blocks around, and keeps the file system's own journal.
    pub const AMPLIFICATION: u64 = 8;

    /// Bytes that a card takes before it is worn out. An assumption: a card of 16 GB whose cells are erased 1,000 times.
    pub const ENDURANCE_BYTES: u64 = 16_000_000_000_000;

    /// From the bytes that the history writes in a day.
    pub fn of(bytes_per_day: u64) -> Self {
        let flash_bytes_per_day = bytes_per_day.saturating_mul(Self::AMPLIFICATION);
        #[expect(clippy::cast_precision_loss, reason = "an estimate is a rounded number")]
        let years = (flash_bytes_per_day > 0)
            .then(|| Self::ENDURANCE_BYTES as f64 / flash_bytes_per_day as f64 / 365.25);
        Self { flash_bytes_per_day, years }
    }

    /// What is assumed, in a sentence for people.
    pub fn assumption() -> String {
        format!(
            "Assumed, not measured: the card writes {} times what the history does, and takes {} TB in all (16 GB whose cells are erased 1,000 times). Only the history is counted.",
            Self::AMPLIFICATION,
            Self::ENDURANCE_BYTES / 1_000_000_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn rates_are_those_of_the_window() {
        let mut pace = Pace::new(at(5));
        assert_eq!(pace.look(at(5), 0, 0), Rates::default());
        let early = pace.look(at(64), 590, 590);
        assert_eq!((early.samples_per_second, early.bytes_per_day), (None, None));
        let rates = pace.look(at(65), 600, 6_000);
        assert_eq!((rates.samples_per_second, rates.bytes_per_day), (Some(10.0), Some(8_640_000)));
        assert_eq!(rates.measured_for, Duration::from_secs(60));
        // Ten minutes later nothing comes any more: the samples are those of the last ten minutes, the bytes of all.
        pace.look(at(125), 600, 6_000);
        let later = pace.look(at(725), 600, 6_000);
        assert_eq!(later.samples_per_second, Some(0.0));
        assert_eq!(later.bytes_per_day, Some(720_000));
    }

    #[test]
    fn a_window_is_a_day_long_and_bounded_however_often_somebody_looks() {
        let mut pace = Pace::new(at(0));
        // The first day writes a hundred bytes a second, the two that follow one.
        let written = |second: u64| second.min(86_400) * 100 + second.saturating_sub(86_400);
        let mut rates = Rates::default();
        for second in (0..3 * 86_400).step_by(7) {
            rates = pace.look(at(second), second, written(second));
        }
        assert!(pace.looks.len() <= 1_442, "{}", pace.looks.len());
        assert_eq!(rates.bytes_per_day, Some(86_400));
        assert!((LONG..LONG + 2 * STEP).contains(&rates.measured_for), "{rates:?}");
        assert_eq!(rates.samples_per_second, Some(1.0));
    }

    #[test]
    fn wear_says_what_it_assumes() {
        let wear = Wear::of(50_000_000);
        assert_eq!(wear.flash_bytes_per_day, 400_000_000);
        assert!(wear.years.is_some_and(|years| (years - 109.5).abs() < 0.1), "{wear:?}");
        assert_eq!(Wear::of(0).years, None);
        assert!(Wear::assumption().contains("8 times") && Wear::assumption().contains("16 TB"));
    }
}
