//! A copy of the configuration that the daemon runs with, in its data directory.
//!
//! The file that people edit may be changed, broken or gone when the daemon ends; what has to be driven safe then is
//! what it had, and that is what the copy says. While a changed configuration is applied there are two: what was and what
//! will be, so that an end in between leaves no output out.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml_edit::DocumentMut;
use tracing::error;

use crate::config::MAX_FILE_BYTES;

/// The configuration of now.
const CURRENT: &str = "running.toml";

/// The one before it, while a change is being applied.
const BEFORE: &str = "running-before.toml";

/// The section that a running daemon does not change.
const BOARD: &str = "board";

/// A copy that is not whole yet.
const NEXT: &str = "running.toml.new";

/// Notes what the daemon runs with from now on: at its start, before the first pin moves. A full disk does not keep the
/// lights from being switched: without a copy the configuration itself has to do, and the log says so.
pub(crate) fn keep(directory: &Path, text: &str) {
    if let Err(problem) = write(directory, text) {
        error!("{problem:#}");
        // An old copy would be worse than none.
        let _ = std::fs::remove_file(directory.join(CURRENT));
    }
    forget_before(directory);
}

/// Notes what the daemon will run with, and keeps what it ran with until [`end_change`]: before the first device of a
/// changed configuration is touched. The board stays the one of the start, whose text `started` is: a change of it waits
/// for the next start, and lines of another chip are none of this daemon's.
pub(crate) fn begin_change(directory: &Path, text: &str, started: &str) -> anyhow::Result<()> {
    let text = &with_board_of(text, started)?;
    let (current, before) = (directory.join(CURRENT), directory.join(BEFORE));
    if current.exists() && !before.exists() {
        std::fs::copy(&current, &before)
            .with_context(|| format!("{} cannot be written: check the disk", before.display()))?;
    }
    write(directory, text)
}

/// The change is done: what was before needs no care any more.
pub(crate) fn end_change(directory: &Path) {
    forget_before(directory);
}

/// The change was refused as a whole: what was before is what is.
pub(crate) fn undo_change(directory: &Path) {
    // Where it fails both stay, and both are driven safe.
    let _ = std::fs::rename(directory.join(BEFORE), directory.join(CURRENT));
}

/// The text with the `[board]` of another one.
fn with_board_of(text: &str, started: &str) -> anyhow::Result<String> {
    let started: DocumentMut = started.parse()?;
    let mut changed: DocumentMut = text.parse()?;
    changed.remove(BOARD);
    if let Some(board) = started.get(BOARD) {
        changed.insert(BOARD, board.clone());
    }
    Ok(changed.to_string())
}

fn forget_before(directory: &Path) {
    // When it stays, its outputs are driven safe once more: no harm.
    let _ = std::fs::remove_file(directory.join(BEFORE));
}

/// The copies that there are, the newest first.
pub(crate) fn texts(directory: &Path) -> Vec<String> {
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let read = |path: PathBuf| {
        let mut text = String::new();
        File::open(path).ok()?.take(limit).read_to_string(&mut text).ok()?;
        Some(text)
    };
    [CURRENT, BEFORE].into_iter().filter_map(|name| read(directory.join(name))).collect()
}

/// In one step, so that an end at any moment leaves the old copy or the new one.
fn write(directory: &Path, text: &str) -> anyhow::Result<()> {
    let (next, current) = (directory.join(NEXT), directory.join(CURRENT));
    let put = || -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&next, &current)?;
        File::open(directory)?.sync_all()
    };
    put().with_context(|| {
        format!(
            "{} cannot be written, so that after a crash only the outputs of the configuration's file would be driven safe: make room on the disk",
            current.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_replaced_whole_and_both_are_there_during_a_change() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        assert_eq!(texts(directory), Vec::<String>::new());
        keep(directory, "a = 1\n");
        assert_eq!(texts(directory), ["a = 1\n"]);
        begin_change(directory, "a = 2\n", "a = 1\n").unwrap();
        assert_eq!(texts(directory), ["a = 2\n", "a = 1\n"]);
        // A second change before the first one was done: what began still counts.
        begin_change(directory, "a = 3\n", "a = 1\n").unwrap();
        assert_eq!(texts(directory), ["a = 3\n", "a = 1\n"]);
        end_change(directory);
        assert_eq!(texts(directory), ["a = 3\n"]);
        begin_change(directory, "a = 4\n", "a = 1\n").unwrap();
        // The daemon died in the middle and starts again.
        keep(directory, "a = 5\n");
        assert_eq!(texts(directory), ["a = 5\n"]);
    }

    #[test]
    fn a_change_that_was_refused_leaves_what_was() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), "a = 1\n");
        begin_change(directory.path(), "a = 2\n", "a = 1\n").unwrap();
        undo_change(directory.path());
        assert_eq!(texts(directory.path()), ["a = 1\n"]);
    }

    /// The chip of the lines does not change while the daemon runs, whatever the file says by now.
    #[test]
    fn a_change_keeps_the_board_of_the_start() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let started = "[board]\nchip = \"gpiochip1\"\n\n[[device]]\nid = \"a\"\n";
        keep(directory, started);
        let changed = "[board]\nchip = \"gpiochip2\"\n\n[[device]]\nid = \"b\"\n";
        begin_change(directory, changed, started).unwrap();
        end_change(directory);
        let copy = texts(directory).remove(0);
        assert!(copy.contains("chip = \"gpiochip1\"") && copy.contains("id = \"b\""), "{copy}");
        assert!(!copy.contains("gpiochip2"), "{copy}");
        begin_change(directory, changed, "").unwrap();
        assert!(!texts(directory).remove(0).contains("board"), "it began without one");
    }

    #[test]
    fn a_copy_that_cannot_be_written_leaves_no_old_one() {
        let directory = tempfile::tempdir().unwrap();
        keep(directory.path(), "old");
        // Nothing can be written where a directory has the name.
        std::fs::create_dir(directory.path().join(NEXT)).unwrap();
        keep(directory.path(), "new");
        assert_eq!(texts(directory.path()), Vec::<String>::new());
    }
}
