//! What no chunk has yet: the recent rows of the file, and what waits for its commit.

use std::collections::{BTreeMap, VecDeque};

use sqlx::sqlite::SqliteConnection;

use crate::entry::Entry;
use crate::intake::Sample;
use crate::row::keys_from;

/// Rows that are read at a time: some hundred kilobytes. In steady state the recent rows of one series are fewer.
const PAGE_ROWS: i64 = 8_192;

/// Merges entries in the order of time; of two of one moment one counts.
pub(crate) fn merge(older: Vec<Entry>, newer: Vec<Entry>) -> Vec<Entry> {
    if newer.is_empty() {
        return older;
    }
    if older.is_empty() {
        return newer;
    }
    let mut merged = Vec::with_capacity(older.len() + newer.len());
    let mut newer = newer.into_iter().peekable();
    for entry in older {
        while let Some(before) = newer.next_if(|newer| newer.at() < entry.at()) {
            merged.push(before);
        }
        let same = newer.next_if(|newer| newer.at() == entry.at());
        merged.push(same.filter(|newer| newer.replaces(&entry)).unwrap_or(entry));
    }
    merged.extend(newer);
    merged
}

/// Samples in the order of their arrival, put into the order of time.
pub(crate) fn in_order<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> VecDeque<Entry> {
    let mut moments: BTreeMap<i64, Entry> = BTreeMap::new();
    for sample in samples {
        let entry = Entry::of_row(sample.at, sample.value, sample.quality);
        let kept = moments.entry(sample.at).or_insert(entry);
        if entry.replaces(kept) {
            *kept = entry;
        }
    }
    moments.into_values().collect()
}

/// Takes the entries before a moment off the front.
pub(crate) fn take_before(entries: &mut VecDeque<Entry>, at: i64) -> Vec<Entry> {
    let count = entries.partition_point(|entry| entry.at() < at);
    if count == entries.len() {
        // Nothing is copied.
        return std::mem::take(entries).into();
    }
    entries.drain(..count).collect()
}

/// Puts entries behind those that are there; where there are none, nothing is copied.
pub(super) fn append(entries: &mut VecDeque<Entry>, more: Vec<Entry>) {
    if entries.is_empty() {
        *entries = more.into();
    } else {
        entries.extend(more);
    }
}

/// The rows of one series, read page by page, with what waits for its commit among them.
pub(crate) struct Recent {
    series: Option<i64>,
    waiting: VecDeque<Entry>,
    loaded: VecDeque<Entry>,
    /// Everything before it was loaded.
    pub(crate) loaded_to: i64,
}

impl Recent {
    pub(crate) fn new(series: Option<i64>, waiting: VecDeque<Entry>, from: i64) -> Self {
        Self { series, waiting, loaded: VecDeque::new(), loaded_to: from }
    }

    /// Loads the next page of a stretch that begins at or after what was loaded.
    pub(crate) async fn load(
        &mut self,
        connection: &mut SqliteConnection,
        from: i64,
        to: i64,
    ) -> Result<(), sqlx::Error> {
        let from = from.max(self.loaded_to);
        let rows: Vec<(i64, f64, i64)> = match self.series {
            Some(series) => {
                sqlx::query_as(PAGE)
                    .bind(series)
                    .bind(keys_from(from))
                    .bind(keys_from(to))
                    .bind(PAGE_ROWS)
                    .fetch_all(connection)
                    .await?
            }
            None => Vec::new(),
        };
        let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows == PAGE_ROWS);
        self.loaded_to = if is_full { rows.last().map_or(to, |(at, ..)| at + 1) } else { to };
        let rows = rows.into_iter().map(|(at, value, quality)| Entry::of_row(at, value, quality));
        // What lies before it was asked for by nobody: rollups stand for it, or the range begins later.
        take_before(&mut self.waiting, from);
        let waiting = take_before(&mut self.waiting, self.loaded_to);
        append(&mut self.loaded, merge(rows.collect(), waiting));
        Ok(())
    }

    /// Takes what was loaded before a moment.
    pub(crate) fn take_before(&mut self, at: i64) -> Vec<Entry> {
        take_before(&mut self.loaded, at)
    }
}

/// Rows in the order of time; the plus sign keeps SQLite from building an index of the table for the one query.
pub(crate) const PAGE: &str = "
    SELECT key >> 20, value, quality FROM recent
    WHERE key >= ?2 AND key < ?3 AND (key & 1048575) = ?1 ORDER BY key LIMIT ?4";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_entries_of_a_moment_what_was_measured_last_counts() {
        let entry = |at, value, quality| Entry::of_row(at, value, quality);
        let older = vec![entry(1, 1.0, 0), entry(2, 2.0, 0), entry(3, 3.0, 5), entry(5, 5.0, 0)];
        let newer =
            vec![entry(0, 0.0, 0), entry(1, 1.5, 5), entry(2, 2.5, 4), entry(3, 3.0, 6), entry(4, 4.0, 0)];
        let merged = merge(older, newer);
        let expected = [
            entry(0, 0.0, 0),
            entry(1, 1.0, 0),
            entry(2, 2.5, 4),
            entry(3, 3.0, 6),
            entry(4, 4.0, 0),
            entry(5, 5.0, 0),
        ];
        assert_eq!(merged, expected);
    }
}
