//! The guest's monotonic clock. The edges and their arrival are measured by one clock in one program.

use std::time::Duration;

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Time since the guest was started.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock is never negative.
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// Sleeps until then: the beat of what throws switches, as their work is measured in edges a second.
pub(crate) fn sleep_until(then: Duration) {
    let then = Timespec {
        tv_sec: i64::try_from(then.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(then.subsec_nanos()),
    };
    while clock_nanosleep_absolute(rustix::thread::ClockId::Monotonic, &then).is_err() {}
}
