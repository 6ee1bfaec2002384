//! How the broker's file is opened at the start, whatever state it is in.

use std::path::Path;
use std::sync::Arc;

use gatehouse_model::{Clock, Timestamp};

use super::file::{OpenProblem, Opened, beside, move_aside, open_and_read};
use super::salvage;
use super::{StoreOpenError, StoreOptions};

/// Opens the file at `path`, or makes it, and reads it. One that is damaged is moved aside, and what can be read of it is
/// copied into a new one.
pub(super) async fn open(
    path: &Path,
    options: &StoreOptions,
    clock: &Arc<dyn Clock>,
) -> Result<Opened, StoreOpenError> {
    salvage::finish(path).map_err(|source| StoreOpenError::File { path: path.to_owned(), source })?;
    let orphan = move_orphaned_log(path, clock.now())
        .map_err(|source| StoreOpenError::File { path: path.to_owned(), source })?;
    match open_and_read(path, options, clock).await {
        Ok(mut opened) => {
            opened.loaded.snapshot.warnings.extend(orphan);
            if opened.loaded.passed_over > 0 {
                let rows = opened.loaded.passed_over;
                opened.loaded.snapshot.warnings.push(format!(
                    "{rows} rows of the broker's file {} could not be understood and are left where they are",
                    path.display()
                ));
            }
            Ok(opened)
        }
        Err(OpenProblem::Damaged(detail)) => salvage::copy(path, &detail, options, clock).await,
        Err(OpenProblem::Other(error)) => Err(error),
    }
}

/// A log without its database: SQLite would delete it, and nobody would learn that something was kept. It is moved aside,
/// and what is to be told of it is given back.
fn move_orphaned_log(path: &Path, now: Timestamp) -> std::io::Result<Option<String>> {
    let has_bytes = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if has_bytes(path) || !has_bytes(&beside(path, "-wal")) {
        return Ok(None);
    }
    let aside = move_aside(path, now)?;
    Ok(Some(format!(
        "The broker's file {} was gone or empty, and only its log was left: sessions and retained messages are lost. The log \
         was moved to {}-wal. Find out who deletes files there, and delete it when nobody misses anything.",
        path.display(),
        aside.display()
    )))
}
