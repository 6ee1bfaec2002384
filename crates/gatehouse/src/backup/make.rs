//! Making a backup: each database copied at one moment, all in one file, and that file read again before it counts.

use std::fs::{File, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use gatehouse_history::snapshot;
use gatehouse_model::{Randomness, Timestamp};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::CONFIGURATION;
use super::container::{self, Archive, Builder, Interrupted, Lock};
use super::disk::Disks;
use super::tls_files::{Taken, is_named};
use crate::as_owner::Owner;
use crate::mounts;
use crate::paths;
use crate::progress::{Progress, megabytes};

/// How the names of work directories begin.
const WORK_PREFIX: &str = ".gatehouse-";

/// What they are for: the archive, and copies of databases.
const WORK_KINDS: [&str; 2] = ["backup", "copies"];

/// The archive in its work directory.
const DRAFT: &str = "archive";

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
    /// Tells that it is to end before it is done.
    pub(super) stop: &'a CancellationToken,
}

/// What was made.
#[derive(Debug)]
pub(super) struct Made {
    /// Its size.
    pub(super) bytes: u64,
    /// Files that the configuration names and that are not in it, in a sentence each.
    pub(super) left_out: Vec<String>,
}

/// Writes the archive beside its place, reads it again, and moves it there when it is whole.
///
/// Where root backs up what another user owns, everything of the data is read with that user's rights: a link in the data
/// directory would else bring a file of root's into the backup, and to that user with the restore.
///
/// # Errors
/// What stands in the way; nothing is left of it then.
pub(super) async fn back_up(order: &Order<'_>, file: &Path, progress: &mut Progress) -> anyhow::Result<Made> {
    let Order { directory, configuration, stop, .. } = *order;
    ensure!(!file.exists(), "{} is there already: choose another name", file.display());
    ensure!(
        directory.join(paths::ACCOUNTS_FILE).exists() || directory.join(paths::HISTORY_FILE).exists(),
        "there is nothing to back up in {}: --data-dir names another data directory",
        directory.display()
    );
    let reader = Reader::of(directory)?;
    let place = file.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the archive, where there must be room anyway: the data directory may be on a card that is full. What is to be
    // encrypted is not left on a stick as it is, not even as a file that was removed. And root writes no copy where the owner of
    // the data could put a link in its way: that one's rights do.
    let is_beside_archive = matches!(order.lock, Lock::Plain) && reader.is_kept_out_of(place);
    let beside = if is_beside_archive { place } else { order.copies };
    let is_by_owner = !reader.is_kept_out_of(beside);
    sweep(place);
    sweep(order.copies);
    let named = match configuration.exists() {
        true => Taken::along(reader.open(configuration)?, configuration, |path| reader.open(path)),
        false => Taken::default(),
    };
    let small = named.files.iter().map(|(_, path, _)| path.as_path()).chain([configuration]);
    order.disks.check_backup(place, beside, small)?;
    let work = WorkDirectory::make(place, WORK_KINDS[0])?;
    let make = || WorkDirectory::make(order.copies, WORK_KINDS[1]);
    let copies = match (is_beside_archive, is_by_owner) {
        (true, _) => None,
        (false, true) => Some(reader.read(make)?),
        (false, false) => Some(make()?),
    };
    let draft = work.path.join(DRAFT);
    let opened = work.create(DRAFT).with_context(|| format!("{} cannot be made", draft.display()))?;
    let archive = Archive::of(&draft, opened.try_clone()?);
    let mut builder = Builder::new(opened, order.lock, order.randomness).with_context(|| no_room(file))?;
    for (name, source) in order.disks.databases() {
        let copy = copies.as_ref().map_or(&work.path, |copies| &copies.path).join(name);
        let snapshot = Snapshot { name, source, copy: &copy };
        let opened = match (reader.0, is_by_owner) {
            (Some(owner), true) => owner.act(|| -> anyhow::Result<File> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(snapshot.take(stop, progress))?;
                Ok(File::open(&copy)?)
            })??,
            (Some(_), false) => {
                // SQLite opens it by its name. It has to be what its owner may read, before and after.
                let held = reader.open(source)?;
                snapshot.take(stop, progress).await?;
                ensure!(
                    is_same(&held.metadata()?, &std::fs::metadata(source)?),
                    "{} was replaced while it was read: try again",
                    source.display()
                );
                File::open(&copy)?
            }
            (None, _) => {
                snapshot.take(stop, progress).await?;
                File::open(&copy)?
            }
        };
        builder.add(name, (&copy, opened), stop).with_context(|| no_room(file))?;
        match is_by_owner {
            true => reader.read(|| Ok(std::fs::remove_file(&copy)?))?,
            false => std::fs::remove_file(&copy)?,
        }
    }
    for (name, path, opened) in named.files {
        builder.add(name, (&path, opened), stop).with_context(|| no_room(file))?;
    }
    let mut add = |name: &str, path: &Path| {
        builder.add(name, (path, reader.open(path)?), stop).with_context(|| no_room(file))
    };
    let board = directory.join(paths::BOARD_FILE);
    if board.exists() {
        add(paths::BOARD_FILE, &board)?;
    }
    if let Ok(certificates) = std::fs::read_dir(directory.join(paths::TLS_DIRECTORY)) {
        for entry in certificates {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().map(|name| format!("{}/{name}", paths::TLS_DIRECTORY));
            // What an earlier restore has put there goes along where the configuration names it.
            if let Some(name) = name.filter(|name| !is_named(name))
                && entry.file_type()?.is_file()
            {
                add(&name, &entry.path())?;
            }
        }
    }
    if configuration.exists() {
        add(CONFIGURATION, configuration)?;
    }
    let bytes = builder.finish(order.now).with_context(|| no_room(file))?;
    progress.line("reading it again");
    container::check(&archive, order.lock, stop).context("what was written cannot be read again")?;
    // Not over a file that somebody made meanwhile.
    rustix::fs::linkat(&work.held, DRAFT, CWD, file, AtFlags::empty())
        .or_else(|problem| match file.exists() {
            true => Err(problem),
            // A stick without links.
            false => rustix::fs::renameat(&work.held, DRAFT, CWD, file),
        })
        .map_err(|problem| match problem {
            Errno::EXIST => anyhow!("{} is there already: choose another name", file.display()),
            problem => anyhow!(problem).context(format!("{} cannot be made", file.display())),
        })?;
    // On a stick with FAT the file has its name by now, and the name says where it lies only once the file is synchronised under it:
    // who pulled the stick out before had an empty one. Its other name is away before, so that no two say the same place.
    work.held.sync_all()?;
    paths::open_itself(file)?.sync_all()?;
    File::open(place)?.sync_all()?;
    Ok(Made { bytes, left_out: named.left_out })
}

