//! The disk with the data: whether there is room, and whether it may be written.

use std::path::Path;

use gatehouse_dashboard::{Warning, WarningWord};
use rustix::fs::StatVfsMountFlags;

use super::warning;
use crate::mounts;

/// Below this part of the disk, and below this many bytes, it is nearly full: databases need room to tidy up.
const LEAST_FREE_PART: u64 = 20;
const LEAST_FREE_BYTES: u64 = 200_000_000;

/// With less than this nothing can be kept: a database that grows by a page wants some for its log as well.
const FULL_BYTES: u64 = 1_000_000;

/// What is free is told in such steps, near the end in smaller ones: each figure that is new brings the whole house to every
/// page anew, and a log that grows changes it with every look.
const STEP_BYTES: u64 = 10_000_000;

/// What is told under one limit is told until there is a tenth more: else it would come and go with every log line.
const AGAIN: (u64, u64) = (11, 10);

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Bytes that the gateway may still write.
    pub(crate) free: u64,
    /// Bytes in all.
    pub(crate) total: u64,
    /// Whether the file system may not be written.
    pub(crate) is_read_only: bool,
}

impl Room {
    /// Asks the file system of this directory, which waits for a disk that hangs.
    pub(crate) fn of(directory: &Path) -> Option<Self> {
        let figures = rustix::fs::statvfs(directory).ok()?;
        Some(Self {
            free: figures.f_bavail.saturating_mul(figures.f_frsize),
            total: figures.f_blocks.saturating_mul(figures.f_frsize),
            is_read_only: figures.f_flag.contains(StatVfsMountFlags::RDONLY)
                || mounts::is_read_only(directory),
        })
    }
}

/// Whether so little of a disk is free that somebody should look at it.
pub(crate) fn is_nearly_full(free: u64, total: u64) -> bool {
    free < nearly_full_below(total)
}

/// Whether there is room for a gateway to start with: twice of what is told as full, for what opening databases takes.
pub(crate) fn has_room_to_start(room: Room) -> bool {
    room.free >= 2 * full_below(room.total)
}

fn full_below(total: u64) -> u64 {
    FULL_BYTES.min(total / LEAST_FREE_PART)
}

fn nearly_full_below(total: u64) -> u64 {
    LEAST_FREE_BYTES.min(total / LEAST_FREE_PART)
}

/// What was told of the disk last, so that it does not come and go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DiskLook {
    told: Option<WarningWord>,
}

impl DiskLook {
    /// What people should know of the disk. One thing at a time: what may not be written needs no room.
    pub(super) fn judge(&mut self, room: Room, directory: &Path) -> Option<Warning> {
        let below = |limit: u64, word: WarningWord| {
            let is_told = self.told == Some(word)
                || (self.told == Some(WarningWord::DiskFull) && word == WarningWord::DiskNearlyFull);
            room.free < if is_told { limit / AGAIN.1 * AGAIN.0 } else { limit }
        };
        let found = if room.is_read_only {
            Some(warning(WarningWord::DiskReadOnly, directory.display().to_string()))
        } else if below(full_below(room.total), WarningWord::DiskFull) {
            Some(warning(WarningWord::DiskFull, ""))
        } else if below(nearly_full_below(room.total), WarningWord::DiskNearlyFull) {
            let step = if room.free < STEP_BYTES { FULL_BYTES } else { STEP_BYTES };
            Some(warning(WarningWord::DiskNearlyFull, (room.free / step * step).to_string()))
        } else {
            None
        };
        self.told = found.as_ref().map(|warning| warning.kind);
        found
    }
}
