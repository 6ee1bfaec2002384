//! The way back to a disk that could not be written at the start, and can be now.
//!
//! A disk that was full has room again when somebody tidied up, or when something on it did by itself; one that failed with I/O
//! errors may have done so while everything else started at once. Nobody need come to the page for either: the gateway looks
//! again from time to time, and restarts in order. A file system that the kernel made read-only stays as it is, since only a
//! check of the disk makes it whole, which takes a restart of the machine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, SystemClock, Timestamp};
use tracing::warn;

use crate::conditions::{self, Room};
use crate::config::Source;
use crate::stand_in::{self, Stranded, Why};
use crate::{paths, whole_file};

/// How often the disk is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// So many looks in a row have to find it good: what fails now and then is no place for a house to go back to.
const GOOD_LOOKS: u32 = 3;

/// The gateway restarts by itself at most once in this time. Each restart drives the outputs safe and forgets what memory
/// held, so that a disk that comes and goes must not bring the house to do so again and again.
const RESTART_SPACING: Duration = Duration::from_secs(3_600);

/// When it last restarted for that, in milliseconds of the wall clock. It lies on the disk that is found good, which is the last
/// proof that it is.
const NOTE: &str = "back-from-memory";

/// Most bytes that are read of it.
const MAX_NOTE_BYTES: u64 = 32;

/// Waits until the disk that the gateway does without can be written again, and gives why it restarts, for the log. It never
/// ends for a gateway that has its disk, nor where somebody has to see to it.
pub(crate) async fn healed(stranded: Option<&Stranded>, source: &Source) -> String {
    match stranded {
        Some(stranded) if stranded.why != Why::ReadOnly => {
            let (place, why, source) = (stranded.directory.clone(), stranded.why, source.clone());
            let look = Arc::new(move || is_good(&place, why));
            let can_start = move || source.again().is_ok();
            healed_by(stranded, look, can_start, &SystemClock::new()).await
        }
        _ => std::future::pending().await,
    }
}

/// Whether the disk takes what is written, and has room for databases to be opened where that was what it lacked.
fn is_good(directory: &Path, why: Why) -> bool {
    let has_room = || Room::of(directory).is_some_and(conditions::has_room_to_start);
    stand_in::why_not_writable(directory).is_none() && (why != Why::Full || has_room())
}

async fn healed_by(
    stranded: &Stranded,
    look: Arc<dyn Fn() -> bool + Send + Sync>,
    can_start: impl Fn() -> bool,
    clock: &dyn Clock,
) -> String {
    let directory = &stranded.directory;
    let mut good = 0;
    // What keeps it from restarting is told once, and again after the disk was bad.
    let mut is_told = false;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let look = Arc::clone(&look);
        // On a thread of its own, which a disk that hangs keeps.
        if !tokio::task::spawn_blocking(move || look()).await.unwrap_or(false) {
            (good, is_told) = (0, false);
            continue;
        }
        good = GOOD_LOOKS.min(good + 1);
        if good < GOOD_LOOKS {
            continue;
        }
        let obstacle = if !can_start() {
            "its configuration has mistakes now, which `gatehouse check` shows: put them right, then restart it".to_owned()
        } else if is_recent(directory, clock.now()) {
            let minutes = RESTART_SPACING.as_secs() / 60;
            format!(
                "it did so less than {minutes} minutes ago, and the disk failed again: it does so after that time"
            )
        } else {
            match whole_file::put(&directory.join(NOTE), clock.now().as_millis().to_string()) {
                Ok(()) => return format!("the disk with {} can be written again", directory.display()),
                Err(problem) => {
                    good = 0;
                    format!("nothing can be kept there after all ({problem})")
                }
            }
        };
        if !is_told {
            is_told = true;
            warn!(
                "the disk with {} can be written again, but the gateway does not restart: {obstacle}",
                directory.display()
            );
        }
    }
}

/// Whether the gateway has restarted not long ago since the disk was good. A time to come is that of a clock that was wrong.
fn is_recent(directory: &Path, now: Timestamp) -> bool {
    let Some(before) = noted(directory) else { return false };
    before <= now && now.saturating_since(before) < RESTART_SPACING
}

