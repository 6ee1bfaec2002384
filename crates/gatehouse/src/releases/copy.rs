//! The copy of all that the gateway keeps, from before an upgrade. There is one at most.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context as _, ensure};
use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::{Forms, KEPT_FOR, is_past};
use crate::{paths, supervision, whole_file};

/// Where it is.
const DIRECTORY: &str = "before-upgrade";

/// Where the one before it is while a new one takes its place.
const FORMER: &str = "before-upgrade.old";

/// Where it is while it is made.
const DRAFT: &str = "before-upgrade.part";

/// What is said about it, in its directory.
const NOTE: &str = "copy.json";

/// The configuration in it.
pub(super) const CONFIGURATION: &str = "gatehouse.toml";

/// Bytes that stay free on the disk: the gateway has to write as well.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes after which a file is on the disk, and the service manager hears that the start goes on. A slow card takes seconds for
/// them. Without that they would gather in memory, and the last step of a large file would take longer than a start may be silent.
const STEP_BYTES: u64 = 16 * 1024 * 1024;

/// Most bytes that are read of the note.
const MAX_NOTE_BYTES: u64 = 16 * 1024;

/// The directory of the copy, where it is whole.
pub(super) fn place(data: &Path) -> Option<PathBuf> {
    // A power cut between the two renames of a new copy leaves the one before it under its other name.
    [DIRECTORY, FORMER].map(|name| data.join(name)).into_iter().find(|place| place.join(NOTE).exists())
}

/// A copy that is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The release that had written it.
    pub(super) version: String,
    /// When it was made.
    pub(super) made: Timestamp,
    /// The forms of its databases.
    pub(super) forms: Forms,
    /// Whether history was left out, for want of room.
    pub(super) without_history: bool,
    /// Whether a release has come to run since it was made: whoever goes back to it loses what was kept since then.
    #[serde(default)]
    pub(super) is_settled: bool,
    /// When a clock that is right has first seen it: a machine without a clock chip may have made it at any time.
    #[serde(default)]
    seen: Option<Timestamp>,
}

impl Kept {
    /// One of these forms, which this release had written. It is none before [`keep`] has made it.
    pub(super) fn of(version: &str, forms: &Forms, now: Timestamp) -> Self {
        let (version, forms) = (version.to_owned(), forms.clone());
        Self { version, made: now, forms, without_history: false, is_settled: false, seen: None }
    }

    /// Whether it is of before an upgrade that has brought some of these forms about, and not all yet.
    pub(super) fn is_before(&self, found: &Forms) -> bool {
        let mut newer = false;
        self.forms.iter().all(|(name, form)| {
            newer |= found.get(name) > Some(form);
            found.get(name) >= Some(form)
        }) && newer
    }

    /// The copy that there is, if it is whole: it got its name only when everything was on the disk.
    pub(super) fn find(directory: &Path) -> Option<Self> {
        serde_json::from_str(&paths::small_text(&place(directory)?.join(NOTE), MAX_NOTE_BYTES)?).ok()
    }

    /// Writes what is said about it, in the directory of the copy.
    fn write(&self, place: &Path) -> anyhow::Result<()> {
        Ok(whole_file::put(&place.join(NOTE), serde_json::to_string(self)?)?)
    }

    /// Whether a release that works with these forms can run on it. A history that is too new for it stops no release.
    pub(super) fn suits(&self, newest: &Forms) -> bool {
        let mut needed = self.forms.iter().filter(|(name, _)| *name != paths::HISTORY_FILE);
        needed.all(|(name, form)| newest.get(name) >= Some(form))
    }
}

