//! The configuration's file as the page changes it: replaced in one step, with its earlier texts kept in the data
//! directory, and put back when nobody confirms a change in time.

mod device;
mod edit;
mod file;
mod gateway;
mod restored;
mod tls_files;
mod unconfirmed;
mod versions;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_model::{Clock, Timestamp};
use tracing::warn;

use crate::config::{Problems, ShownFinding, Source, default_text};

pub(crate) use device::{Given, with_device};
pub(crate) use edit::{EditProblem, edited, view, without};
pub(crate) use file::{read_text, version_of, why_not_writable};
pub(crate) use gateway::with_gateway;
use restored::Restored;
pub(crate) use tls_files::{place_of, tls_files, with_tls_files};
pub(crate) use unconfirmed::Unconfirmed;
pub(crate) use versions::Version;
use versions::Versions;

/// Where earlier texts are, below the data directory.
pub(crate) const DIRECTORY: &str = "configuration";

/// The configuration's file with what is kept of it.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    file: PathBuf,
    directory: PathBuf,
}

/// The change that was taken back at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtStart {
    /// No change waits, or it waits on.
    Nothing,
    /// The former text is in the file again.
    TakenBack,
}

impl Changes {
    /// Of this file, with a gateway's data directory.
    pub(crate) fn new(file: &Path, data: &Path) -> Self {
        Self { file: file.to_owned(), directory: data.join(DIRECTORY) }
    }

    /// The text as it is in the file now.
    ///
    /// # Errors
    /// When it cannot be read, in a sentence for people.
    pub(crate) fn text(&self) -> Result<String, String> {
        read_text(&self.file)
    }

    /// Puts `text` into the file in the place of `former`, which is kept. With a time, it waits to be confirmed.
    ///
    /// # Errors
    /// When that fails, in a sentence for people; the file is as it was.
    pub(crate) fn put(
        &self,
        former: &str,
        text: &str,
        confirm_within: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), String> {
        let versions = self.kept();
        let id = versions.keep(former, now)?;
        let noted = match confirm_within {
            Some(within) => {
                Unconfirmed::new(version_of(text), id.clone(), now, within).write(&self.directory)
            }
            // The note of a change that somebody wrote over by hand must not be taken for one about this text.
            None => Unconfirmed::forget(&self.directory),
        };
        let written = noted.and_then(|()| file::replace(&self.file, text));
        if written.is_err() {
            self.forget();
            versions.remove(&id);
        }
        written
    }

    /// The change could not be served: the former text is in the file again, as if nothing had been.
    ///
    /// # Errors
    /// When it cannot be written, in a sentence for people.
    pub(crate) fn undo(&self, former: &str) -> Result<(), String> {
        file::replace(&self.file, former)?;
        self.forget();
        Ok(())
    }

    /// The change that waits to be confirmed, if there is one and the file still holds it: what somebody wrote there
    /// since then by hand is nobody's to take back. It only reads: the note of a change that is just being written is there
    /// before its text is.
    pub(crate) fn unconfirmed(&self) -> Option<Unconfirmed> {
        let unconfirmed = Unconfirmed::read(&self.directory)?;
        self.text().is_ok_and(|text| version_of(&text) == unconfirmed.version).then_some(unconfirmed)
    }

    /// The change stays. Gives whether one waited.
    ///
    /// # Errors
    /// When its note cannot be removed, in a sentence for people: it would be taken back at the next start.
    pub(crate) fn confirm(&self) -> Result<bool, String> {
        let waited = self.unconfirmed().is_some();
        Unconfirmed::forget(&self.directory)?;
        Ok(waited)
    }

    /// Removes the note of a change that is no more. One that stays is about a text that the file does not hold.
    fn forget(&self) {
        if let Err(problem) = Unconfirmed::forget(&self.directory) {
            warn!("the note of a change that does not wait any more could not be removed: {problem}");
        }
    }

    /// Puts the former text back into the file, and keeps the one that was tried. Gives whether a change waited.
    ///
    /// # Errors
    /// When a text cannot be read or written, in a sentence for people.
    pub(crate) fn take_back(&self, now: Timestamp) -> Result<bool, String> {
        let Some(unconfirmed) = self.unconfirmed() else { return Ok(false) };
        let versions = self.kept();
        let former = versions.read(&unconfirmed.former).ok_or_else(|| {
            format!(
                "The text from before the change is not in {} any more. Mend {} by hand.",
                self.directory.display(),
                self.file.display()
            )
        })?;
        let tried = self.text()?;
        if let Err(problem) = versions.keep(&tried, now) {
            // What was is more worth than what was tried.
            warn!("the configuration that is taken back was not kept: {problem}");
        }
        file::replace(&self.file, &former)?;
        self.forget();
        Ok(true)
    }

    /// Earlier texts, the newest first.
    pub(crate) fn versions(&self) -> Vec<Version> {
        self.kept().list()
    }

    /// One of them.
    pub(crate) fn version(&self, id: &str) -> Option<String> {
        self.kept().read(id)
    }

    fn kept(&self) -> Versions {
        Versions::new(self.directory.clone())
    }
}

/// Whether there is a note of a change, so that it has to be settled before the configuration is read.
pub(crate) fn is_noted(source: &Source, data: &Path) -> bool {
    source.file().is_some_and(|file| Unconfirmed::is_noted(&Changes::new(file, data).directory))
}

