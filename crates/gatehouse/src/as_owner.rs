//! Root works on the data with the rights of whoever owns it.
//!
//! The daemon's user owns the data directory and may have been taken over. Whatever it puts there, links, pipes, names that
//! change in the middle of something, leads a command that root runs only to what that user could reach anyway: it is the
//! kernel that holds this, and no look at a path that may be another one a moment later.
//!
//! Linux keeps the rights for each thread (credentials(7)), and a thread hands its own to those that it starts: the work is
//! done on a thread of its own, which gives root's rights up for good.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The user who owns a data directory, for root to act as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    user: Uid,
    group: Gid,
}

impl Owner {
    /// Whose rights the work on this directory needs; nothing where it is one's own, or where one has no other rights to take.
    pub(crate) fn of_another(directory: &Path) -> io::Result<Option<Self>> {
        let found = std::fs::metadata(directory)?;
        let owner = Self { user: Uid::from_raw(found.uid()), group: Gid::from_raw(found.gid()) };
        Ok((geteuid().is_root() && !owner.user.is_root()).then_some(owner))
    }

    /// Does some work with the rights of this user, and no others.
    ///
    /// # Errors
    /// When root may not act for others here, or no thread can be started; nothing was done then.
    pub(crate) fn act<T: Send>(self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        std::thread::scope(|threads| {
            let thread = std::thread::Builder::new().name("as-owner".to_owned()).spawn_scoped(
                threads,
                move || -> io::Result<T> {
                    self.become_for_good()?;
                    Ok(work())
                },
            )?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// This thread is one of this user from now on. Leaving user 0 takes all capabilities with it (capabilities(7)).
    fn become_for_good(self) -> io::Result<()> {
        set_thread_groups(&[])?;
        set_thread_res_gid(self.group, self.group, self.group)?;
        set_thread_res_uid(self.user, self.user, self.user)?;
        Ok(())
    }

    /// Whether this user can put nothing into a directory of this place: it is somebody else's, and nobody but that one may write
    /// there, or replace what others put there.
    pub(crate) fn is_kept_out_of(self, directory: &Path) -> bool {
        let Ok(found) = std::fs::symlink_metadata(directory) else { return false };
        let (everybody, keeps_names) = (found.mode() & 0o022 != 0, found.mode() & 0o1000 != 0);
        found.uid() != self.user.as_raw() && (!everybody || keeps_names)
    }

    /// Whether root may act for others: a unit or a container can withhold that.
    pub(crate) fn may_act(self) -> bool {
        !matches!(self.act(|| ()), Err(problem) if problem.raw_os_error() == Some(Errno::PERM.raw_os_error()))
    }
}

/// Does some work on a data directory with the rights of its owner where root runs this, and with one's own else. Where root
/// may not act for others, it does the work as root.
///
/// # Errors
/// Those of the work, and that the directory is not there.
pub(crate) fn as_owner_of<T: Send>(
    directory: &Path,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let owner = Owner::of_another(directory).with_context(|| {
        format!("{} cannot be read: --data-dir names another directory", directory.display())
    })?;
    match owner.filter(|owner| owner.may_act()) {
        Some(owner) => owner.act(work).context("root cannot act for the owner of the data")?,
        None => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    /// Neither the thread nor those that it starts reach what is root's, and root goes on as root.
    #[test]
    fn the_work_has_the_rights_of_the_owner_and_no_others() {
        let (data, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("shadow");
        std::fs::write(&secret, "of root").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let link = data.path().join("board.state");
        symlink(&secret, &link).unwrap();
        assert!(Owner::of_another(data.path()).unwrap().is_none());
        assert!(as_owner_of(data.path(), || Ok(File::open(&link)?)).is_ok());
        if chown(data.path(), Some(12_345), Some(12_346)).is_err() {
            println!("not tried: only root can act for another user");
            return;
        }
        let tried = || {
            std::fs::write(data.path().join("made"), "").unwrap();
            [
                File::open(&link).err(),
                std::thread::scope(|threads| threads.spawn(|| File::open(&link)).join().unwrap().err()),
            ]
        };
        let found = as_owner_of(data.path(), || Ok(tried())).unwrap();
        assert!(
            found
                .iter()
                .flatten()
                .filter(|problem| problem.kind() == io::ErrorKind::PermissionDenied)
                .count()
                == 2,
            "{found:?}"
        );
        let made = std::fs::metadata(data.path().join("made")).unwrap();
        assert_eq!((made.uid(), made.gid()), (12_345, 12_346));
        File::open(&link).unwrap();
    }
}
