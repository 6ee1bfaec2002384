//! What is copied into memory of data that cannot be written, what goes on there after a restart, and what comes back from there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use gatehouse_board::memory::keep_outputs;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use tracing::{error, info, warn};

use super::{MIN_FREE_BYTES, forget};
use crate::conditions::last_run;
use crate::releases::notes;
use crate::{changes, mqtt_ports, paths, running_copy, tls, whole_file};

/// Most bytes that are copied into memory: accounts, certificates and what the broker keeps are a few megabytes in a house,
/// and the smallest board has 512 MB in all.
pub(super) const MAX_COPIED_BYTES: u64 = 32 * 1_024 * 1_024;

/// Most files of one directory that are copied.
const MAX_FILES: usize = 256;

/// Says that all of a copy is there.
pub(super) const WHOLE: &str = "whole.json";

/// Most bytes that are read of it.
const MAX_WHOLE_BYTES: u64 = 4_096;

/// What the broker has kept.
const BROKER_FILES: [&str; 2] = [paths::BROKER_FILE, "broker.db-wal"];

/// What lies beside a copy once it is whole: it is written last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whole {
    /// The number of the kernel's boot. Memory is empty after another one; should it not be, the disk may be newer.
    boot: String,
    /// Whether what the board remembers is that of the disk with what came after it. It began anew where the disk's cannot be
    /// read.
    knows_board: bool,
    /// Whether what it says of the ports of MQTT is that of the disk with what came after it.
    #[serde(default)]
    knows_ports: bool,
}

impl Whole {
    /// Of a copy of this boot. Who looks may be root, and the place somebody else's: nothing but a plain file is opened.
    pub(super) fn of(place: &Path) -> Option<Self> {
        let text = paths::small_text(&place.join(WHOLE), MAX_WHOLE_BYTES)?;
        serde_json::from_str(&text).ok().filter(|whole: &Self| whole.boot == last_run::this_boot())
    }
}

/// Whether a run can go on in the place of an earlier one, which has all of it and room for more. What has grown there and can
/// be missed goes if it has to.
pub(super) fn goes_on(place: &Path) -> bool {
    if Whole::of(place).is_none() {
        return false;
    }
    if has_room(place) {
        return true;
    }
    for name in BROKER_FILES.into_iter().chain(["broker.db-shm"]) {
        let _ = std::fs::remove_file(place.join(name));
    }
    warn!("what the broker has kept is given up, since the memory is full: {}", place.display());
    has_room(place)
}

fn has_room(place: &Path) -> bool {
    let free = |figures: rustix::fs::StatVfs| figures.f_bavail.saturating_mul(figures.f_frsize);
    rustix::fs::statvfs(place).is_ok_and(|figures| free(figures) >= MIN_FREE_BYTES)
}

/// Copies what the gateway cannot do without, and of all the rest what can be read.
pub(super) fn copy(data: &Path, place: &Path) -> anyhow::Result<()> {
    // Of a daemon that was killed; that none runs is known.
    forget(place);
    DirBuilder::new()
        .mode(0o700)
        .create(place)
        .with_context(|| format!("{} cannot be made", place.display()))?;
    let mut copies = Copies { data, place, bytes: 0 };
    for log in ["", "-wal"] {
        copies.file(&format!("{}{log}", paths::ACCOUNTS_FILE))?;
    }
    let board = copies.file(paths::BOARD_FILE);
    if let Err(problem) = &board {
        error!(
            "{problem:#}: totals begin anew, and outputs start as ones that were never seen, so that their shortest times and rests \
             count from what they do now"
        );
    }
    let knows_ports = copies.file_if_readable(mqtt_ports::FILE);
    let small = [paths::DEMO_PASSWORD_FILE].into_iter().chain(notes::FILES).chain(last_run::NOTES);
    for name in small.chain(running_copy::NAMES) {
        copies.file_if_readable(name);
    }
    for name in [paths::TLS_DIRECTORY, changes::DIRECTORY] {
        copies.directory_if_readable(name);
    }
    // With half of an authority nothing starts.
    let own = place.join(paths::TLS_DIRECTORY);
    let [certificate, key] = tls::AUTHORITY_FILES.map(|name| own.join(name));
    if certificate.exists() && !key.exists() {
        warn!(
            "the gateway's authority has no key that can be read: another is made for as long as the gateway runs from memory, and \
             clients that trust the one on the disk cannot connect with TLS"
        );
        std::fs::remove_file(&certificate)?;
    }
    let kept = BROKER_FILES.iter().try_for_each(|name| copies.file(name));
    if let Err(problem) = kept {
        // Half of it would be damage. Switching needs none of it, and clients come back by themselves.
        for name in BROKER_FILES {
            let _ = std::fs::remove_file(place.join(name));
        }
        warn!(
            "what the broker has kept stays on the disk, sessions and retained messages are missing: {problem:#}"
        );
    }
    if !has_room(place) {
        bail!("there is no room in {}", place.display());
    }
    let whole = Whole { boot: last_run::this_boot(), knows_board: board.is_ok(), knows_ports };
    Ok(whole_file::put(&place.join(WHOLE), serde_json::to_string(&whole)?)?)
}

