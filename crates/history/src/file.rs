//! The database file as it lies on the disk, before anything opens it.

use std::path::{Path, PathBuf};

/// Bytes of a page of a new file: `database` says why so small. One that has another page size keeps it.
pub(crate) const PAGE_BYTES: u32 = 512;

/// Links that are followed one after the other: as many as Linux follows.
const MAX_LINKS: u32 = 40;

/// The page size of the file at `path`, or what a new one gets: bytes 16 and 17 of its head, where 1 means 65,536
/// (<https://www.sqlite.org/fileformat2.html#page_size>). A file whose head makes no sense is refused by SQLite.
pub(crate) fn page_bytes(path: &Path) -> u32 {
    use std::io::Read;
    let mut head = [0; 18];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    match (read, u16::from_be_bytes([head[16], head[17]])) {
        (Ok(()), 1) => 65_536,
        (Ok(()), size) if size >= 512 => u32::from(size),
        _ => PAGE_BYTES,
    }
}

/// The file that `path` means when it is a link to another disk, whether it is there yet or not. SQLite puts the log beside
/// the file and not beside the link, so the log, and what is moved aside, have to be looked for there.
pub(crate) fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        // A relative target is seen from where the link is; an absolute one replaces all of it.
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// Whether somebody left a log behind: SQLite deletes it when the last connection is closed in order.
pub(crate) fn log_is_left(path: &Path) -> bool {
    std::fs::metadata(log_path(path)).is_ok_and(|log| log.len() > 0)
}

/// The log beside the database file.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
