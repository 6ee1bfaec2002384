//! `throttle`, `throttle_average`, `heartbeat`, `timeout`, `debounce`: when numbers pass.

use std::time::Duration;

use gatehouse_model::Moment;

use super::{Filter, FilterEvent};
use crate::measured::Measured;

/// Shortest time of a filter: the shortest period of a sensor.
pub const SHORTEST_FILTER_TIME: Duration = Duration::from_millis(100);

/// Longest time of a filter: a value that is older than a day is no reading of now.
pub const LONGEST_FILTER_TIME: Duration = Duration::from_secs(24 * 3600);

fn within_limits(time: Duration) -> Duration {
    time.clamp(SHORTEST_FILTER_TIME, LONGEST_FILTER_TIME)
}

/// Lets a number through, then none for a time.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    pause: Duration,
    passed: Option<Moment>,
}

impl Throttle {
    pub(super) fn new(pause: Duration) -> Self {
        Self { pause: within_limits(pause), passed: None }
    }
}

impl Filter for Throttle {
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        if self.passed.is_some_and(|passed| now < passed + self.pause) {
            return None;
        }
        self.passed = Some(now);
        Some(measured)
    }
}

/// The mean of what came in each interval. An interval begins with a number, so that none is empty.
#[derive(Clone, Debug)]
pub(super) struct ThrottleAverage {
    interval: Duration,
    began: Option<Moment>,
    /// Sum and count are enough for a mean, so that an interval of a day needs no memory.
    sum: f64,
    count: f64,
    /// The newest of the interval, with the worst quality of all.
    newest: Option<Measured>,
}

impl ThrottleAverage {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: within_limits(interval), began: None, sum: 0.0, count: 0.0, newest: None }
    }

    fn take(&mut self) -> Option<Measured> {
        let newest = self.newest.take()?;
        self.began = None;
        let mean = std::mem::take(&mut self.sum) / std::mem::take(&mut self.count);
        newest.with_value(mean)
    }
}

impl Filter for ThrottleAverage {
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        // A number that comes late belongs to the next interval.
        let passed = if self.next_deadline().is_some_and(|end| end <= now) { self.take() } else { None };
        self.began.get_or_insert(now);
        self.sum += measured.value;
        self.count += 1.0;
        let worst = self.newest.map_or(measured.quality, |newest| newest.quality.max(measured.quality));
        self.newest = Some(measured.at_best(worst));
        passed
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.began.map(|began| began + self.interval)
    }

    fn handle_timeout(&mut self, _now: Moment) -> Option<FilterEvent> {
        self.take().map(FilterEvent::Value)
    }
}

/// The first number, then the latest one at each beat. A number keeps the time when it was true.
#[derive(Clone, Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    next: Option<Moment>,
    latest: Option<Measured>,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: within_limits(interval), next: None, latest: None }
    }
}

impl Filter for Heartbeat {
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        self.latest = Some(measured);
        match self.next {
            Some(_) => None,
            None => {
                self.next = Some(now + self.interval);
                Some(measured)
            }
        }
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.next
    }

    fn handle_timeout(&mut self, now: Moment) -> Option<FilterEvent> {
        // A beat that comes late does not move the others, and beats that were missed are not made up for.
        let mut next = self.next?;
        let late = now.saturating_since(next).as_nanos() / self.interval.as_nanos();
        next = next + self.interval.saturating_mul(u32::try_from(late).unwrap_or(u32::MAX)) + self.interval;
        self.next = Some(next.max(now + Duration::from_nanos(1)));
        self.latest.map(FilterEvent::Value)
    }
}

/// Lets everything through, and tells when nothing came for a time.
#[derive(Clone, Debug)]
pub(super) struct Timeout {
    patience: Duration,
    end: Option<Moment>,
}

impl Timeout {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience: within_limits(patience), end: None }
    }
}

impl Filter for Timeout {
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        self.end = Some(now + self.patience);
        Some(measured)
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.end
    }

    fn handle_timeout(&mut self, _now: Moment) -> Option<FilterEvent> {
        self.end.take().map(|_| FilterEvent::Silence)
    }
}

/// Lets a number through once none followed it for a time.
#[derive(Clone, Debug)]
pub(super) struct Debounce {
    quiet: Duration,
    waiting: Option<(Measured, Moment)>,
}

impl Debounce {
    pub(super) fn new(quiet: Duration) -> Self {
        Self { quiet: within_limits(quiet), waiting: None }
    }
}

impl Filter for Debounce {
    fn handle_value(&mut self, measured: Measured, now: Moment) -> Option<Measured> {
        let before = self.waiting.replace((measured, now));
        before.filter(|(_, at)| *at + self.quiet <= now).map(|(settled, _)| settled)
    }

    fn next_deadline(&self) -> Option<Moment> {
        self.waiting.map(|(_, at)| at + self.quiet)
    }

