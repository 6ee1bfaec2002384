//! What history says of a series at a time: a reading, or that nothing is known.

use crate::quality;
use crate::row::Row;

/// Something that was recorded of a series, at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Entry {
    /// A value, with its stored quality.
    Reading { at: i64, value: f64, quality: i64 },
    /// From here on nothing is known until the next reading.
    Unknown { at: i64, why: GapReason },
}

impl Entry {
    pub(crate) const fn at(&self) -> i64 {
        match self {
            Self::Reading { at, .. } | Self::Unknown { at, .. } => *at,
        }
    }

    /// The entry of a stored sample.
    pub(crate) const fn of_row(at: i64, value: f64, quality: i64) -> Self {
        match quality {
            quality::SILENCE => Self::Unknown { at, why: GapReason::Silent },
            _ => Self::Reading { at, value, quality },
        }
    }

    /// The entry of a row of a chunk.
    pub(crate) const fn of(row: &Row) -> Self {
        Self::of_row(row.at, row.value, row.quality as i64)
    }

    /// Whether it takes the place of an older one of the same moment: the later one counts, but what was measured is not
    /// undone by a mark or a repetition.
    pub(crate) const fn replaces(&self, older: &Self) -> bool {
        self.stored_quality() < quality::STALE || older.stored_quality() >= quality::STALE
    }

    const fn stored_quality(&self) -> i64 {
        match self {
            Self::Reading { quality, .. } => *quality,
            Self::Unknown { .. } => quality::SILENCE,
        }
    }
}

/// Why nothing is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// The source fell silent.
    Silent,
    /// The gateway did not record.
    Outage,
    /// What was recorded is damaged and cannot be read.
    Damaged,
}
