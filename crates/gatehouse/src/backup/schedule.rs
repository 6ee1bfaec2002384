//! When backups are made by themselves, and which of them stay.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_dashboard::wire::BackupFile;
use gatehouse_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::names::{default_name, file_time};

/// A backup that could not be made is tried again after so long at first.
pub(super) const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);

/// `[backup]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    /// Where they go.
    pub(crate) folder: PathBuf,
    /// How often.
    pub(crate) every: Duration,
    /// At which time of the day, in the zone of the house; at any without it.
    pub(crate) at: Option<TimeOfDay>,
    /// How many stay.
    pub(crate) keep: usize,
    /// The file with the passphrase.
    pub(crate) passphrase_file: PathBuf,
}

/// Hours and minutes of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeOfDay {
    hour: i8,
    minute: i8,
}

impl TimeOfDay {
    /// Of a text such as `03:30`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str, most: i8| {
            let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_plain && *number <= most)
        };
        Some(Self { hour: number(hour, 23)?, minute: number(minute, 59)? })
    }

    /// This time on a day; where the clock leaves it out, the moment after.
    fn on(self, day: Date, zone: &TimeZone) -> Option<Timestamp> {
        let time = day.at(self.hour, self.minute, 0, 0).to_zoned(zone.clone()).ok()?;
        Some(Timestamp::from_millis(time.timestamp().as_millisecond()))
    }
}

/// The zone of the house: the configured one, else that of the machine.
pub(super) fn zone_of(name: Option<&str>) -> TimeZone {
    name.and_then(|name| TimeZone::get(name).ok()).unwrap_or_else(TimeZone::system)
}

impl Schedule {
    /// When the next one is due, after the `last`; one that was missed is due since then. Without one, the first time of day
    /// after `since`, when it began to be looked at.
    pub(super) fn due(&self, zone: &TimeZone, last: Option<Timestamp>, since: Timestamp) -> Timestamp {
        let every = i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX);
        let earliest =
            last.map_or(since, |last| Timestamp::from_millis(last.as_millis().saturating_add(every)));
        let Some(at) = self.at else { return earliest };
        let day = |time: Timestamp| {
            let time = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
            Some(time.to_zoned(zone.clone()).date())
        };
        let due = day(earliest).and_then(|day| {
            let due = at.on(day, zone)?;
            // Without one before, a time of today that is over is no time that was missed.
            if last.is_none() && due < since { at.on(day.tomorrow().ok()?, zone) } else { Some(due) }
        });
        due.unwrap_or(earliest)
    }
}

/// What a backup is called that was made at this time, and the time of such a name.
fn time_of(name: &str) -> Option<Timestamp> {
    let time = name.strip_prefix("gatehouse-")?.strip_suffix(".tar.age")?;
    let (day, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let at = Timestamp::parse(&format!("{day}T{}Z", clock.replace('-', ":"))).ok()?;
    (file_time(at) == time && default_name(at, true) == name).then_some(at)
}

/// The backups in a folder, the newest first. Other files are nobody's business here.
///
/// # Errors
/// When the folder cannot be read: a stick that was pulled out.
pub(super) fn kept(folder: &Path) -> anyhow::Result<Vec<BackupFile>> {
    let unreadable = || {
        format!(
            "{} cannot be read: check that the stick or disk is there, and that the gateway may read it",
            folder.display()
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let (Some(at), Ok(metadata)) = (time_of(&name), entry.metadata()) else { continue };
        if metadata.is_file() {
            found.push(BackupFile { name, bytes: metadata.len(), at });
        }
    }
    found.sort_by_key(|file| std::cmp::Reverse(file.at));
    Ok(found)
}

/// When the last one was made. What is dated after `now` was made while the clock was wrong: it says nothing of when the next
/// is due.
pub(super) fn last(kept: &[BackupFile], now: Timestamp) -> Option<Timestamp> {
    kept.iter().map(|file| file.at).filter(|at| *at <= now).max()
}

/// Removes what is beyond the number that is kept.
pub(super) fn thin_out(folder: &Path, keep: usize, now: Timestamp) -> anyhow::Result<()> {
    going(folder, keep, now)?.iter().try_for_each(|file| remove(folder, file))
}

/// Removes all but one less than the number that is kept, though never the last one, when so many bytes that are `lacking` for
/// the next come free with it. Says whether they did.
pub(super) fn make_way(folder: &Path, keep: usize, now: Timestamp, lacking: u64) -> anyhow::Result<bool> {
    let going = going(folder, keep.saturating_sub(1).max(1), now)?;
    if going.iter().map(|file| file.bytes).sum::<u64>() < lacking.max(1) {
        return Ok(false);
    }
    going.iter().try_for_each(|file| remove(folder, file))?;
    Ok(true)
}

/// What is beyond the number that stays: those of the future, whose dates are wrong, and then the oldest.
fn going(folder: &Path, stay: usize, now: Timestamp) -> anyhow::Result<Vec<BackupFile>> {
    let mut found = kept(folder)?;
    found.sort_by_key(|file| file.at > now);
    Ok(found.into_iter().skip(stay).collect())
}

fn remove(folder: &Path, file: &BackupFile) -> anyhow::Result<()> {
    let path = folder.join(&file.name);
    std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))
}

