//! Load averages, as `$SYS/broker/load/…` gives them: how much happens in a minute, averaged over one, five and fifteen
//! minutes.

use std::time::Duration;

/// What is averaged, in the order of [`Loads::update`], by the name below `$SYS/broker/load/`.
pub(super) const NAMES: [&str; 9] = [
    "messages/received",
    "messages/sent",
    "publish/received",
    "publish/sent",
    "publish/dropped",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];

/// The windows, with their names.
pub(super) const WINDOWS: [(&str, Duration); 3] = [
    ("1min", Duration::from_secs(60)),
    ("5min", Duration::from_secs(300)),
    ("15min", Duration::from_secs(900)),
];

/// The averages, and the counts when they were last brought up to date.
#[derive(Debug, Default)]
pub(super) struct Loads {
    counts: [u64; NAMES.len()],
    averages: [[f64; WINDOWS.len()]; NAMES.len()],
}

impl Loads {
    /// Brings the averages up to date with counts that were taken `elapsed` after those before. Each is an exponentially
    /// weighted moving average, as the load average of a Unix system is.
    pub(super) fn update(&mut self, counts: [u64; NAMES.len()], elapsed: Duration) {
        if elapsed.is_zero() {
            return;
        }
        for ((averages, count), former) in self.averages.iter_mut().zip(counts).zip(self.counts) {
            let in_a_minute = count.saturating_sub(former) as f64 * 60.0 / elapsed.as_secs_f64();
            for (average, (_, window)) in averages.iter_mut().zip(WINDOWS) {
                let kept = (-elapsed.as_secs_f64() / window.as_secs_f64()).exp();
                *average = in_a_minute + (*average - in_a_minute) * kept;
            }
        }
        self.counts = counts;
    }

    /// Every average with its name below `$SYS/broker/load/`.
    pub(super) fn all(&self) -> impl Iterator<Item = (String, f64)> {
        NAMES.iter().zip(&self.averages).flat_map(|(name, averages)| {
            WINDOWS
                .iter()
                .zip(averages)
                .map(move |((window, _), average)| (format!("{name}/{window}"), *average))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_becomes_the_average_of_every_window_the_shorter_the_sooner() {
        let mut loads = Loads::default();
        let interval = Duration::from_secs(10);
        let mut count = 0;
        let after_a_minute = {
            for _ in 0..6 {
                count += 100;
                loads.update([count; NAMES.len()], interval);
            }
            loads.averages[0]
        };
        // After one window an exponential average has come 1 - 1/e of the way.
        assert!((after_a_minute[0] / 600.0 - 0.632).abs() < 0.001, "{after_a_minute:?}");
        assert!(after_a_minute[0] > after_a_minute[1] && after_a_minute[1] > after_a_minute[2]);
        for _ in 0..6 * 60 * 3 {
            count += 100;
            loads.update([count; NAMES.len()], interval);
        }
        assert!(loads.all().all(|(_, average)| (average - 600.0).abs() < 0.1));
        assert_eq!(loads.all().count(), 27);
    }

    #[test]
    fn silence_lets_the_averages_fall() {
        let mut loads = Loads::default();
        loads.update([1_000; NAMES.len()], Duration::from_secs(60));
        let busy = loads.averages[0];
        loads.update([1_000; NAMES.len()], Duration::from_secs(60));
        assert!(loads.averages[0].iter().zip(busy).all(|(now, then)| *now < then));
    }
}
