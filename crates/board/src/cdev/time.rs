//! The kernel's time stamps on the time line of the gateway's clock.

use std::time::Duration;

use gatehouse_model::{Clock, Moment};

/// How often the two clocks are read beside each other; the pair with the least time between counts.
const READINGS: usize = 5;

/// How far the gateway's clock and the kernel's monotonic clock are apart. Both count the same seconds, so it is measured
/// once: measuring it anew for each edge would add its own error to the time between two edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KernelTime {
    /// What the kernel's clock showed …
    kernel: Duration,
    /// … at this moment.
    gateway: Moment,
}

impl KernelTime {
    /// Reads both clocks.
    pub(crate) fn measure(clock: &dyn Clock) -> Self {
        let mut best: Option<(Duration, Self)> = None;
        for _ in 0..READINGS {
            let before = monotonic();
            let gateway = clock.moment();
            let between = monotonic().saturating_sub(before);
            if best.is_none_or(|(least, _)| between < least) {
                best = Some((between, Self { kernel: before + between / 2, gateway }));
            }
        }
        best.map_or(Self { kernel: Duration::ZERO, gateway: Moment::default() }, |(_, time)| time)
    }

    /// A time stamp of the kernel as a moment; one from before the gateway's clock began is its first.
    pub(crate) fn moment(self, at: Duration) -> Moment {
        match at.checked_sub(self.kernel) {
            Some(later) => self.gateway + later,
            None => {
                let earlier = self.kernel.saturating_sub(at);
                Moment::from_start(self.gateway.since_start().saturating_sub(earlier))
            }
        }
    }
}

/// The clock that the kernel stamps edges with. It is read here and nowhere else, only to compare.
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::SystemClock;

    #[test]
    fn stamps_keep_their_distance_on_the_gateways_clock() {
        let time = KernelTime {
            kernel: Duration::from_secs(1_000),
            gateway: Moment::from_start(Duration::from_secs(10)),
        };
        let at = |millis: u64| time.moment(Duration::from_millis(millis));
        assert_eq!(at(1_000_250), Moment::from_start(Duration::from_millis(10_250)));
        assert_eq!(at(999_750), Moment::from_start(Duration::from_millis(9_750)));
        assert_eq!(at(1), Moment::default(), "before the gateway began");
    }

    #[test]
    fn a_stamp_of_now_lies_between_two_looks_at_the_clock() {
        let clock = SystemClock::new();
        let time = KernelTime::measure(&clock);
        let before = clock.moment();
        let stamp = time.moment(monotonic());
        let after = clock.moment();
        // The measurement itself is off by less than the time between its two readings.
        let slack = Duration::from_millis(50);
        assert!(stamp + slack >= before && stamp <= after + slack, "{before:?} {stamp:?} {after:?}");
    }
}