/// Before the configuration is read at the start: a change whose time is over, or with which the gateway cannot start, is
/// taken back. One that still has time waits on.
pub(crate) fn settle_at_start(source: &Source, data: &Path, clock: &dyn Clock) -> AtStart {
    let Some(changes) = source.file().map(|file| Changes::new(file, data)) else { return AtStart::Nothing };
    let Some(unconfirmed) = changes.unconfirmed() else {
        changes.forget();
        return AtStart::Nothing;
    };
    let left = unconfirmed.left(clock.now());
    let is_good = source.again().is_ok();
    if is_good && !left.is_zero() {
        return AtStart::Nothing;
    }
    match changes.take_back(clock.now()) {
        Ok(_) => {
            let why =
                if is_good { "nobody confirmed it in time" } else { "the gateway cannot start with it" };
            warn!("the last change of {} was taken back: {why}", changes.file.display());
            AtStart::TakenBack
        }
        Err(problem) => {
            warn!("the last change of {} could not be taken back: {problem}", changes.file.display());
            AtStart::Nothing
        }
    }
}

/// The configuration of a backup takes the place of the one in use, which is kept as a version, and comes back when the first
/// start with that of the backup fails ([`take_back_restored`]). Nothing happens when it is in use already.
///
/// # Errors
/// When a daemon of this source could not use it, or a file cannot be read or written, in a sentence for people; the one in use
/// stays then.
pub(crate) fn take_restored(
    source: &Source,
    data: &Path,
    restored: &Path,
    now: Timestamp,
) -> Result<(), String> {
    if let Some(why) = read_only(source) {
        return Err(why);
    }
    let text = read_text(restored)?;
    if let Err(problems) = source.read(&text) {
        return Err(mistakes(&problems, usize::MAX));
    }
    let Some(file) = source.file() else { return Ok(()) };
    let changes = Changes::new(file, data);
    // A fresh machine may not have one yet.
    let former = if file.exists() { Some(changes.text()?) } else { None };
    if former.as_ref() == Some(&text) {
        return Ok(());
    }
    let before = former.clone().unwrap_or_default();
    // A note about a text that does not come to be in the file says nothing.
    Restored::new(&text, former).write(&changes.directory)?;
    changes.put(&before, &text, None, now)
}

/// The gateway could not start. When it was the first start with the configuration of a backup, which may name addresses or
/// a board of another machine, the one from before is put back. Gives whether that was so, and another start makes sense.
pub(crate) fn take_back_restored(source: &Source, data: &Path, now: Timestamp) -> bool {
    let Some(changes) = source.file().map(|file| Changes::new(file, data)) else { return false };
    let Some(restored) = Restored::read(&changes.directory) else { return false };
    let Ok(tried) = changes.text() else { return false };
    if !restored.is_about(&tried) {
        return false;
    }
    if let Err(problem) = changes.kept().keep(&tried, now) {
        warn!("the configuration of the backup, which is taken back, was not kept: {problem}");
    }
    let former = restored.former.as_deref().unwrap_or(default_text());
    // Once only: the note goes first, so that whatever happens the gateway does not try this for ever.
    match Restored::forget(&changes.directory).and_then(|()| file::replace(&changes.file, former)) {
        Ok(()) => true,
        Err(problem) => {
            warn!("the configuration from before the restore could not be put back: {problem}");
            false
        }
    }
}

/// The gateway has started: the configuration of a backup, if it is a new one, stays.
pub(crate) fn restored_runs(source: &Source, data: &Path) {
    let Some(changes) = source.file().map(|file| Changes::new(file, data)) else { return };
    if let Err(problem) = Restored::forget(&changes.directory) {
        warn!("the note of the restored configuration could not be removed: {problem}");
    }
}

/// Why the configuration of a source cannot be changed at the page, and what to do; nothing when it can.
pub(crate) fn read_only(source: &Source) -> Option<String> {
    if let Some(why) = source.nothing_is_kept() {
        return Some(why.to_owned());
    }
    match source.file() {
        Some(file) => why_not_writable(file),
        None => Some(
            "This is the demonstration house, which has no configuration file. To try changes out, start it with \
             `gatehouse run --demo --config FILE`."
                .to_owned(),
        ),
    }
}

/// What the first mistakes of a text are, in a sentence each. Lines after `own_lines` are not the reader's own, so they are
/// not named.
pub(crate) fn mistakes(problems: &Problems, own_lines: usize) -> String {
    /// Most that are told in a sentence; the check tells all.
    const TOLD: usize = 3;
    let findings = problems.findings().into_iter().filter(|finding| finding.is_error);
    let sentence = |finding: ShownFinding| {
        let place = finding.place.filter(|(line, _)| *line <= own_lines);
        let place = place.map_or_else(String::new, |(line, _)| format!("Line {line}: "));
        let hint = if finding.hint.is_empty() { String::new() } else { format!(": {}", finding.hint) };
        format!("{place}{}{hint}.", finding.what)
    };
    let told: Vec<String> = findings.take(TOLD).map(sentence).collect();
    let rest = problems.errors().saturating_sub(told.len());
    match rest {
        0 => told.join(" "),
        rest => format!("{} There are {rest} more.", told.join(" ")),
    }
}
