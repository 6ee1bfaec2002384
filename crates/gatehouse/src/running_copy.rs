//! A copy of the configuration that the daemon runs with, in its data directory.
//!
//! The file that people edit may be changed, broken or gone when the daemon ends; what has to be driven safe then is
//! what it had, and that is what the copy says. While a changed configuration is applied there are two: what was and what
//! will be, so that an end in between leaves no output out. A third one has those devices that are not in the
//! configuration any more, and of which an output could not be driven to its safe level yet.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gatehouse_board::config::DeviceConfig;
use gatehouse_model::DeviceId;
use toml_edit::{DocumentMut, Item, Table, Value};
use tracing::error;

use crate::config::{self, MAX_FILE_BYTES};
use crate::whole_file;

/// The configuration of now.
const CURRENT: &str = "running.toml";

/// The one before it, while a change is being applied.
const BEFORE: &str = "running-before.toml";

/// What is left of earlier ones, because it is not safe yet.
const LEFT: &str = "running-left.toml";

/// All of them, the newest first.
pub(crate) const NAMES: [&str; 3] = [CURRENT, BEFORE, LEFT];

/// The section that a running daemon does not change.
const BOARD: &str = "board";

/// The list of devices.
const DEVICE: &str = "device";

/// Notes what the daemon runs with from now on: at its start, before the first pin moves. A full disk does not keep the
/// lights from being switched: without a copy the configuration itself has to do, and the log says so. What is [left] of an
/// earlier daemon stays: it has to be driven safe first.
pub(crate) fn keep(directory: &Path, text: &str) {
    if let Err(problem) = write(directory, CURRENT, text) {
        error!("{problem:#}");
        // An old copy would be worse than none.
        forget(directory, CURRENT);
    }
    forget(directory, BEFORE);
}

/// Takes over the copies that a daemon has kept in another directory in place of this one: what has to be driven safe after it is
/// what it ran with, until the next one says what that runs with.
///
/// # Errors
/// When one of them cannot be written.
pub(crate) fn take_over(directory: &Path, from: &Path) -> anyhow::Result<()> {
    for name in NAMES {
        let known = read(&directory.join(name));
        if let Some(text) = read(&from.join(name)).filter(|text| known.as_ref() != Some(text)) {
            let file = directory.join(name);
            whole_file::put_for_owner_of(directory, &file, text)
                .with_context(|| format!("{} cannot be written", file.display()))?;
        }
    }
    Ok(())
}

/// The devices that are left of an earlier daemon, because they were not safe when it ended.
pub(crate) fn left(directory: &Path) -> Option<String> {
    read(&directory.join(LEFT))
}

/// The copies of a daemon whose configuration changes while it runs. What they say is known here as well, so that a disk
/// that fails now and then cannot bring an older state back.
pub(crate) struct RunningCopies {
    directory: PathBuf,
    /// What it was started with. Its board stays: a change of it waits for the next start, and lines of another chip are
    /// none of this daemon's.
    started: String,
    /// What it runs with.
    running: String,
    /// What it will run with when the change is done.
    next: Option<String>,
    /// The devices that are left; nothing when there are none.
    left: Option<String>,
    /// Whether that is in its file.
    is_left_written: bool,
}

impl RunningCopies {
    /// Of a daemon that has [kept](keep) what it was started with.
    pub(crate) fn new(directory: PathBuf, started: String) -> Self {
        let (running, left) = (started.clone(), left(&directory));
        Self { directory, started, running, next: None, left, is_left_written: true }
    }

    /// The devices that are left.
    pub(crate) fn left(&self) -> Option<&str> {
        self.left.as_deref()
    }

    /// Notes what the daemon will run with, and keeps what it runs with until [`RunningCopies::end`]: before the first
    /// device of a changed configuration is touched.
    pub(crate) fn begin(&mut self, text: &str) -> anyhow::Result<()> {
        let next = with_board_of(text, &self.started)?;
        if !self.is_left_written {
            self.write_left()?;
        }
        write(&self.directory, BEFORE, &self.running)?;
        write(&self.directory, CURRENT, &next)?;
        self.next = Some(next);
        Ok(())
    }

    /// The change is done. Of what was before, these devices still need care.
    pub(crate) fn end(&mut self, unsafe_still: &BTreeSet<DeviceId>) {
        let Some(next) = self.next.take() else { return };
        let before = std::mem::replace(&mut self.running, next);
        let left = self.left.take();
        let texts: Vec<String> = [Some(before), left].into_iter().flatten().collect();
        self.leave(&texts, unsafe_still);
        if self.is_left_written {
            forget(&self.directory, BEFORE);
        }
    }

