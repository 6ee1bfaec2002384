//! How the run before this one ended.
//!
//! A run that begins leaves a mark beside the data, and one that ends in order takes it away. Where it is still there, the
//! run before was ended: by a power cut when the kernel's boot has another number than the mark, else by what systemd told
//! `gatehouse safe-outputs`, which it runs after each end (`SERVICE_RESULT`, systemd.exec(5)).

use std::path::Path;

use gatehouse_dashboard::WarningWord;
use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use crate::{paths, whole_file};

/// The mark of the run that goes on, or did.
const MARK: &str = "run.json";

/// What systemd said of the end of the service.
const WORD: &str = "run-ended";

/// Both.
pub(crate) const NOTES: [&str; 2] = [MARK, WORD];

/// Most bytes that are read of either.
const MAX_BYTES: u64 = 4_096;

/// The kernel's number of this boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What systemd says how the service ended.
const SERVICE_RESULT: &str = "SERVICE_RESULT";

/// How a run ended that did not end in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// The kernel ended it, since there was no memory left, or the service took more than it may.
    OutOfMemory,
    /// It hung, and the service's watchdog ended it.
    Hung,
    /// It crashed, or somebody killed it.
    Crashed,
    /// The machine was cut off from its power, or restarted without stopping it.
    CutOff,
}

impl Ending {
    /// The warning that tells of it.
    pub(crate) const fn word(self) -> WarningWord {
        match self {
            Self::OutOfMemory => WarningWord::EndedOutOfMemory,
            Self::Hung => WarningWord::EndedHung,
            Self::Crashed => WarningWord::EndedCrashed,
            Self::CutOff => WarningWord::EndedCutOff,
        }
    }

    /// The word for it in a finding of the check-up.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfMemory => "out-of-memory",
            Self::Hung => "hung",
            Self::Crashed => "crashed",
            Self::CutOff => "cut-off",
        }
    }

    /// What happened, after "the run before this one".
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::OutOfMemory => "was ended by the kernel, since it took more memory than there was for it",
            Self::Hung => "hung and was ended by the service manager",
            Self::Crashed => "crashed or was killed",
            Self::CutOff => "was cut off: the machine lost its power, or was restarted without stopping it",
        }
    }

    /// What systemd's word for the result of a service means; nothing for an end that says enough in its log.
    fn of_service(result: &str) -> Option<Self> {
        match result {
            "oom-kill" => Some(Self::OutOfMemory),
            // A stop that did not end in its time is one that waits for a disk, or for a part that hangs.
            "watchdog" | "timeout" => Some(Self::Hung),
            "signal" | "core-dump" => Some(Self::Crashed),
            _ => None,
        }
    }
}

/// The mark.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mark {
    /// The number of the kernel's boot.
    boot: String,
    /// When the run began, by the wall clock.
    since: Timestamp,
    /// How the run before it ended, when it did not end in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Ending>,
}

impl Mark {
    fn read(directory: &Path) -> Option<Self> {
        serde_json::from_str(&paths::small_text(&directory.join(MARK), MAX_BYTES)?).ok()
    }

    /// On a disk that takes nothing there is none, and the next run says nothing of this one: other warnings do.
    fn write(&self, directory: &Path) {
        let written = serde_json::to_string(self).map_err(std::io::Error::other);
        if let Err(problem) = written.and_then(|text| whole_file::put(&directory.join(MARK), text)) {
            warn!("it cannot be noted that the gateway runs: {problem}");
        }
    }
}

/// The number of this boot of the kernel.
pub(crate) fn this_boot() -> String {
    paths::small_text(Path::new(BOOT_ID), MAX_BYTES).unwrap_or_default().trim().to_owned()
}

/// How the last run ended that had come so far that everything worked. To be asked before the present one begins; a start
/// that fails forgets nothing.
pub(crate) fn before(directory: &Path) -> Option<Ending> {
    before_in(directory, &this_boot())
}

