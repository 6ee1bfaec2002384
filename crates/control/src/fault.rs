//! A sensor that does not answer is a state that shows, after it had a few chances.

use std::time::Duration;

/// Failed reads in a row after which the device counts as faulty. One lost answer on a long wire is everyday.
pub const FAILURES_BEFORE_FAULT: u32 = 3;

/// First pause after a failed read, unless the sensor is read more often anyway: what disturbed it is mostly over then.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause of a sensor that fails: so soon it is back after it was plugged in again, and no more often it holds up
/// others on its bus.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A change between working and faulty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultChange {
    /// It is faulty now, for this reason in a sentence for people.
    Broke(String),
    /// It works again.
    Recovered,
}

/// Counts failures of one device.
#[derive(Clone, Debug, Default)]
pub struct FaultWatch {
    failures: u32,
    sentence: Option<String>,
}

impl FaultWatch {
    /// Takes a failed read. Gives the change when this one makes the device faulty, or when a faulty device fails for
    /// another reason than before.
    pub fn handle_failure(&mut self, sentence: &str) -> Option<FaultChange> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_BEFORE_FAULT || self.sentence.as_deref() == Some(sentence) {
            return None;
        }
        self.sentence = Some(sentence.to_owned());
        Some(FaultChange::Broke(sentence.to_owned()))
    }

    /// Takes a good read. Gives the change when the device was faulty, and whether the read needed more than one try.
    pub fn handle_success(&mut self) -> (Option<FaultChange>, bool) {
        let was_retried = self.failures > 0;
        self.failures = 0;
        (self.sentence.take().map(|_| FaultChange::Recovered), was_retried)
    }

    /// How long to wait until the next read of a sensor with this period: the period while it works; after a failure
    /// sooner, and each time twice as long, up to half a minute.
    pub fn pause(&self, period: Duration) -> Duration {
        match self.failures {
            0 => period,
            // Long before the doubling ends, the longest pause is reached.
            failures => {
                let doubled = 2u32.saturating_pow(failures - 1);
                period.min(FIRST_PAUSE).saturating_mul(doubled).min(LONGEST_PAUSE)
            }
        }
    }

    /// Whether the last read failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// What is wrong, in a sentence for people; nothing while it works.
    pub fn sentence(&self) -> Option<&str> {
        self.sentence.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sensor_that_fails_is_asked_soon_and_then_less_and_less_often() {
        let pauses = |period: Duration| {
            let mut watch = FaultWatch::default();
            let mut pause = |_| {
                watch.handle_failure("no answer");
                watch.pause(period).as_millis()
            };
            let pauses: Vec<u128> = (0..7).map(&mut pause).collect();
            for _ in 0..1_000 {
                watch.handle_failure("no answer");
            }
            assert_eq!(watch.pause(period), LONGEST_PAUSE);
            watch.handle_success();
            assert_eq!(watch.pause(period), period);
            pauses
        };
        let slow = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
        assert_eq!(pauses(Duration::from_secs(10)), slow);
        assert_eq!(pauses(Duration::from_secs(3_600)), slow);
        assert_eq!(pauses(Duration::from_millis(100)), [100, 200, 400, 800, 1_600, 3_200, 6_400]);
    }

    #[test]
    fn one_lost_answer_is_a_retry_and_three_are_a_fault() {
        let mut watch = FaultWatch::default();
        assert_eq!(watch.handle_failure("no answer"), None);
        assert_eq!(watch.handle_success(), (None, true));
        assert_eq!(watch.handle_failure("no answer"), None);
        assert_eq!(watch.handle_failure("no answer"), None);
        assert_eq!(watch.handle_failure("no answer"), Some(FaultChange::Broke("no answer".to_owned())));
        assert_eq!(watch.handle_failure("no answer"), None, "it is said once");
        assert_eq!(
            watch.handle_failure("wrong checksum"),
            Some(FaultChange::Broke("wrong checksum".to_owned()))
        );
        assert_eq!(watch.handle_success(), (Some(FaultChange::Recovered), true));
        assert_eq!(watch.handle_success(), (None, false));
    }
}
