//! Whether the wall clock is right. A board without a battery comes up with the time of its last shutdown, and an output that
//! comes up as it was would take an old change for a recent one.
//!
//! The kernel's own word for it (`STA_UNSYNC` of `adjtimex(2)`) is in no file, and this software makes no system calls by
//! itself; so two marks are read: that of systemd-timesyncd, and a clock chip that agrees. The chip also speaks for chrony
//! and ntpd, which have the kernel write their time into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_board::bridge::ClockTrust;
use gatehouse_control::guard::CLOCK_IS_SET_FROM;
use gatehouse_model::{Clock, SystemClock, Timestamp};

/// What systemd-timesyncd makes when it has set the clock, below `/run`. It lies in memory, so it does not outlive the
/// machine.
const TIME_IS_SET: &str = "systemd/timesync/synchronized";

/// Where it keeps that file while it runs, below `/run`.
const TIME_SERVICE: &str = "systemd/timesync";

/// Where marks of the running system are.
const RUN: &str = "/run";

/// Where chrony keeps its own files while it runs, below `/run`. Whether it has set the clock, it tells its own clients only.
const CHRONY: &str = "chrony";

/// How far a clock chip and the system's time may be apart. The kernel takes the time from the chip at its start, and the
/// chip counts whole seconds; what was set by hand since then is mostly further away.
const RTC_TOLERANCE: Duration = Duration::from_secs(3);

/// How often the clock chips are asked until one agrees.
const RTC_POLL: Duration = Duration::from_secs(1);

/// Most clock chips that are asked: boards have one, some two.
const MAX_RTCS: usize = 8;

/// Where the marks are.
#[derive(Clone, Debug)]
struct Marks {
    run: PathBuf,
    sys: PathBuf,
}

impl Marks {
    /// It is in memory, so this never waits.
    fn is_synchronized(&self) -> bool {
        self.run.join(TIME_IS_SET).exists()
    }

    /// Whether a clock chip shows this time, too. A chip on a bus that hangs may take a second to be read.
    fn has_rtc_that_agrees(&self, now: Timestamp) -> bool {
        let Ok(chips) = std::fs::read_dir(self.sys.join("class/rtc")) else { return false };
        chips.filter_map(Result::ok).take(MAX_RTCS).any(|chip| agrees(&chip.path(), now))
    }
}

/// A service that sets the clock over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClockService {
    pub(crate) name: &'static str,
    /// Nothing when it does not tell.
    pub(crate) has_set_the_clock: Option<bool>,
}

impl ClockService {
    /// The one that runs here, where one is known.
    pub(crate) fn of_this_machine() -> Option<Self> {
        Self::below(Path::new(RUN))
    }

    fn below(run: &Path) -> Option<Self> {
        if run.join(TIME_SERVICE).exists() {
            let has_set = run.join(TIME_IS_SET).exists();
            return Some(Self { name: "systemd-timesyncd", has_set_the_clock: Some(has_set) });
        }
        run.join(CHRONY).exists().then_some(Self { name: "chrony", has_set_the_clock: None })
    }
}

/// The drivers of chips whose battery was empty refuse to be read, or show a time from before this software was written.
fn agrees(chip: &Path, now: Timestamp) -> bool {
    let seconds = std::fs::read_to_string(chip.join("since_epoch")).ok();
    let Some(seconds) = seconds.and_then(|text| text.trim().parse::<i64>().ok()) else { return false };
    let shown = Timestamp::from_millis(seconds.saturating_mul(1_000));
    let apart = Duration::from_millis(now.as_millis().abs_diff(shown.as_millis()));
    is_plausible(shown) && apart <= RTC_TOLERANCE
}

fn is_plausible(time: Timestamp) -> bool {
    time >= CLOCK_IS_SET_FROM
}

/// Whether the wall clock is right. The demonstration believes any that shows a time after this software was written.
/// `sys` is where the kernel shows its devices. It must be called within a runtime, whose threads wait for clock chips:
/// whoever asks waits for none.
pub(crate) fn clock_trust(demo: bool, sys: &Path) -> ClockTrust {
    let marks = Marks { run: PathBuf::from(RUN), sys: sys.to_owned() };
    if demo {
        return ClockTrust::new(|| is_plausible(SystemClock::new().now()));
    }
    trust(marks, Arc::new(SystemClock::new()))
}

/// Whether history believes the wall clock: where no service is there that could vouch for it one day, it is not waited
/// for.
pub(crate) fn history_clock(demo: bool) -> gatehouse_history::ClockTrust {
    gatehouse_history::ClockTrust::new(move || has_nobody_to_wait_for(demo))
}

/// Whether files may be named after the wall clock: when it is right, or nobody is there who could vouch for it one day.
pub(crate) fn names_of_files_clock(
    trust: ClockTrust,
    demo: bool,
) -> impl Fn() -> bool + Send + Sync + 'static {
    move || trust.is_trusted() || is_believed(has_nobody_to_wait_for(demo), SystemClock::new().now())
}

/// Whether a clock is taken for right for want of anybody who could say so. One that somebody has set to 1970 is not, whoever has
/// vouched for it before.
fn is_believed(has_nobody_to_wait_for: bool, now: Timestamp) -> bool {
    has_nobody_to_wait_for && is_plausible(now)
}

fn has_nobody_to_wait_for(demo: bool) -> bool {
    let run = Path::new(RUN);
    demo || !run.join(TIME_SERVICE).exists() || run.join(TIME_IS_SET).exists()
}

