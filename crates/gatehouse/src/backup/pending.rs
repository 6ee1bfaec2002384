//! A backup that is ready to take its place: put there by whoever checked it, moved in by the next start.
//!
//! A power cut at any instant leaves the old state or the new one. The new files lie in a directory of their own, whole and on
//! the disk, before its marker says so. From then on whoever starts finishes what was begun, before any database is opened:
//! first all old files move aside (while the marker is [`Phase::Aside`], what lies in the data directory is old), then all
//! new ones move in (while it is [`Phase::In`], what is still in the directory of the new ones belongs into its place). Each
//! move is one rename within a file system, and each phase can be done again from wherever it was cut off.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{CONFIGURATION, DATABASES};
use crate::paths;

/// Where the new files wait.
pub(crate) const DIRECTORY: &str = "restore-pending";

/// The marker in it: the names of the files, and where the old ones go.
const MARKER: &str = "ready.json";

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
}

impl Marker {
    fn read(stage: &Path) -> Option<Self> {
        let text = std::fs::read(stage.join(MARKER)).ok()?;
        let value: Value = serde_json::from_slice(&text).ok()?;
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

    /// Writes it in one step, and to the disk.
    fn write(&self, stage: &Path) -> anyhow::Result<()> {
        let phase = match self.phase {
            Phase::Aside => "aside",
            Phase::In => "in",
        };
        let value = json!({
            "phase": phase, "names": self.names, "aside": self.aside,
            "with_configuration": self.with_configuration,
        });
        let draft = stage.join("ready.draft");
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(&value)?)?;
        file.sync_all()?;
        std::fs::rename(&draft, stage.join(MARKER))?;
        sync(stage)
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

/// Declares the files in the stage ready: the next start, or [`finish`], puts them into their places.
pub(super) fn declare(
    directory: &Path,
    files: &[String],
    aside: String,
    with_configuration: bool,
) -> anyhow::Result<()> {
    let stage = directory.join(DIRECTORY);
    let mut names: Vec<String> =
        files.iter().map(|name| name.split('/').next().unwrap_or(name).to_owned()).collect();
    names.dedup();
    for name in &names {
        paths::give_to_owner_of(directory, &stage.join(name))?;
        for journal in with_journals(name).iter().skip(1).map(|name| stage.join(name)) {
            if journal.exists() {
                paths::give_to_owner_of(directory, &journal)?;
                File::open(&journal)?.sync_all()?;
            }
        }
        let path = stage.join(name);
        if path.is_dir() {
            sync(&path)?;
        }
        // Opening for the check may have written to a database.
        File::open(&path)?.sync_all()?;
    }
    sync(&stage)?;
    sync(directory)?;
    Marker { phase: Phase::Aside, names, aside, with_configuration }.write(&stage)
}

/// Whether a restore waits to be finished.
pub(crate) fn is_pending(directory: &Path) -> bool {
    directory.join(DIRECTORY).exists()
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
    if !stage.exists() {
        return Ok(None);
    }
    let Some(mut marker) = Marker::read(&stage) else {
        std::fs::remove_dir_all(&stage)?;
        return Ok(None);
    };
    let aside = directory.join(&marker.aside);
    if marker.phase == Phase::Aside {
        for name in
            marker.names.iter().filter(|name| *name != CONFIGURATION).flat_map(|name| with_journals(name))
        {
            let present = directory.join(&name);
            if present.exists() {
                paths::make_private_directory(&aside)?;
                step()?;
                rename(&present, &aside.join(&name))?;
            }
        }
        if aside.exists() {
            paths::give_to_owner_of(directory, &aside)?;
            sync(&aside)?;
        }
        sync(directory)?;
        step()?;
        marker.phase = Phase::In;
        marker.write(&stage)?;
    }
    for name in &marker.names {
        let place = if name == CONFIGURATION { RESTORED_CONFIGURATION } else { name };
        for (from, to) in with_journals(name).into_iter().zip(with_journals(place)) {
            let from = stage.join(from);
            if from.exists() {
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
    std::fs::remove_dir_all(&stage)?;
    Ok(Some(Applied { aside: aside.exists().then_some(aside) }))
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
        declare(directory.path(), &names, "before".to_owned(), true).unwrap();
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
        assert_eq!(applied.unwrap().unwrap().aside, Some(whole.path().join("before")));
        let expected = files(whole.path());
        assert_eq!(
            (expected["gatehouse.db"].as_str(), expected["before/gatehouse.db-wal"].as_str()),
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
}
