//! Making a backup: each database copied at one moment, all in one file, and that file read again before it counts.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gatehouse_history::snapshot;
use gatehouse_model::{Randomness, Timestamp};
use tracing::warn;

use super::CONFIGURATION;
use super::container::{self, Builder, Lock};
use super::disk::Disks;
use crate::paths;
use crate::progress::{Progress, megabytes};

/// How the names of work directories begin.
const WORK_PREFIX: &str = ".gatehouse-";

/// What they are for: the archive, and copies of databases.
const WORK_KINDS: [&str; 2] = ["backup", "copies"];

/// What goes into a backup, and how.
pub(super) struct Order<'a> {
    /// The data directory.
    pub(super) directory: &'a Path,
    /// Where copies of the databases wait to be encrypted.
    pub(super) copies: &'a Path,
    /// The configuration's file.
    pub(super) configuration: &'a Path,
    /// Whether it is encrypted.
    pub(super) lock: Lock<'a>,
    pub(super) now: Timestamp,
    pub(super) randomness: &'a dyn Randomness,
    /// Where the databases are, and where there has to be room for it.
    pub(super) disks: &'a Disks,
}

/// Writes the archive beside its place, reads it again, and moves it there when it is whole. Gives its size.
pub(super) async fn back_up(order: &Order<'_>, file: &Path, progress: &mut Progress) -> anyhow::Result<u64> {
    let Order { directory, configuration, .. } = *order;
    ensure!(!file.exists(), "{} is there already: choose another name", file.display());
    ensure!(
        directory.join(paths::ACCOUNTS_FILE).exists() || directory.join(paths::HISTORY_FILE).exists(),
        "there is nothing to back up in {}: --data-dir names another data directory",
        directory.display()
    );
    let place = file.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = match order.lock {
        Lock::Plain => place,
        Lock::Passphrase(_) => order.copies,
    };
    sweep(place);
    sweep(order.copies);
    order.disks.check_backup(place, beside, configuration)?;
    // Beside the archive, where there must be room anyway: the data directory may be on a card that is full.
    let work = WorkDirectory::make(place, WORK_KINDS[0])?;
    // What is to be encrypted is not left on a stick as it is, not even as a file that was removed.
    let copies = match order.lock {
        Lock::Plain => None,
        Lock::Passphrase(_) => Some(WorkDirectory::make(order.copies, WORK_KINDS[1])?),
    };
    let copies = copies.as_ref().map_or(&work.path, |copies| &copies.path);
    let draft = work.path.join("archive");
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let opened = opened.with_context(|| format!("{} cannot be made", draft.display()))?;
    let mut builder = Builder::new(opened, order.lock, order.randomness).with_context(|| no_room(file))?;
    for (name, source) in order.disks.databases() {
        let copy = copies.join(name);
        snapshot::take(source, &copy, |done, total| {
            progress.bar(done, total, &format!("{name} ({} of {})", megabytes(done), megabytes(total)));
        })
        .await?;
        builder.add(name, &copy).with_context(|| no_room(file))?;
        std::fs::remove_file(&copy)?;
    }
    let board = directory.join(paths::BOARD_FILE);
    if board.exists() {
        builder.add(paths::BOARD_FILE, &board).with_context(|| no_room(file))?;
    }
    if let Ok(certificates) = std::fs::read_dir(directory.join(paths::TLS_DIRECTORY)) {
        for entry in certificates {
            let entry = entry?;
            let name = entry.file_name();
            if let (true, Some(name)) = (entry.file_type()?.is_file(), name.to_str()) {
                builder
                    .add(&format!("{}/{name}", paths::TLS_DIRECTORY), &entry.path())
                    .with_context(|| no_room(file))?;
            }
        }
    }
    if configuration.exists() {
        builder.add(CONFIGURATION, configuration).with_context(|| no_room(file))?;
    }
    let bytes = builder.finish(order.now).with_context(|| no_room(file))?;
    progress.line("reading it again");
    container::check(&draft, order.lock).context("what was written cannot be read again")?;
    // Not over a file that somebody made meanwhile.
    std::fs::hard_link(&draft, file)
        .or_else(|_| {
            ensure!(!file.exists(), "{} is there already: choose another name", file.display());
            std::fs::rename(&draft, file).map_err(anyhow::Error::from)
        })
        .with_context(|| format!("{} cannot be made", file.display()))?;
    File::open(place)?.sync_all()?;
    Ok(bytes)
}

fn no_room(file: &Path) -> String {
    format!("{} cannot be written: check that there is room for it", file.display())
}

/// Whether a work directory of some process has this name.
fn is_work(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(WORK_PREFIX) else { return false };
    let number = WORK_KINDS.iter().find_map(|kind| rest.strip_prefix(kind)?.strip_prefix('-'));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Removes the work directories in a place that nobody uses any more: the power went, or the gateway stopped meanwhile.
pub(super) fn sweep(place: &Path) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if !is_directory || !entry.file_name().to_str().is_some_and(is_work) {
            continue;
        }
        let path = entry.path();
        let is_unused = File::open(&path).is_ok_and(|held| held.try_lock().is_ok());
        if is_unused && let Err(problem) = std::fs::remove_dir_all(&path) {
            warn!(
                "{} was left by a backup that was cut off, and cannot be removed: {problem}",
                path.display()
            );
        }
    }
}

/// A directory for what is not whole yet, which goes with everything in it.
///
/// It is locked as long as it is used. What is not was left by a process that ended meanwhile, and [`sweep`] removes it.
struct WorkDirectory {
    path: PathBuf,
    _held: File,
}

impl WorkDirectory {
    fn make(place: &Path, what: &str) -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = place.join(format!("{WORK_PREFIX}{what}-{}", std::process::id()));
        // What a process of the same number has left when the power went.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("nothing can be written to {}", place.display()))?;
        let held = File::open(&path)?;
        // Where nothing can be locked, nothing that is found can be told to be unused either.
        let _ = held.try_lock();
        Ok(Self { path, _held: held })
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
