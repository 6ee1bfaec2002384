//! Whether anything can be written to a disk, tried.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use super::Why;

/// What is written to see whether anything can be: what databases need to open that were closed in order, and some more.
const TRIED_BYTES: usize = 256 * 1_024;

/// The file that is written for that.
pub(super) const TRIED: &str = "write-test";

/// Why nothing can be written to a directory; nothing as well where something else stands in the way, which is told by whoever
/// meets it.
///
/// Who owns the directory may have put anything there under the name of the file that is written, and root tries this as well:
/// nothing that is there already is opened.
pub(crate) fn why_not_writable(directory: &Path) -> Option<Why> {
    let file = directory.join(TRIED);
    let why = try_to_write(&file)
        .err()
        .and_then(|problem| Why::of(&problem).or_else(|| is_read_only(directory).then_some(Why::ReadOnly)));
    if why != Some(Why::ReadOnly) {
        let _ = std::fs::remove_file(&file);
    }
    why
}

fn try_to_write(file: &Path) -> io::Result<()> {
    // One is left by a gateway that was killed in the middle of this. On a disk that is read-only now it stays, and this is what
    // tells.
    match std::fs::remove_file(file) {
        Err(problem) if problem.kind() != ErrorKind::NotFound => return Err(problem),
        _ => {}
    }
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    made.write_all(&vec![0; TRIED_BYTES])?;
    made.sync_all()
}

/// What the kernel says of the file system, for a disk that refuses with an error that nobody thought of.
fn is_read_only(directory: &Path) -> bool {
    rustix::fs::statvfs(directory).is_ok_and(|figures| figures.f_flag.contains(StatVfsMountFlags::RDONLY))
}

impl Why {
    /// What an error means that a disk gives; nothing when it does not come from the disk.
    pub(super) fn of(problem: &io::Error) -> Option<Self> {
        match problem.raw_os_error().map(Errno::from_raw_os_error)? {
            Errno::ROFS => Some(Self::ReadOnly),
            Errno::NOSPC | Errno::DQUOT => Some(Self::Full),
            // No answer to a transfer, then what file systems say of damage that they find (ext4 and XFS say EUCLEAN and EBADMSG),
            // then what drivers of cards, sticks and disks in a network say of a medium that is damaged, slow or gone (block layer,
            // `blk_errors`).
            Errno::IO
            | Errno::UCLEAN
            | Errno::BADMSG
            | Errno::NODATA
            | Errno::REMOTEIO
            | Errno::TIMEDOUT
            | Errno::NODEV
            | Errno::NXIO => Some(Self::Failing),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::process::Command;

    use rustix::fs::{CWD, FileType, Mode};
    use tempfile::TempDir;

    use super::super::settle;
    use super::*;

    /// `ln -s /etc/shadow write-test`, and root's next backup made it empty; a pipe of this name stopped the start for ever.
    #[test]
    fn what_lies_under_the_name_that_is_tried_is_neither_followed_nor_waited_for() {
        let (data, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let (file, precious) = (data.path().join(TRIED), outside.path().join("shadow"));
        std::fs::write(&precious, "of root").unwrap();
        symlink(&precious, &file).unwrap();
        assert_eq!(why_not_writable(data.path()), None);
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "of root");
        assert!(file.symlink_metadata().is_err());
        std::fs::hard_link(&precious, &file).unwrap();
        assert_eq!(why_not_writable(data.path()), None);
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "of root");
        rustix::fs::mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(why_not_writable(data.path()), None);
        assert!(file.symlink_metadata().is_err());
    }

    /// A card that was damaged said EUCLEAN, and the house had no gateway.
    #[test]
    fn whatever_a_dying_disk_says_is_known() {
        let why = |errno: Errno| Why::of(&io::Error::from_raw_os_error(errno.raw_os_error()));
        for errno in [
            Errno::IO,
            Errno::UCLEAN,
            Errno::BADMSG,
            Errno::NODATA,
            Errno::REMOTEIO,
            Errno::TIMEDOUT,
            Errno::NODEV,
            Errno::NXIO,
        ] {
            assert_eq!(why(errno), Some(Why::Failing), "{errno}");
        }
        assert_eq!([Errno::ROFS, Errno::NOSPC].map(why), [Some(Why::ReadOnly), Some(Why::Full)]);
        assert_eq!([Errno::ACCESS, Errno::PERM, Errno::NOENT].map(why), [None; 3]);
    }

    /// A file system in memory, taken away in the end.
    pub(in crate::stand_in) struct Mounted(PathBuf);

    impl Mounted {
        /// Nothing where this user cannot mount any.
        pub(in crate::stand_in) fn at(place: &Path, size: &str) -> Option<Self> {
            let mounted = Self(place.to_owned());
            let is_there = mounted.mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "none"]);
            if !is_there {
                println!("not tried: this user cannot mount a disk");
            }
            is_there.then_some(mounted)
        }

        fn mount(&self, arguments: &[&str]) -> bool {
            let made = Command::new("mount").args(arguments).arg(&self.0).output();
            made.is_ok_and(|output| output.status.success())
        }
    }

    impl Drop for Mounted {
        fn drop(&mut self) {
            let _ = Command::new("umount").arg("-l").arg(&self.0).output();
        }
    }

    #[test]
    fn a_disk_is_read_only_or_full_also_with_what_an_earlier_try_left() {
        let place = TempDir::new().unwrap();
        let Some(disk) = Mounted::at(place.path(), "1M") else { return };
        let file = place.path().join(TRIED);
        assert_eq!(why_not_writable(place.path()), None);
        assert!(!file.exists());
        std::fs::write(&file, "left").unwrap();
        assert!(disk.mount(&["-o", "remount,ro"]));
        assert_eq!(why_not_writable(place.path()), Some(Why::ReadOnly));
        assert!(disk.mount(&["-o", "remount,rw"]));
        let _ = std::fs::write(place.path().join("filler"), vec![0; 1_048_576]);
        assert_eq!(why_not_writable(place.path()), Some(Why::Full));
        assert!(!file.exists());
    }

    /// A data directory that the service may not write to, for want of a line in a drop-in, was told as a card that is worn out.
    #[test]
    fn what_is_only_seen_read_only_is_no_card_that_is_worn_out() {
        let place = TempDir::new().unwrap();
        let Some(disk) = Mounted::at(place.path(), "1M") else { return };
        std::fs::write(place.path().join(crate::paths::ACCOUNTS_FILE), "accounts").unwrap();
        assert!(disk.mount(&["-o", "remount,bind,ro"]));
        assert_eq!(why_not_writable(place.path()), Some(Why::ReadOnly));
        let problem = settle(place.path()).unwrap_err().to_string();
        assert!(problem.contains("ReadWritePaths=-") && !problem.contains("worn out"), "{problem}");
    }
}
