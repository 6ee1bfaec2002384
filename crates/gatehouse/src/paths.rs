//! Where files are when nobody says.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};

/// The configuration of an installed gateway.
pub(crate) const DEFAULT_CONFIGURATION: &str = "/etc/gatehouse/gatehouse.toml";

/// The data directory of an installed gateway.
pub(crate) const DEFAULT_DATA: &str = "/var/lib/gatehouse";

/// Accounts, sessions, the set-up code.
pub(crate) const ACCOUNTS_FILE: &str = "gatehouse.db";

/// Sessions of the broker with what waits for them, and retained messages.
pub(crate) const BROKER_FILE: &str = "broker.db";

/// History.
pub(crate) const HISTORY_FILE: &str = "history.db";

/// Totals of counters and the last levels of outputs.
pub(crate) const BOARD_FILE: &str = "board.state";

/// Which release last ran on the data, in the data directory.
pub(crate) const RELEASE_FILE: &str = "release.json";

/// The gateway's own authority and its leaf.
pub(crate) const TLS_DIRECTORY: &str = "tls";

/// The demonstration's MQTT password, so that a phone that was connected yesterday still is.
pub(crate) const DEMO_PASSWORD_FILE: &str = "demo-password";

/// Locked by the daemon that runs on a data directory.
pub(crate) const LOCK_FILE: &str = "gatehouse.lock";

/// How a name is opened that somebody else may have put there: a link is refused, and a pipe keeps nobody waiting.
const UNLED: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();

/// The data directory: the one asked for; else the one that the service manager hands over; else, for a
/// demonstration, one below the user's own, so that trying the gateway out needs no rights; else the installed one.
pub(crate) fn data_directory(asked: Option<PathBuf>, demo: bool) -> PathBuf {
    let from_environment = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = || {
        from_environment("XDG_DATA_HOME")
            .or_else(|| Some(from_environment("HOME")?.join(".local/share")))
            .map(|directory| directory.join("gatehouse-demo"))
    };
    asked
        .or_else(|| from_environment("STATE_DIRECTORY"))
        .or_else(|| if demo { of_user() } else { None })
        .unwrap_or_else(|| PathBuf::from(DEFAULT_DATA))
}

/// The command that prints the set-up code of this data directory.
pub(crate) fn setup_code_command(directory: &Path) -> String {
    if directory == Path::new(DEFAULT_DATA) {
        "sudo -u gatehouse gatehouse setup-code".to_owned()
    } else {
        format!("gatehouse setup-code --data-dir {}", directory.display())
    }
}