/// Makes the copy: nobody has the databases open. History is in it only where it can grow to twice its size beside the copy, and
/// `floor` bytes stay free on the disk: with fewer it would begin to give up its oldest days, for the sake of a second copy of them.
///
/// # Errors
/// When there is no room for it, or it cannot be written. What was kept before is there still then.
pub(super) fn keep(
    directory: &Path,
    configuration: Option<&Path>,
    floor: u64,
    kept: Kept,
) -> anyhow::Result<()> {
    let draft = directory.join(DRAFT);
    if draft.exists() {
        std::fs::remove_dir_all(&draft)?;
    }
    let all = sources(directory, configuration)?;
    let (history, rest): (Vec<Source>, Vec<Source>) =
        all.into_iter().partition(|source| source.name.starts_with(paths::HISTORY_FILE));
    let free = free_bytes(directory)?.saturating_sub(RESERVE_BYTES);
    let (small, large) = (bytes_of(&rest), bytes_of(&history));
    ensure!(small <= free, "it needs {small} bytes, and {free} may be used on the disk");
    let free_for_history = free.saturating_sub(floor).saturating_sub(small);
    let without_history = large.saturating_mul(2) > free_for_history;
    if without_history {
        warn!(
            "history is not in the copy of before the upgrade: it has {large} bytes, and {free_for_history} may be used on the \
             disk for it and for what it grows by"
        );
    }
    let wanted = rest.iter().chain(history.iter().filter(|_| !without_history));
    let made = (|| -> anyhow::Result<()> {
        paths::make_private_directory(&draft)?;
        for source in wanted {
            source.copy_into(&draft)?;
        }
        Kept { without_history, ..kept }.write(&draft)?;
        File::open(&draft)?.sync_all()?;
        let (place, former) = (directory.join(DIRECTORY), directory.join(FORMER));
        if former.exists() {
            std::fs::remove_dir_all(&former)?;
        }
        if place.exists() {
            std::fs::rename(&place, &former)?;
        }
        std::fs::rename(&draft, &place)?;
        File::open(directory)?.sync_all()?;
        if former.exists() {
            std::fs::remove_dir_all(&former)?;
        }
        Ok(())
    })();
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&draft);
    }
    made?;
    info!("everything of before the upgrade is kept in {}", directory.join(DIRECTORY).display());
    Ok(())
}

/// Whoever says something else about the copy reads what is said first, and has it alone meanwhile.
static NOTING: Mutex<()> = Mutex::new(());

/// A release runs: it is no upgrade any more of which this is the copy of before. Removes what a power cut left of copies that
/// were made or replaced.
pub(super) fn settle(directory: &Path) {
    remove(&directory.join(DRAFT));
    forget_former(directory);
    let _alone = NOTING.lock();
    if let Some(kept) = Kept::find(directory).filter(|kept| !kept.is_settled) {
        note(directory, &Kept { is_settled: true, ..kept });
    }
}

/// Removes the copy once it is old. `now` is of a clock that is right.
pub(super) fn forget_old(directory: &Path, now: Timestamp) {
    let _alone = NOTING.lock();
    let Some(kept) = Kept::find(directory) else { return };
    match kept.seen {
        None => note(directory, &Kept { seen: Some(now), ..kept }),
        Some(seen) if is_past(seen, now) => {
            info!(
                "the copy of before the last upgrade is removed: it is {} days old",
                KEPT_FOR.as_secs() / 86_400
            );
            forget(directory);
        }
        Some(_) => {}
    }
}

/// Removes the copy, under whichever of its names it is. The former one goes first: it would be the copy next.
fn forget(directory: &Path) {
    remove(&directory.join(FORMER));
    remove(&directory.join(DIRECTORY));
}

/// Removes what is left of the copy before the one that is whole: it must not become the copy once that is gone.
pub(super) fn forget_former(directory: &Path) {
    if directory.join(DIRECTORY).join(NOTE).exists() {
        remove(&directory.join(FORMER));
    }
}

fn remove(place: &Path) {
    match std::fs::remove_dir_all(place) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            warn!("the copy of before an upgrade in {} cannot be removed: {problem}", place.display());
        }
        _ => {}
    }
}

/// Says something else about the copy that is there.
fn note(directory: &Path, kept: &Kept) {
    let Some(place) = place(directory) else { return };
    if let Err(problem) = kept.write(&place) {
        warn!("what is to be said of the copy in {} cannot be written: {problem:#}", place.display());
    }
}

