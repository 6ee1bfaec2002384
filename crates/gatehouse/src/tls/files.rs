//! Files that survive a power cut: what is read afterwards is the old content or the new one, whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Largest file of certificates or keys that is read: thousands of authorities fit. What is larger is some other file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Makes a directory for its owner only, when it is not there.
pub(super) fn make_private_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Writes a file that only its owner may read. The content is on disk under another name before it takes the place of what
/// was there.
pub(super) fn write_private(path: &Path, content: &str) -> io::Result<()> {
    let mut other = path.as_os_str().to_owned();
    other.push(".new");
    let other = Path::new(&other);
    // A file that a power cut left behind may have other rights, which opening it again would not change.
    match std::fs::remove_file(other) {
        Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(other)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(other, path)?;
    // The new name is on disk when its directory is.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

/// Reads a file; nothing when there is none.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Reads a file, up to [`MAX_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        let problem = format!("it is larger than {MAX_BYTES} bytes, so it is some other file");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// What changes when a file is written or replaced, also behind a symbolic link; nothing while it cannot be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(Option<[i64; 6]>);

impl Mark {
    pub(super) fn of(path: &Path) -> Self {
        Self(std::fs::metadata(path).ok().map(|data| {
            let number = |n: u64| n.cast_signed();
            let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
            let [a, b, c, d] = times;
            [number(data.ino()), number(data.size()), a, b, c, d]
        }))
    }
}
