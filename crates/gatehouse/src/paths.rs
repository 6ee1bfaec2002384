//! Where files are when nobody says.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The configuration of an installed gateway.
pub(crate) const DEFAULT_CONFIGURATION: &str = "/etc/gatehouse/gatehouse.toml";

/// The data directory of an installed gateway.
const DEFAULT_DATA: &str = "/var/lib/gatehouse";

/// Accounts, sessions, the set-up code.
pub(crate) const ACCOUNTS_FILE: &str = "gatehouse.db";

/// Sessions of the broker with what waits for them, and retained messages.
pub(crate) const BROKER_FILE: &str = "broker.db";

/// History.
pub(crate) const HISTORY_FILE: &str = "history.db";

/// Totals of counters and the last levels of outputs.
pub(crate) const BOARD_FILE: &str = "board.state";

/// The gateway's own authority and its leaf.
pub(crate) const TLS_DIRECTORY: &str = "tls";

/// The demonstration's MQTT password, so that a phone that was connected yesterday still is.
pub(crate) const DEMO_PASSWORD_FILE: &str = "demo-password";

/// Locked by the daemon that runs on a data directory.
pub(crate) const LOCK_FILE: &str = "gatehouse.lock";

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
    let made = File::options().create(true).truncate(false).write(true).open(&path);
    let file = made
        .or_else(|problem| match problem.kind() {
            // A lock is no content: that of a disk that cannot be written is as good.
            ErrorKind::ReadOnlyFilesystem => File::open(&path).map_err(|_| problem),
            _ => Err(problem),
        })
        .with_context(|| format!("{} cannot be made: check who owns the directory", path.display()))?;
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

/// Hands a file, or a directory with all its files, to the owner of the data directory: what root makes there could not be
/// used by the gateway. Of a link it is the link itself: who owns the directory must not come by other files with it.
pub(crate) fn give_to_owner_of(directory: &Path, path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, metadata) = (std::fs::metadata(directory)?, std::fs::symlink_metadata(path)?);
    if (metadata.uid(), metadata.gid()) != (owner.uid(), owner.gid()) {
        std::os::unix::fs::lchown(path, Some(owner.uid()), Some(owner.gid())).with_context(|| {
            format!(
                "{} cannot be handed to the owner of the data directory: run this as root",
                path.display()
            )
        })?;
    }
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            give_to_owner_of(directory, &entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};

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
}
