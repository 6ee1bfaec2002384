//! Files of certificates and keys, read with a limit, and seen when they change.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

/// Largest file of certificates or keys that is read: thousands of authorities fit. What is larger is some other file.
pub(crate) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Makes a directory for its owner only, when it is not there.
pub(super) fn make_private_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Reads a file; nothing when there is none.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Reads a file, up to [`MAX_FILE_BYTES`].
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let problem = format!("it is larger than {MAX_FILE_BYTES} bytes, so it is some other file");
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
