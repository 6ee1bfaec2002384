//! The note that a change waits to be confirmed, on the disk, so that it is taken back over a restart too.

use std::path::Path;
use std::time::Duration;

use gatehouse_model::Timestamp;
use serde_json::{Value, json};

use super::file::{read_text, remove_own, write_own};

/// The file of the note.
const NAME: &str = "unconfirmed.json";

/// A change that waits to be confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unconfirmed {
    /// The version of its text.
    pub(crate) version: String,
    /// The id of the text before it.
    pub(super) former: String,
    since: Timestamp,
    within: Duration,
}

impl Unconfirmed {
    pub(super) fn new(version: String, former: String, since: Timestamp, within: Duration) -> Self {
        Self { version, former, since, within }
    }

    /// The time that is left. A clock that was set back gives it once more, and never more than that.
    pub(crate) fn left(&self, now: Timestamp) -> Duration {
        self.within.saturating_sub(now.saturating_since(self.since))
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), String> {
        let millis = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
        let note = json!({
            "version": self.version,
            "former": self.former,
            "since_ms": self.since.as_millis(),
            "within_ms": millis,
        });
        write_own(directory, NAME, &note.to_string())
    }

    /// The note, if there is one that can be read.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let note: Value = serde_json::from_str(&read_text(&directory.join(NAME)).ok()?).ok()?;
        let text = |key: &str| note.get(key).and_then(Value::as_str).map(str::to_owned);
        let since = note.get("since_ms").and_then(Value::as_i64).map(Timestamp::from_millis)?;
        let within = note.get("within_ms").and_then(Value::as_u64).map(Duration::from_millis)?;
        Some(Self::new(text("version")?, text("former")?, since, within))
    }

    /// Whether there is a note, readable or not.
    pub(super) fn is_noted(directory: &Path) -> bool {
        directory.join(NAME).exists()
    }

    /// Removes the note, for good: one that came back after a power cut would take back what was confirmed.
    ///
    /// # Errors
    /// When that fails, in a sentence for people.
    pub(super) fn forget(directory: &Path) -> Result<(), String> {
        remove_own(directory, NAME)
    }
}