    /// The change was refused as a whole: what was before is what is.
    pub(crate) fn undo(&mut self) {
        self.next = None;
        match write(&self.directory, CURRENT, &self.running) {
            Ok(()) => forget(&self.directory, BEFORE),
            // Both stay, and both are driven safe.
            Err(problem) => error!("{problem:#}"),
        }
    }

    /// Of the devices that are left, only these still need care.
    pub(crate) fn follow(&mut self, unsafe_still: &BTreeSet<DeviceId>) {
        let left = self.left.take();
        self.leave(left.as_slice(), unsafe_still);
    }

    fn leave(&mut self, texts: &[String], unsafe_still: &BTreeSet<DeviceId>) {
        self.left = only(texts, unsafe_still);
        if let Err(problem) = self.write_left() {
            error!("{problem:#}");
        }
    }

    fn write_left(&mut self) -> anyhow::Result<()> {
        self.is_left_written = false;
        match &self.left {
            Some(left) => write(&self.directory, LEFT, left)?,
            None => forget(&self.directory, LEFT),
        }
        self.is_left_written = true;
        Ok(())
    }
}

/// These devices of some texts, with what they are connected through and with the board; nothing when there are none.
fn only(texts: &[String], ids: &BTreeSet<DeviceId>) -> Option<String> {
    if ids.is_empty() {
        return None;
    }
    let mut whole = DocumentMut::new();
    let mut devices = Vec::<Table>::new();
    for text in texts {
        let Some(devices_of_text) = config::salvage(text).map(|salvaged| salvaged.devices) else { continue };
        let Ok(document) = text.parse::<DocumentMut>() else { continue };
        let wanted = with_roots(&devices_of_text, ids);
        let is_wanted = |table: &Table| {
            let id = table.get("id").and_then(Item::as_str);
            id.is_some_and(|id| wanted.iter().any(|wanted| wanted.as_str() == id))
        };
        for table in tables(&document).into_iter().filter(is_wanted) {
            if devices.iter().all(|known| known.to_string() != table.to_string()) {
                devices.push(table);
            }
        }
        if let Some(board) = document.get(BOARD).filter(|_| !whole.contains_key(BOARD)) {
            whole.insert(BOARD, board.clone());
        }
    }
    whole.insert(DEVICE, Item::ArrayOfTables(devices.into_iter().collect()));
    Some(whole.to_string())
}

fn tables(document: &DocumentMut) -> Vec<Table> {
    match document.get(DEVICE) {
        Some(Item::ArrayOfTables(tables)) => tables.iter().cloned().collect(),
        Some(Item::Value(Value::Array(array))) => {
            array.iter().filter_map(|value| Some(value.as_inline_table()?.clone().into_table())).collect()
        }
        _ => Vec::new(),
    }
}

/// These devices, and all that they are connected through.
pub(crate) fn with_roots(devices: &[DeviceConfig], ids: &BTreeSet<DeviceId>) -> BTreeSet<DeviceId> {
    let mut wanted = ids.clone();
    loop {
        let roots: Vec<DeviceId> = devices
            .iter()
            .filter(|device| wanted.contains(&device.id))
            .flat_map(|device| device.driver.connected_through())
            .filter(|root| !wanted.contains(*root))
            .cloned()
            .collect();
        if roots.is_empty() {
            return wanted;
        }
        wanted.extend(roots);
    }
}

/// The text with the `[board]` of another one.
fn with_board_of(text: &str, started: &str) -> anyhow::Result<String> {
    let started: DocumentMut = started.parse()?;
    let mut changed: DocumentMut = text.parse()?;
    changed.remove(BOARD);
    if let Some(board) = started.get(BOARD) {
        changed.insert(BOARD, board.clone());
    }
    Ok(changed.to_string())
}

fn forget(directory: &Path, name: &str) {
    // When it stays, its outputs are driven safe once more: no harm.
    let _ = std::fs::remove_file(directory.join(name));
}

/// The copies that there are, the newest first.
pub(crate) fn texts(directory: &Path) -> Vec<String> {
    NAMES.into_iter().filter_map(|name| read(&directory.join(name))).collect()
}

fn read(path: &Path) -> Option<String> {
    let limit = u64::try_from(MAX_FILE_BYTES).unwrap_or(u64::MAX);
    let mut text = String::new();
    File::open(path).ok()?.take(limit).read_to_string(&mut text).ok()?;
    Some(text)
}

/// In one step, so that an end at any moment leaves the old copy or the new one.
fn write(directory: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let target = directory.join(name);
    whole_file::put(&target, text).with_context(|| {
        format!(
            "{} cannot be written, so that after a crash not all outputs would be driven safe: make room on the disk",
            target.display()
        )
    })
}

#[cfg(test)]
#[path = "running_copy_tests.rs"]
mod tests;
