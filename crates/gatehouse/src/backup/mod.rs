//! `gatehouse backup` and `gatehouse restore`: everything that a gateway has kept, in one file.
//!
//! The file is a tar archive: `history.db`, `gatehouse.db` and `broker.db`, each as it was at one moment, `board.state`, the
//! certificates below `tls/`, the configuration as `gatehouse.toml`, and at its end `manifest.json` with the size and the
//! SHA-256 of each. The databases open with any SQLite.

mod container;
mod restore;
#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gatehouse_history::snapshot;
use gatehouse_model::{Clock as _, SystemClock, Timestamp};

use crate::cli::BackupArguments;
use crate::exit::Exit;
use crate::paths;
use crate::progress::{Progress, megabytes};

pub(crate) use restore::run as restore;

use container::Builder;

/// The databases, the largest last: a disk that is too small is noticed with little written.
const DATABASES: [&str; 3] = [paths::ACCOUNTS_FILE, paths::BROKER_FILE, paths::HISTORY_FILE];

/// The configuration's name in the archive.
const CONFIGURATION: &str = "gatehouse.toml";

/// Makes a backup while the gateway runs, or while it does not.
pub(crate) fn run(arguments: &BackupArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    let now = SystemClock::new().now();
    let file = arguments.file.clone().unwrap_or_else(|| PathBuf::from(default_name(now)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut progress = Progress::new();
    let bytes = runtime.block_on(back_up(&directory, &arguments.config, &file, now, &mut progress))?;
    progress.clear();
    let _ = writeln!(
        std::io::stderr(),
        "Wrote {} ({}). It holds password hashes and private keys: keep it where nobody else can read it.",
        file.display(),
        megabytes(bytes)
    );
    Ok(Exit::Success)
}

/// `gatehouse-2026-11-21T09-14-00Z.tar`: colons are not allowed on a stick that other systems read.
fn default_name(now: Timestamp) -> String {
    format!("gatehouse-{}.tar", file_time(now))
}

/// A time for the name of a file, to the second.
fn file_time(now: Timestamp) -> String {
    let text = now.to_string();
    format!("{}Z", text.split('.').next().unwrap_or(&text).replace(':', "-"))
}

/// Writes the archive beside its place and moves it there when it is whole. Gives its size.
async fn back_up(
    directory: &Path,
    configuration: &Path,
    file: &Path,
    now: Timestamp,
    progress: &mut Progress,
) -> anyhow::Result<u64> {
    ensure!(!file.exists(), "{} is there already: choose another name", file.display());
    ensure!(
        directory.join(paths::ACCOUNTS_FILE).exists() || directory.join(paths::HISTORY_FILE).exists(),
        "there is nothing to back up in {}: --data-dir names another data directory",
        directory.display()
    );
    let place = file.parent().filter(|place| !place.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the archive, where there must be room anyway: the data directory may be on a card that is full.
    let work = WorkDirectory::make(place)?;
    let draft = work.0.join("archive");
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft);
    let mut builder = Builder::new(opened.with_context(|| format!("{} cannot be made", draft.display()))?);
    for name in DATABASES {
        let source = directory.join(name);
        if !source.exists() {
            continue;
        }
        let copy = work.0.join(name);
        snapshot::take(&source, &copy, |done, total| {
            progress.bar(done, total, &format!("{name} ({} of {})", megabytes(done), megabytes(total)));
        })
        .await?;
        builder.add(name, &copy).with_context(|| no_room(file))?;
        std::fs::remove_file(&copy)?;
    }
    let board = directory.join(paths::BOARD_FILE);
    if board.exists() {
        builder.add(paths::BOARD_FILE, &board).with_context(|| no_room(file))?;
    }
    if let Ok(certificates) = std::fs::read_dir(directory.join(paths::TLS_DIRECTORY)) {
        for entry in certificates {
            let entry = entry?;
            let name = entry.file_name();
            if let (true, Some(name)) = (entry.file_type()?.is_file(), name.to_str()) {
                builder
                    .add(&format!("{}/{name}", paths::TLS_DIRECTORY), &entry.path())
                    .with_context(|| no_room(file))?;
            }
        }
    }
    if configuration.exists() {
        builder.add(CONFIGURATION, configuration).with_context(|| no_room(file))?;
    }
    let bytes = builder.finish(now).with_context(|| no_room(file))?;
    // Not over a file that somebody made meanwhile.
    std::fs::hard_link(&draft, file)
        .or_else(|_| {
            ensure!(!file.exists(), "{} is there already: choose another name", file.display());
            std::fs::rename(&draft, file).map_err(anyhow::Error::from)
        })
        .with_context(|| format!("{} cannot be made", file.display()))?;
    std::fs::File::open(place)?.sync_all()?;
    Ok(bytes)
}

fn no_room(file: &Path) -> String {
    format!("{} cannot be written: check that there is room for it", file.display())
}

/// A directory for what is not whole yet, which goes with everything in it.
struct WorkDirectory(PathBuf);

impl WorkDirectory {
    fn make(place: &Path) -> anyhow::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = place.join(format!(".gatehouse-backup-{}", std::process::id()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("nothing can be written to {}", place.display()))?;
        Ok(Self(path))
    }
}

impl Drop for WorkDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
