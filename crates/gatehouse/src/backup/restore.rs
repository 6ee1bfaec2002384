//! `gatehouse restore`: the files of a backup take the place of those that are there, when all of them are good.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use gatehouse_dashboard::Accounts;
use gatehouse_history::{History, Options, snapshot};
use gatehouse_model::{Clock, SystemClock};

use super::container::{self, Contents};
use super::{CONFIGURATION, DATABASES, file_time};
use crate::cli::RestoreArguments;
use crate::exit::Exit;
use crate::paths;
use crate::progress::Progress;
use crate::system::SystemRandomness;

/// Where the files of the backup are until they are known to be good.
const STAGE: &str = "restore-in-progress";

/// The configuration of the backup, beside the data: it is not put into its place.
const RESTORED_CONFIGURATION: &str = "gatehouse.toml.restored";

/// Restores a backup, while no gateway runs on the data directory.
pub(crate) fn run(arguments: &RestoreArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    paths::make_private_directory(&directory)?;
    let _claim = paths::claim(&directory)
        .context("a backup is restored while the gateway is stopped: `sudo systemctl stop gatehouse`")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut progress = Progress::new();
    let outcome = runtime.block_on(restore(&directory, &arguments.file, &mut progress));
    progress.clear();
    let restored = outcome?;
    let mut say = std::io::stderr();
    let _ = writeln!(say, "Restored the backup of {} to {}.", restored.contents.made, directory.display());
    if let Some(aside) = &restored.aside {
        let _ = writeln!(say, "What was there before is in {}.", aside.display());
    }
    if restored.contents.names.iter().any(|name| name == CONFIGURATION) {
        let file = directory.join(RESTORED_CONFIGURATION);
        let _ = writeln!(
            say,
            "The backup's configuration is in {}; compare it with the one in use.",
            file.display()
        );
    }
    Ok(Exit::Success)
}

#[derive(Debug)]
pub(super) struct Restored {
    pub(super) contents: Contents,
    /// Where what was there before is.
    pub(super) aside: Option<PathBuf>,
}

pub(super) async fn restore(
    directory: &Path,
    archive: &Path,
    progress: &mut Progress,
) -> anyhow::Result<Restored> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let stage = directory.join(STAGE);
    // What an attempt that was cut short has left.
    if stage.exists() {
        std::fs::remove_dir_all(&stage)?;
    }
    paths::make_private_directory(&stage)?;
    let tried = async {
        let contents =
            container::unpack(archive, &stage, |done, total| progress.bar(done, total, "unpacking"))?;
        for name in DATABASES.into_iter().filter(|name| contents.names.iter().any(|found| found == name)) {
            progress.line(&format!("checking {name}"));
            snapshot::check(&stage.join(name)).await?;
        }
        open_all(&stage, &contents, &clock).await?;
        anyhow::Ok(contents)
    };
    let contents = match tried.await {
        Ok(contents) => contents,
        Err(problem) => {
            let _ = std::fs::remove_dir_all(&stage);
            return Err(problem.context("nothing was restored, and nothing was changed"));
        }
    };
    let aside = directory.join(format!("before-restore-{}", file_time(clock.now())));
    let moved = replace(directory, &stage, &aside, &contents)?;
    let _ = std::fs::remove_dir_all(&stage);
    Ok(Restored { contents, aside: moved.then_some(aside) })
}

/// Opens the databases as the gateway would, which refuses those of a newer release and brings older ones up to date. That of
/// the broker cannot be closed in order without running it; its next start looks at it.
async fn open_all(stage: &Path, contents: &Contents, clock: &Arc<dyn Clock>) -> anyhow::Result<()> {
    let has = |name: &str| contents.names.iter().any(|found| found == name);
    if has(paths::ACCOUNTS_FILE) {
        let file = stage.join(paths::ACCOUNTS_FILE);
        Accounts::open(&file, Arc::clone(clock), Arc::new(SystemRandomness)).await?.close().await;
    }
    if has(paths::HISTORY_FILE) {
        let file = stage.join(paths::HISTORY_FILE);
        History::open(&file, Options::default(), Arc::clone(clock)).await?.close().await;
    }
    Ok(())
}

/// What belongs to a file or directory of the data directory: itself, and the journals of a database.
fn with_journals(name: &str) -> Vec<String> {
    let mut names = vec![name.to_owned()];
    if DATABASES.contains(&name) {
        names.extend(["-wal", "-shm"].map(|end| format!("{name}{end}")));
    }
    names
}

/// Moves what is there aside and the new files into their places. When that fails half-way, everything goes back.
fn replace(directory: &Path, stage: &Path, aside: &Path, contents: &Contents) -> anyhow::Result<bool> {
    let mut tops: Vec<&str> =
        contents.names.iter().map(|name| name.split('/').next().unwrap_or(name)).collect();
    tops.dedup();
    let mut done: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut step = |from: PathBuf, to: PathBuf| -> anyhow::Result<()> {
        std::fs::rename(&from, &to)
            .with_context(|| format!("{} cannot be moved to {}", from.display(), to.display()))?;
        done.push((from, to));
        Ok(())
    };
    let mut moved = false;
    let mut all = || -> anyhow::Result<()> {
        for name in tops.iter().filter(|name| **name != CONFIGURATION).flat_map(|name| with_journals(name)) {
            let present = directory.join(&name);
            if present.exists() {
                paths::make_private_directory(aside)?;
                step(present, aside.join(&name))?;
                moved = true;
            }
        }
        for name in &tops {
            paths::give_to_owner_of(directory, &stage.join(name))?;
            let place = if *name == CONFIGURATION { RESTORED_CONFIGURATION } else { name };
            // Opening for the check may have left a journal that is part of the database.
            step(stage.join(name), directory.join(place))?;
            for journal in
                with_journals(name).into_iter().skip(1).filter(|journal| stage.join(journal).exists())
            {
                paths::give_to_owner_of(directory, &stage.join(&journal))?;
                step(stage.join(&journal), directory.join(&journal))?;
            }
        }
        std::fs::File::open(directory)?.sync_all()?;
        Ok(())
    };
    if let Err(problem) = all() {
        for (from, to) in done.into_iter().rev() {
            if let Err(error) = std::fs::rename(&to, &from) {
                bail!("{problem:#}; and {} could not be moved back: {error}", to.display());
            }
        }
        return Err(problem.context("the files could not be replaced; those from before are in their places"));
    }
    Ok(moved)
}
