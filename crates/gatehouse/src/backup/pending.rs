//! A backup that is ready to take its place: put there by whoever checked it, moved in by the next start.
//!
//! A power cut at any instant leaves the old state or the new one. The new files lie in a directory of their own, whole and on
//! the disk, before its marker says so. From then on whoever starts finishes what was begun, before any database is opened:
//! first all old files move aside (while the marker is [`Phase::Aside`], what lies in the data directory is old), then all
//! new ones move in (while it is [`Phase::In`], what is still in the directory of the new ones belongs into its place). Each
//! move is one rename within a file system, and each phase can be done again from wherever it was cut off. What the moves
//! need, the directory for the old files and the marker of the second phase, is made before the first marker is there: a
//! disk that is full by then stops nothing halfway.
//!
//! The marker lies where the daemon's user may write, and root may be who finishes (`sudo gatehouse restore`): it names
//! nothing but what belongs into a backup, and links are not followed.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tracing::warn;

use super::{CONFIGURATION, DATABASES};
use crate::{paths, whole_file};

/// Where the new files wait.
pub(crate) const DIRECTORY: &str = "restore-pending";

/// The marker in it: the names of the files, and where the old ones go.
const MARKER: &str = "ready.json";

/// The marker of the second phase, until its time has come.
const SECOND_MARKER: &str = "moved.json";

/// Where the old files are to go, until the first of them does.
const ASIDE: &str = "aside";

/// What the directory of the old files begins with, below the data directory.
pub(super) const ASIDE_PREFIX: &str = "before-restore-";

/// The configuration of the backup, beside the data.
pub(crate) const RESTORED_CONFIGURATION: &str = "gatehouse.toml.restored";

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Old files move aside.
    Aside,
    /// New files move in.
    In,
}

/// What is to be done.
#[derive(Debug)]
struct Marker {
    phase: Phase,
    /// Files and directories of the data directory that are replaced.
    names: Vec<String>,
    /// Where the old ones go, below the data directory.
    aside: String,
    /// Whether the configuration of the backup takes the place of the one in use.
    with_configuration: bool,
}

/// What a restore that was finished at the start has done.
#[derive(Debug)]
pub(crate) struct Applied {
    /// Where what was there before is; nothing when nothing was there.
    pub(crate) aside: Option<PathBuf>,
    /// What lies in the data directory itself now, and was a link before.
    pub(crate) links: Vec<FormerLink>,
}

/// A file of the data directory that was a link to one on another disk. A move within a file system is one step, and a copy to
/// another disk is none: what takes its place lies in the data directory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FormerLink {
    /// The file.
    pub(crate) name: String,
    /// Where it led.
    pub(crate) target: PathBuf,
}

impl FormerLink {
    /// The links among these files of a directory.
    pub(crate) fn among<'a>(directory: &Path, names: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let link = |name: &str| {
            let target = std::fs::read_link(directory.join(name)).ok()?;
            Some(Self { name: name.to_owned(), target: directory.join(target) })
        };
        names.into_iter().filter_map(link).collect()
    }

    /// What became of it, for people.
    pub(crate) fn sentence(&self, directory: &Path) -> String {
        let Self { name, target } = self;
        format!(
            "{name} was a link to {}, which is as it was. The one in use lies in {} itself now, on its disk: to have it on the other \
             disk again, stop the gateway, move it there, and make the link anew.",
            target.display(),
            directory.display()
        )
    }
}

impl Marker {
    /// What the marker says; nothing when there is none, so that nothing was declared ready.
    fn read(stage: &Path) -> anyhow::Result<Option<Self>> {
        let file = stage.join(MARKER);
        let text = match std::fs::read(&file) {
            Ok(text) => text,
            Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(None),
            // It may be all that tells where somebody's data is.
            Err(problem) => {
                return Err(problem).with_context(|| {
                    format!("{} cannot be read: check the disk and who owns the file", file.display())
                });
            }
        };
        let marker = Self::parse(&text).with_context(|| {
            format!(
                "{} does not say what is to be restored: move {} elsewhere and restore the backup again",
                file.display(),
                stage.display()
            )
        })?;
        marker.check()?;
        Ok(Some(marker))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let names = value["names"].as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
        Some(Self {
            phase: match value["phase"].as_str()? {
                "aside" => Phase::Aside,
                "in" => Phase::In,
                _ => return None,
            },
            names: names.collect::<Option<_>>()?,
            aside: value["aside"].as_str()?.to_owned(),
            with_configuration: value["with_configuration"].as_bool()?,
        })
    }

