//! The file below the slots.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::record::SLOT_BYTES;

/// Where slots are written. Tests have one that loses power.
pub(super) trait Disk: Send {
    /// Everything that is there, at most two slots.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes at an offset; it may be lost until [`Disk::sync`] has returned.
    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything that was written is on the medium.
    fn sync(&mut self) -> io::Result<()>;
}

/// A real file.
pub(super) struct FileDisk(File);

impl FileDisk {
    /// Opens the file; a new one gets its full size at once, so that later records change no metadata of the file system.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        if file.metadata()?.len() == 0 {
            file.write_all_at(&vec![0; 2 * SLOT_BYTES], 0)?;
            file.sync_all()?;
            if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(directory)?.sync_all()?;
            }
        }
        Ok(Self(file))
    }

    /// Opens a file that is there, only to read it.
    pub(super) fn open_to_read(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }
}

impl Disk for FileDisk {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 2 * SLOT_BYTES];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, u64::try_from(filled).unwrap_or(u64::MAX)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, u64::try_from(offset).unwrap_or(u64::MAX))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