fn trust(marks: Marks, clock: Arc<dyn Clock>) -> ClockTrust {
    // What was right once stays so: the kernel counts on by itself.
    let has_agreed = Arc::new(AtomicBool::new(false));
    tokio::spawn(ask_chips(marks.clone(), clock.clone(), has_agreed.clone()));
    ClockTrust::new(move || {
        is_plausible(clock.now()) && (has_agreed.load(Ordering::Relaxed) || marks.is_synchronized())
    })
}

/// Asks the clock chips until one agrees.
async fn ask_chips(marks: Marks, clock: Arc<dyn Clock>, has_agreed: Arc<AtomicBool>) {
    loop {
        let (marks, clock) = (marks.clone(), clock.clone());
        let asked = tokio::task::spawn_blocking(move || marks.has_rtc_that_agrees(clock.now()));
        if asked.await.unwrap_or(false) {
            has_agreed.store(true, Ordering::Relaxed);
            return;
        }
        tokio::time::sleep(RTC_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::ManualClock;

    use super::*;

    /// Some seconds after the first time that is believed.
    const NOW: i64 = 1_767_225_600 + 1_000;

    #[test]
    fn the_service_that_sets_the_clock_says_whether_it_did() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path();
        assert_eq!(ClockService::below(run), None);
        std::fs::create_dir_all(run.join(CHRONY)).unwrap();
        let found = ClockService::below(run).unwrap();
        assert_eq!((found.name, found.has_set_the_clock), ("chrony", None));
        std::fs::create_dir_all(run.join(TIME_SERVICE)).unwrap();
        let found = ClockService::below(run).unwrap();
        assert_eq!((found.name, found.has_set_the_clock), ("systemd-timesyncd", Some(false)));
        std::fs::write(run.join(TIME_IS_SET), "").unwrap();
        assert_eq!(ClockService::below(run).unwrap().has_set_the_clock, Some(true));
    }

    /// It was set to 1970 while the mark of the time service was there, and nobody was told that the time is wrong.
    #[test]
    fn an_impossible_time_is_believed_by_nobody() {
        assert!(is_believed(true, at(NOW)) && !is_believed(false, at(NOW)));
        assert!(!is_believed(true, at(43_200)));
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000 + 400)
    }

    fn marks() -> (tempfile::TempDir, Marks) {
        let root = tempfile::tempdir().unwrap();
        let marks = Marks { run: root.path().join("run"), sys: root.path().join("sys") };
        (root, marks)
    }

    fn show_rtc(marks: &Marks, chip: &str, text: &str) {
        let chip = marks.sys.join("class/rtc").join(chip);
        std::fs::create_dir_all(&chip).unwrap();
        std::fs::write(chip.join("since_epoch"), text).unwrap();
    }

    #[test]
    fn a_machine_that_says_nothing_is_not_believed() {
        let (_root, marks) = marks();
        assert!(!marks.is_synchronized() && !marks.has_rtc_that_agrees(at(NOW)));
    }

    #[test]
    fn what_timesyncd_made_is_believed() {
        let (_root, marks) = marks();
        std::fs::create_dir_all(marks.run.join("systemd/timesync")).unwrap();
        assert!(!marks.is_synchronized(), "its directory is there from the start");
        std::fs::write(marks.run.join(TIME_IS_SET), "").unwrap();
        assert!(marks.is_synchronized());
    }

    /// With chrony or ntpd there is no mark of timesyncd, and outputs never came up as they were, also with a clock chip.
    #[test]
    fn a_clock_chip_is_believed_when_it_shows_the_same_time() {
        let (_root, marks) = marks();
        for (shown, is_believed) in [
            (NOW.to_string() + "\n", true),
            ((NOW - 3).to_string(), false),
            ((NOW - 2).to_string(), true),
            ((NOW + 3).to_string(), true),
            ((NOW + 4).to_string(), false),
            ((NOW - 3_600).to_string(), false),
            (String::new(), false),
            ("99999999999999999999".to_owned(), false),
            (i64::MAX.to_string(), false),
        ] {
            show_rtc(&marks, "rtc0", &shown);
            assert_eq!(marks.has_rtc_that_agrees(at(NOW)), is_believed, "{shown}");
        }
        // The chip of a Pi 5 without a battery, beside one that keeps the time.
        show_rtc(&marks, "rtc0", "12");
        assert!(!marks.has_rtc_that_agrees(at(12)), "both may come up with the same wrong time");
        show_rtc(&marks, "rtc1", &NOW.to_string());
        assert!(marks.has_rtc_that_agrees(at(NOW)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_chip_is_asked_until_it_agrees_and_the_mark_counts_at_once() {
        let (_root, marks) = marks();
        show_rtc(&marks, "rtc0", "12");
        let clock = Arc::new(ManualClock::new(at(NOW)));
        let trust = trust(marks.clone(), clock.clone());
        tokio::time::sleep(10 * RTC_POLL).await;
        assert!(!trust.is_trusted());
        std::fs::create_dir_all(marks.run.join("systemd/timesync")).unwrap();
        let mark = marks.run.join(TIME_IS_SET);
        std::fs::write(&mark, "").unwrap();
        assert!(trust.is_trusted());
        std::fs::remove_file(&mark).unwrap();
        assert!(!trust.is_trusted());
        show_rtc(&marks, "rtc0", &NOW.to_string());
        while !trust.is_trusted() {
            tokio::time::sleep(RTC_POLL).await;
        }
        show_rtc(&marks, "rtc0", "12");
        assert!(trust.is_trusted(), "it was right, and the kernel counts on");
    }
}
