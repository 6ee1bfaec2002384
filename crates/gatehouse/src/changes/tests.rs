//! Changing the file and taking it back, in a directory of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use gatehouse_model::{ManualClock, Timestamp};
use tempfile::TempDir;

use super::versions::MAX_VERSIONS;
use super::*;
use crate::config::Addresses;

const BEFORE: &str = "# mine\n[gateway]\nname = \"Casa\"\n";
const AFTER: &str = "# mine\n[gateway]\nname = \"Villa\"\n";
const MINUTE: Duration = Duration::from_secs(60);

struct Desk {
    folder: TempDir,
}

impl Desk {
    fn with(text: &str) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::write(desk.file(), text).unwrap();
        desk
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gatehouse.toml")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn changes(&self) -> Changes {
        Changes::new(&self.file(), &self.data())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn settle(&self, now: i64) -> AtStart {
        let source = Source::new(Some(self.file()), false, Addresses::default());
        settle_at_start(&source, &self.data(), &ManualClock::new(at(now)))
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
}

#[test]
fn a_changed_file_keeps_its_mode_and_its_former_text() {
    let desk = Desk::with(BEFORE);
    std::fs::set_permissions(desk.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let changes = desk.changes();
    changes.put(BEFORE, AFTER, None, at(0)).unwrap();
    assert_eq!(desk.text(), AFTER);
    assert_eq!(std::fs::metadata(desk.file()).unwrap().permissions().mode() & 0o7777, 0o640);
    let versions = changes.versions();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0].replaced, at(0));
    assert_eq!(changes.version(&versions[0].id).unwrap(), BEFORE);
    assert_eq!(changes.unconfirmed(), None);
    assert_eq!(std::fs::read_dir(desk.folder.path()).unwrap().count(), 2, "nothing is left beside the file");
}

/// A configuration that is kept under version control elsewhere used to be linked to.
#[test]
fn a_link_stays_a_link() {
    let desk = Desk::with("");
    let real = desk.folder.path().join("real.toml");
    std::fs::rename(desk.file(), &real).unwrap();
    std::os::unix::fs::symlink(&real, desk.file()).unwrap();
    desk.changes().put("", AFTER, None, at(0)).unwrap();
    assert!(desk.file().is_symlink());
    assert_eq!(std::fs::read_to_string(real).unwrap(), AFTER);
}

#[test]
fn earlier_texts_are_bounded_and_the_newest_is_kept_even_when_the_clock_was_set_back() {
    let desk = Desk::with(BEFORE);
    let changes = desk.changes();
    for second in 0..40 {
        changes.put(&format!("# {second}\n"), BEFORE, None, at(second)).unwrap();
    }
    let versions = changes.versions();
    assert_eq!(versions.len(), MAX_VERSIONS);
    assert_eq!(changes.version(&versions[0].id).unwrap(), "# 39\n");
    changes.put("# from the past\n", BEFORE, None, at(-1_000)).unwrap();
    let texts: Vec<_> = changes.versions().iter().filter_map(|one| changes.version(&one.id)).collect();
    assert_eq!(texts.len(), MAX_VERSIONS);
    assert!(texts.contains(&"# from the past\n".to_owned()));
}

#[test]
fn only_names_of_versions_are_read() {
    let desk = Desk::with(BEFORE);
    let changes = desk.changes();
    changes.put(BEFORE, AFTER, None, at(0)).unwrap();
    for id in ["../../gatehouse", "unconfirmed", "", "1700000000000-../../gateho", "1700000000000"] {
        assert_eq!(changes.version(id), None, "{id}");
    }
}

#[test]
fn a_change_that_is_confirmed_stays_over_a_restart() {
    let desk = Desk::with(BEFORE);
    let changes = desk.changes();
    changes.put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap();
    assert_eq!(changes.unconfirmed().unwrap().left(at(20)), Duration::from_secs(40));
    assert!(changes.confirm().unwrap());
    assert!(!changes.confirm().unwrap(), "once is enough");
    assert_eq!(desk.settle(600), AtStart::Nothing);
    assert_eq!(desk.text(), AFTER);
}

#[test]
fn a_change_that_nobody_confirms_is_taken_back_at_the_next_start() {
    let desk = Desk::with(BEFORE);
    desk.changes().put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap();
    assert_eq!(desk.settle(59), AtStart::Nothing);
    assert_eq!(desk.text(), AFTER);
    assert_eq!(desk.settle(60), AtStart::TakenBack);
    assert_eq!(desk.text(), BEFORE);
    assert_eq!(desk.settle(120), AtStart::Nothing);
    let newest = &desk.changes().versions()[0];
    assert_eq!(desk.changes().version(&newest.id).unwrap(), AFTER, "what was tried is not lost");
}

/// The note is written before the text that it is about. Whoever read the configuration in between once removed it, and
/// the change stayed although nobody confirmed it.
#[test]
fn a_reader_in_the_middle_of_a_change_takes_nothing_away() {
    let desk = Desk::with(BEFORE);
    let changes = desk.changes();
    changes.put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap();
    std::fs::write(desk.file(), BEFORE).unwrap();
    assert_eq!(changes.unconfirmed(), None, "as between the note and the text");
    std::fs::write(desk.file(), AFTER).unwrap();
    assert!(changes.unconfirmed().is_some());
}

