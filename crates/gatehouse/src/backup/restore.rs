//! Restoring a backup: it is unpacked and checked beside the data, and takes its place when all of it is good.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_board::memory::keep_outputs;
use gatehouse_dashboard::Accounts;
use gatehouse_dashboard::accounts::{By, Deed};
use gatehouse_dashboard::wire::PlacedFile;
use gatehouse_history::{History, Options, snapshot};
use gatehouse_model::{Clock, SystemClock};

use super::container::{self, Archive, Contents, Lock};
use super::names::file_time;
use super::pending::{self, FormerLink, RESTORED_CONFIGURATION};
use super::sealed::MAX_WORK;
use super::tls_files::{self, Placed};
use super::{CONFIGURATION, DATABASES, passphrase_of};
use crate::as_owner::as_owner_of;
use crate::cli::RestoreArguments;
use crate::config::{Addresses, Source};
use crate::exit::Exit;
use crate::listening::is_elsewhere;
use crate::progress::Progress;
use crate::system::SystemRandomness;
use crate::{changes, paths};

/// Restores a backup, while no gateway runs on the data directory.
pub(crate) fn run(arguments: &RestoreArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    paths::make_private_directory(&directory)?;
    let passphrase = arguments.passphrase_file.as_deref().map(passphrase_of).transpose()?;
    let lock = passphrase.as_deref().map_or(Lock::Plain, Lock::Passphrase);
    // Whoever may read these need not be who owns the data.
    let archive = Archive::open(&arguments.file)?;
    let mut progress = Progress::new();
    let _claim = paths::claim(&directory)
        .context("a backup is restored while the gateway is stopped: `sudo systemctl stop gatehouse`")?;
    let source = Source::new(Some(arguments.config.clone()), false, Addresses::default());
    let configuration = if arguments.with_configuration { Taken::OrNothing } else { Taken::No };
    let outcome = as_owner_of(&directory, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(restore(&directory, &archive, lock, (&source, configuration), &mut progress))
    });
    progress.clear();
    let restored = outcome.map_err(|problem| match problem.downcast_ref() {
        Some(container::Closed::NeedsPassphrase) => {
            problem.context("name the file with its passphrase with --passphrase-file")
        }
        _ => problem,
    })?;
    let mut say = std::io::stderr();
    let _ = writeln!(say, "Restored the backup of {} to {}.", restored.contents.made, directory.display());
    if let Some(aside) = &restored.aside {
        let _ = writeln!(say, "What was there before is in {}.", aside.display());
    }
    for link in &restored.links {
        let _ = writeln!(say, "{}", link.sentence(&directory));
    }
    for PlacedFile { named, place } in &restored.placed {
        let _ = writeln!(
            say,
            "This machine does not have {named}, or may not read it. The file of the backup is {place} now, and the backup's \
             configuration says so."
        );
    }
    if !restored.contents.has(CONFIGURATION) {
        let _ = writeln!(say, "The backup has no configuration: the one in use stays.");
        return Ok(Exit::Success);
    }
    let (file, beside) = (arguments.config.display(), directory.join(RESTORED_CONFIGURATION));
    let beside = beside.display();
    match restored.configuration {
        Some(Ok(())) => {
            let _ = writeln!(
                say,
                "Its configuration is in use now, as {file}; the one before it is kept among its versions."
            );
        }
        Some(Err(why)) => bail!(
            "everything but the configuration was restored, which is in {beside}. It did not get to {file}: {why}"
        ),
        None => {
            let _ = writeln!(
                say,
                "The configuration in use, {file}, stays as it is. That of the backup is in {beside}. To take it as well:\n    {}",
                with_configuration(arguments)
            );
        }
    }
    Ok(Exit::Success)
}