/// How long it rests after so many failures in a row, each of which may have written as much as the history: twice as long as
/// before, up to the time from one backup to the next.
pub(super) fn rest_after(failures: u32, every: Duration) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    TRIED_AGAIN_AFTER.saturating_mul(doubled).min(every.max(TRIED_AGAIN_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(every_days: u64, at: Option<&str>) -> Schedule {
        Schedule {
            folder: PathBuf::from("/media/stick"),
            every: Duration::from_secs(every_days * 86_400),
            at: at.map(|text| TimeOfDay::parse(text).unwrap()),
            keep: 2,
            passphrase_file: PathBuf::from("/etc/passphrase"),
        }
    }

    fn time(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn it_is_due_at_its_time_of_day_in_the_zone_of_the_house() {
        let zone = zone_of(Some("Europe/Madrid"));
        let daily = schedule(1, Some("03:30"));
        let due = |last: Option<&str>, since: &str| daily.due(&zone, last.map(time), time(since)).to_string();
        // The first one waits for its time.
        assert_eq!(due(None, "2026-11-21T01:00:00Z"), "2026-11-21T02:30:00.000Z");
        assert_eq!(due(None, "2026-11-21T12:00:00Z"), "2026-11-22T02:30:00.000Z");
        // It took a while; the next one is at its time all the same.
        assert_eq!(due(Some("2026-11-21T02:41:00Z"), "2026-11-21T12:00:00Z"), "2026-11-22T02:30:00.000Z");
        // One by hand in the evening does not replace that of the night; one that was missed is due since then.
        assert_eq!(due(Some("2026-11-20T20:00:00Z"), "2026-11-20T21:00:00Z"), "2026-11-21T02:30:00.000Z");
        assert_eq!(due(Some("2026-11-10T02:31:00Z"), "2026-11-21T12:00:00Z"), "2026-11-11T02:30:00.000Z");
        // In summer the clock is two hours ahead; in the night in which it leaves 02:30 out, it is an hour later.
        assert_eq!(due(Some("2026-07-01T01:31:00Z"), "2026-07-01T12:00:00Z"), "2026-07-02T01:30:00.000Z");
        let early = schedule(1, Some("02:30"));
        let spring = early.due(&zone, Some(time("2026-03-28T01:30:00Z")), time("2026-03-28T12:00:00Z"));
        assert_eq!(spring.to_string(), "2026-03-29T01:30:00.000Z");
        let weekly =
            schedule(7, None).due(&zone, Some(time("2026-11-21T09:14:00Z")), time("2026-11-22T00:00:00Z"));
        assert_eq!(weekly.to_string(), "2026-11-28T09:14:00.000Z");
    }

    #[test]
    fn only_own_files_are_counted_and_thinned_out() {
        let folder = tempfile::TempDir::new().unwrap();
        let names = [
            "gatehouse-2026-11-19T02-30-00Z.tar.age",
            "gatehouse-2026-11-20T02-30-00Z.tar.age",
            "gatehouse-2026-11-21T02-30-00Z.tar.age",
            "gatehouse-2026-11-21T02-30-00Z.tar",
            "gatehouse-of-ana.tar.age",
            "holidays.jpg",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let found = kept(folder.path()).unwrap();
        assert_eq!(
            found.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
            [names[2], names[1], names[0]]
        );
        thin_out(folder.path(), 2, time("2026-11-21T12:00:00Z")).unwrap();
        assert!(!folder.path().join(names[0]).exists());
        assert!(names[1..].iter().all(|name| folder.path().join(name).exists()));
        let gone = kept(&folder.path().join("stick")).unwrap_err();
        assert!(format!("{gone:#}").contains("check that the stick"), "{gone:#}");
    }

    /// With a wrong clock one was made that is dated far ahead, and no other was due until then.
    #[test]
    fn what_is_dated_in_the_future_goes_first_and_makes_none_wait() {
        let folder = tempfile::TempDir::new().unwrap();
        let days = ["2026-11-19", "2026-11-20", "2026-11-21", "2038-01-19"];
        let path = |day: &str| folder.path().join(format!("gatehouse-{day}T02-30-00Z.tar.age"));
        for day in days {
            std::fs::write(path(day), "x").unwrap();
        }
        let now = time("2026-11-21T12:00:00Z");
        let found = kept(folder.path()).unwrap();
        assert_eq!(last(&found, now), Some(time("2026-11-21T02:30:00Z")));
        assert_eq!(last(&found[..1], now), None);
        thin_out(folder.path(), 3, now).unwrap();
        assert_eq!(days.map(|day| path(day).exists()), [true, true, true, false]);
        thin_out(folder.path(), 2, now).unwrap();
        assert_eq!(days.map(|day| path(day).exists()), [false, true, true, false]);
    }

    #[test]
    fn the_last_one_never_makes_way() {
        let folder = tempfile::TempDir::new().unwrap();
        let now = time("2026-11-21T12:00:00Z");
        let left = || kept(folder.path()).unwrap().len();
        for day in 18..=21 {
            let name = format!("gatehouse-2026-11-{day}T02-30-00Z.tar.age");
            std::fs::write(folder.path().join(name), [0; 10]).unwrap();
        }
        // What would not be enough is not given away.
        assert!(!make_way(folder.path(), 4, now, 11).unwrap());
        assert_eq!(left(), 4);
        assert!(make_way(folder.path(), 4, now, 10).unwrap());
        assert_eq!(left(), 3);
        assert!(make_way(folder.path(), 1, now, 20).unwrap());
        assert_eq!(last(&kept(folder.path()).unwrap(), now), Some(time("2026-11-21T02:30:00Z")));
        assert!(!make_way(folder.path(), 1, now, 1).unwrap());
        assert_eq!(left(), 1);
    }

    #[test]
    fn it_rests_twice_as_long_after_each_failure() {
        let day = Duration::from_secs(86_400);
        let minutes = |failures: u32| rest_after(failures, day).as_secs() / 60;
        assert_eq!([1, 2, 3, 7, 8, u32::MAX].map(minutes), [15, 30, 60, 960, 1_440, 1_440]);
        assert_eq!(rest_after(3, Duration::from_secs(60)), TRIED_AGAIN_AFTER);
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        assert_eq!(TimeOfDay::parse("23:59"), Some(TimeOfDay { hour: 23, minute: 59 }));
        for wrong in ["24:00", "3:30", "03:60", "0330", "03:30:00", "+3:30", ""] {
            assert_eq!(TimeOfDay::parse(wrong), None, "{wrong}");
        }
    }
}
