//! An upgrade that could keep no copy of what was before: it went on, and there is no way back. It is told for as long as the copy
//! would have been there.

use std::path::Path;

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::trial::{put, read};
use super::{VERSION, is_past};
use crate::whole_file;

/// The file that tells of it.
pub(super) const UNKEPT: &str = "no-way-back.json";

/// Longest reason that is kept, in characters: it is shown on the page.
const MAX_REASON: usize = 600;

/// An upgrade without a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unkept {
    /// The release that it brought.
    pub(crate) version: String,
    /// Why no copy could be kept.
    pub(crate) reason: String,
    /// When that was.
    at: Timestamp,
}

impl Unkept {
    /// What there is to tell of the upgrade to this release.
    pub(crate) fn of_this_release(directory: &Path) -> Option<Self> {
        read::<Self>(directory, UNKEPT).filter(|note| note.version == VERSION)
    }

    /// Whether it is told at this time.
    pub(crate) fn is_news(&self, now: Timestamp) -> bool {
        !is_past(self.at, now)
    }
}

/// Notes that this release was upgraded to without a copy.
pub(super) fn note(directory: &Path, reason: &str, now: Timestamp) {
    let reason = reason.chars().take(MAX_REASON).collect();
    let note = Unkept { version: VERSION.to_owned(), reason, at: now };
    if let Err(problem) = put(directory, UNKEPT, &note) {
        warn!("that there is no way back from this release cannot be noted: {problem:#}");
    }
}

/// It is told no more: its time is over, or a later upgrade has a copy or nothing to copy.
pub(crate) fn forget(directory: &Path) {
    whole_file::forget(&directory.join(UNKEPT));
}

/// Forgets what was noted of an upgrade to another release.
pub(super) fn forget_others(directory: &Path) {
    if read::<Unkept>(directory, UNKEPT).is_some_and(|note| note.version != VERSION) {
        forget(directory);
    }
}
