//! When backups are made by themselves, and which of them stay.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use gatehouse_dashboard::wire::BackupFile;
use gatehouse_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{default_name, file_time};

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

/// Removes what is beyond the number that is kept.
pub(super) fn thin_out(folder: &Path, keep: usize) -> anyhow::Result<()> {
    for file in kept(folder)?.iter().skip(keep) {
        let path = folder.join(&file.name);
        std::fs::remove_file(&path).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    Ok(())
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
        thin_out(folder.path(), 2).unwrap();
        assert!(!folder.path().join(names[0]).exists());
        assert!(names[1..].iter().all(|name| folder.path().join(name).exists()));
        let gone = kept(&folder.path().join("stick")).unwrap_err();
        assert!(format!("{gone:#}").contains("check that the stick"), "{gone:#}");
    }

    #[test]
    fn times_of_day_are_read_strictly() {
        assert_eq!(TimeOfDay::parse("23:59"), Some(TimeOfDay { hour: 23, minute: 59 }));
        for wrong in ["24:00", "3:30", "03:60", "0330", "03:30:00", "+3:30", ""] {
            assert_eq!(TimeOfDay::parse(wrong), None, "{wrong}");
        }
    }
}
