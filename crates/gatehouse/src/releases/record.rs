//! Which release last ran on the data, in a small file beside it.

use std::path::Path;

use anyhow::Context as _;
use gatehouse_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{paths, whole_file};

/// Most bytes that are read of it.
const MAX_BYTES: u64 = 4_096;

/// The release that last ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Its version, as `gatehouse --version` says it.
    pub(super) version: String,
    /// When it first ran on this data.
    pub(super) since: Timestamp,
    /// The version before it, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<String>,
}

impl Record {
    /// What the file says; nothing when there is none, or none that makes sense.
    pub(super) fn read(directory: &Path) -> Option<Self> {
        serde_json::from_str(&paths::small_text(&directory.join(paths::RELEASE_FILE), MAX_BYTES)?).ok()
    }

    /// Writes it in one step, for the owner of the data.
    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        self.write_into(directory, directory)
    }

    /// The same, into a directory below that of the data from which it is moved to its place.
    pub(super) fn write_into(&self, directory: &Path, place: &Path) -> anyhow::Result<()> {
        let file = place.join(paths::RELEASE_FILE);
        let text = serde_json::to_string(self)?;
        whole_file::put_for_owner_of(directory, &file, &text)
            .with_context(|| format!("{} cannot be written: make room on its disk", file.display()))
    }
}
