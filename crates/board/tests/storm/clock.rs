//! Time in a storm: elapsed time is tokio's, which is paused; the wall clock is stepped.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gatehouse_model::{Clock, Moment, Timestamp};
use tokio::time::Instant;

/// What the wall clock shows at the start: 2026-11-21T09:00:00Z.
const START: i64 = 1_795_251_600_000;

/// How far the time of a reading may be beside a time that the clock really showed: timers have steps of a millisecond.
const GRAIN: i64 = 2;

/// A wall clock that is set by others while elapsed time goes on.
#[derive(Debug)]
pub(crate) struct StormClock {
    start: Instant,
    /// What was shown last, for threads outside the runtime, which have no part in its paused time. That stands still while
    /// one of them is waited for.
    shown: Mutex<Duration>,
    /// Since when the wall clock has been so far from its course, in milliseconds; the newest is the last.
    steps: Mutex<Vec<(i64, i64)>>,
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap()
}

impl StormClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of these tests follows tokio's, which is paused"
    )]
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), shown: Mutex::default(), steps: Mutex::new(vec![(0, 0)]) }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if tokio::runtime::Handle::try_current().is_ok() {
            *shown = self.start.elapsed();
        }
        *shown
    }

    pub(crate) fn instant_at(&self, elapsed: Duration) -> Instant {
        self.start + elapsed
    }

    /// Sets the wall clock, as somebody at a keyboard or a time server does.
    pub(crate) fn set_wall(&self, shows: i64) {
        let now = millis(self.elapsed());
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).push((now, shows - START - now));
    }

    /// Lets the wall clock be right again.
    pub(crate) fn set_right(&self) {
        self.set_wall(START + millis(self.elapsed()));
    }

    /// The moments at which the wall clock showed this time, the latest first: none when it never did, several when it was
    /// set back.
    pub(crate) fn moments(&self, shown: Timestamp) -> Vec<Duration> {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut until = millis(self.elapsed());
        let mut moments = Vec::new();
        for (since, offset) in steps.iter().rev() {
            let moment = shown.as_millis() - START - offset;
            if (since - GRAIN..=until + GRAIN).contains(&moment) {
                moments.push(Duration::from_millis(u64::try_from(moment.max(0)).unwrap()));
            }
            until = *since;
        }
        moments
    }
}

impl Clock for StormClock {
    fn now(&self) -> Timestamp {
        let offset =
            self.steps.lock().unwrap_or_else(PoisonError::into_inner).last().map_or(0, |step| step.1);
        Timestamp::from_millis(START + offset + millis(self.elapsed()))
    }

    fn moment(&self) -> Moment {
        Moment::from_start(self.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Schedule 13 of a day: the wall clock showed the same minutes twice, and a reading that waited on its way from the
    /// first of them was compared with the room as it was in the second.
    #[tokio::test(start_paused = true)]
    async fn a_time_that_was_shown_twice_means_both() {
        let clock = StormClock::new();
        tokio::time::advance(Duration::from_secs(100)).await;
        let shown = clock.now();
        tokio::time::advance(Duration::from_secs(100)).await;
        clock.set_wall(shown.as_millis());
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(clock.moments(shown), [200, 100].map(Duration::from_secs));
        assert_eq!(clock.moments(Timestamp::from_millis(0)), [], "never shown");
    }
}
