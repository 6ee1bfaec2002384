//! Between the clock's moments, the wall clock, and waiting.

use std::time::Duration;

use gatehouse_model::{Clock, Moment, Timestamp};

/// Waits until the clock shows `deadline`; for ever when there is none.
pub(super) async fn until(deadline: Option<Moment>, clock: &dyn Clock) {
    let Some(deadline) = deadline else { return std::future::pending().await };
    // Timers have a resolution of a millisecond and may end early within it, and a deadline that is not reached yet must
    // not be reported as reached.
    loop {
        let remaining = deadline.saturating_since(clock.moment());
        if remaining.is_zero() {
            return;
        }
        tokio::time::sleep(remaining.max(Duration::from_millis(1))).await;
    }
}

/// The wall-clock time of a moment that has passed.
pub(super) fn wall(at: Moment, clock: &dyn Clock) -> Timestamp {
    let ago = clock.moment().saturating_since(at);
    let ago_millis = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(clock.now().as_millis().saturating_sub(ago_millis))
}
