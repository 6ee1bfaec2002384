//! A start where the disk with the data cannot be written: a card that is dead turns read-only, a full one takes nothing.
//!
//! The house needs its outputs, its broker and its page all the same, and somebody who reads there why. So what the gateway
//! cannot do without is copied into memory, and it works there as if that were its data directory. History stays where it is:
//! it waits for its file as it always does. Nothing is written to the disk. A restart goes on with what is in memory; on a disk
//! that can be written again it takes along what the board remembers, and all else is as if the time between had not been.

mod copy;
mod probe;

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::bail;
use rustix::fs::FsWord;
use sha2::{Digest as _, Sha256};
use tracing::{error, warn};

use crate::{mounts, paths};

use copy::{Whole, bring_back, copy, goes_on};

pub(crate) use probe::why_not_writable;

/// What stays free in memory beside the copies, for what comes to be there: logs of the databases, messages that wait.
pub(crate) const MIN_FREE_BYTES: u64 = 8 * 1_024 * 1_024;

/// Most bytes that a backup may take there, with the copies that it is made of: the unit's MemoryMax= counts them.
pub(crate) const MAX_BACKUP_BYTES: u64 = 64 * 1_024 * 1_024;

/// Most bytes that the broker's file may grow to there. It is full then, as on a disk, and the machine keeps its memory.
pub(crate) const MAX_BROKER_BYTES: u64 = 32 * 1_024 * 1_024;

/// A file system in memory (`TMPFS_MAGIC` of `statfs(2)`).
const TMPFS: FsWord = 0x0102_1994;

/// Where an installed gateway finds memory (RuntimeDirectory= of its unit).
const RUN: &str = "/run/gatehouse";

/// Why nothing can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The kernel lets nobody write.
    ReadOnly,
    /// There is no room.
    Full,
    /// It fails.
    Failing,
}

impl Why {
    /// The word for it in a warning.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::Failing => "failing",
        }
    }

    /// What the disk does, after "the disk".
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::ReadOnly => "is read-only",
            Self::Full => "is full",
            Self::Failing => "fails",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Full => "make room, then restart the gateway",
            Self::ReadOnly | Self::Failing => {
                "restart the machine, which checks the disk; if it comes back to this, the card is worn out and has to be \
                 replaced"
            }
        }
    }
}

/// The data directory that cannot be written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stranded {
    pub(crate) directory: PathBuf,
    pub(crate) why: Why,
}

impl Stranded {
    /// Why something is refused that would have to be kept, in a sentence for people.
    pub(crate) fn refusal(&self) -> String {
        let (directory, why) = (self.directory.display(), self.why);
        format!(
            "The disk with {directory} {}, and the gateway runs from memory: nothing can be kept. To mend it, {}.",
            why.what(),
            why.remedy()
        )
    }
}

/// Where the daemon keeps what it keeps.
#[derive(Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    stranded: Option<Stranded>,
    /// As long as it runs nobody else may run with the data either. It is read only.
    _claim: Option<File>,
}

impl Home {
    /// The data directory itself.
    pub(crate) fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), stranded: None, _claim: None }
    }

    /// A place that stands in for a data directory, whatever can be written there.
    #[cfg(test)]
    pub(crate) fn in_place_of(data: &Path, directory: &Path) -> Self {
        let stranded = Stranded { directory: data.to_owned(), why: Why::Full };
        Self { directory: directory.to_owned(), stranded: Some(stranded), _claim: None }
    }

    /// Where it works: the data directory, or what stands in for it.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The data directory.
    pub(crate) fn data(&self) -> &Path {
        self.stranded.as_ref().map_or(&self.directory, |stranded| &stranded.directory)
    }

    /// Removes what stands in for the data, at the end of a daemon that does not come back: it holds password digests and keys.
    /// The service manager does so with what it handed over, after `gatehouse safe-outputs` has looked into it.
    pub(crate) fn leave(&self) {
        if self.stranded.is_some() && handed().is_none_or(|base| !self.directory.starts_with(base)) {
            forget(&self.directory);
        }
    }

    /// What it stands in for.
    pub(crate) const fn stranded(&self) -> Option<&Stranded> {
        self.stranded.as_ref()
    }
}

/// Decides once, before anything of the data is opened, where the daemon works.
///
/// # Errors
/// When another daemon runs on the data, and when nothing can be written and it cannot run from memory either.
pub(crate) fn settle(data: &Path) -> anyhow::Result<Home> {
    let bases = bases();
    if !data.is_dir() {
        return Ok(Home::at(data));
    }
    let Some(why) = why_not_writable(data) else {
        for place in places(data, &bases) {
            forget_left(data, &place)?;
        }
        return Ok(Home::at(data));
    };
    if why == Why::ReadOnly && mounts::seen_read_only(data).is_some() {
        bail!(
            "{0} may not be written from here, though its disk could be: whatever runs this gateway shows it read-only. In a service \
             that is ProtectSystem=strict: `sudo systemctl edit gatehouse`, and there under [Service] the line ReadWritePaths=-{0}",
            data.display()
        );
    }
    take_in(data, why, &bases)
}

