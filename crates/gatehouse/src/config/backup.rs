//! `[backup]`: backups that are made by themselves.

use std::path::PathBuf;
use std::time::Duration;

use super::problems::Findings;
use super::section::Section;
use crate::backup::schedule::{Schedule, TimeOfDay};

/// Shortest and longest time between two: a backup reads everything, and one a month is hardly one.
const EVERY: (Duration, Duration) = (Duration::from_secs(3_600), Duration::from_secs(31 * 86_400));

const DAY: Duration = Duration::from_secs(86_400);

/// Most that are kept: more than a stick is looked at for.
const MAX_KEPT: f64 = 1_000.0;

const FOLDER: &str = "/media/stick/gatehouse";
const PASSPHRASE_FILE: &str = "/etc/gatehouse/backup-passphrase";

/// `[backup]`. Nothing when it is not there, or something in it cannot be used.
pub(super) fn read(section: Option<Section<'_>>, findings: &mut Findings) -> Option<Schedule> {
    let mut section = section?;
    let folder = path(&mut section, "folder", FOLDER, findings);
    let passphrase_file = path(&mut section, "passphrase_file", PASSPHRASE_FILE, findings);
    let every = section.duration_within("every", EVERY, "1d", findings).unwrap_or(DAY);
    let at = at(&mut section, every, findings);
    let keep = keep(&mut section, findings).unwrap_or(7);
    section.finish("[backup]", findings);
    Some(Schedule { folder: folder?, every, at, keep, passphrase_file: passphrase_file? })
}

fn path(
    section: &mut Section<'_>,
    key: &'static str,
    example: &str,
    findings: &mut Findings,
) -> Option<PathBuf> {
    let hint = format!("write a path from the root: {key} = \"{example}\"");
    let Some(text) = section.text(key, example, findings) else {
        if section.item(key).is_none() {
            findings.push(section.missing(key, hint));
        }
        return None;
    };
    if text.value.starts_with('/') {
        return Some(PathBuf::from(text.value));
    }
    findings.push(section.error(text.span, format!("`{key}` does not begin at the root"), hint));
    None
}

fn at(section: &mut Section<'_>, every: Duration, findings: &mut Findings) -> Option<TimeOfDay> {
    let text = section.text("at", "03:30", findings)?;
    let Some(at) = TimeOfDay::parse(text.value) else {
        let what = format!("`{}` is no time of day", text.value);
        findings.push(section.error(text.span, what, "write hours and minutes: at = \"03:30\""));
        return None;
    };
    if !every.as_secs().is_multiple_of(DAY.as_secs()) {
        let what = "`at` is a time of day, but `every` is not whole days";
        findings.push(section.error(text.span, what, "write every = \"1d\", or leave `at` out"));
    }
    Some(at)
}

fn keep(section: &mut Section<'_>, findings: &mut Findings) -> Option<usize> {
    let number = section.number("keep", "7", findings)?;
    if number.value.fract() == 0.0 && (1.0..=MAX_KEPT).contains(&number.value) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 1,000")]
        return Some(number.value as usize);
    }
    let hint = format!("write a whole number from 1 to {MAX_KEPT}: keep = 7");
    findings.push(section.error(number.span, "so many backups cannot be kept", hint));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    const WHOLE: &str = "[backup]\nfolder = \"/media/stick/gatehouse\"\npassphrase_file = \"/etc/p\"\n";

    fn complaint(text: &str) -> String {
        load(text, "gatehouse.toml").unwrap_err().to_string()
    }

    #[test]
    fn two_paths_are_enough() {
        let schedule = load(WHOLE, "gatehouse.toml").unwrap().backup.unwrap();
        assert_eq!((schedule.every, schedule.at, schedule.keep), (DAY, None, 7));
        let text = format!("{WHOLE}every = \"2d\"\nat = \"03:30\"\nkeep = 3\n");
        let schedule = load(&text, "gatehouse.toml").unwrap().backup.unwrap();
        assert_eq!((schedule.every, schedule.at, schedule.keep), (DAY * 2, TimeOfDay::parse("03:30"), 3));
        assert_eq!(load("", "gatehouse.toml").unwrap().backup, None);
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        assert!(complaint("[backup]\nfolder = \"/media/stick\"\n").contains("passphrase_file"));
        assert!(
            complaint("[backup]\nfolder = \"stick\"\npassphrase_file = \"/p\"\n")
                .contains("begin at the root")
        );
        assert!(complaint(&format!("{WHOLE}at = \"3 am\"\n")).contains("no time of day"));
        assert!(complaint(&format!("{WHOLE}at = \"03:30\"\nevery = \"12h\"\n")).contains("not whole days"));
        assert!(complaint(&format!("{WHOLE}every = \"1m\"\n")).contains("too short"));
        assert!(complaint(&format!("{WHOLE}keep = 0\n")).contains("cannot be kept"));
    }
}