    /// Whether it names only what belongs into a backup, and a directory for the old files as a restore makes it.
    fn check(&self) -> anyhow::Result<()> {
        for name in &self.names {
            let is_known = DATABASES.contains(&name.as_str())
                || [CONFIGURATION, paths::BOARD_FILE, paths::RELEASE_FILE, paths::TLS_DIRECTORY]
                    .contains(&name.as_str());
            ensure!(is_known, "`{name}` is nothing that a restore moves: its marker was changed by somebody");
        }
        ensure!(
            self.aside.starts_with(ASIDE_PREFIX) && !self.aside.contains('/'),
            "`{}` is no place for what a restore replaces: its marker was changed by somebody",
            self.aside
        );
        Ok(())
    }

    /// Writes it in one step, and to the disk, for the owner of the data directory.
    fn write(&self, directory: &Path, stage: &Path, name: &str) -> anyhow::Result<()> {
        let phase = match self.phase {
            Phase::Aside => "aside",
            Phase::In => "in",
        };
        let value = json!({
            "phase": phase, "names": self.names, "aside": self.aside,
            "with_configuration": self.with_configuration,
        });
        let file = stage.join(name);
        whole_file::put_for_owner_of(directory, &file, serde_json::to_vec_pretty(&value)?)
            .with_context(|| format!("{} cannot be written", file.display()))
    }
}

fn sync(directory: &Path) -> anyhow::Result<()> {
    File::open(directory)?.sync_all().with_context(|| format!("{} cannot be written", directory.display()))
}

/// What belongs to a file or directory of the data directory: itself, and the journals of a database.
fn with_journals(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if DATABASES.contains(&name) {
        names.extend(["-wal", "-shm"].map(|end| format!("{name}{end}")));
    }
    names
}

/// Makes the empty stage, and hands it to the owner of the data directory: what root leaves there when it is interrupted,
/// the gateway has to be able to read and to remove.
pub(super) fn make_stage(directory: &Path) -> anyhow::Result<PathBuf> {
    let stage = directory.join(DIRECTORY);
    // What an attempt that was cut short has left.
    if is_pending(directory) {
        std::fs::remove_dir_all(&stage).with_context(|| {
            format!("{}, which an earlier restore has left, cannot be removed", stage.display())
        })?;
    }
    // The only directory of an archive.
    for made in [stage.clone(), stage.join(paths::TLS_DIRECTORY)] {
        paths::make_private_directory(&made)?;
        paths::give_to_owner_of(directory, &made)?;
    }
    Ok(stage)
}

/// Declares the files in the stage ready: the next start, or [`finish`], puts them into their places. What was there before
/// goes to a directory that is named after `time`.
pub(super) fn declare(
    directory: &Path,
    files: &[String],
    time: &str,
    with_configuration: bool,
) -> anyhow::Result<()> {
    let mut names: Vec<String> =
        files.iter().map(|name| name.split('/').next().unwrap_or(name).to_owned()).collect();
    names.dedup();
    make_ready(directory, &directory.join(DIRECTORY), names, time, with_configuration)
}

/// Makes a directory whose files are whole the stage itself, with those of these `names` ready: what was there before goes to
/// a directory that is named after `time`. Everything else in the directory goes with it. It takes no room on the disk, and
/// either it is where it was or it is the stage.
pub(crate) fn adopt(directory: &Path, from: &Path, names: Vec<String>, time: &str) -> anyhow::Result<()> {
    ensure!(
        from.symlink_metadata()?.is_dir(),
        "{} is no directory of its own: somebody put something else there",
        from.display()
    );
    make_ready(directory, from, names, time, false)?;
    rename(from, &directory.join(DIRECTORY))?;
    sync(directory)
}