/// Goes on with what an earlier run of this boot left in memory. Where there is nothing, copies what is needed of data that cannot be
/// written to the first of these places that has room.
fn take_in(data: &Path, why: Why, bases: &[PathBuf]) -> anyhow::Result<Home> {
    let places = places(data, bases);
    let user = rustix::process::geteuid().as_raw();
    let is_left = |place: &&PathBuf| is_of(place, user) && Whole::of(place).is_some();
    // A disk that fails may not even say whether there are any.
    let has_none = matches!(data.join(paths::ACCOUNTS_FILE).try_exists(), Ok(false));
    if has_none && !places.iter().any(|place| is_left(&place)) {
        bail!(
            "the disk with {} {}, and no gateway was ever set up there: {}",
            data.display(),
            why.what(),
            why.remedy()
        );
    }
    let claim = paths::claim(data)?;
    let at = |place: &Path| {
        error!(
            "the disk with {} {}: the gateway runs from memory ({}), and nothing that happens is kept when it ends. To mend it, {}",
            data.display(),
            why.what(),
            place.display(),
            why.remedy()
        );
        let stranded = Stranded { directory: data.to_owned(), why };
        Home { directory: place.to_owned(), stranded: Some(stranded), _claim: Some(claim) }
    };
    // What it knows is newer than the disk: levels, shortest times that still run, totals, what was delivered.
    if let Some(place) = places.iter().find(|place| is_left(place) && goes_on(place)) {
        return Ok(at(place));
    }
    let mut problems = Vec::new();
    for place in &places {
        match copy(data, place) {
            Ok(()) => return Ok(at(place)),
            Err(problem) => {
                forget(place);
                problems.push(format!("{problem:#}"));
            }
        }
    }
    if problems.is_empty() {
        problems.push("there is no file system in memory that this user may write to".to_owned());
    }
    bail!(
        "the disk with {} {}, and the gateway cannot run from memory ({}): {}",
        data.display(),
        why.what(),
        problems.join("; "),
        why.remedy()
    )
}

/// What stands in for a data directory now, or did for a daemon that ended: the service manager removes it after
/// `gatehouse safe-outputs` has run, and where there is none the next start does.
pub(crate) fn of(data: &Path) -> Option<PathBuf> {
    let owner = std::fs::metadata(data).ok()?.uid();
    places(data, &bases()).into_iter().find(|place| is_of(place, owner) && Whole::of(place).is_some())
}

/// What stands in for a data directory now, for a daemon that runs.
pub(crate) fn in_use(data: &Path) -> Option<PathBuf> {
    of(data).filter(|_| paths::is_claimed(data))
}

/// Why changes of data are refused that a daemon has copied into memory and works with there, in a sentence for people. To be
/// asked with the rights of who owns the data.
pub(crate) fn refusal_beside(data: &Path) -> String {
    match why_not_writable(data) {
        Some(why) => Stranded { directory: data.to_owned(), why }.refusal(),
        None => format!(
            "The disk with {} could not be written when the gateway started, and the gateway runs from memory: it would not see the \
             change. Restart it (System → Restart), then do this again.",
            data.display()
        ),
    }
}

/// The largest memory that there is, for what is needed for a moment only.
pub(crate) fn largest() -> Option<PathBuf> {
    let free =
        |base: &PathBuf| rustix::fs::statvfs(base).map_or(0, |figures| figures.f_bavail * figures.f_frsize);
    bases().into_iter().filter(|base| is_in_memory(base)).max_by_key(free)
}

/// Where memory may be found: what the service manager hands over, or has handed over to the service; else the user's own;
/// else everybody's.
fn bases() -> Vec<PathBuf> {
    let own = from_environment("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usual = [RUN, "/dev/shm", "/tmp"].map(PathBuf::from);
    handed().into_iter().chain(own).chain(usual).collect()
}

/// What the service manager hands over, and removes; of several the first.
fn handed() -> Option<PathBuf> {
    let all = from_environment("RUNTIME_DIRECTORY")?;
    Some(PathBuf::from(all.to_str()?.split(':').next()?))
}

fn from_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Where what stands in for these data would be, those places first that are preferred.
fn places(data: &Path, bases: &[PathBuf]) -> Vec<PathBuf> {
    let real = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let digest = Sha256::digest(real.as_os_str().as_encoded_bytes());
    let word: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let in_memory = bases.iter().filter(|base| is_in_memory(base));
    in_memory.map(|base| base.join(format!("gatehouse-memory-{word}"))).collect()
}

fn is_in_memory(base: &Path) -> bool {
    rustix::fs::statfs(base).is_ok_and(|figures| figures.f_type == TMPFS)
}

/// Whether it is a directory of this user, and no link of somebody else who may write there, too.
fn is_of(place: &Path, owner: u32) -> bool {
    std::fs::symlink_metadata(place).is_ok_and(|found| found.is_dir() && found.uid() == owner)
}

fn forget(place: &Path) {
    if is_of(place, rustix::process::geteuid().as_raw())
        && let Err(problem) = std::fs::remove_dir_all(place)
    {
        warn!("{} cannot be removed: {problem}", place.display());
    }
}

/// Removes what a daemon left that ran from memory, unless it runs still. What the board remembered there comes to the disk.
fn forget_left(data: &Path, place: &Path) -> anyhow::Result<()> {
    if !place.exists() {
        return Ok(());
    }
    let _claim = paths::claim(data)?;
    if is_of(place, rustix::process::geteuid().as_raw()) {
        bring_back(data, place);
    }
    forget(place);
    Ok(())
}

#[cfg(test)]
#[path = "stand_in_tests.rs"]
mod tests;
