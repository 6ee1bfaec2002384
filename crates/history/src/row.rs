//! One row of a series: a sample, or the mark of a silence.

use std::collections::BTreeMap;

use crate::quality;

/// A sample or a mark, without its series. This is what `sample` and the chunks hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Row {
    /// When it was true, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) at: i64,
    /// Finite. A mark repeats the value before it.
    pub(crate) value: f64,
    /// As it is stored, 0 to 6.
    pub(crate) quality: u8,
}

/// Bits of a key of the table `recent` that are the series; those above are the time.
const SERIES_BITS: u32 = 20;

/// The first time, in milliseconds, that has no key: in the year 2248.
const KEYS_END: i64 = 1 << (63 - SERIES_BITS);

/// The key of a row of this series in the table `recent`.
pub(crate) const fn key(at: i64, series: i64) -> i64 {
    keys_from(at) | series
}

/// The smallest key of a row at this time: keys of rows from `a` to before `b` are from `keys_from(a)` to before
/// `keys_from(b)`.
pub(crate) const fn keys_from(at: i64) -> i64 {
    let at = if at < 0 { 0 } else { at };
    (if at < KEYS_END { at } else { KEYS_END - 1 }) << SERIES_BITS
}

/// The worst number that a row may have as its quality.
pub(crate) const WORST: u8 = 6;

impl Row {
    /// Whether it is no sample but the mark of a silence: from its time on nothing is known.
    pub(crate) const fn is_silence(&self) -> bool {
        self.quality as i64 == quality::SILENCE
    }

    /// Whether it takes the place of `other`, of the same series and time, when it comes later: the later one counts, but
    /// what was measured is not undone by a mark or a repetition.
    pub(crate) const fn replaces(&self, other: &Self) -> bool {
        (self.quality as i64) < quality::STALE || other.quality as i64 >= quality::STALE
    }
}

/// Rows in the order of time, each time once: of two of one time `later` counts as in [`Row::replaces`].
pub(crate) fn merged(earlier: Vec<Row>, later: &[Row]) -> Vec<Row> {
    if earlier.last().is_none_or(|last| later.first().is_none_or(|first| last.at < first.at)) {
        let mut all = earlier;
        all.extend_from_slice(later);
        return all;
    }
    let mut rows: BTreeMap<i64, Row> = earlier.into_iter().map(|row| (row.at, row)).collect();
    for row in later {
        let kept = rows.entry(row.at).or_insert(*row);
        if row.replaces(kept) {
            *kept = *row;
        }
    }
    rows.into_values().collect()
}
