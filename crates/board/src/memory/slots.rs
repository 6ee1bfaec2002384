//! Two slots that are written in turn: the one that was read last is never the one that is written next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use gatehouse_model::Timestamp;

use super::MemoryError;
use super::disk::{Disk, FileDisk};
use super::record::{Record, SLOT_BYTES, Slot, decode, encode};

/// In what state the memory was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemoryNotice {
    /// There was none: this is the first start.
    Fresh,
    /// Everything was there.
    Whole,
    /// One of two records cannot be used, and the other one was taken. After a power cut in the middle of a write that is
    /// what is expected, and nothing is missing that was ever said to be kept; after damage of the medium, totals are as
    /// they were one record before.
    OtherSlot {
        /// What is wrong with the record that was left out.
        problem: String,
        /// The newest change in the one that was taken, by the wall clock.
        newest: Option<Timestamp>,
    },
    /// Neither record can be used: totals begin anew.
    Lost {
        /// What is wrong with them.
        problem: String,
        /// Where the damaged file is now.
        kept_as: PathBuf,
    },
}

impl MemoryNotice {
    /// Whether totals may be lower than what was published before.
    pub const fn may_have_lost(&self) -> bool {
        matches!(self, Self::OtherSlot { .. } | Self::Lost { .. })
    }
}

impl fmt::Display for MemoryNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("the board has nothing to remember yet"),
            Self::Whole => f.write_str("what the board remembers is whole"),
            Self::OtherSlot { problem, newest } => {
                write!(f, "one of the two records of what the board remembers cannot be used ({problem}); ")?;
                f.write_str("the other one was taken")?;
                if let Some(newest) = newest {
                    write!(f, ", whose last change is of {newest}")?;
                }
                f.write_str(": compare totals with the meters if this was no power cut")
            }
            Self::Lost { problem, kept_as } => write!(
                f,
                "what the board remembered is lost ({problem}) and the file was put aside as {}: totals begin anew, \
                 set them from the meters",
                kept_as.display()
            ),
        }
    }
}

/// The two slots.
pub(super) struct Slots {
    disk: Box<dyn Disk>,
    path: PathBuf,
    /// The number of the newest record.
    sequence: u64,
    /// The slot that is written next: 0 or 1.
    next: usize,
}

/// What was found on a disk.
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) sequence: u64,
    pub(super) next: usize,
    /// What is wrong with a slot that cannot be used.
    pub(super) problem: Option<String>,
    /// Whether no record could be used though there were some.
    pub(super) is_lost: bool,
    is_blank: bool,
}

/// Opens the file and reads the newest whole record.
pub(super) fn open(path: &Path) -> Result<(Slots, Record, MemoryNotice), MemoryError> {
    let failed = |error: io::Error| failed(path, &error);
    let mut disk = FileDisk::open(path).map_err(failed)?;
    let found = read(&mut disk).map_err(failed)?;
    let problem = found.problem.unwrap_or_default();
    let notice = if found.is_lost {
        drop(disk);
        let mut name = path.as_os_str().to_owned();
        name.push(".damaged");
        let kept_as = PathBuf::from(name);
        std::fs::rename(path, &kept_as).map_err(failed)?;
        disk = FileDisk::open(path).map_err(failed)?;
        MemoryNotice::Lost { problem, kept_as }
    } else if found.is_blank {
        MemoryNotice::Fresh
    } else if problem.is_empty() {
        MemoryNotice::Whole
    } else {
        MemoryNotice::OtherSlot { problem, newest: newest(&found.record) }
    };
    let mut slots = Slots::new(Box::new(disk), path.to_owned(), found.sequence, found.next);
    if matches!(notice, MemoryNotice::Fresh | MemoryNotice::Lost { .. }) {
        // With a first record that is empty, there is always a whole one beside the one that is being written.
        slots.write(&found.record)?;
    }
    Ok((slots, found.record, notice))
}

fn newest(record: &Record) -> Option<Timestamp> {
    let totals = record.totals.values().map(|entry| entry.at);
    let amounts = record.amounts.values().map(|entry| entry.at);
    totals.chain(amounts).chain(record.outputs.values().map(|entry| entry.at)).max()
}

/// Reads both slots and takes the newest whole one.
pub(super) fn read(disk: &mut dyn Disk) -> io::Result<Found> {
    let bytes = disk.read()?;
    let (first, second) = bytes.split_at(bytes.len().min(SLOT_BYTES));
    let mut problems = Vec::new();
    let mut best: Option<(u64, usize, Record)> = None;
    let mut is_blank = true;
    for (number, slot) in [first, second].into_iter().enumerate() {
        match decode(slot) {
            Slot::Blank => {}
            Slot::Damaged(problem) => {
                is_blank = false;
                problems.push(problem);
            }
            Slot::Whole { sequence, record } => {
                is_blank = false;
                if best.as_ref().is_none_or(|(known, ..)| sequence > *known) {
                    best = Some((sequence, number, *record));
                }
            }
        }
    }
    let problem = if problems.is_empty() { None } else { Some(problems.join("; ")) };
    let is_lost = best.is_none() && problem.is_some();
    let (sequence, number, record) = best.unwrap_or((0, 1, Record::default()));
    Ok(Found { record, sequence, next: 1 - number, problem, is_lost, is_blank })
}

impl Slots {
    pub(super) fn new(disk: Box<dyn Disk>, path: PathBuf, sequence: u64, next: usize) -> Self {
        Self { disk, path, sequence, next }
    }

    /// Writes a record and returns when it is on the medium. After an error the same slot is written again, so that the
    /// other one, which is whole, stays so.
    pub(super) fn write(&mut self, record: &Record) -> Result<(), MemoryError> {
        let bytes = encode(record, self.sequence + 1);
        if bytes.len() > SLOT_BYTES {
            return Err(MemoryError::TooLarge { bytes: bytes.len(), room: SLOT_BYTES });
        }
        let written = self.disk.write_at(self.next * SLOT_BYTES, &bytes).and_then(|()| self.disk.sync());
        written.map_err(|error| failed(&self.path, &error))?;
        self.sequence += 1;
        self.next = 1 - self.next;
        Ok(())
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> MemoryError {
    MemoryError::File { path: path.display().to_string(), problem: error.to_string() }
}