/// Copying, and how much there is by now.
struct Copies<'a> {
    data: &'a Path,
    place: &'a Path,
    bytes: u64,
}

impl Copies<'_> {
    /// Copies one file, or nothing of it. One that is not there is none.
    fn file(&mut self, name: &str) -> anyhow::Result<()> {
        let (from, to) = (self.data.join(name), self.place.join(name));
        match copy_file(&from, &to, MAX_COPIED_BYTES.saturating_sub(self.bytes)) {
            Ok(bytes) => self.bytes += bytes,
            Err(problem) => {
                let _ = std::fs::remove_file(&to);
                return Err(problem)
                    .with_context(|| format!("{} cannot be copied into memory", from.display()));
            }
        }
        Ok(())
    }

    /// The same for one without which the gateway runs. Gives whether all of it is there.
    fn file_if_readable(&mut self, name: &str) -> bool {
        let copied = self.file(name);
        if let Err(problem) = &copied {
            warn!("{problem:#}: the gateway runs without it");
        }
        copied.is_ok()
    }

    /// Copies the files of a directory that can be read, and none below it.
    fn directory_if_readable(&mut self, name: &str) {
        let from = self.data.join(name);
        let made = match std::fs::read_dir(&from) {
            Err(problem) if problem.kind() == ErrorKind::NotFound => return,
            Err(problem) => Err(problem.into()),
            Ok(entries) => paths::make_private_directory(&self.place.join(name)).map(|()| entries),
        };
        let entries = match made {
            Ok(entries) => entries,
            Err(problem) => {
                warn!(
                    "{} cannot be copied into memory: {problem:#}: the gateway runs without it",
                    from.display()
                );
                return;
            }
        };
        for entry in entries.take(MAX_FILES) {
            match entry.and_then(|entry| Ok(entry.file_type()?.is_file().then(|| entry.file_name()))) {
                Ok(Some(file)) => match file.to_str() {
                    Some(file) => {
                        self.file_if_readable(&format!("{name}/{file}"));
                    }
                    None => {
                        warn!("{} has a file with a name that is no text: it is left out", from.display());
                    }
                },
                Ok(None) => {}
                Err(problem) => warn!("{} cannot be read whole: {problem}", from.display()),
            }
        }
    }
}

/// Copies one file and gives how many bytes it has; one that is not there has none. A pipe keeps nobody waiting.
fn copy_file(from: &Path, to: &Path, limit: u64) -> anyhow::Result<u64> {
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut source = match File::options().read(true).custom_flags(nonblocking).open(from) {
        Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(0),
        opened => opened?,
    };
    let found = source.metadata()?;
    ensure!(found.is_file(), "it is no plain file");
    if found.len() > limit {
        return Err(io::Error::from(ErrorKind::FileTooLarge).into());
    }
    let mut made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    Ok(io::copy(&mut source, &mut made)?)
}

/// Brings back what the disk would be wrong about, after the gateway ran from memory.
pub(super) fn bring_back(data: &Path, place: &Path) {
    let Some(whole) = Whole::of(place) else { return };
    bring_back_board(data, place, &whole);
    // Clients were given these ports, and one that is not known is not listened on.
    if whole.knows_ports
        && let Err(problem) = mqtt_ports::take_over(data, place)
    {
        warn!(
            "the ports of MQTT that clients were given while the gateway ran from memory are lost: {problem:#}"
        );
    }
    if let Err(problem) = running_copy::take_over(data, place) {
        warn!("{problem:#}");
    }
}

/// Brings back what outputs did and what was counted: a heater that went off a moment ago must not come on for what the disk
/// knows of yesterday.
fn bring_back_board(data: &Path, place: &Path, whole: &Whole) {
    let (own, left) = (data.join(paths::BOARD_FILE), place.join(paths::BOARD_FILE));
    if !left.is_file() {
        return;
    }
    let brought = || -> anyhow::Result<()> {
        if whole.knows_board {
            return Ok(whole_file::put_for_owner_of(data, &own, std::fs::read(&left)?)?);
        }
        // The disk's can be read again, and its totals are right.
        Ok(keep_outputs(&own, &left)?)
    };
    match brought() {
        Ok(()) => info!("the disk can be written again, and has what the board remembered in memory"),
        Err(problem) => warn!(
            "what outputs did and what was counted while the gateway ran from memory is lost, {} is of before that: {problem:#}",
            own.display()
        ),
    }
}
