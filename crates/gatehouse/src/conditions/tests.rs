//! Conditions on a machine that is made up, and on disks that are made for the test.

use std::process::Command;

use gatehouse_model::{ManualClock, Timestamp};

use super::disk::DiskLook;
use super::*;

const MB: u64 = 1_000_000;

fn kinds(found: &[Warning]) -> Vec<WarningWord> {
    found.iter().map(|warning| warning.kind).collect()
}

#[test]
fn a_disk_is_told_nearly_full_full_and_read_only_and_does_not_come_and_go() {
    let mut look = DiskLook::default();
    let mut at = |free: u64, is_read_only: bool| {
        let found = look.judge(Room { free, total: 16_000 * MB, is_read_only }, Path::new("/data"));
        found.map(|warning| (warning.kind, warning.detail))
    };
    assert_eq!(at(201 * MB, false), None);
    assert_eq!(at(199 * MB + 7, false), Some((WarningWord::DiskNearlyFull, "190000000".to_owned())));
    assert!(at(210 * MB, false).is_some(), "not yet");
    assert_eq!(at(221 * MB, false), None);
    assert_eq!(at(MB - 1, false).map(|(word, _)| word), Some(WarningWord::DiskFull));
    assert_eq!(at(MB, false).map(|(word, _)| word), Some(WarningWord::DiskFull), "not yet");
    assert_eq!(at(2 * MB, false).map(|(word, _)| word), Some(WarningWord::DiskNearlyFull));
    assert_eq!(at(0, true), Some((WarningWord::DiskReadOnly, "/data".to_owned())));
    assert_eq!(at(300 * MB, false), None);
    // A small partition of its own is full later.
    assert!(!is_nearly_full(90 * MB, 500 * MB) && is_nearly_full(20 * MB, 500 * MB));
}

/// A log that grew on a full disk sent the whole house to every page with every look.
#[test]
fn a_disk_that_fills_up_byte_by_byte_is_told_in_few_words() {
    let mut look = DiskLook::default();
    let mut told = Vec::new();
    for free in (0..=198).rev().flat_map(|megabytes| [megabytes * MB + 900_007, megabytes * MB + 3]) {
        let found = look.judge(Room { free, total: 16_000 * MB, is_read_only: false }, Path::new("/data"));
        told.push(found.map(|warning| (warning.kind, warning.detail)).expect("it is told"));
    }
    assert_eq!(told.last(), Some(&(WarningWord::DiskFull, String::new())));
    told.dedup();
    // 190, 180 … 10, then 9, 8 … 1, then full.
    assert_eq!(told.len(), 19 + 9 + 1, "{told:?}");
}

/// Conditions on a clock of the test's, which is set as `is_set` says.
fn own(directory: &Path, clock: &Arc<ManualClock>) -> (Conditions, Arc<std::sync::atomic::AtomicBool>) {
    let is_set = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let says = Arc::clone(&is_set);
    let is_clock_set = move || says.load(std::sync::atomic::Ordering::Relaxed);
    (Conditions::new(directory, clock.clone(), is_clock_set, true), is_set)
}

#[test]
fn a_clock_that_is_not_set_or_was_set_by_much_is_told_for_an_hour() {
    let place = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
    let (mut conditions, is_set) = own(place.path(), &clock);
    is_set.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(kinds(&conditions.judge()), [WarningWord::ClockNotSet]);
    // The time server answers: years are made up for, and that is no jump.
    clock.set_wall(Timestamp::from_millis(1_895_252_440_000));
    is_set.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(conditions.judge(), []);
    clock.advance(Duration::from_secs(10));
    assert_eq!(conditions.judge(), [], "time goes by");
    let jump = |by: i64| clock.set_wall(Timestamp::from_millis(clock.now().as_millis() + by));
    jump(-3_600_000);
    assert_eq!(conditions.judge(), [warning(WarningWord::ClockStepped, "-3600")]);
    jump(86_400_000);
    clock.advance(Duration::from_secs(10));
    assert_eq!(conditions.judge(), [warning(WarningWord::ClockStepped, "86400")]);
    jump(2_000);
    assert_eq!(conditions.judge(), [warning(WarningWord::ClockStepped, "86400")], "a small one is none");
    clock.advance(TOLD_OF_LAST_RUN);
    assert_eq!(conditions.judge(), []);
}

