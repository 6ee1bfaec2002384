//! `gatehouse rollback`: the copy of before an upgrade takes its place again, for an older release that cannot use what the
//! newer one made of the data.
//!
//! Only databases whose form the upgrade has changed go back; whatever the older release can use as it is stays, levels,
//! certificates and the configuration with it, so that as little as possible is lost. What is replaced is kept aside. The
//! moves are those of a backup that is restored, which a power cut at any instant does not break.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use gatehouse_dashboard::Accounts;
use gatehouse_dashboard::accounts::{By, Deed};
use gatehouse_history::snapshot;
use gatehouse_model::{Clock, SystemClock, Timestamp};

use super::copy::{self, CONFIGURATION, Kept};
use super::record::Record;
use super::{Forms, VERSION, forms_of, newest, service};
use crate::answer::{self, answer};
use crate::as_owner::as_owner_of;
use crate::backup::FormerLink;
use crate::cli::RollbackArguments;
use crate::exit::Exit;
use crate::system::SystemRandomness;
use crate::{backup, paths};

/// Says what is lost, asks, and puts the copy back.
pub(crate) fn run(arguments: &RollbackArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    check_owner(&directory)?;
    let _claim = paths::claim(&directory)
        .context("the data goes back while the gateway is stopped: `sudo systemctl stop gatehouse`")?;
    let went = as_owner_of(&directory, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(go_back(arguments, &directory))
    })?;
    let Some(plan) = went else {
        answer!("Everything was left as it is.");
        return Ok(Exit::Failure);
    };
    // A drop-in that was right for the data that is replaced is none for this.
    match service::remove_drop_in(&arguments.drop_ins, &directory) {
        Ok(false) => {}
        Ok(true) => {
            answer!("The service runs the installed program again, and no longer an earlier one.");
        }
        Err(problem) => answer!(
            "The service may go on to run an earlier program than the installed one: {problem:#}. \
             Remove {} and run `sudo systemctl daemon-reload`.",
            arguments.drop_ins.join(service::DROP_IN).display()
        ),
    }
    answer::print(format_args!("{}", plan.next_step()));
    Ok(Exit::Success)
}

/// Makes the plan, asks, and carries it out; gives it when it was.
async fn go_back(arguments: &RollbackArguments, directory: &Path) -> anyhow::Result<Option<Plan>> {
    // A backup that was ready to be restored is what its owner has now.
    backup::finish_restore(directory, |_| ())?;
    let plan = Plan::make(directory, Some(&arguments.config), &newest()).await?;
    let clock = SystemClock::new();
    answer::print(format_args!("{}", plan.text(clock.now())));
    if !arguments.yes {
        ensure!(
            std::io::stdin().is_terminal(),
            "nobody can be asked here: run this at a terminal, or with --yes"
        );
        if !answer::is_agreed("Go back?")? {
            return Ok(None);
        }
    }
    let aside = plan.carry_out(directory, &By::command_line(), clock.now()).await?;
    answer!("The data is as release {} left it.", plan.kept.version);
    if let Some(aside) = aside {
        answer!("What was replaced is in {}.", aside.display());
    }
    for link in &plan.links {
        answer!("{}", link.sentence(directory));
    }
    Ok(Some(plan))
}

/// Files that somebody else's commands made could not be used by the gateway.
fn check_owner(directory: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::metadata(directory).with_context(|| {
        format!("there is no data in {}: --data-dir names another directory", directory.display())
    })?;
    let user = rustix::process::geteuid();
    ensure!(
        user.is_root() || user.as_raw() == metadata.uid(),
        "{} belongs to another user: run this with sudo",
        directory.display()
    );
    Ok(())
}

/// What goes back, once everything is known to be good.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kept: Kept,
    /// Where the copy is.
    place: PathBuf,
    /// The databases that go back.
    databases: Vec<&'static str>,
    /// Whether history should go back and is not in the copy.
    history_stays: bool,
    /// Whether the configuration of before is another one, and is put beside the one in use.
    with_configuration: bool,
    /// What is a link now; what goes back lies in the data directory itself.
    links: Vec<FormerLink>,
}

impl Plan {
    /// Looks at the copy and at what is there now. `newest` are the forms that this release works with.
    ///
    /// # Errors
    /// When there is nothing to go back to, with what to do instead, or when the copy is damaged.
    pub(super) async fn make(
        directory: &Path,
        configuration: Option<&Path>,
        newest: &Forms,
    ) -> anyhow::Result<Self> {
        let (Some(kept), Some(place)) = (Kept::find(directory), copy::place(directory)) else {
            bail!(
                "there is no copy of before an upgrade in {}: either no upgrade has changed what the gateway keeps, and an older \
                 release runs on it as it is, or the copy was removed after thirty days. A backup of the older release is put \
                 back with `sudo gatehouse restore`",
                directory.display()
            );
        };
        ensure!(
            kept.suits(newest),
            "the copy of before the upgrade is of release {}, and newer than what this release ({VERSION}) can use: install \
             release {} first",
            kept.version,
            kept.version
        );
        let found = forms_of(directory).await;
        let is_changed = |name: &&str| {
            kept.forms.get(*name).is_some_and(|form| found.get(*name).is_some_and(|now| now > form))
        };
        let changed = [paths::ACCOUNTS_FILE, paths::BROKER_FILE, paths::HISTORY_FILE].into_iter();
        let (databases, missing): (Vec<&str>, Vec<&str>) =
            changed.filter(is_changed).partition(|name| place.join(name).is_file());
        let history_stays = missing.contains(&paths::HISTORY_FILE);
        if let Some(name) = missing.iter().find(|name| **name != paths::HISTORY_FILE) {
            bail!("{} is missing in the copy in {}: nothing was changed", name, place.display());
        }
        ensure!(
            !databases.is_empty(),
            "nothing has to go back: release {} runs on the data as it is. Install its package and start the gateway{}",
            kept.version,
            if history_stays {
                ". Its history is in a newer form and is not in the copy, for want of room: it is not recorded to"
            } else {
                ""
            }
        );
        for name in &databases {
            snapshot::check(&place.join(name))
                .await
                .context("the copy is damaged, and nothing was changed")?;
        }
        let with_configuration = configuration.is_some_and(|file| {
            let [present, former] = [file, &place.join(CONFIGURATION)].map(|file| std::fs::read(file).ok());
            former.is_some() && present != former
        });
        let links = FormerLink::among(directory, databases.iter().copied());
        Ok(Self { kept, place, databases, history_stays, with_configuration, links })
    }

