//! How the file system that a directory lies on is mounted, and whether it may be written.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where the kernel tells a process what is mounted for it.
pub(crate) const TABLE: &str = "/proc/self/mountinfo";

/// Most bytes that are read of it: a machine with thousands of mounts is none of a house.
const MAX_BYTES: u64 = 1024 * 1024;

/// A mounted file system.
pub(crate) struct Mount {
    pub(crate) place: String,
    /// Whether the file system lets nobody write.
    pub(crate) is_read_only: bool,
    /// Whether this mount of it lets nobody write.
    is_seen_read_only: bool,
}

impl Mount {
    /// The file system that a directory lies on. What counts is the file system's own word (the last column), and not the
    /// mount's: the service sees everything but its own directories read-only.
    pub(crate) fn of(table: &str, directory: &Path) -> Option<Self> {
        let directory = directory.to_string_lossy();
        let mounts = table.lines().filter_map(|line| {
            let (mount, file_system) = line.split_once(" - ")?;
            let mut mount = mount.split_whitespace().skip(4);
            // A space in a name is written so (proc_pid_mountinfo(5)).
            let place = mount.next()?.replace("\\040", " ");
            let is_seen_read_only = mount.next()?.split(',').any(|option| option == "ro");
            let below = place.trim_end_matches('/');
            let is_above =
                directory.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let options = file_system.split_whitespace().nth(2)?;
            // Since Linux 6.15 ext4 says so of a file system with errors, and leaves the flag of statvfs alone.
            let is_read_only = options.split(',').any(|option| option == "ro" || option == "emergency_ro");
            is_above.then(|| Self { place: place.clone(), is_read_only, is_seen_read_only })
        });
        // Of mounts at the same place the last one counts.
        mounts.max_by_key(|mount| mount.place.len())
    }

    /// What a service has to be allowed to write where a directory may not be written though its file system could be, since a
    /// mount can be read-only by itself: the place where the directory's disk is mounted, or the directory where that is the
    /// whole system's.
    fn to_be_allowed(&self, directory: &Path) -> Option<PathBuf> {
        let is_all = self.place == "/";
        (self.is_seen_read_only && !self.is_read_only)
            .then(|| if is_all { directory.to_owned() } else { PathBuf::from(&self.place) })
    }
}

/// Whether the file system of this directory lets nobody write, by its own word.
pub(crate) fn is_read_only(directory: &Path) -> bool {
    let mount = directory.canonicalize().ok().and_then(|real| Mount::of(&table()?, &real));
    mount.is_some_and(|mount| mount.is_read_only)
}

/// What a service has to be allowed to write (ReadWritePaths=) where a directory may not be written only because it is mounted so, as
/// in the view that a service has of the machine, while its file system could be.
pub(crate) fn seen_read_only(directory: &Path) -> Option<PathBuf> {
    let real = directory.canonicalize().ok()?;
    Mount::of(&table()?, &real)?.to_be_allowed(&real)
}

fn table() -> Option<String> {
    let mut bytes = Vec::new();
    File::open(TABLE).ok()?.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_BYTES).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_is_read_only_is_no_disk_that_is() {
        let seen = |line: &str, directory: &str| {
            let table = format!("25 1 179:2 / / rw - ext4 /dev/root rw\n{line}\n");
            let directory = Path::new(directory);
            let place = Mount::of(&table, directory).and_then(|mount| mount.to_be_allowed(directory));
            place.map(|place| place.display().to_string()).unwrap_or_default()
        };
        let relative = "26 1 179:2 /srv /srv ro,relatime shared:1 - ext4 /dev/root rw,errors=remount-ro";
        assert_eq!(seen(relative, "/srv/data"), "/srv");
        assert_eq!(seen("26 1 179:2 /srv /srv\\040new ro - ext4 /dev/root rw", "/srv new/data"), "/srv new");
        assert_eq!(
            seen("26 1 179:2 / / ro - ext4 /dev/root rw", "/srv/data"),
            "/srv/data",
            "all but that is none of its"
        );
        assert_eq!(seen("26 1 179:2 /srv /srv ro - ext4 /dev/root ro", "/srv/data"), "");
        assert_eq!(seen("26 1 179:2 /srv /srv ro - ext4 /dev/root rw,emergency_ro", "/srv/data"), "");
        assert_eq!(seen("26 1 179:2 /srv /srv ro - ext4 /dev/root rw", "/home"), "");
    }
}