/// Writes what the moves need into the directory that is the stage or becomes it, the first marker last.
fn make_ready(
    directory: &Path,
    stage: &Path,
    names: Vec<String>,
    time: &str,
    with_configuration: bool,
) -> anyhow::Result<()> {
    for name in &names {
        paths::give_to_owner_of(directory, &stage.join(name))?;
        for journal in with_journals(name).iter().skip(1).map(|name| stage.join(name)) {
            if journal.symlink_metadata().is_ok() {
                paths::give_to_owner_of(directory, &journal)?;
                paths::open_itself(&journal)?.sync_all()?;
            }
        }
        // Opening for the check may have written to a database.
        paths::open_itself(&stage.join(name))?.sync_all()?;
    }
    let mut aside = format!("{ASIDE_PREFIX}{time}");
    while directory.join(&aside).symlink_metadata().is_ok() {
        aside.push_str("-again");
    }
    paths::make_private_directory(&stage.join(ASIDE))?;
    paths::give_to_owner_of(directory, &stage.join(ASIDE))?;
    let second = Marker { phase: Phase::In, names, aside, with_configuration };
    second.write(directory, stage, SECOND_MARKER)?;
    sync(directory)?;
    Marker { phase: Phase::Aside, ..second }.write(directory, stage, MARKER)
}

/// Whether a restore waits to be finished.
pub(crate) fn is_pending(directory: &Path) -> bool {
    directory.join(DIRECTORY).symlink_metadata().is_ok()
}

/// Finishes what was declared ready; what was not is thrown away, since it may not be whole. Only for who has claimed the
/// data directory, before anything in it is opened. `configure` gets the restored configuration when that is to take the place
/// of the one in use; it may be called again with the same one.
///
/// # Errors
/// When a file cannot be moved. Nothing is lost then: what waits and what moved aside are where they are, and it is tried
/// again with the next start.
pub(crate) fn finish(directory: &Path, configure: impl FnOnce(&Path)) -> anyhow::Result<Option<Applied>> {
    finish_with(directory, configure, &mut || Ok(()))
}

