//! Why the last start came to nothing, in a file beside the data: whoever asks why the gateway does not run cannot ask it.

use std::path::Path;

use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{paths, releases, whole_file};

/// The file.
const FILE: &str = "start-failed.json";

/// Most bytes that are read of it.
const MAX_BYTES: u64 = 16 * 1024;

/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 600;

/// What SQLite says of a file that is damaged, and of one that is no database (`SQLITE_CORRUPT` and `SQLITE_NOTADB`).
const DAMAGED: [&str; 2] = ["database disk image is malformed", "file is not a database"];

/// What kind of thing kept the gateway from starting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailedBecause {
    /// A newer release has changed the data.
    DataTooNew,
    /// A database is damaged.
    Damaged,
    /// Something else.
    Failed,
}

/// The start that failed last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedStart {
    /// What kind of thing it was.
    pub(crate) because: FailedBecause,
    /// What it said.
    pub(crate) reason: String,
    /// When.
    pub(crate) at: Timestamp,
}

impl FailedStart {
    /// What is noted; nothing when the last start went well, or the note cannot be read.
    pub(crate) fn read(directory: &Path) -> Option<Self> {
        let text = paths::small_text(&directory.join(FILE), MAX_BYTES)?;
        let mut note: Self = serde_json::from_str(&text).ok()?;
        // Root shows it at a terminal, and somebody else may have written it.
        note.reason.retain(|letter| !letter.is_control());
        Some(note)
    }

    fn of(problem: &anyhow::Error, at: Timestamp) -> Self {
        let reason: String = format!("{problem:#}").chars().take(MAX_REASON).collect();
        let because = if problem.is::<releases::TooNew>() {
            FailedBecause::DataTooNew
        } else if DAMAGED.iter().any(|words| reason.contains(words)) {
            FailedBecause::Damaged
        } else {
            FailedBecause::Failed
        };
        Self { because, reason, at }
    }
}

/// Notes why a start failed. A disk that takes nothing keeps no note; the log has it too.
pub(crate) fn note(directory: &Path, problem: &anyhow::Error, now: Timestamp) {
    let note = serde_json::to_string(&FailedStart::of(problem, now)).map_err(std::io::Error::other);
    let file = directory.join(FILE);
    if let Err(problem) = note.and_then(|text| whole_file::put_for_owner_of(directory, &file, text)) {
        warn!("why the start failed cannot be noted: {problem}");
    }
}

/// The gateway runs: what was noted is over.
pub(crate) fn forget(directory: &Path) {
    whole_file::forget(&directory.join(FILE));
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_250);

    #[test]
    fn the_reason_is_kept_until_a_start_goes_well() {
        let data = tempfile::tempdir().unwrap();
        let noted = |problem: &anyhow::Error| {
            note(data.path(), problem, NOW);
            FailedStart::read(data.path()).unwrap()
        };
        assert_eq!(FailedStart::read(data.path()), None);
        let found = noted(&anyhow!("the address is taken").context("the page cannot be served"));
        let reason = "the page cannot be served: the address is taken".to_owned();
        assert_eq!(found, FailedStart { because: FailedBecause::Failed, reason, at: NOW });
        let damaged: anyhow::Result<()> = Err(anyhow!("(code: 26) file is not a database"));
        let damaged = damaged.context("history.db cannot be opened").unwrap_err();
        assert_eq!(noted(&damaged).because, FailedBecause::Damaged);
        let newer = anyhow::Error::from(releases::TooNew("of a newer release".to_owned()));
        assert_eq!(noted(&newer).because, FailedBecause::DataTooNew);
        assert_eq!(noted(&anyhow!("x".repeat(5_000))).reason.len(), MAX_REASON);
        forget(data.path());
        assert_eq!(FailedStart::read(data.path()), None);
        note(data.path(), &anyhow!("\u{1b}[2Jgone"), NOW);
        assert_eq!(FailedStart::read(data.path()).unwrap().reason, "[2Jgone");
        std::fs::write(data.path().join(FILE), "{").unwrap();
        assert_eq!(FailedStart::read(data.path()), None);
    }
}
