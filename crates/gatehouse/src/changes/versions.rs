//! Earlier texts, each in a file of its own whose name says when another one took its place.

use std::path::PathBuf;

use gatehouse_model::Timestamp;

use super::file::{read_text, version_of, write_own};

/// Most earlier texts. A configuration is some kilobytes, and thirty changes are a year of a household.
pub(super) const MAX_VERSIONS: usize = 30;

/// Digits of the text's hash in a name.
const HASH_DIGITS: usize = 12;

/// The end of their files' names.
const END: &str = ".toml";

/// An earlier text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Names it.
    pub(crate) id: String,
    /// When another one took its place.
    pub(crate) replaced: Timestamp,
    /// Its length.
    pub(crate) bytes: u64,
}

/// The directory in which they are.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    directory: PathBuf,
}

/// When, of an id of the right form: milliseconds with thirteen digits, a dash, digits of the hash.
fn moment_of(id: &str) -> Option<Timestamp> {
    let (millis, hash) = id.split_once('-')?;
    let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_number = millis.len() == 13 && millis.bytes().all(|byte| byte.is_ascii_digit());
    (is_hash && is_number).then(|| millis.parse().ok().map(Timestamp::from_millis)).flatten()
}

impl Versions {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Keeps a text that is about to be replaced, and gives its id. The oldest beyond the limit are given up.
    pub(super) fn keep(&self, text: &str, now: Timestamp) -> Result<String, String> {
        let hash: String = version_of(text).chars().take(HASH_DIGITS).collect();
        let id = format!("{:013}-{hash}", now.as_millis().max(0));
        write_own(&self.directory, &format!("{id}{END}"), text)?;
        // A clock that was set back must not make the newest one the first to go.
        let others = self.list().into_iter().filter(|version| version.id != id);
        for version in others.skip(MAX_VERSIONS - 1) {
            self.remove(&version.id);
        }
        Ok(id)
    }

    /// The newest first.
    pub(super) fn list(&self) -> Vec<Version> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut versions: Vec<Version> = entries
            .filter_map(|entry| {
                let name = entry.file_name();
                let id = name.to_str()?.strip_suffix(END)?.to_owned();
                let replaced = moment_of(&id)?;
                Some(Version { id, replaced, bytes: entry.metadata().ok()?.len() })
            })
            .collect();
        versions.sort_by(|a, b| b.id.cmp(&a.id));
        versions
    }

    /// The text; nothing when there is none of this name.
    pub(super) fn read(&self, id: &str) -> Option<String> {
        moment_of(id)?;
        read_text(&self.directory.join(format!("{id}{END}"))).ok()
    }

    pub(super) fn remove(&self, id: &str) {
        // One that stays is in the list once more: no harm.
        let _ = std::fs::remove_file(self.directory.join(format!("{id}{END}")));
    }
}