#[tokio::test]
async fn how_the_last_run_ended_is_told_for_half_a_day_and_not_in_a_demonstration() {
    let place = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
    last_run::begins(place.path(), clock.now());
    let (mut conditions, _) = own(place.path(), &clock);
    last_run::begins(place.path(), clock.now());
    assert_eq!(kinds(&conditions.judge()), [WarningWord::EndedCrashed]);
    clock.advance(TOLD_OF_LAST_RUN);
    assert_eq!(conditions.next().await, []);
    assert_eq!(last_run::of(place.path()), None, "the check-up does not tell either");
    last_run::begins(place.path(), clock.now());
    let mut demo = Conditions::new(place.path(), clock.clone(), || false, false);
    assert_eq!(demo.judge(), []);
}

/// Only the log said that an upgrade had kept no copy, and nobody reads that.
#[tokio::test]
async fn an_upgrade_without_a_way_back_is_told_for_as_long_as_the_copy_would_be_there() {
    let place = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
    let note = |version: &str| {
        let note = format!("{{\"version\":\"{version}\",\"reason\":\"no room\",\"at\":\"{}\"}}", clock.now());
        std::fs::write(place.path().join("no-way-back.json"), note).unwrap();
    };
    note("9.9.9");
    assert_eq!(own(place.path(), &clock).0.judge(), [], "it is of another release");
    let version = env!("CARGO_PKG_VERSION");
    note(version);
    let (mut conditions, _) = own(place.path(), &clock);
    let told = [warning(WarningWord::NoWayBack, format!("{version} no room"))];
    assert_eq!(conditions.judge(), told);
    let days = |count: u64| Duration::from_secs(count * 86_400);
    clock.advance(days(30));
    assert!(Unkept::of_this_release(place.path()).is_some_and(|note| note.is_news(clock.now())));
    clock.advance(days(1));
    let present = conditions.next().await;
    assert!(!kinds(&present).contains(&WarningWord::NoWayBack), "{present:?}");
    assert_eq!(Unkept::of_this_release(place.path()), None, "the check-up does not tell either");
}

/// The copy went only with a start, and a gateway that ran for a year kept it for a year; and one start with a clock that was
/// years ahead took the way back of yesterday's upgrade.
#[tokio::test]
async fn the_copy_of_before_an_upgrade_goes_after_thirty_days_of_a_clock_that_is_right() {
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("before-upgrade");
    std::fs::create_dir(&copy).unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
    let note = "{\"version\":\"0.0.9\",\"made\":\"1970-01-01T00:00:09.000Z\",\"forms\":{},\"without_history\":false}";
    std::fs::write(copy.join("copy.json"), note).unwrap();
    let (mut conditions, is_set) = own(place.path(), &clock);
    let mut look = async |is_right: bool, days: u64| {
        is_set.store(is_right, std::sync::atomic::Ordering::Relaxed);
        clock.advance(Duration::from_secs(days * 86_400));
        conditions.ticks = None;
        conditions.next().await;
        copy.exists()
    };
    assert!(look(true, 0).await, "made before the time was known, it is not as old as it says");
    assert!(look(true, 29).await);
    assert!(look(false, 400).await, "nobody knows how many days that are");
    assert!(!look(true, 1).await);
}

/// A disk of a megabyte that is filled, emptied and made read-only. Only root may mount one.
#[tokio::test]
async fn a_real_disk_is_seen_to_be_full_and_read_only_and_well_again() {
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let run = |arguments: &[&str]| {
        Command::new(arguments[0]).args(&arguments[1..]).status().is_ok_and(|status| status.success())
    };
    let path = disk.to_str().unwrap();
    if !run(&["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", path]) {
        eprintln!("not tried: this user cannot mount a disk");
        return;
    }
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
    let mut conditions = Conditions::new(&disk, clock, || true, false);
    // Whoever waits for the next look waits for seconds; the looks themselves are what is tried.
    let mut look = async || {
        conditions.ticks = None;
        kinds(&conditions.next().await)
    };
    let mut seen = vec![look().await];
    std::fs::write(disk.join("filler"), vec![0; 39 << 20]).unwrap();
    seen.push(look().await);
    // To the last byte: what does not fit is refused.
    let _ = std::fs::write(disk.join("more"), vec![0; 2 << 20]);
    seen.push(look().await);
    std::fs::remove_file(disk.join("filler")).unwrap();
    let remounted = run(&["mount", "-o", "remount,ro", path]);
    seen.push(look().await);
    let unmounted = run(&["umount", path]);
    assert!(remounted && unmounted);
    use WarningWord::{DiskFull, DiskNearlyFull, DiskReadOnly};
    assert_eq!(seen, [vec![], vec![DiskNearlyFull], vec![DiskFull], vec![DiskReadOnly]]);
}
