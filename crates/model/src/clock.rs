//! Wall-clock time, elapsed time, and the one place that reads them from the system.

use std::fmt;
use std::ops::Add;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. A Raspberry Pi has no clock chip, so it may be wrong
/// until the first time synchronisation: measure durations with [`Moment`], never with this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The time that is `millis` milliseconds after the Unix epoch (negative: before it).
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; zero when it is not later (the wall clock can step back).
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an RFC 3339 time such as `2026-11-21T09:14:00.250Z`; finer digits than milliseconds are cut off.
    ///
    /// # Errors
    /// When the text is not a time.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self(time.as_millisecond()))
            .map_err(|error| error.to_string())
    }
}

/// RFC 3339 in UTC with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A point of elapsed time: how long a clock has been running. It never steps, whatever happens to the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

impl Moment {
    /// The moment `since_start` after the clock's start.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Time since the clock's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How much later this is than `earlier`; zero when it is not later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// Where time comes from. It is handed to whatever needs it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;
    /// Elapsed time.
    fn moment(&self) -> Moment;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// Starts counting elapsed time.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clocks")]
    #[expect(clippy::new_without_default, reason = "a default that reads the clock would hide that it does")]
    pub fn new() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's clocks")]
    fn now(&self) -> Timestamp {
        let since_epoch = match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Timestamp(since_epoch)
    }

    fn moment(&self) -> Moment {
        Moment(self.start.elapsed())
    }
}

/// A clock that stands still until it is told to move: tests step it from deadline to deadline.
#[derive(Debug)]
pub struct ManualClock {
    hands: Mutex<(Timestamp, Moment)>,
}

impl ManualClock {
    /// A clock that shows `now` and has just started.
    pub fn new(now: Timestamp) -> Self {
        Self { hands: Mutex::new((now, Moment::default())) }
    }

    /// Lets both hands move forward.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        hands.0 = Timestamp(hands.0.0.saturating_add(millis));
        hands.1 = hands.1 + by;
    }

    /// Sets the wall clock, as a time synchronisation does; elapsed time is not touched.
    pub fn set_wall(&self, now: Timestamp) {
        self.hands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn moment(&self) -> Moment {
        self.hands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_read_what_they_write() {
        let time = Timestamp::from_millis(1_795_252_440_250);
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert!(Timestamp::parse("yesterday").is_err());
    }

    #[test]
    fn a_wall_clock_set_back_leaves_elapsed_time_alone() {
        let clock = ManualClock::new(Timestamp::from_millis(7_200_000));
        clock.advance(Duration::from_secs(1));
        clock.set_wall(Timestamp::from_millis(0));
        assert_eq!(clock.moment(), Moment::from_start(Duration::from_secs(1)));
        assert_eq!(clock.now().saturating_since(Timestamp::from_millis(1)), Duration::ZERO);
    }
}
