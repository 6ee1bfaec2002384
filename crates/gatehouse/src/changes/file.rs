//! The file: read as text, replaced in one step.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::config::MAX_FILE_BYTES;
use crate::whole_file;

/// A word for exactly this text.
pub(crate) fn version_of(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// In hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 0xf), 16).unwrap_or('0'));
        text
    })
}

/// The whole text of a file that is no larger than a configuration may be.
///
/// # Errors
/// When it cannot be read as text, in a sentence for people.
pub(crate) fn read_text(file: &Path) -> Result<String, String> {
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        File::open(file)?.take(limit.saturating_add(1)).read_to_string(&mut text)?;
        Ok(text)
    };
    let name = file.display();
    match read() {
        Ok(text) if text.len() > MAX_FILE_BYTES => {
            Err(format!("{name} is larger than a configuration can be ({MAX_FILE_BYTES} bytes)."))
        }
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(format!("{name} is not UTF-8 text. Save it in the encoding UTF-8."))
        }
        Err(error) => {
            Err(format!("{name} cannot be read: {error}. Check that it is there and who may read it."))
        }
    }
}

/// Where the file really is: what is replaced is never a link to it.
fn target(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

fn directory_of(file: &Path) -> PathBuf {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")).to_owned()
}

/// Why the file cannot be replaced, and what to do; nothing when it can.
pub(crate) fn why_not_writable(file: &Path) -> Option<String> {
    let directory = directory_of(&target(file));
    let errno = access(&directory, Access::WRITE_OK | Access::EXEC_OK).err()?;
    Some(sentence_for(&directory, &std::io::Error::from(errno)))
}

/// What stands in the way of a new file in a directory, and what to do.
fn sentence_for(directory: &Path, error: &std::io::Error) -> String {
    let name = directory.display();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::ROFS) => format!(
            "The gateway sees {name} as read-only. As a service, it needs `ReadWritePaths=-{name}` in its unit (`sudo \
             systemctl edit gatehouse`) and a restart; in a container, mount the directory so that it can be written."
        ),
        Some(Errno::ACCESS | Errno::PERM) => {
            let user = rustix::process::geteuid().as_raw();
            format!(
                "The gateway's user (number {user}) may not write to {name}. Give it the directory: `sudo chown {user} \
                 {name}`."
            )
        }
        Some(Errno::NOSPC | Errno::DQUOT) => format!("There is no room in {name}. Make room on the disk."),
        Some(Errno::BUSY) => {
            format!("The configuration in {name} is mounted as a single file. Mount its directory instead.")
        }
        _ => format!("Nothing can be written to {name}: {error}. Check the disk and who owns the directory."),
    }
}

/// Replaces the file in one step, with the mode and the owner that it had: an end at any moment leaves the old text or the
/// new one.
///
/// # Errors
/// When that fails, in a sentence for people; the file is as it was.
pub(super) fn replace(file: &Path, text: &str) -> Result<(), String> {
    let target = target(file);
    let directory = directory_of(&target);
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let next = directory.join(name);
    let put = || -> std::io::Result<()> {
        let former = std::fs::metadata(&target).ok();
        let mut options = OpenOptions::new();
        let mut made = options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        made.write_all(text.as_bytes())?;
        if let Some(former) = former {
            let own = made.metadata()?;
            if (own.uid(), own.gid()) != (former.uid(), former.gid())
                && let Err(error) = std::os::unix::fs::fchown(&made, Some(former.uid()), Some(former.gid()))
            {
                warn!("{} belongs to the gateway's user now: {error}", target.display());
            }
            made.set_permissions(Permissions::from_mode(former.mode() & 0o7777))?;
        }
        made.sync_all()?;
        std::fs::rename(&next, &target)?;
        // From here on the new text is there: that a power cut might undo it is no failure of the change.
        if let Err(error) = File::open(&directory).and_then(|directory| directory.sync_all()) {
            warn!("{} was written, and may be lost in a power cut: {error}", target.display());
        }
        Ok(())
    };
    put().map_err(|error| {
        let _ = std::fs::remove_file(&next);
        sentence_for(&directory, &error)
    })
}

/// Removes such a file, for good.
///
/// # Errors
/// When that fails, in a sentence for people.
pub(super) fn remove_own(directory: &Path, name: &str) -> Result<(), String> {
    let note = directory.join(name);
    let gone = match std::fs::remove_file(&note) {
        Ok(()) => File::open(directory).and_then(|directory| directory.sync_all()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    gone.map_err(|error| format!("{} cannot be removed: {error}. Check the disk.", note.display()))
}

/// Writes a file of the gateway's own in one step.
///
/// # Errors
/// When that fails, in a sentence for people.
pub(super) fn write_own(directory: &Path, name: &str, text: &str) -> Result<(), String> {
    let put = || {
        std::fs::create_dir_all(directory)?;
        whole_file::put(&directory.join(name), text)
    };
    put().map_err(|error| sentence_for(directory, &error))
}
