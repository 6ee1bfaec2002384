//! How many commands may come.

use std::time::Duration;

use gatehouse_model::Moment;

/// A bucket of commands: full at first, each command takes one out, and one comes back after each refill time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    burst: u32,
    refill: Duration,
    left: u32,
    since: Moment,
}

impl Bucket {
    pub(crate) const fn new(burst: u32, refill: Duration, now: Moment) -> Self {
        Self { burst, refill, left: burst, since: now }
    }

    /// Takes one out; nothing changes when there is none, and the answer is how long until there is one.
    pub(crate) fn take(&mut self, now: Moment) -> Result<(), Duration> {
        let refill = self.refill.max(Duration::from_millis(1));
        let passed = now.saturating_since(self.since);
        let refills = u32::try_from(passed.as_millis() / refill.as_millis()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(refills).min(self.burst);
        // A full bucket starts to count anew; another keeps the part of a refill that has passed.
        self.since = if self.left == self.burst { now } else { self.since + refill.saturating_mul(refills) };
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err((self.since + refill).saturating_since(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Over any time there are at most a burst and what was refilled meanwhile, and who waits as told is let in.
        #[test]
        fn no_more_than_the_limit_and_the_wait_is_true(gaps in proptest::collection::vec(0u64..700, 1..200)) {
            let refill = Duration::from_millis(250);
            let mut bucket = Bucket::new(5, refill, Moment::default());
            let (mut now, mut taken) = (Moment::default(), 0u128);
            for gap in gaps {
                now = now + Duration::from_millis(gap);
                match bucket.take(now) {
                    Ok(()) => taken += 1,
                    Err(wait) => {
                        prop_assert!(wait <= refill && !wait.is_zero());
                        prop_assert!(bucket.clone().take(now + wait).is_ok());
                    }
                }
                let refilled = now.saturating_since(Moment::default()).as_millis() / refill.as_millis();
                prop_assert!(taken <= 5 + refilled);
            }
        }
    }
}