/// The command that takes the configuration as well.
fn with_configuration(arguments: &RestoreArguments) -> String {
    let mut words = vec!["sudo gatehouse restore".to_owned(), arguments.file.display().to_string()];
    let options = [
        ("--passphrase-file", arguments.passphrase_file.as_deref()),
        (
            "--config",
            Some(&*arguments.config).filter(|file| *file != Path::new(paths::DEFAULT_CONFIGURATION)),
        ),
        ("--data-dir", arguments.data.data_dir.as_deref()),
    ];
    for (option, value) in options {
        words.extend(value.map(|value| format!("{option} {}", value.display())));
    }
    words.push("--with-configuration".to_owned());
    words.join(" ")
}

#[derive(Debug)]
pub(super) struct Restored {
    pub(super) contents: Contents,
    /// Where what was there before is.
    pub(super) aside: Option<PathBuf>,
    /// What lies in the data directory itself now, and was a link before.
    pub(super) links: Vec<FormerLink>,
    /// TLS files that its configuration names and that got another place.
    pub(super) placed: Vec<PlacedFile>,
    /// Whether the configuration has taken its place, where it was to, or why it has not.
    pub(super) configuration: Option<Result<(), String>>,
}

pub(super) async fn restore(
    directory: &Path,
    archive: &Archive,
    lock: Lock<'_>,
    (source, configuration): (&Source, Taken),
    progress: &mut Progress,
) -> anyhow::Result<Restored> {
    // One that was ready before goes first: it is what its owner has now.
    pending::finish(directory, |_| ())?;
    // It is as large as what is in it.
    super::Disks::on_command_line(directory, None).check_data(archive.bytes().max(1))?;
    let by = By::command_line();
    let wanted = Wanted { directory, archive, lock, most_work: MAX_WORK, source, configuration, by: &by };
    let Staged { contents, placed, .. } = stage(&wanted, progress).await?;
    let mut taken = None;
    let applied = pending::finish(directory, |restored| {
        taken = Some(changes::take_restored(source, directory, restored, SystemClock::new().now()));
    })?;
    let (aside, links) = applied.map(|applied| (applied.aside, applied.links)).unwrap_or_default();
    Ok(Restored { contents, aside, links, placed, configuration: taken })
}

/// Whether the configuration of a backup takes the place of the one in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is put beside it.
    No,
    /// It does when a daemon could start with it, and all else is restored in any case.
    WherePossible,
    /// It does, or nothing is restored.
    OrNothing,
}

/// What is to be restored.
pub(super) struct Wanted<'a> {
    /// The data directory.
    pub(super) directory: &'a Path,
    /// The file of the backup.
    pub(super) archive: &'a Archive,
    pub(super) lock: Lock<'a>,
    /// log2 of the most work that is done for the passphrase.
    pub(super) most_work: u8,
    /// Whose configuration the one of the backup may replace.
    pub(super) source: &'a Source,
    /// Whether it does.
    pub(super) configuration: Taken,
    /// Who restores it, for the audit log.
    pub(super) by: &'a By,
}

/// What is ready to take its place.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) contents: Contents,
    /// Why the configuration of the backup will not take the place of the one in use, when it was to.
    pub(super) configuration_stays: Option<String>,
    /// TLS files that its configuration names and that got another place.
    pub(super) placed: Vec<PlacedFile>,
}

