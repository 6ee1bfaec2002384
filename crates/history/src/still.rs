//! Reading a database on a file system that cannot be written.
//!
//! A database with a write-ahead log is read with the help of a file beside it, which SQLite makes
//! (<https://www.sqlite.org/wal.html#read_only_databases>). Where none can be made, nobody writes either, so that it can be read
//! as it is: without a log as a file that does not change, with one by a connection that has the index of the log for itself, in
//! memory (<https://www.sqlite.org/wal.html#use_of_wal_without_shared_memory>).

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteLockingMode};

use crate::file;

/// SQLite's own way to files, without locks: a file that was opened to be read cannot be locked against writers.
const WITHOUT_LOCKS: &str = "unix-none";

/// How to open the database at `path` to read it, on a file system that lets nobody write, or another one.
pub(crate) fn options(path: &Path, is_still: bool) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    match (is_still, has_log(path)) {
        (false, _) => options,
        (true, false) => options.immutable(true),
        (true, true) => options.vfs(WITHOUT_LOCKS).locking_mode(SqliteLockingMode::Exclusive),
    }
}

/// Whether its file system lets nobody write.
pub(crate) fn is_still(path: &Path) -> bool {
    let opened = File::options().write(true).open(path);
    opened.is_err_and(|problem| problem.kind() == ErrorKind::ReadOnlyFilesystem)
}

fn has_log(path: &Path) -> bool {
    let path = file::behind_links(path);
    std::fs::metadata(file::log_path(&path)).is_ok_and(|log| log.len() > 0)
}
