//! The configuration of a backup until the gateway has started with it once: the one from before is kept ready, in a note.

use std::path::Path;

use serde_json::{Value, json};

use super::file::{remove_own, version_of, write_own};

/// The file of the note.
const NAME: &str = "restored.json";

/// What was in use before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Restored {
    /// The version of the text of the backup.
    version: String,
    /// The text before it; nothing when there was no file.
    pub(super) former: Option<String>,
}

impl Restored {
    pub(super) fn new(text: &str, former: Option<String>) -> Self {
        Self { version: version_of(text), former }
    }

    /// Whether this is the text that was not started with yet.
    pub(super) fn is_about(&self, text: &str) -> bool {
        self.version == version_of(text)
    }

    pub(super) fn write(&self, directory: &Path) -> Result<(), String> {
        write_own(directory, NAME, &json!({ "version": self.version, "former": self.former }).to_string())
    }

    /// The note, if there is one that can be read.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        let note: Value = serde_json::from_str(&std::fs::read_to_string(directory.join(NAME)).ok()?).ok()?;
        let former = note.get("former")?.as_str().map(str::to_owned);
        Some(Self { version: note.get("version")?.as_str()?.to_owned(), former })
    }

    /// Removes the note, for good: one that came back after a power cut would take back what was good.
    ///
    /// # Errors
    /// When that fails, in a sentence for people.
    pub(super) fn forget(directory: &Path) -> Result<(), String> {
        remove_own(directory, NAME)
    }
}