/// A note that was left by a change under a text that somebody wrote by hand must not come to life again.
#[test]
fn a_change_without_a_time_removes_an_older_note() {
    let desk = Desk::with(BEFORE);
    let changes = desk.changes();
    changes.put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap();
    std::fs::write(desk.file(), "# by hand\n").unwrap();
    changes.put("# by hand\n", AFTER, None, at(10)).unwrap();
    assert_eq!(changes.unconfirmed(), None);
    assert_eq!(desk.settle(600), AtStart::Nothing);
    assert_eq!(desk.text(), AFTER);
}

/// A certificate that the change names may be gone at the next start, and nobody can reach the page then.
#[test]
fn a_change_with_which_the_gateway_cannot_start_is_taken_back_at_once() {
    let desk = Desk::with(BEFORE);
    let broken = "[gateway]\nname = 5\n";
    desk.changes().put(BEFORE, broken, Some(MINUTE), at(0)).unwrap();
    assert_eq!(desk.settle(1), AtStart::TakenBack);
    assert_eq!(desk.text(), BEFORE);
}

#[test]
fn what_somebody_wrote_by_hand_meanwhile_is_not_taken_back() {
    let desk = Desk::with(BEFORE);
    desk.changes().put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap();
    std::fs::write(desk.file(), "# by hand\n").unwrap();
    assert_eq!(desk.settle(600), AtStart::Nothing);
    assert_eq!(desk.text(), "# by hand\n");
    assert!(!desk.changes().take_back(at(601)).unwrap());
}

/// A Raspberry Pi without a clock of its own starts in the past.
#[test]
fn a_clock_that_was_set_back_gives_no_more_time_than_at_first() {
    let desk = Desk::with(BEFORE);
    desk.changes().put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap();
    assert_eq!(desk.changes().unconfirmed().unwrap().left(at(-100_000)), MINUTE);
}

#[test]
fn a_directory_that_takes_no_file_is_told_with_what_to_do_and_nothing_is_kept() {
    let desk = Desk::with(BEFORE);
    let gone = Changes::new(&desk.folder.path().join("nowhere/gatehouse.toml"), &desk.data());
    let said = gone.put(BEFORE, AFTER, Some(MINUTE), at(0)).unwrap_err();
    assert!(said.contains("nowhere") && said.contains("Check"), "{said}");
    assert!(gone.versions().is_empty());
    assert_eq!(gone.unconfirmed(), None);
    let demo = Source::new(None, true, Addresses::default());
    assert!(read_only(&demo).unwrap().contains("--config FILE"));
    assert_eq!(read_only(&Source::new(Some(desk.file()), false, Addresses::default())), None);
}

#[test]
fn a_device_is_added_at_the_end_and_every_comment_stays() {
    let text = "# my house\n[gateway]\nname = \"Casa\" # ours";
    let device = "[[device]]\nid = \"input-4\" # made up\nname = \"Input 4\"\ndriver = \"input\"\npin = 4\n";
    let given = Given { name: Some("Back \"door\"".to_owned()), room: Some("Hall".to_owned()), id: None };
    let whole = with_device(text, device, &given).unwrap();
    assert_eq!(
        whole,
        "# my house\n[gateway]\nname = \"Casa\" # ours\n\n[[device]]\nid = \"input-4\" # made up\n\
         name = 'Back \"door\"'\ndriver = \"input\"\npin = 4\nroom = \"Hall\"\n"
    );
    assert!(crate::config::load(&whole, "f").is_ok());
    assert!(with_device("", device, &Given::default()).unwrap().starts_with("[[device]]"));
}

#[test]
fn what_is_not_one_device_is_refused() {
    for text in
        ["", "[gateway]\nname = \"x\"\n", "[[device]]\n[[device]]\n", "[[device]]\n[http]\n", "device = 1\n"]
    {
        let said = with_device("", text, &Given::default()).unwrap_err();
        assert!(said.contains("one device"), "{text}: {said}");
    }
    assert!(with_device("", "[[device]\n", &Given::default()).unwrap_err().contains("not written as TOML"));
}

#[test]
fn mistakes_name_the_lines_that_the_reader_has_before_the_eyes() {
    let problems = crate::config::load("[gateway]\nname = 5\n[gatewai]\n", "f").unwrap_err();
    let all = mistakes(&problems, 3);
    assert!(all.contains("Line 2: ") && all.contains("Line 3: "), "{all}");
    let own = mistakes(&problems, 2);
    assert!(own.contains("Line 2: ") && !own.contains("Line 3"), "{own}");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is added, what was there is there, and nothing panics.
        #[test]
        fn a_device_never_changes_what_stands_before_it(text in "[ -~\n]{0,80}", device in "[ -~\n]{0,80}") {
            if let Ok(whole) = with_device(&text, &device, &Given::default()) {
                prop_assert!(whole.starts_with(&text));
            }
        }
    }
}