/// A database, and where its copy goes.
#[derive(Clone, Copy)]
struct Snapshot<'a> {
    name: &'a str,
    source: &'a Path,
    copy: &'a Path,
}

impl Snapshot<'_> {
    async fn take(self, stop: &CancellationToken, progress: &mut Progress) -> anyhow::Result<()> {
        let taken = snapshot::take(self.source, self.copy, |done, total| {
            let words = format!("{} ({} of {})", self.name, megabytes(done), megabytes(total));
            progress.bar(done, total, &words);
        });
        tokio::select! {
            taken = taken => Ok(taken?),
            () = stop.cancelled() => Err(Interrupted.into()),
        }
    }
}

/// Who reads the data: another user, where root backs up what that one owns.
#[derive(Clone, Copy)]
struct Reader(Option<Owner>);

impl Reader {
    fn of(directory: &Path) -> anyhow::Result<Self> {
        let owner = Owner::of_another(directory)?;
        Ok(Self(owner.filter(|owner| owner.may_act())))
    }

    /// Does something with the rights of whoever reads.
    fn read<T: Send>(self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        match self.0 {
            Some(owner) => owner.act(work)?,
            None => work(),
        }
    }

    /// Opens a file, or what a link leads to: whoever reads has to be able to, and it has to be a plain file.
    fn open(self, path: &Path) -> anyhow::Result<File> {
        // A pipe keeps nobody waiting.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let opened = self.read(|| Ok(OpenOptions::new().read(true).custom_flags(flags).open(path)?));
        let file = opened.with_context(|| match self.0 {
            Some(_) => format!("{} cannot be read by the user who owns the data", path.display()),
            None => format!("{} cannot be read", path.display()),
        })?;
        ensure!(file.metadata()?.is_file(), "{} is no plain file", path.display());
        Ok(file)
    }

    /// Whether the owner of the data can put nothing there.
    fn is_kept_out_of(self, place: &Path) -> bool {
        let Self(Some(owner)) = self else { return true };
        place.canonicalize().is_ok_and(|place| place.ancestors().all(|part| owner.is_kept_out_of(part)))
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
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
        let is_unused = open_directory(&path).is_ok_and(|held| held.try_lock().is_ok());
        if is_unused && let Err(problem) = std::fs::remove_dir_all(&path) {
            warn!(
                "{} was left by a backup that was cut off, and cannot be removed: {problem}",
                path.display()
            );
        }
    }
}

/// Opens a directory that is no link.
fn open_directory(path: &Path) -> std::io::Result<File> {
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// A directory for what is not whole yet, which goes with everything in it.
///
/// It is locked as long as it is used. What is not was left by a process that ended meanwhile, and [`sweep`] removes it.
struct WorkDirectory {
    path: PathBuf,
    held: File,
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
            .map_err(|problem| not_writable(place, problem))?;
        let held = open_directory(&path)?;
        // Where nothing can be locked, nothing that is found can be told to be unused either.
        let _ = held.try_lock();
        Ok(Self { path, held })
    }

    /// Makes a file in it, in this directory and no other that bears its name by now.
    fn create(&self, name: &str) -> std::io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.held, name, flags, Mode::RUSR | Mode::WUSR)?))
    }
}

/// Why nothing can be written there. A service sees a stick that was there at its start read-only, unless its unit names it.
fn not_writable(place: &Path, problem: std::io::Error) -> anyhow::Error {
    let what = format!("nothing can be written to {}", place.display());
    match mounts::seen_read_only(place).filter(|_| problem.kind() == ErrorKind::ReadOnlyFilesystem) {
        Some(mount) => anyhow!(
            "{what}: the service may not write below {0}. To let it, `sudo systemctl edit gatehouse`, and there under [Service] the \
             line ReadWritePaths=-{0}; then `sudo systemctl restart gatehouse`",
            mount.display()
        ),
        None => anyhow!(problem).context(what),
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