fn noted(directory: &Path) -> Option<Timestamp> {
    let text = paths::small_text(&directory.join(NOTE), MAX_NOTE_BYTES)?;
    text.trim().parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use gatehouse_model::ManualClock;
    use tempfile::TempDir;

    use super::*;

    /// 2026-11-21T09:14:00Z.
    const NOW: i64 = 1_795_252_440_000;

    fn full(directory: &Path) -> Stranded {
        Stranded { directory: directory.to_owned(), why: Why::Full }
    }

    /// A disk that is found so, look by look, and good after that; with how often it was looked at.
    fn disk(looks: &'static [bool]) -> (Arc<dyn Fn() -> bool + Send + Sync>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let look = move || looks.get(counted.fetch_add(1, Ordering::SeqCst)).copied().unwrap_or(true);
        (Arc::new(look), count)
    }

    /// Somebody made room, and the house ran from memory for ever, since nobody came to the page.
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_is_good_three_times_in_a_row_brings_the_gateway_back() {
        let data = TempDir::new().unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(NOW));
        let (look, count) = disk(&[false, true, true, false]);
        let stranded = full(data.path());
        let mut healed = std::pin::pin!(healed_by(&stranded, look, || true, &clock));
        let early = tokio::time::timeout(6 * LOOK_EVERY, &mut healed).await;
        assert!(early.is_err(), "{early:?}");
        let why = healed.await;
        assert!(why.contains("can be written again"), "{why}");
        assert_eq!(count.load(Ordering::SeqCst), 7);
    }

    /// A card that comes and goes: the boiler would go off and on every three minutes.
    #[tokio::test(start_paused = true)]
    async fn a_disk_that_comes_and_goes_restarts_the_house_once_an_hour_at_most() {
        let data = TempDir::new().unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(NOW));
        healed_by(&full(data.path()), disk(&[]).0, || true, &clock).await;
        // The next run, which found it bad again.
        clock.advance(Duration::from_secs(300));
        let stranded = full(data.path());
        let (look, count) = disk(&[]);
        let again = healed_by(&stranded, look, || true, &clock);
        let mut again = std::pin::pin!(again);
        let early = tokio::time::timeout(10 * LOOK_EVERY, &mut again).await;
        assert!(early.is_err(), "{early:?}");
        assert!(count.load(Ordering::SeqCst) > 3);
        clock.advance(RESTART_SPACING);
        again.await;
        // A clock that was wrong the last time holds nothing up.
        clock.set_wall(Timestamp::from_millis(NOW - 86_400_000));
        healed_by(&full(data.path()), disk(&[]).0, || true, &clock).await;
    }

    /// In memory it runs; with a configuration that has mistakes it would not come back.
    #[tokio::test(start_paused = true)]
    async fn it_does_not_restart_into_a_configuration_with_mistakes() {
        let data = TempDir::new().unwrap();
        let clock = ManualClock::new(Timestamp::from_millis(NOW));
        let (asked, is_right) = (AtomicUsize::new(0), 4);
        let can_start = || asked.fetch_add(1, Ordering::SeqCst) >= is_right;
        healed_by(&full(data.path()), disk(&[]).0, can_start, &clock).await;
        assert_eq!(asked.load(Ordering::SeqCst), is_right + 1);
    }

    /// What the tries find good and a file still does not fit on is no disk to go back to.
    #[tokio::test(start_paused = true)]
    async fn a_disk_on_which_nothing_stays_is_not_gone_back_to() {
        let data = TempDir::new().unwrap();
        let gone = data.path().join("gone");
        let clock = ManualClock::new(Timestamp::from_millis(NOW));
        let stranded = full(&gone);
        let again = healed_by(&stranded, disk(&[]).0, || true, &clock);
        let mut again = std::pin::pin!(again);
        assert!(tokio::time::timeout(10 * LOOK_EVERY, &mut again).await.is_err());
        std::fs::create_dir(&gone).unwrap();
        again.await;
    }

    /// It takes a check of the disk, which nobody but a person can ask for.
    #[tokio::test(start_paused = true)]
    async fn a_read_only_disk_is_left_to_people() {
        let data = TempDir::new().unwrap();
        let source = Source::new(None, true, crate::config::Addresses::default());
        for stranded in [Some(Stranded { why: Why::ReadOnly, ..full(data.path()) }), None] {
            let healed = healed(stranded.as_ref(), &source);
            assert!(tokio::time::timeout(100 * LOOK_EVERY, healed).await.is_err());
        }
        assert!(!data.path().join(NOTE).exists());
    }
}
