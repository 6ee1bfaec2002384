//! How often something happens: pulses in, their frequency out, and an honest zero when there are none.

use std::collections::VecDeque;
use std::time::Duration;

use gatehouse_model::Moment;

/// Into how many pieces a window is divided: the frequency lags by at most one of them.
const PIECES: u32 = 32;

/// The frequency of pulses over a window.
///
/// It is worked out between pulses, from the first to the last one in the window, so that a slow meter with a pulse every
/// few minutes has a steady and exact frequency. While pulses stay away, it falls: it is never higher than what a pulse
/// right now would mean.
#[derive(Clone, Debug)]
pub struct Rate {
    window: Duration,
    silence: Duration,
    count: u64,
    /// Some pulses with their number, at most one for each piece of the window, and the last one before it.
    samples: VecDeque<(Moment, u64)>,
    latest: Option<(Moment, u64)>,
}

impl Rate {
    /// A frequency over `window`, which is zero when there was no pulse for `silence`.
    pub fn new(window: Duration, silence: Duration) -> Self {
        Self { window, silence, count: 0, samples: VecDeque::new(), latest: None }
    }

    /// Takes pulses that came until `at`.
    pub fn handle_pulses(&mut self, pulses: u64, at: Moment) {
        if pulses == 0 {
            return;
        }
        if self.latest.is_some_and(|(before, _)| at.saturating_since(before) >= self.silence) {
            self.samples.clear();
        }
        self.count = self.count.saturating_add(pulses);
        self.latest = Some((at, self.count));
        let piece = self.window / PIECES;
        if self.samples.back().is_none_or(|(before, _)| at.saturating_since(*before) >= piece) {
            self.samples.push_back((at, self.count));
        }
        // One sample from before the window is kept: from there the first pulse in it was waited for.
        while self.samples.get(1).is_some_and(|(second, _)| at.saturating_since(*second) >= self.window) {
            self.samples.pop_front();
        }
    }

    /// The frequency in pulses a second; nothing while there was only one pulse, from which none can be told.
    pub fn hertz(&self, now: Moment) -> Option<f64> {
        let Some((latest, count)) = self.latest else { return Some(0.0) };
        let silent = now.saturating_since(latest);
        if silent >= self.silence {
            return Some(0.0);
        }
        let (first, before) = self.samples.front().copied()?;
        let elapsed = latest.saturating_since(first);
        if elapsed.is_zero() {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "a window holds far fewer than 2^52 pulses")]
        let measured = (count - before) as f64 / elapsed.as_secs_f64();
        Some(if silent.is_zero() { measured } else { measured.min(1.0 / silent.as_secs_f64()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn without_pulses_it_is_zero_and_after_the_first_one_nobody_knows() {
        let mut rate = Rate::new(seconds(10), seconds(300));
        assert_eq!(rate.hertz(at(5_000)), Some(0.0));
        rate.handle_pulses(1, at(6_000));
        assert_eq!(rate.hertz(at(7_000)), None);
        assert_eq!(rate.hertz(at(306_000)), Some(0.0), "it was silent for as long as the owner waits");
    }

    #[test]
    fn a_slow_meter_is_exact_and_falls_while_it_waits() {
        let mut rate = Rate::new(seconds(10), seconds(300));
        for pulse in 0..5 {
            rate.handle_pulses(1, at(pulse * 36_000));
        }
        // 36 s for one of 1000 pulses a kilowatt-hour: 100 W.
        assert_eq!(rate.hertz(at(4 * 36_000 + 20_000)), Some(1.0 / 36.0));
        assert_eq!(rate.hertz(at(4 * 36_000 + 100_000)), Some(0.01));
        assert_eq!(rate.hertz(at(4 * 36_000 + 300_000)), Some(0.0));
        // Before the first pulse after the silence there was none, so an average over it would be made up.
        rate.handle_pulses(1, at(2_000_000));
        assert_eq!(rate.hertz(at(2_000_000)), None);
    }

    proptest! {
        /// Even pulses of any frequency are measured within a piece of the window.
        #[test]
        fn even_pulses_are_measured(period in 1u64..50_000, count in 40u64..400, batch in 1u64..20) {
            let mut rate = Rate::new(seconds(10), seconds(86_400));
            for number in 1..=count {
                rate.handle_pulses(batch, at(number * period));
            }
            let measured = rate.hertz(at(count * period)).unwrap();
            let real = batch as f64 * 1_000.0 / period as f64;
            prop_assert!((measured - real).abs() / real < 1e-9, "{measured} Hz instead of {real} Hz");
        }

        /// Any pulses at all: finite, not negative, and a bounded memory.
        #[test]
        fn it_is_always_a_number_and_small(pulses in proptest::collection::vec((0u64..3, 0u64..4_000), 0..500), wait in 0u64..100_000) {
            let mut rate = Rate::new(seconds(10), seconds(60));
            let mut now = 0;
            for (count, pause) in pulses {
                now += pause;
                rate.handle_pulses(count, at(now));
                prop_assert!(rate.samples.len() <= 34, "{}", rate.samples.len());
            }
            if let Some(hertz) = rate.hertz(at(now + wait)) {
                prop_assert!(hertz.is_finite() && hertz >= 0.0);
            }
        }
    }
}
