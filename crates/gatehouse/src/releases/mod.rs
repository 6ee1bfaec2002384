//! What an upgrade needs to be taken back: which release last ran on the data, and a copy of what a newer one is about to
//! change.
//!
//! A database has a form (its schema). An older one is brought up to this release's when it is opened, in one transaction;
//! before that, all that the gateway keeps is copied beside it. An older release that finds a newer form refuses it, and
//! tells about the copy.

mod copy;
mod fall_back;
pub(crate) mod notes;
mod record;
mod rollback;
mod service;
#[cfg(test)]
mod tests;
mod trial;
mod unkept;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use gatehouse_broker::SqliteStore;
use gatehouse_dashboard::Accounts;
use gatehouse_history::schema;
use gatehouse_model::Timestamp;
use tracing::{info, warn};

use crate::paths;
use record::Record;

pub(crate) use fall_back::run as fall_back_on_command_line;
pub(crate) use rollback::run as roll_back_on_command_line;
pub(crate) use trial::{FallenBack, begin, failed, refused, why_not_started};
pub(crate) use unkept::{Unkept, forget as forget_unkept};

/// This release.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the copy of before an upgrade is kept: by then everybody has seen whether the house works.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A newer release has changed the data, and how to go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TooNew(pub(crate) String);

/// The form of each database, by its file's name.
type Forms = BTreeMap<String, i64>;

/// Looks at the data before anything opens it. What this release is about to bring up to its own form is copied first, history
/// where `floor` bytes stay free on the disk.
///
/// # Errors
/// When a newer release has changed the accounts or what the broker keeps: this one cannot run on them, and says how to go
/// back to the copy of before.
pub(crate) async fn prepare(
    directory: &Path,
    configuration: Option<&Path>,
    floor: u64,
    now: Timestamp,
) -> anyhow::Result<()> {
    prepare_for(directory, configuration, floor, now, &newest()).await
}

async fn prepare_for(
    directory: &Path,
    configuration: Option<&Path>,
    floor: u64,
    now: Timestamp,
    newest: &Forms,
) -> anyhow::Result<()> {
    let found = forms_of(directory).await;
    let record = Record::read(directory);
    // History that is too new is not recorded to, and the rest of the house goes on; the page says so.
    let needed = [paths::ACCOUNTS_FILE, paths::BROKER_FILE];
    if let Some(name) = needed.into_iter().find(|name| found.get(*name) > newest.get(*name)) {
        return Err(TooNew(refusal(directory, name, record.as_ref(), newest)).into());
    }
    let older: Vec<&str> = found
        .iter()
        .filter(|(name, form)| newest.get(*name) > Some(*form))
        .map(|(name, _)| name.as_str())
        .collect();
    if older.is_empty() {
        return Ok(());
    }
    let version = record.map_or_else(|| "unknown".to_owned(), |record| record.version);
    info!("an upgrade from release {version}: {} will be brought up to date", older.join(", "));
    // An upgrade that was cut short half-way goes on: its copy is the only one of before. One of an earlier upgrade, since when a
    // release has run, be it the same one again, is no way back from this one.
    let is_of_this = |kept: copy::Kept| kept.version == version && !kept.is_settled && kept.is_before(&found);
    if copy::Kept::find(directory).is_some_and(is_of_this) {
        return Ok(());
    }
    // A house without its gateway is worse than one that cannot go back.
    match copy::keep(directory, configuration, floor, copy::Kept::of(&version, &found, now)) {
        Ok(()) => unkept::forget(directory),
        Err(problem) => {
            warn!("no copy of before the upgrade could be kept, the upgrade goes on: {problem:#}");
            unkept::note(directory, &format!("{problem:#}"), now);
        }
    }
    Ok(())
}

/// Whether a command may open a database, which brings it up to this release's form. Only the gateway itself does that to one of
/// another release: it keeps a copy first, and the other release may be running on it, in the place of this one that did not start.
///
/// # Errors
/// When another release has left the database in an older form, with what to do.
pub(crate) async fn check_form(directory: &Path, name: &str) -> anyhow::Result<()> {
    // One that no release ever came to run on is completed.
    let Some(record) = Record::read(directory).filter(|record| record.version != VERSION) else {
        return Ok(());
    };
    // One that is not there is made.
    ensure!(
        forms_of(directory).await.get(name).is_none_or(|form| newest().get(name) <= Some(form)),
        "{} is as release {} left it, and this is release {VERSION}. The gateway brings it up to date when it starts, with a copy \
         of before: start it first (`sudo systemctl start gatehouse`). Where the earlier release runs in the place of this one, which \
         did not start, its own program does this: {}",
        directory.join(name).display(),
        record.version,
        fall_back::KEPT_PROGRAM
    );
    Ok(())
}

/// Notes that this release runs on the data: it has come so far that everything was open.
pub(crate) fn runs(directory: &Path, now: Timestamp) {
    let known = Record::read(directory);
    if known.as_ref().is_none_or(|known| known.version != VERSION) {
        let record =
            Record { version: VERSION.to_owned(), since: now, before: known.map(|known| known.version) };
        if let Err(problem) = record.write(directory) {
            warn!("{problem:#}");
        }
    }
    trial::passed(directory);
    unkept::forget_others(directory);
    copy::settle(directory);
}

/// Removes the copy of before an upgrade that nobody has needed for [`KEPT_FOR`]. `now` is of a clock that is right: by one that
/// is wrong the way back of yesterday's upgrade may look years old. May take a while.
pub(crate) fn forget_old_copy(directory: &Path, now: Timestamp) {
    copy::forget_old(directory, now);
}

fn is_past(made: Timestamp, now: Timestamp) -> bool {
    let limit = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
    now.as_millis().saturating_sub(made.as_millis()) > limit
}

/// The forms that this release works with.
fn newest() -> Forms {
    Forms::from([
        (paths::ACCOUNTS_FILE.to_owned(), Accounts::newest_form()),
        (paths::BROKER_FILE.to_owned(), SqliteStore::newest_schema()),
        (paths::HISTORY_FILE.to_owned(), schema::newest()),
    ])
}

/// The forms of the files that are there. A file that cannot be read is left out: whoever opens it says what is wrong.
async fn forms_of(directory: &Path) -> Forms {
    let accounts = Accounts::form_of(&directory.join(paths::ACCOUNTS_FILE)).await.ok().flatten();
    let broker = SqliteStore::schema_of(&directory.join(paths::BROKER_FILE)).await.ok().flatten();
    let history = schema::of(&directory.join(paths::HISTORY_FILE)).await.ok().flatten();
    [(paths::ACCOUNTS_FILE, accounts), (paths::BROKER_FILE, broker), (paths::HISTORY_FILE, history)]
        .into_iter()
        .filter_map(|(name, form)| Some((name.to_owned(), form?)))
        .collect()
}

/// Why this release does not start on the data of a newer one, and how to go on.
fn refusal(directory: &Path, name: &str, record: Option<&Record>, newest: &Forms) -> String {
    let by =
        record.map_or_else(|| "a newer release".to_owned(), |record| format!("release {}", record.version));
    let file = directory.join(name);
    let stuck = format!("{} was changed by {by}, and this is release {VERSION}", file.display());
    match copy::Kept::find(directory).filter(|kept| kept.suits(newest)) {
        Some(kept) => format!(
            "{stuck}. Install the newer release again; or go back to the data as it was at {}, before the upgrade, with \
             `sudo gatehouse rollback`, which says first what is lost",
            kept.made
        ),
        None => format!(
            "{stuck}. Install the newer release again; or restore a backup of this release with `sudo gatehouse restore`"
        ),
    }
}