/// A file that goes into the copy.
struct Source {
    path: PathBuf,
    /// Its name there, with the directory it is in.
    name: String,
    bytes: u64,
}

impl Source {
    fn copy_into(&self, place: &Path) -> anyhow::Result<()> {
        let target = place.join(&self.name);
        if let Some(parent) = target.parent() {
            paths::make_private_directory(parent)?;
        }
        let copy = || -> std::io::Result<()> {
            let mut from = File::open(&self.path)?;
            let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&target)?;
            copy_in_steps(&mut from, &mut to, File::sync_data, supervision::still_starting)?;
            to.sync_all()
        };
        copy().with_context(|| format!("{} cannot be copied to {}", self.path.display(), target.display()))
    }
}

/// Copies with a flush and a word after each step.
fn copy_in_steps<W: Write>(
    from: &mut impl Read,
    to: &mut W,
    flush: impl Fn(&W) -> std::io::Result<()>,
    tell: impl Fn(),
) -> std::io::Result<()> {
    while std::io::copy(&mut from.take(STEP_BYTES), to)? > 0 {
        flush(to)?;
        tell();
    }
    Ok(())
}

fn bytes_of(sources: &[Source]) -> u64 {
    sources.iter().map(|source| source.bytes).sum()
}

/// All that the gateway keeps: databases with their journals, levels and totals, certificates, configuration.
fn sources(directory: &Path, configuration: Option<&Path>) -> anyhow::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut add = |path: PathBuf, name: String| -> anyhow::Result<()> {
        match std::fs::metadata(&path) {
            Ok(file) if file.is_file() => found.push(Source { path, name, bytes: file.len() }),
            Ok(_) => {}
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => {}
            Err(problem) => {
                return Err(problem).with_context(|| format!("{} cannot be read", path.display()));
            }
        }
        Ok(())
    };
    for database in [paths::ACCOUNTS_FILE, paths::BROKER_FILE, paths::HISTORY_FILE] {
        // A database may be a link to another disk; its journal is beside what it points to.
        let file = directory.join(database);
        let real = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
        add(real.clone(), database.to_owned())?;
        let mut journal = real.into_os_string();
        journal.push("-wal");
        add(journal.into(), format!("{database}-wal"))?;
    }
    add(directory.join(paths::BOARD_FILE), paths::BOARD_FILE.to_owned())?;
    if let Ok(certificates) = std::fs::read_dir(directory.join(paths::TLS_DIRECTORY)) {
        for entry in certificates {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str() {
                add(entry.path(), format!("{}/{name}", paths::TLS_DIRECTORY))?;
            }
        }
    }
    if let Some(configuration) = configuration {
        add(configuration.to_owned(), CONFIGURATION.to_owned())?;
    }
    Ok(found)
}

/// Bytes that this process may still write on the disk of a directory.
fn free_bytes(directory: &Path) -> anyhow::Result<u64> {
    let figures = rustix::fs::statvfs(directory)?;
    Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A gigabyte gathered in memory, and the one flush at its end took longer than the service manager waits for a word.
    #[test]
    fn a_large_file_is_on_the_disk_step_by_step_before_the_next_word() {
        const REST: u64 = 5;
        let (order, mut target) = (RefCell::new(Vec::new()), Vec::new());
        let flush = |written: &Vec<u8>| {
            order.borrow_mut().push(("flushed", written.len() as u64));
            Ok(())
        };
        let tell = || order.borrow_mut().push(("told", 0));
        let mut file = std::io::repeat(7).take(2 * STEP_BYTES + REST);
        copy_in_steps(&mut file, &mut target, flush, tell).unwrap();
        let steps = [STEP_BYTES, 2 * STEP_BYTES, 2 * STEP_BYTES + REST];
        let expected: Vec<_> =
            steps.into_iter().flat_map(|bytes| [("flushed", bytes), ("told", 0)]).collect();
        assert_eq!(*order.borrow(), expected);
        assert_eq!(target.len() as u64, 2 * STEP_BYTES + REST);
    }
}