/// Unpacks a backup beside the data, checks all of it, and declares it ready.
///
/// # Errors
/// What is wrong with the backup, or what keeps it from being unpacked; nothing waits then, and nothing was changed.
pub(super) async fn stage(wanted: &Wanted<'_>, progress: &mut Progress) -> anyhow::Result<Staged> {
    let Wanted { directory, archive, lock, most_work, source, configuration, by } = *wanted;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stage = pending::make_stage(directory)?;
    let tried = async {
        let mut contents = container::unpack(archive, &stage, lock, most_work, |done, total| {
            progress.bar(done, total, "unpacking");
        })?;
        for name in DATABASES.into_iter().filter(|name| contents.has(name)) {
            progress.line(&format!("checking {name}"));
            snapshot::check(&stage.join(name)).await?;
        }
        open_all(&stage, &contents, &clock, by).await?;
        if contents.has(paths::BOARD_FILE) {
            let [restored, present] = [&stage, directory].map(|place| place.join(paths::BOARD_FILE));
            // A pump that ran when the backup was made stands now, and may have had a fault since.
            keep_outputs(&restored, &present)?;
        }
        let is_wanted = configuration != Taken::No && contents.has(CONFIGURATION);
        let file_in_use = source.file().unwrap_or(Path::new(paths::DEFAULT_CONFIGURATION));
        let Placed { text_to_check, placed } =
            tls_files::place(&stage, directory, file_in_use, &mut contents)?;
        let unusable = if is_wanted { unusable(source, text_to_check) } else { None };
        if let (Taken::OrNothing, Some(why)) = (configuration, &unusable) {
            bail!(
                "its configuration cannot be used on this machine: {why} Without --with-configuration everything else is restored, \
                 and its configuration is put beside the data, to be mended there"
            );
        }
        let time = file_time(clock.now());
        pending::declare(directory, &contents.names, &time, is_wanted && unusable.is_none())?;
        anyhow::Ok(Staged { contents, configuration_stays: unusable, placed })
    };
    tried.await.map_err(|problem| {
        let _ = std::fs::remove_dir_all(&stage);
        problem.context("nothing was restored, and nothing was changed")
    })
}

/// Why a daemon could not use this configuration; nothing when it could.
fn unusable(source: &Source, text: Result<String, String>) -> Option<String> {
    if let Some(why) = changes::read_only(source) {
        return Some(why);
    }
    let text = match text {
        Ok(text) => text,
        Err(why) => return Some(why),
    };
    let config = match source.read(&text) {
        Ok(config) => config,
        Err(problems) => return Some(changes::mistakes(&problems, usize::MAX)),
    };
    let secure =
        [config.https_address(), config.mqtts_address()].into_iter().flatten().map(|(address, _)| address);
    let elsewhere =
        [config.http, config.mqtt].into_iter().chain(secure).find(|address| is_elsewhere(*address))?;
    Some(format!(
        "The gateway is to listen on {elsewhere} in it, which is no address of this machine. Compare it with the one in use."
    ))
}

/// Opens the databases as the gateway would, which refuses those of a newer release and brings older ones up to date. That of
/// the broker cannot be closed in order without running it; its next start looks at it.
async fn open_all(stage: &Path, contents: &Contents, clock: &Arc<dyn Clock>, by: &By) -> anyhow::Result<()> {
    if contents.has(paths::ACCOUNTS_FILE) {
        let file = stage.join(paths::ACCOUNTS_FILE);
        let accounts = Accounts::open(&file, Arc::clone(clock), Arc::new(SystemRandomness)).await?;
        // Sessions that were ended since then must not live again with it.
        accounts.end_all_sessions().await?;
        // What stands before this in its audit log is from the backup.
        accounts.note(Deed::Restored, by, None, Some(&format!("the backup of {}", contents.made))).await;
        accounts.close().await;
    }
    if contents.has(paths::HISTORY_FILE) {
        let file = stage.join(paths::HISTORY_FILE);
        History::open(&file, Options::default(), Arc::clone(clock)).await?.close().await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Restored at the page of another machine, the gateway would not come back.
    #[test]
    fn a_configuration_with_addresses_of_another_machine_is_not_used() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("gatehouse.toml");
        std::fs::write(&file, "").unwrap();
        let why = |addresses, text: &str| {
            unusable(&Source::new(Some(file.clone()), false, addresses), Ok(text.to_owned()))
        };
        let given = Addresses { http: "127.0.0.1:0".parse().ok(), ..Addresses::default() };
        for section in ["http", "https", "mqtt", "mqtts"] {
            let text = format!("[{section}]\nlisten = \"192.0.2.1:9000\"\n");
            let said = why(Addresses::default(), &text).unwrap();
            assert!(said.contains("192.0.2.1:") && said.contains("no address of this machine"), "{said}");
        }
        assert_eq!(why(given, "[http]\nlisten = \"192.0.2.1:9000\"\n"), None, "the command line says where");
        assert_eq!(why(Addresses::default(), ""), None);
    }
}