/// Lets only the owner read what this process makes from now on: databases and their journals, whoever makes them.
pub(crate) fn keep_files_private() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Claims the data directory for this process, until the file that is given back is dropped or the process ends, however
/// it ends: two daemons on the same databases and pins would fight.
pub(crate) fn claim(directory: &Path) -> anyhow::Result<File> {
    let path = directory.join(LOCK_FILE);
    // Root claims it too, in a directory of somebody else: a link leads nowhere, and a pipe keeps nobody waiting.
    let made = File::options().create(true).truncate(false).write(true).custom_flags(UNLED).open(&path);
    let opened = made.or_else(|problem| match problem.kind() {
        // A lock is no content: that of a disk that cannot be written is as good.
        ErrorKind::ReadOnlyFilesystem => {
            File::options().read(true).custom_flags(UNLED).open(&path).map_err(|_| problem)
        }
        _ => Err(problem),
    });
    let is_plain = path.symlink_metadata().map_or(true, |found| found.is_file());
    let file = opened.with_context(|| match is_plain {
        true => format!("{} cannot be made: check who owns the directory", path.display()),
        false => format!("{} is no plain file: remove it", path.display()),
    })?;
    let found = file.metadata()?;
    ensure!(found.is_file(), "{} is no plain file: remove it", path.display());
    let owner = std::fs::metadata(directory)?;
    // What root makes, the gateway could not open. One with another name would be a file of root's from elsewhere.
    let is_roots = rustix::process::geteuid().is_root() && found.uid() == 0 && owner.uid() != 0;
    if is_roots && found.nlink() == 1 && found.len() == 0 {
        match fchown(&file, Some(owner.uid()), Some(owner.gid())) {
            Err(problem) if problem.kind() == ErrorKind::ReadOnlyFilesystem => {}
            given => {
                given.with_context(|| format!("{} cannot be handed to the gateway", path.display()))?;
            }
        }
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another gatehouse is running on {}: stop that one, or choose another directory with --data-dir",
            directory.display()
        ),
        Err(TryLockError::Error(problem)) => {
            Err(problem).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

/// Whether a process has claimed the data directory and runs still. Nothing is made for that.
pub(crate) fn is_claimed(directory: &Path) -> bool {
    let opened = File::options().read(true).custom_flags(UNLED).open(directory.join(LOCK_FILE));
    // Let go of at once where nobody has it.
    opened.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Makes the data directory when it is not there, for its owner only: it holds passwords' hashes and the set-up code.
pub(crate) fn make_private_directory(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(|| {
        format!(
            "the data directory {} cannot be made: choose another with --data-dir, or run this as a user who may",
            directory.display()
        )
    })
}

/// Opens a file or directory for reading that has to be there itself: no link to another one is followed, and nothing that is
/// neither is opened.
///
/// # Errors
/// When it is a link or something else, or cannot be read.
pub(crate) fn open_itself(path: &Path) -> anyhow::Result<File> {
    let kind = path.symlink_metadata().with_context(|| format!("{} cannot be read", path.display()))?;
    let opened = File::options().read(true).custom_flags(UNLED).open(path);
    let is_itself = |kind: &std::fs::Metadata| kind.is_file() || kind.is_dir();
    let told =
        || format!("{} is no plain file or directory: somebody put something else there", path.display());
    ensure!(is_itself(&kind), told());
    let file = opened.with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(is_itself(&file.metadata()?), told());
    Ok(file)
}

/// The text of a small file that has to be there itself (see [`open_itself`]), as far as so many bytes go; nothing when there is none
/// that can be read.
pub(crate) fn small_text(path: &Path, max_bytes: u64) -> Option<String> {
    let mut text = String::new();
    open_itself(path).ok()?.take(max_bytes).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Hands a file of the data directory, or a directory there with all its files, to the owner of the data directory: what root
/// makes there could not be used by the gateway. Of a link it is the link itself, and none is followed on the way there: who owns
/// the directory must not come by other files with it.
pub(crate) fn give_to_owner_of(directory: &Path, path: &Path) -> anyhow::Result<()> {
    let owner = std::fs::metadata(directory)?;
    let give = || -> io::Result<()> {
        let below = path.strip_prefix(directory).map_err(io::Error::other)?;
        let mut place = OwnedFd::from(File::open(directory)?);
        let mut parts = below.components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else { return Err(io::ErrorKind::InvalidInput.into()) };
            let name = Path::new(name);
            if parts.peek().is_none() {
                give_at(place.as_fd(), name, (owner.uid(), owner.gid()))?;
                break;
            }
            place = open_directory_at(place.as_fd(), name)?;
        }
        Ok(())
    };
    give().with_context(|| {
        format!("{} cannot be handed to the owner of the data directory: run this as root", path.display())
    })
}

/// Opens a directory that lies in another one, and is no link.
fn open_directory_at(place: BorrowedFd<'_>, name: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(place, name, flags, Mode::empty())?)
}

fn give_at(place: BorrowedFd<'_>, name: &Path, owner: (u32, u32)) -> io::Result<()> {
    let (user, group) = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    let found = rustix::fs::statat(place, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_given = (found.st_uid, found.st_gid) == owner;
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        if !is_given {
            // Another name of a file of root's that lies elsewhere.
            if found.st_nlink > 1 {
                return Err(io::Error::other("it has more than one name"));
            }
            rustix::fs::chownat(place, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        return Ok(());
    }
    let opened = open_directory_at(place, name)?;
    if !is_given {
        rustix::fs::fchown(&opened, user, group)?;
    }
    for entry in Dir::read_from(&opened)? {
        let entry = entry?;
        let name = Path::new(std::ffi::OsStr::from_bytes(entry.file_name().to_bytes()));
        if name != Path::new(".") && name != Path::new("..") {
            give_at(opened.as_fd(), name, owner)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    /// Only root can give files away, so that there is nothing to see for anybody else.
    #[test]
    fn a_link_in_the_data_directory_gives_nothing_outside_away() {
        let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        if chown(data.path(), Some(1_234), Some(1_234)).is_err() {
            return;
        }
        let secret = outside.path().join("shadow");
        std::fs::write(&secret, "of root").unwrap();
        let tls = data.path().join(TLS_DIRECTORY);
        std::fs::create_dir(&tls).unwrap();
        symlink(&secret, tls.join("ca.pem")).unwrap();
        symlink(outside.path(), tls.join("more")).unwrap();
        give_to_owner_of(data.path(), &tls).unwrap();
        let owner = |path: &Path| std::fs::symlink_metadata(path).unwrap().uid();
        assert_eq!((owner(&tls), owner(&tls.join("ca.pem"))), (1_234, 1_234));
        assert_eq!((owner(&secret), owner(outside.path())), (0, 0));
    }

    /// The owner of a data directory in which root works; nothing where the tests run as another user, who can give nothing away.
    fn of_another_user() -> Option<tempfile::TempDir> {
        let data = tempfile::tempdir().unwrap();
        let is_given = chown(data.path(), Some(12_345), Some(12_345)).is_ok();
        if !is_given {
            println!("not tried: only root can work in the directory of another user");
        }
        is_given.then_some(data)
    }

    /// `sudo gatehouse restore` into an emptied data directory left a lock that the gateway could not open: it did not start.
    #[test]
    fn the_lock_that_root_makes_belongs_to_the_gateway() {
        let Some(data) = of_another_user() else { return };
        let lock = data.path().join(LOCK_FILE);
        drop(claim(data.path()).unwrap());
        let owner = |path: &Path| std::fs::metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
        assert_eq!(owner(&lock), (12_345, 12_345));
        // One that an earlier release has left.
        chown(&lock, Some(0), Some(0)).unwrap();
        drop(claim(data.path()).unwrap());
        assert_eq!(owner(&lock), (12_345, 12_345));
        // A second name of a file of root's.
        let secret = data.path().join("shadow");
        std::fs::write(&secret, "").unwrap();
        std::fs::remove_file(&lock).unwrap();
        std::fs::hard_link(&secret, &lock).unwrap();
        drop(claim(data.path()).unwrap());
        assert_eq!(owner(&secret), (0, 0));
    }

    /// A link made root create a file elsewhere, and a pipe made the start wait for ever.
    #[test]
    fn a_lock_that_is_no_plain_file_is_refused() {
        let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (lock, made) = (data.path().join(LOCK_FILE), outside.path().join("made"));
        symlink(&made, &lock).unwrap();
        let refused = || format!("{:#}", claim(data.path()).unwrap_err());
        assert!(refused().contains("is no plain file: remove it"), "{}", refused());
        assert!(!made.exists());
        std::fs::remove_file(&lock).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &lock, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(refused().contains("is no plain file: remove it"), "{}", refused());
        // Also when somebody reads from it.
        let _reader = File::options().read(true).custom_flags(UNLED).open(&lock).unwrap();
        assert!(refused().contains("is no plain file: remove it"), "{}", refused());
    }

    /// Links on the way there, and second names.
    #[test]
    fn what_lies_behind_a_link_is_not_given_away() {
        let Some(data) = of_another_user() else { return };
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("shadow");
        std::fs::write(&secret, "of root").unwrap();
        symlink(outside.path(), data.path().join("stage")).unwrap();
        give_to_owner_of(data.path(), &data.path().join("stage/shadow")).unwrap_err();
        let other = data.path().join("board.state");
        std::fs::hard_link(&secret, &other).unwrap();
        give_to_owner_of(data.path(), &other).unwrap_err();
        assert_eq!(std::fs::metadata(&secret).unwrap().uid(), 0);
    }

    /// What is not in the data directory itself: in an archive, in one of the directories there, in memory, or elsewhere.
    const ELSEWHERE: [&str; 12] = [
        "archive",
        "aside",
        "chrony",
        "manifest.json",
        "copy.json",
        "ready.json",
        "moved.json",
        "unconfirmed.json",
        "restored.json",
        "server.pem",
        "whole.json",
        "version",
    ];

    /// The files that a source names: constants that look like a file, or that it joins to a path.
    fn named_in(source: &str) -> Vec<String> {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let is_name = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_lowercase() || b".-_".contains(&byte)) && !text.is_empty()
        };
        let constant = |line: &str| {
            let (name, value) = line.split_once("const ")?.1.split_once(": &str = \"")?;
            let value = value.strip_suffix("\";")?;
            let looks_so =
                [".json", ".toml", ".db", ".state", ".lock"].iter().any(|ending| value.ends_with(ending));
            let is_joined = source.contains(&format!("join({name})"));
            (is_name(value) && (looks_so || is_joined)).then(|| value.to_owned())
        };
        source.lines().filter_map(constant).collect()
    }

    /// Nobody knows what may go from there, and what is needed, who does not know what it is.
    #[test]
    fn the_manual_page_names_every_file_of_the_data_directory() {
        let page = include_str!("../../../deploy/gatehouse.8").replace("\\-", "-");
        let files = page.split(".SH FILES").nth(1).and_then(|rest| rest.split(".SH ").next()).unwrap();
        let told: Vec<&str> = files.split([' ', '\n', '/', '(', ')', ',', '.']).collect();
        let is_told = |name: &str| match name.split_once('.') {
            Some(_) => files.contains(name),
            None => told.contains(&name),
        };
        let mut waiting = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        let mut found = Vec::new();
        while let Some(place) = waiting.pop() {
            if place.is_dir() {
                waiting.extend(std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
            } else if place.extension().is_some_and(|ending| ending == "rs") {
                found.extend(named_in(&std::fs::read_to_string(place).unwrap()));
            }
        }
        assert!(found.len() > 20, "it still finds them: {found:?}");
        found.retain(|name| !ELSEWHERE.contains(&name.as_str()) && !is_told(name));
        assert_eq!(found, Vec::<String>::new());
    }
}