    /// What will be lost, for the person who decides.
    pub(super) fn text(&self, now: Timestamp) -> String {
        let Kept { version, made, .. } = &self.kept;
        let mut text = format!(
            "This takes back what an upgrade did to the gateway's data at {made} ({}), when release {version} had run before it.\n\
             What changed since then is lost to the gateway:\n",
            ago(*made, now)
        );
        for name in &self.databases {
            let what = match *name {
                paths::ACCOUNTS_FILE => {
                    "people, passwords, clients, rights, plans of rooms and the audit log are as they were; everybody logs in again"
                }
                paths::BROKER_FILE => "retained messages and those that wait for clients are as they were",
                _ => "nothing that was recorded since then is in the history",
            };
            let _ = writeln!(text, "  {name}: {what}");
        }
        if self.history_stays {
            text.push_str(
                "  history.db stays, since it was too large for the copy: the older release cannot use it, and records nothing\n",
            );
        }
        for FormerLink { name, target } in &self.links {
            let _ = writeln!(
                text,
                "  {name} is a link to {}, which stays as it is: what goes back lies in the data directory itself, on its disk",
                target.display()
            );
        }
        text.push_str(
            "Everything else stays: levels of outputs, totals, certificates, the configuration. What is replaced is kept aside.\n",
        );
        text
    }

    /// What to do when it is done.
    fn next_step(&self) -> String {
        let mut text = String::new();
        if self.with_configuration {
            let _ = writeln!(
                text,
                "The configuration of before was another one; it is beside the data as {}.",
                backup::RESTORED_CONFIGURATION
            );
        }
        if self.kept.version == VERSION {
            text.push_str("Start the gateway: sudo systemctl start gatehouse\n");
        } else {
            let _ = writeln!(
                text,
                "Install release {} now: this one ({VERSION}) would change the data again at its next start.",
                self.kept.version
            );
        }
        text
    }

    /// Puts the copy into its place; gives where what was there before is. Only for who has claimed the data directory.
    ///
    /// # Errors
    /// When a file cannot be moved. Nothing is lost then, and the next start goes on with it.
    pub(super) async fn carry_out(
        &self,
        directory: &Path,
        by: &By,
        now: Timestamp,
    ) -> anyhow::Result<Option<PathBuf>> {
        self.make_ready(directory, now).await?;
        let aside = backup::finish_restore(directory, |_| ())?.and_then(|applied| applied.aside);
        self.note(directory, by).await;
        Ok(aside)
    }

    /// Declares the copy to be what is restored, with the note of which release ran on it: a power cut after the last move must
    /// not leave the newer one's name beside data that is not its own.
    pub(super) async fn make_ready(&self, directory: &Path, now: Timestamp) -> anyhow::Result<()> {
        let mut names: Vec<String> = self.databases.iter().map(|name| (*name).to_owned()).collect();
        names.push(paths::RELEASE_FILE.to_owned());
        if self.with_configuration {
            names.push(CONFIGURATION.to_owned());
        }
        if self.databases.contains(&paths::ACCOUNTS_FILE) {
            // Sessions that were ended since then must not live again.
            Accounts::end_sessions_in(&self.place.join(paths::ACCOUNTS_FILE)).await?;
        }
        let record = Record { version: self.kept.version.clone(), since: self.kept.made, before: None };
        record.write_into(directory, &self.place)?;
        // What a power cut has left of an earlier upgrade would be the copy next.
        copy::forget_former(directory);
        backup::adopt_as_restored(directory, &self.place, names, &backup::file_time(now))
    }

    /// In the audit log it stands where this release can write without changing the form: else only the journal tells.
    async fn note(&self, directory: &Path, by: &By) {
        let file = directory.join(paths::ACCOUNTS_FILE);
        let form = Accounts::form_of(&file).await.ok().flatten();
        if form != Some(Accounts::newest_form()) {
            return;
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        if let Ok(accounts) = Accounts::open(&file, clock, Arc::new(SystemRandomness)).await {
            let what = format!("the copy of {}, before an upgrade", self.kept.made);
            accounts.note(Deed::Restored, by, None, Some(&what)).await;
            accounts.close().await;
        }
    }
}

/// How long ago something was, to the hour, or to the minute within the first.
fn ago(then: Timestamp, now: Timestamp) -> String {
    let minutes = now.as_millis().saturating_sub(then.as_millis()).max(0) / 60_000;
    let some = |count: i64, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (minutes / 1_440, minutes / 60 % 24, minutes) {
        (0, 0, minutes) => format!("{} ago", some(minutes, "minute")),
        (0, hours, _) => format!("{} ago", some(hours, "hour")),
        (days, 0, _) => format!("{} ago", some(days, "day")),
        (days, hours, _) => format!("{} and {} ago", some(days, "day"), some(hours, "hour")),
    }
}
