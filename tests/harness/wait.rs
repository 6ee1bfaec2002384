//! Waiting for a condition, with a limit.

use std::sync::mpsc;
use std::time::Duration;

use gatehouse_model::{Clock, Moment, SystemClock};

/// Longest wait for something that should happen at once or soon. It is generous, since two cores run many gateways
/// at a time; a test that works never waits this long.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Time between two looks at a condition that cannot be waited for otherwise, such as an answer over HTTP.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How much of a wait is left.
#[derive(Debug)]
pub struct Deadline {
    clock: SystemClock,
    end: Moment,
}

impl Deadline {
    /// The deadline that is `limit` from now.
    pub fn after(limit: Duration) -> Self {
        let clock = SystemClock::new();
        Self { clock, end: clock.moment() + limit }
    }

    /// Time that is left; nothing when it has passed.
    pub fn left(&self) -> Option<Duration> {
        Some(self.end.saturating_since(self.clock.moment())).filter(|left| !left.is_zero())
    }
}

/// Looks again and again until `look` gives something, and fails the test with its last complaint when it has not
/// within `limit`.
///
/// # Panics
/// When the limit has passed.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Deadline::after(limit);
    // Nobody ever sends: receiving with a time limit is the pause between two looks.
    let (_sender, pause) = mpsc::channel::<()>();
    loop {
        let complaint = match look() {
            Ok(found) => return found,
            Err(complaint) => complaint,
        };
        let Some(left) = deadline.left() else {
            panic!("waited {} s for {what}; last seen: {complaint}", limit.as_secs());
        };
        let _ = pause.recv_timeout(left.min(BETWEEN_LOOKS));
    }
}