/// The same, where `step` is asked before each move: a test ends the process there.
fn finish_with(
    directory: &Path,
    configure: impl FnOnce(&Path),
    step: &mut dyn FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Option<Applied>> {
    let stage = directory.join(DIRECTORY);
    let Ok(found) = stage.symlink_metadata() else { return Ok(None) };
    // An empty one holds nothing that could be lost, whoever made it and may read it.
    if found.is_dir() && std::fs::remove_dir(&stage).is_ok() {
        return Ok(None);
    }
    let marker = if found.is_dir() { Marker::read(&stage)? } else { None };
    let Some(marker) = marker else {
        if let Err(problem) = std::fs::remove_dir_all(&stage) {
            warn!("{}, which is not whole, cannot be removed: {problem}", stage.display());
        }
        return Ok(None);
    };
    let aside = directory.join(&marker.aside);
    if marker.phase == Phase::Aside {
        if stage.join(ASIDE).symlink_metadata().is_ok() {
            step()?;
            rename(&stage.join(ASIDE), &aside)?;
        }
        ensure!(
            aside.symlink_metadata().is_ok_and(|found| found.is_dir()),
            "{}, where what was there before is to go, is no directory",
            aside.display()
        );
        for name in
            marker.names.iter().filter(|name| *name != CONFIGURATION).flat_map(|name| with_journals(name))
        {
            let present = directory.join(&name);
            if present.symlink_metadata().is_ok() {
                step()?;
                rename(&present, &aside.join(&name))?;
            }
        }
        sync(&aside)?;
        sync(directory)?;
        step()?;
        rename(&stage.join(SECOND_MARKER), &stage.join(MARKER))?;
        sync(&stage)?;
    }
    for name in &marker.names {
        let place = if name == CONFIGURATION { RESTORED_CONFIGURATION } else { name };
        for (from, to) in with_journals(name).into_iter().zip(with_journals(place)) {
            let from = stage.join(from);
            if from.symlink_metadata().is_ok() {
                step()?;
                rename(&from, &directory.join(to))?;
            }
        }
    }
    sync(directory)?;
    step()?;
    let restored = directory.join(RESTORED_CONFIGURATION);
    if marker.with_configuration && marker.names.iter().any(|name| name == CONFIGURATION) {
        configure(&restored);
        step()?;
    }
    let links = FormerLink::among(&aside, marker.names.iter().map(String::as_str));
    // It goes when nothing was there before.
    let _ = std::fs::remove_dir(&aside);
    std::fs::remove_dir_all(&stage)?;
    Ok(Some(Applied { aside: aside.exists().then_some(aside), links }))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::rename(from, to)
        .with_context(|| format!("{} cannot be moved to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;

    const NAMES: [&str; 5] =
        [paths::ACCOUNTS_FILE, paths::BOARD_FILE, CONFIGURATION, paths::HISTORY_FILE, "tls/ca.pem"];

    /// A data directory with old files, their journals among them, and new ones that wait.
    fn waiting() -> TempDir {
        let directory = TempDir::new().unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        std::fs::create_dir_all(directory.path().join("tls")).unwrap();
        for name in
            ["gatehouse.db", "gatehouse.db-wal", "history.db", "history.db-shm", "board.state", "tls/ca.pem"]
        {
            write(name, "old");
        }
        write("kept", "other");
        std::fs::create_dir_all(directory.path().join(DIRECTORY).join("tls")).unwrap();
        for name in NAMES.iter().chain(&["history.db-wal"]) {
            write(&format!("{DIRECTORY}/{name}"), "new");
        }
        directory
    }

    fn files(directory: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                let below = files(&path).into_iter().map(|(rest, text)| (format!("{name}/{rest}"), text));
                found.extend(below);
            } else {
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
        found
    }

    fn declared() -> TempDir {
        let directory = waiting();
        let names: Vec<String> = NAMES.iter().map(ToString::to_string).collect();
        declare(directory.path(), &names, "now", true).unwrap();
        directory
    }

    /// The power goes before each move in turn, also while what was begun is finished: after the next start that is not
    /// disturbed everything is the new state, with the old one aside, whole.
    #[test]
    fn a_power_cut_at_any_instant_leaves_the_whole_new_state() {
        let whole = declared();
        let mut moves = 0;
        let configure = |file: &Path| {
            let text = std::fs::read(file).unwrap();
            std::fs::write(file.with_file_name("in-use.toml"), text).unwrap();
        };
        let applied = finish_with(whole.path(), configure, &mut || {
            moves += 1;
            Ok(())
        });
        assert_eq!(applied.unwrap().unwrap().aside, Some(whole.path().join("before-restore-now")));
        let expected = files(whole.path());
        assert_eq!(
            (expected["gatehouse.db"].as_str(), expected["before-restore-now/gatehouse.db-wal"].as_str()),
            ("new", "old")
        );
        assert_eq!((expected["history.db-wal"].as_str(), expected.get("history.db-shm")), ("new", None));
        assert_eq!(expected["in-use.toml"], "new");
        assert_eq!((expected["kept"].as_str(), expected["tls/ca.pem"].as_str()), ("other", "new"));
        assert!(moves > 10, "{moves}");
        for first in 0..moves {
            for second in 0..=moves {
                let directory = declared();
                for cut in [first, second] {
                    let mut left = cut;
                    let _ = finish_with(directory.path(), configure, &mut || {
                        anyhow::ensure!(left > 0, "the power is gone");
                        left -= 1;
                        Ok(())
                    });
                }
                finish(directory.path(), configure).unwrap();
                assert_eq!(files(directory.path()), expected, "cut before move {first}, then {second}");
            }
        }
    }

    /// Until the marker is there nothing is ready, and the old state is the one that counts.
    #[test]
    fn what_was_not_declared_ready_is_thrown_away() {
        let directory = waiting();
        let mut before = files(directory.path());
        before.retain(|name, _| !name.starts_with(DIRECTORY));
        assert!(is_pending(directory.path()));
        assert!(finish(directory.path(), |_| panic!("nothing is ready")).unwrap().is_none());
        assert_eq!(files(directory.path()), before);
        assert!(!is_pending(directory.path()) && finish(directory.path(), |_| ()).unwrap().is_none());
    }

    /// What the marker says may be all that tells where somebody's data is: only one that is not there means that nothing is.
    #[test]
    fn a_marker_that_cannot_be_read_loses_nothing() {
        let directory = declared();
        let marker = directory.path().join(DIRECTORY).join(MARKER);
        let text = std::fs::read(&marker).unwrap();
        let before = files(directory.path());
        std::fs::remove_file(&marker).unwrap();
        std::fs::create_dir(&marker).unwrap();
        let problem = finish(directory.path(), |_| ()).unwrap_err();
        assert!(format!("{problem:#}").contains("check the disk and who owns"), "{problem:#}");
        std::fs::remove_dir(&marker).unwrap();
        std::fs::write(&marker, &text[..text.len() / 2]).unwrap();
        let problem = finish(directory.path(), |_| ()).unwrap_err();
        assert!(format!("{problem:#}").contains("restore the backup again"), "{problem:#}");
        std::fs::write(&marker, text).unwrap();
        assert_eq!(files(directory.path()), before);
        assert!(finish(directory.path(), |_| ()).unwrap().is_some());
    }

    #[test]
    fn what_waits_for_nobody_and_cannot_be_removed_does_not_end_the_start() {
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join(DIRECTORY), "no directory").unwrap();
        assert!(is_pending(directory.path()));
        assert!(finish(directory.path(), |_| panic!("nothing is ready")).unwrap().is_none());
    }

    /// `sudo gatehouse restore` is interrupted, and the gateway starts. Only root can hand files to another user, so that
    /// there is nothing to see for anybody else.
    #[test]
    fn the_gateway_owns_what_root_puts_there() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let directory = TempDir::new().unwrap();
        if chown(directory.path(), Some(1_234), Some(1_234)).is_err() {
            return;
        }
        let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
        let stage = make_stage(directory.path()).unwrap();
        assert_eq!((owner(&stage), owner(&stage.join("tls"))), (1_234, 1_234));
        std::fs::write(stage.join(paths::BOARD_FILE), "new").unwrap();
        declare(directory.path(), &[paths::BOARD_FILE.to_owned()], "now", false).unwrap();
        for name in [MARKER, SECOND_MARKER, ASIDE, paths::BOARD_FILE] {
            assert_eq!(owner(&stage.join(name)), 1_234, "{name}");
        }
    }

    /// The restore itself has filled the disk: no file and no directory can be made any more when the old files move.
    #[test]
    fn the_moves_need_no_room() {
        use std::os::unix::fs::MetadataExt as _;
        let directory = declared();
        let stage = directory.path().join(DIRECTORY);
        let made = std::fs::metadata(stage.join(ASIDE)).unwrap().ino();
        for name in [MARKER, SECOND_MARKER] {
            std::fs::create_dir(stage.join(format!("{name}.new"))).unwrap();
        }
        let applied = finish(directory.path(), |_| ()).unwrap().unwrap();
        assert_eq!(std::fs::metadata(applied.aside.unwrap()).unwrap().ino(), made);
    }

    /// Two restores within a second do not mix what was there before them.
    #[test]
    fn what_was_kept_before_stays_as_it_is() {
        let directory = declared();
        finish(directory.path(), |_| ()).unwrap();
        let first = files(&directory.path().join("before-restore-now"));
        let stage = make_stage(directory.path()).unwrap();
        std::fs::write(stage.join(paths::BOARD_FILE), "newest").unwrap();
        declare(directory.path(), &[paths::BOARD_FILE.to_owned()], "now", false).unwrap();
        let aside = finish(directory.path(), |_| ()).unwrap().unwrap().aside.unwrap();
        assert_eq!(std::fs::read_to_string(aside.join(paths::BOARD_FILE)).unwrap(), "new");
        assert_eq!(files(&directory.path().join("before-restore-now")), first);
    }

    /// Whoever may write to the data directory does not get root to move other files.
    #[test]
    fn a_marker_that_names_other_files_moves_nothing() {
        let before = "before-restore-now";
        for (name, aside) in [
            ("../outside", before),
            ("/etc", before),
            ("kept", before),
            ("tls/../../outside", before),
            ("board.state", "kept"),
            ("board.state", "before-restore-/../../outside"),
            ("board.state", "/etc/before-restore-"),
        ] {
            let directory = declared();
            let marker = directory.path().join(DIRECTORY).join(MARKER);
            let text = json!({ "phase": "in", "names": [name], "aside": aside, "with_configuration": false });
            std::fs::write(&marker, text.to_string()).unwrap();
            let as_it_was = files(directory.path());
            let problem = finish(directory.path(), |_| ()).unwrap_err();
            assert!(format!("{problem:#}").contains("changed by somebody"), "{problem:#}");
            assert_eq!(files(directory.path()), as_it_was, "{name} {aside}");
        }
    }

    #[test]
    fn a_link_in_the_place_of_the_new_files_leads_nowhere() {
        let (directory, elsewhere) = (TempDir::new().unwrap(), declared());
        let outside = elsewhere.path().join(DIRECTORY);
        std::os::unix::fs::symlink(&outside, directory.path().join(DIRECTORY)).unwrap();
        let as_it_was = files(&outside);
        assert!(finish(directory.path(), |_| panic!("nothing is ready")).unwrap().is_none());
        assert_eq!(files(&outside), as_it_was);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    /// The gateway's user is somebody who has taken it over, and `sudo gatehouse rollback` goes back to the copy in its directory:
    /// a link in the place of the marker's draft made root overwrite any file.
    #[test]
    fn links_in_a_copy_that_takes_its_place_lead_root_nowhere() {
        use std::os::unix::fs::{MetadataExt as _, chown, symlink};
        let (directory, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let copy = directory.path().join("before-upgrade");
        std::fs::create_dir(&copy).unwrap();
        let board = copy.join(paths::BOARD_FILE);
        std::fs::write(&board, "before").unwrap();
        for path in [directory.path(), &copy, &board] {
            if chown(path, Some(12_345), Some(12_345)).is_err() {
                println!("not tried: only root can work in the directory of another user");
                return;
            }
        }
        let secret = outside.path().join("shadow");
        std::fs::write(&secret, "of root").unwrap();
        let is_untouched = || {
            std::fs::read_to_string(&secret).unwrap() == "of root"
                && std::fs::metadata(&secret).unwrap().uid() == 0
        };
        let adopt = |from: &Path, names: &[&str]| {
            let names = names.iter().map(ToString::to_string).collect();
            adopt(directory.path(), from, names, "now")
        };
        // What goes back is a link itself, or has a journal that is one; or all of it is elsewhere.
        for name in [paths::ACCOUNTS_FILE, "history.db-wal"] {
            symlink(&secret, copy.join(name)).unwrap();
        }
        std::fs::write(copy.join(paths::HISTORY_FILE), "").unwrap();
        let elsewhere = directory.path().join("elsewhere");
        symlink(outside.path(), &elsewhere).unwrap();
        for (from, name) in
            [(&copy, paths::ACCOUNTS_FILE), (&copy, paths::HISTORY_FILE), (&elsewhere, "shadow")]
        {
            let problem = adopt(from, &[name]).unwrap_err();
            assert!(format!("{problem:#}").contains("somebody put something else there"), "{problem:#}");
            assert!(is_untouched() && !is_pending(directory.path()), "{name}");
        }
        for name in [MARKER, SECOND_MARKER] {
            for name in [name.to_owned(), format!("{name}.new"), "ready.draft".to_owned()] {
                let _ = symlink(&secret, copy.join(name));
            }
        }
        adopt(&copy, &[paths::BOARD_FILE]).unwrap();
        assert!(is_untouched());
        let stage = directory.path().join(DIRECTORY);
        for name in [MARKER, SECOND_MARKER] {
            let found = stage.join(name).symlink_metadata().unwrap();
            assert!(found.is_file() && (found.uid(), found.gid()) == (12_345, 12_345), "{name}");
        }
        finish(directory.path(), |_| ()).unwrap();
        assert_eq!(std::fs::read_to_string(directory.path().join(paths::BOARD_FILE)).unwrap(), "before");
        assert!(is_untouched());
    }
}
