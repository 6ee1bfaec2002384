//! The first starts of a release on data that another one left: until it has run once it is on trial.
//!
//! What becomes of it stands in a small file beside the data, for `gatehouse fall-back`, which the service manager runs when
//! the unit has failed for good.

use std::path::Path;

use anyhow::Context as _;
use gatehouse_model::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::VERSION;
use super::record::Record;
use crate::{paths, whole_file};

/// The file of the trial.
pub(super) const TRIAL: &str = "starting.json";

/// The file that tells that a newer release did not start.
pub(super) const FALLEN_BACK: &str = "fallen-back.json";

/// Most bytes that are read of one of them.
const MAX_BYTES: u64 = 16 * 1024;

/// Longest reason that is kept, in characters: it is shown on the page.
const MAX_REASON: usize = 600;

/// What is noted of a release that refuses the configuration.
const WRONG_CONFIGURATION: &str =
    "the configuration has mistakes for this release; `gatehouse check` of it shows them";

/// Every this many starts that never came to run, the start ends for good. Starts that fail at once are counted by the
/// service manager; those that hang take so long that it never counts enough of them in its interval.
const STARTS_OF_A_ROUND: u32 = 6;

/// A release that has not run on this data yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trial {
    /// Its version.
    pub(super) version: String,
    /// How often it was started.
    starts: u32,
    /// Why it did not come to run, as far as it could say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

impl Trial {
    pub(super) fn read(directory: &Path) -> Option<Self> {
        read(directory, TRIAL)
    }
}

/// A newer release that did not start, and the one before it that runs in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FallenBack {
    /// The version that did not start.
    pub(crate) failed: String,
    /// The version that runs in its place.
    pub(crate) runs: String,
    /// Why the other one did not start.
    pub(crate) reason: String,
    /// When this was decided.
    pub(crate) at: Timestamp,
}

impl FallenBack {
    /// What there is to tell while this release runs.
    pub(crate) fn of_this_release(directory: &Path) -> Option<Self> {
        read::<Self>(directory, FALLEN_BACK).filter(|note| note.runs == VERSION)
    }

    /// What there is to tell while either of the two is asked: at a terminal it is the installed program that looks, which is
    /// the one that did not start.
    pub(crate) fn of_either_release(directory: &Path) -> Option<Self> {
        read::<Self>(directory, FALLEN_BACK).filter(|note| note.runs == VERSION || note.failed == VERSION)
    }

    pub(super) fn write(&self, directory: &Path) -> anyhow::Result<()> {
        put(directory, FALLEN_BACK, self)
    }
}

/// Notes that this release is started, where another one has run last. Gives whether it is to be tried: not when it has been
/// too often, and the service manager should do something else.
pub(crate) fn begin(directory: &Path) -> bool {
    if Record::read(directory).is_none_or(|record| record.version == VERSION) {
        return true;
    }
    let known = Trial::read(directory).filter(|trial| trial.version == VERSION);
    let starts = known.as_ref().map_or(0, |trial| trial.starts).saturating_add(1);
    let is_over = starts.is_multiple_of(STARTS_OF_A_ROUND);
    // What hangs and is ended says nothing itself.
    let hung =
        is_over.then(|| format!("it was started {starts} times, hung each time, and never came to run"));
    // It has been mended, where it comes to this.
    let reason = known.and_then(|trial| trial.reason).filter(|reason| reason != WRONG_CONFIGURATION);
    let reason = reason.or(hung);
    note(directory, &Trial { version: VERSION.to_owned(), starts, reason });
    !is_over
}

/// Notes that this release, where another one has run last, cannot be tried with the configuration that there is. It is no start
/// that counts: somebody who mends the configuration line by line needs as many as it takes.
pub(crate) fn refused(directory: &Path) {
    if Record::read(directory).is_some_and(|record| record.version != VERSION) {
        let known = Trial::read(directory).filter(|trial| trial.version == VERSION);
        let starts = known.map_or(0, |trial| trial.starts);
        note(
            directory,
            &Trial { version: VERSION.to_owned(), starts, reason: Some(WRONG_CONFIGURATION.to_owned()) },
        );
    }
}

/// Notes why this release did not come to run, if it is on trial.
pub(crate) fn failed(directory: &Path, reason: &str) {
    let Some(trial) = Trial::read(directory).filter(|trial| trial.version == VERSION) else { return };
    note(directory, &Trial { reason: Some(shortened(reason)), ..trial });
}

fn note(directory: &Path, trial: &Trial) {
    if let Err(problem) = put(directory, TRIAL, trial) {
        warn!("the start of a release that has not run yet cannot be noted: {problem:#}");
    }
}

fn shortened(reason: &str) -> String {
    reason.chars().take(MAX_REASON).collect()
}

/// Why a release that is on trial has not come to run.
pub(crate) fn why_not_started(directory: &Path) -> Option<String> {
    Trial::read(directory)?.reason
}

/// This release runs: what was noted of starts that failed is over.
pub(super) fn passed(directory: &Path) {
    let stale = read::<FallenBack>(directory, FALLEN_BACK).is_some_and(|note| note.runs != VERSION);
    let over = [(TRIAL, true), (FALLEN_BACK, stale)].into_iter().filter(|(_, is_over)| *is_over);
    for file in over.map(|(name, _)| directory.join(name)) {
        whole_file::forget(&file);
    }
}

/// What one of the small files beside the data says; nothing when it is not there, or makes no sense.
pub(super) fn read<T: DeserializeOwned>(directory: &Path, name: &str) -> Option<T> {
    serde_json::from_str(&paths::small_text(&directory.join(name), MAX_BYTES)?).ok()
}

/// Writes it whole, for the owner of the data.
pub(super) fn put(directory: &Path, name: &str, content: &impl Serialize) -> anyhow::Result<()> {
    let file = directory.join(name);
    whole_file::put_for_owner_of(directory, &file, serde_json::to_string(content)?)
        .with_context(|| format!("{} cannot be written", file.display()))
}