    fn handle_timeout(&mut self, _now: Moment) -> Option<FilterEvent> {
        self.waiting.take().map(|(settled, _)| FilterEvent::Value(settled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::{FilterRule, Filters, Statistic};
    use crate::measured::test_support::{after, good};
    use proptest::prelude::*;

    /// Hands in numbers at these seconds and lets time pass until the end; gives what came out, with the second.
    fn run(rule: FilterRule, inputs: &[(u64, f64)], end: u64) -> Vec<String> {
        let mut filters = Filters::new(&[rule]);
        let mut out = Vec::new();
        let mut inputs = inputs.iter().peekable();
        for second in 0..=end {
            let now = after(second);
            while filters.next_deadline().is_some_and(|deadline| deadline <= now) {
                match filters.handle_timeout(now) {
                    Some(FilterEvent::Value(value)) => out.push(format!("{second}: {}", value.value)),
                    Some(FilterEvent::Silence) => out.push(format!("{second}: silence")),
                    None => {}
                }
            }
            while let Some((_, value)) = inputs.next_if(|(at, _)| *at == second) {
                if let Some(passed) = filters.handle_value(good(*value), now) {
                    out.push(format!("{second}: {}", passed.value));
                }
            }
        }
        out
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_throttle_lets_one_through_and_then_none_for_a_while() {
        let inputs = [(0, 1.0), (5, 2.0), (9, 3.0), (10, 4.0), (25, 5.0)];
        assert_eq!(run(FilterRule::Throttle(seconds(10)), &inputs, 30), ["0: 1", "10: 4", "25: 5"]);
    }

    #[test]
    fn an_average_comes_at_the_end_of_its_interval_and_never_of_nothing() {
        let inputs = [(0, 1.0), (5, 3.0), (12, 7.0)];
        assert_eq!(run(FilterRule::ThrottleAverage(seconds(10)), &inputs, 60), ["10: 2", "22: 7"]);
    }

    #[test]
    fn a_heart_beats_with_the_latest_number() {
        let inputs = [(3, 1.0), (5, 2.0), (24, 3.0)];
        let expected = ["3: 1", "13: 2", "23: 2", "33: 3"];
        assert_eq!(run(FilterRule::Heartbeat(seconds(10)), &inputs, 35), expected);
    }

    #[test]
    fn a_heart_that_was_stopped_does_not_race() {
        let mut heart = Heartbeat::new(seconds(10));
        heart.handle_value(good(1.0), after(0));
        assert_eq!(heart.handle_timeout(after(3_605)), Some(FilterEvent::Value(good(1.0))));
        assert_eq!(heart.next_deadline(), Some(after(3_610)));
    }

    #[test]
    fn silence_is_told_once() {
        let inputs = [(0, 1.0), (5, 2.0), (40, 3.0)];
        let expected = ["0: 1", "5: 2", "15: silence", "40: 3", "50: silence"];
        assert_eq!(run(FilterRule::Timeout(seconds(10)), &inputs, 80), expected);
    }

    #[test]
    fn a_number_that_settles_passes_also_when_nobody_looked_in_time() {
        let inputs = [(0, 1.0), (1, 2.0), (2, 3.0), (20, 4.0)];
        assert_eq!(run(FilterRule::Debounce(seconds(5)), &inputs, 30), ["7: 3", "25: 4"]);
        let mut debounce = Debounce::new(seconds(5));
        debounce.handle_value(good(3.0), after(2));
        assert_eq!(debounce.handle_value(good(4.0), after(20)), Some(good(3.0)));
    }

    proptest! {
        #[test]
        fn the_average_of_an_interval_is_the_mean_of_its_numbers(numbers in proptest::collection::vec(-1e3f64..1e3, 1..50)) {
            let mut average = ThrottleAverage::new(seconds(100));
            for number in &numbers {
                prop_assert_eq!(average.handle_value(good(*number), after(0)), None);
            }
            let Some(FilterEvent::Value(found)) = average.handle_timeout(after(100)) else { panic!("nothing") };
            let mean = Statistic::Mean.of(numbers.iter().copied().map(good)).unwrap().value;
            prop_assert!((found.value - mean).abs() < 1e-9);
        }

        /// Whatever comes and however late time is told, each deadline lies ahead after it was served, throttled numbers
        /// are never too close, and every number that comes out is one that came in.
        #[test]
        fn time_always_goes_on(
            which in 0usize..5, interval in 1u64..30,
            steps in proptest::collection::vec((0u64..40, any::<bool>(), -100.0f64..100.0), 1..80)
        ) {
            let time = seconds(interval);
            let rule = [
                FilterRule::Throttle(time), FilterRule::ThrottleAverage(time), FilterRule::Heartbeat(time),
                FilterRule::Timeout(time), FilterRule::Debounce(time),
            ][which].clone();
            let is_average = matches!(rule, FilterRule::ThrottleAverage(_));
            let is_throttle = matches!(rule, FilterRule::Throttle(_));
            let mut filters = Filters::new(&[rule]);
            let (mut now, mut seen, mut passed_at) = (0, Vec::new(), None::<u64>);
            for (pause, is_value, value) in steps {
                now += pause;
                let out = if is_value {
                    seen.push(value);
                    filters.handle_value(good(value), after(now))
                } else {
                    let event = filters.handle_timeout(after(now));
                    prop_assert!(filters.next_deadline().is_none_or(|deadline| deadline > after(now)));
                    match event { Some(FilterEvent::Value(value)) => Some(value), _ => None }
                };
                if let Some(out) = out {
                    prop_assert!(is_average || seen.contains(&out.value));
                    if let Some(before) = passed_at.replace(now) {
                        prop_assert!(!is_throttle || now - before >= interval);
                    }
                }
            }
        }
    }
}
