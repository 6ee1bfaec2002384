//! `gatehouse backup` and `gatehouse restore`: everything that a gateway has kept, in one file.
//!
//! The file is a tar archive: `history.db`, `gatehouse.db` and `broker.db`, each as it was at one moment, `board.state`, the
//! certificates below `tls/` with those that the configuration names, the configuration as `gatehouse.toml`, and at its end `manifest.json` with the size and the
//! SHA-256 of each. The databases open with any SQLite. With a passphrase the archive is encrypted as `age` does it.

mod container;
mod disk;
mod make;
mod names;
mod pending;
mod restore;
mod room;
#[cfg(test)]
mod root_tests;
pub(crate) mod schedule;
mod sealed;
#[cfg(test)]
mod tests;
mod tls_files;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gatehouse_model::{Clock as _, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::as_owner::as_owner_of;
use crate::cli::BackupArguments;
use crate::exit::Exit;
use crate::progress::{Progress, megabytes};
use crate::system::SystemRandomness;
use crate::{paths, stand_in};

pub(crate) use names::file_time;
pub(crate) use pending::{
    FormerLink, RESTORED_CONFIGURATION, adopt as adopt_as_restored, finish as finish_restore,
    is_pending as restore_is_pending,
};
pub(crate) use restore::run as restore_on_command_line;
pub(crate) use room::Backups;

use container::Lock;
use disk::Disks;
use make::{Order, back_up};
use names::default_name;

/// Fewest characters of a passphrase: as of a password of the page.
const MIN_PASSPHRASE_CHARACTERS: usize = 8;

/// Longest file with a passphrase that makes sense.
const MAX_PASSPHRASE_BYTES: u64 = 1_024;

/// The databases, the largest last: a disk that is too small is noticed with little written.
const DATABASES: [&str; 3] = [paths::ACCOUNTS_FILE, paths::BROKER_FILE, paths::HISTORY_FILE];

/// Which of them is the history.
const HISTORY: usize = 2;

/// The configuration's name in the archive.
const CONFIGURATION: &str = "gatehouse.toml";

/// Makes a backup while the gateway runs, or while it does not.
pub(crate) fn run(arguments: &BackupArguments) -> anyhow::Result<Exit> {
    paths::keep_files_private();
    let directory = paths::data_directory(arguments.data.data_dir.clone(), false);
    let passphrase = arguments.passphrase_file.as_deref().map(passphrase_of).transpose()?;
    passphrase.as_deref().map(check_passphrase).transpose()?;
    let now = SystemClock::new().now();
    let default = || PathBuf::from(default_name(now, passphrase.is_some()));
    let file = arguments.file.clone().unwrap_or_else(default);
    // A thread of its own hears the signals while this one writes.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let stop = runtime.block_on(async { stopped_by_signals() })?;
    let mut progress = Progress::new();
    // Where nothing can be written there, what is to be encrypted waits in memory.
    let try_it = || Ok(stand_in::why_not_writable(&directory));
    let why = if directory.is_dir() { as_owner_of(&directory, try_it)? } else { None };
    let copies = why.and_then(|_| stand_in::largest());
    let order = Order {
        directory: &directory,
        copies: copies.as_deref().unwrap_or(&directory),
        configuration: &arguments.config,
        lock: passphrase.as_deref().map_or(Lock::Plain, Lock::Passphrase),
        now,
        randomness: &SystemRandomness,
        disks: &Disks::on_command_line(&directory, Some(&arguments.config)),
        stop: &stop,
    };
    let made = runtime.block_on(back_up(&order, &file, &mut progress))?;
    progress.clear();
    let care = match order.lock {
        Lock::Plain => {
            "It holds password hashes and private keys, and is not encrypted: keep it where nobody else can read it."
        }
        Lock::Passphrase(_) => "Without the passphrase nobody can open it: keep that elsewhere.",
    };
    let _ = writeln!(
        std::io::stderr(),
        "Wrote {} ({}) and read it again. {care}",
        file.display(),
        megabytes(made.bytes)
    );
    for sentence in &made.left_out {
        let _ = writeln!(
            std::io::stderr(),
            "{sentence} Keep a copy elsewhere, or let the gateway's user read it and make another backup."
        );
    }
    Ok(Exit::Success)
}

/// Is cancelled when somebody wants the command to end, so that it takes away what it has made so far: copies of passwords and
/// keys, and as much room as the history takes.
fn stopped_by_signals() -> std::io::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    // `nohup` goes on when the terminal goes.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    for kind in kinds.into_iter().filter(|kind| !is_ignored(&status, kind.as_raw_value())) {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                stop.cancel();
            }
        });
    }
    Ok(stop)
}

/// Whether this process was started with a signal switched off, as the kernel says (proc_pid_status(5), `SigIgn`).
fn is_ignored(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask.checked_shr(number.unsigned_abs().saturating_sub(1)).is_some_and(|mask| mask & 1 == 1)
}

/// The passphrase in a file, or on standard input for `-`: its first line.
fn passphrase_of(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_PASSPHRASE_BYTES).read_to_string(&mut text)?;
    } else {
        let opened = std::fs::File::open(file);
        let opened =
            opened.with_context(|| format!("the passphrase in {} cannot be read", file.display()))?;
        opened.take(MAX_PASSPHRASE_BYTES).read_to_string(&mut text)?;
    }
    let passphrase = text.lines().next().unwrap_or_default().to_owned();
    ensure!(!passphrase.is_empty(), "there is no passphrase in the first line of {}", file.display());
    Ok(passphrase)
}

/// Whether a new backup can be encrypted with it.
fn check_passphrase(passphrase: &str) -> anyhow::Result<()> {
    ensure!(
        passphrase.chars().count() >= MIN_PASSPHRASE_CHARACTERS,
        "a passphrase has at least {MIN_PASSPHRASE_CHARACTERS} characters: take a few words"
    );
    Ok(())
}