fn before_in(directory: &Path, boot: &str) -> Option<Ending> {
    let mark = Mark::read(directory)?;
    let word = paths::small_text(&directory.join(WORD), MAX_BYTES);
    let said = word.as_deref().and_then(|word| Ending::of_service(word.trim()));
    Some(said.unwrap_or(if mark.boot == boot { Ending::Crashed } else { Ending::CutOff }))
}

/// Leaves the mark of a run that has come so far that everything works, with how the one before ended.
pub(crate) fn begins(directory: &Path, now: Timestamp) {
    begins_in(directory, now, this_boot());
}

fn begins_in(directory: &Path, now: Timestamp, boot: String) {
    let before = before_in(directory, &boot);
    if let Some(ending) = before {
        info!("the run before this one {}", ending.what());
    }
    Mark { boot, since: now, before }.write(directory);
    forget(&directory.join(WORD));
}

/// Takes the mark away: the run ended in order.
pub(crate) fn ends(directory: &Path) {
    forget(&directory.join(MARK));
}

fn forget(file: &Path) {
    match std::fs::remove_file(file) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            debug!("{} cannot be removed: {problem}", file.display());
        }
        _ => {}
    }
}

/// Keeps what systemd says of the end of the service, for the next run to tell. For the program that it runs after each end.
pub(crate) fn note_end(directory: &Path) {
    let Ok(word) = std::env::var(SERVICE_RESULT) else { return };
    if Ending::of_service(&word).is_none() || !directory.join(MARK).exists() {
        return;
    }
    if let Err(problem) = whole_file::put(&directory.join(WORD), word) {
        debug!("how the gateway ended cannot be noted: {problem}");
    }
}

/// How the run before this one ended is told from nowhere any more.
pub(crate) fn is_no_news(directory: &Path) {
    if let Some(mark) = Mark::read(directory).filter(|mark| mark.before.is_some()) {
        Mark { before: None, ..mark }.write(directory);
    }
}

/// How the run before the present one ended, when it did not end in order.
pub(crate) fn of(directory: &Path) -> Option<Ending> {
    Mark::read(directory)?.before
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_252_440_000);

    /// What the second run finds after the first one ended without a word; `word` is what systemd said of it.
    fn found(word: Option<&str>, boot: &str) -> Option<Ending> {
        let directory = tempfile::tempdir().unwrap();
        begins_in(directory.path(), NOW, "a".to_owned());
        assert_eq!(of(directory.path()), None);
        if let Some(word) = word {
            std::fs::write(directory.path().join(WORD), word).unwrap();
        }
        // Starts that fail, as on a port that is taken, leave it to the one that does not. Each wrote over it once.
        let at_start = [(); 3].map(|()| before_in(directory.path(), boot));
        begins_in(directory.path(), NOW, boot.to_owned());
        let ending = of(directory.path());
        assert_eq!(at_start, [ending; 3]);
        // It is told once: the run after that ended well.
        ends(directory.path());
        begins_in(directory.path(), NOW, boot.to_owned());
        assert_eq!(of(directory.path()), None);
        assert!(!directory.path().join(WORD).exists());
        ending
    }

    #[test]
    fn a_run_knows_how_the_one_before_ended() {
        assert_eq!(found(None, "a"), Some(Ending::Crashed));
        assert_eq!(found(None, "b"), Some(Ending::CutOff));
        assert_eq!(found(Some("oom-kill\n"), "a"), Some(Ending::OutOfMemory));
        // The machine may be restarted between the end and the next start.
        assert_eq!(found(Some("watchdog"), "b"), Some(Ending::Hung));
        assert_eq!(found(Some("timeout"), "a"), Some(Ending::Hung));
        assert_eq!(found(Some("core-dump"), "a"), Some(Ending::Crashed));
        assert_eq!(found(Some("something new"), "b"), Some(Ending::CutOff));
    }

    #[test]
    fn a_mark_that_makes_no_sense_is_none() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(MARK), "{\"boot\":").unwrap();
        begins_in(directory.path(), NOW, "a".to_owned());
        assert_eq!(of(directory.path()), None);
    }
}
