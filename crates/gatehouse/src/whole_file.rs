//! Files that survive a power cut: what is read afterwards is the old content or the new one, whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use tracing::warn;

/// Writes a file that only its owner may read, in a directory that is there. The content is on the disk under another name
/// before it takes the place of what was there.
///
/// # Errors
/// When that fails; what was there is there still.
pub(crate) fn put(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    put_for(path, content.as_ref(), None)
}

/// The same, for the owner of a directory: root writes there, and somebody else reads it. The file is given away before it
/// has its name, so that a power cut leaves none that its owner cannot read.
///
/// # Errors
/// As for [`put`], and when it cannot be given away.
pub(crate) fn put_for_owner_of(directory: &Path, path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let owner = std::fs::metadata(directory)?;
    put_for(path, content.as_ref(), Some((owner.uid(), owner.gid())))
}

/// Removes a note that is over, if there is one. That it cannot be removed is only said: nothing waits for it.
pub(crate) fn forget(path: &Path) {
    match std::fs::remove_file(path) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => {
            warn!("{}, which is no longer needed, cannot be removed: {problem}", path.display());
        }
        _ => {}
    }
}

fn put_for(path: &Path, content: &[u8], owner: Option<(u32, u32)>) -> io::Result<()> {
    let mut other = path.as_os_str().to_owned();
    other.push(".new");
    let other = Path::new(&other);
    // A file that a power cut left behind may have other rights, which opening it again would not change.
    match std::fs::remove_file(other) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(other)?;
    if let Some((user, group)) = owner {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (user, group) && rustix::process::geteuid().is_root() {
            fchown(&file, Some(user), Some(group))?;
        }
    }
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(other, path)?;
    // The new name is on disk when its directory is.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
