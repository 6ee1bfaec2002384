//! What is done at the start, and how the service manager hears that it goes on.

use std::time::Duration;

use crate::supervision::still_starting;
use crate::watchdog::DATABASE_LIMIT;

/// How often a part of the start that goes on is told of: well within `supervision::STILL_STARTING`.
const TOLD_EVERY: Duration = Duration::from_secs(20);

/// How often it is told of one part: as long as a database may hang before it counts as dead. One that takes longer still is
/// given up by the service manager, a minute later.
const TOLD_AT_MOST: u64 = DATABASE_LIMIT.as_secs() / TOLD_EVERY.as_secs();

/// Does one part of the start, and gives it time: a slow card, or a small board on which everything else starts as well, does
/// not make a start fail that goes on.
pub(crate) async fn while_starting<T>(part: impl Future<Output = T>) -> T {
    telling(part, still_starting).await
}

/// Does the work, and tells that it goes on: from its beginning, every [`TOLD_EVERY`], and so often at most.
async fn telling<T>(part: impl Future<Output = T>, tell: impl Fn()) -> T {
    let mut part = std::pin::pin!(part);
    let mut ticks = tokio::time::interval(TOLD_EVERY);
    for _ in 0..=TOLD_AT_MOST {
        tokio::select! {
            // Which of two that are ready goes first is left to chance otherwise, and the beginning might not be told.
            biased;
            _ = ticks.tick() => tell(),
            done = &mut part => return done,
        }
    }
    part.await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a power cut a small board started everything at once; a minute after its beginning systemd ended the gateway, which
    /// was just getting ready.
    #[tokio::test(start_paused = true)]
    async fn a_start_that_goes_on_gets_its_time_and_one_that_hangs_does_not() {
        let told = std::cell::Cell::new(0);
        let tell = || told.set(told.get() + 1);
        assert_eq!(telling(async { 1 }, tell).await, 1);
        let slow = async {
            for word in 1..=6 {
                assert!(told.get() >= word, "told {} times", told.get());
                tokio::time::sleep(TOLD_EVERY).await;
            }
            2
        };
        assert_eq!(telling(slow, tell).await, 2);
        told.set(0);
        let hangs = telling(std::future::pending::<()>(), tell);
        assert!(tokio::time::timeout(Duration::from_secs(3600), hangs).await.is_err());
        assert_eq!(told.get(), 7);
    }
}
