//! What is in chunks.

use std::collections::VecDeque;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;

use super::grid::DAY;
use super::recent::{append, take_before};
use crate::chunk::{Chunk, MAX_ROWS};
use crate::damage::Found;
use crate::entry::{Entry, GapReason};
use crate::notes::Notes;

/// Chunks that are read at a time: with the most samples that a chunk has, less than a megabyte when decoded.
const BATCH: i64 = 16;

/// The entries of a chunk. Of a damaged one nothing is known from its start on, or from where the reading begins.
fn entries(chunk: &Chunk, from: i64, notes: &Notes) -> Vec<Entry> {
    match chunk.decode() {
        Ok(rows) => rows.iter().map(Entry::of).collect(),
        Err(damage) => {
            notes.damaged(Found::new(chunk, damage));
            vec![Entry::Unknown { at: chunk.start.max(from), why: GapReason::Damaged }]
        }
    }
}

/// The chunks of one series, read batch by batch.
pub(crate) struct Sealed {
    series: Option<i64>,
    notes: Arc<Notes>,
    decoded: VecDeque<Entry>,
    /// Everything before it was decoded.
    pub(crate) decoded_to: i64,
}

impl Sealed {
    pub(crate) fn new(series: Option<i64>, from: i64, notes: &Arc<Notes>) -> Self {
        Self { series, notes: Arc::clone(notes), decoded: VecDeque::new(), decoded_to: from }
    }

    /// Decodes the next chunks of a stretch that begins at or after what was decoded.
    pub(crate) async fn load(
        &mut self,
        connection: &mut SqliteConnection,
        from: i64,
        to: i64,
    ) -> Result<(), sqlx::Error> {
        let from = from.max(self.decoded_to);
        let Some(series) = self.series else {
            self.decoded_to = to;
            return Ok(());
        };
        let chunks: Vec<Chunk> = sqlx::query_as(CHUNKS)
            .bind(series)
            // A chunk lies within one day.
            .bind(from.saturating_sub(DAY))
            .bind(from)
            .bind(to)
            .bind(BATCH)
            .fetch_all(connection)
            .await?;
        let is_full = i64::try_from(chunks.len()).is_ok_and(|chunks| chunks == BATCH);
        let last = chunks.last().map_or(to, |chunk| chunk.stop.saturating_add(1).min(to));
        self.decoded_to = if is_full { last } else { to };
        append(&mut self.decoded, decode(chunks, (from, self.decoded_to), &self.notes).await);
        Ok(())
    }

    /// Takes what was decoded before a moment.
    pub(crate) fn take_before(&mut self, at: i64) -> Vec<Entry> {
        take_before(&mut self.decoded, at)
    }
}

/// Decodes chunks that follow each other, on a thread for such work: what they have of a stretch of time.
async fn decode(chunks: Vec<Chunk>, (from, to): (i64, i64), notes: &Arc<Notes>) -> Vec<Entry> {
    let notes = Arc::clone(notes);
    let decode = move || {
        let count = chunks.iter().map(|chunk| usize::try_from(chunk.count).unwrap_or(0).min(MAX_ROWS)).sum();
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        for chunk in &chunks {
            let of_chunk = self::entries(chunk, from, &notes);
            entries.extend(of_chunk.into_iter().filter(|entry| (from..to).contains(&entry.at())));
        }
        // Chunks of one series do not overlap, unless they are damaged.
        if !entries.is_sorted_by_key(Entry::at) {
            entries.sort_by_key(Entry::at);
        }
        entries
    };
    tokio::task::spawn_blocking(decode).await.unwrap_or_default()
}

/// The entries of the last chunk that begins before a moment, those before it.
pub(crate) async fn last_before(
    connection: &mut SqliteConnection,
    series: i64,
    at: i64,
    notes: &Notes,
) -> Result<Vec<Entry>, sqlx::Error> {
    let chunk: Option<Chunk> = sqlx::query_as(LAST).bind(series).bind(at).fetch_optional(connection).await?;
    let mut entries: VecDeque<Entry> =
        chunk.map(|chunk| entries(&chunk, i64::MIN, notes)).unwrap_or_default().into();
    Ok(take_before(&mut entries, at))
}

pub(crate) const CHUNKS: &str = "
    SELECT series, start, stop, count, checksum, data FROM chunk
    WHERE series = ?1 AND start > ?2 AND start < ?4 AND stop >= ?3 ORDER BY start LIMIT ?5";

pub(crate) const LAST: &str = "
    SELECT series, start, stop, count, checksum, data FROM chunk
    WHERE series = ?1 AND start < ?2 ORDER BY start DESC LIMIT 1";

/// The last entry of each chunk at or before a moment, with the id of its series.
pub(crate) async fn last_entries(chunks: Vec<Chunk>, at: i64, notes: &Arc<Notes>) -> Vec<(i64, Entry)> {
    let notes = Arc::clone(notes);
    let decode = move || {
        let last = |chunk: &Chunk| {
            let entries = entries(chunk, i64::MIN, &notes);
            let count = entries.partition_point(|entry| entry.at() <= at);
            entries[..count].last().map(|entry| (chunk.series, *entry))
        };
        chunks.iter().filter_map(last).collect()
    };
    tokio::task::spawn_blocking(decode).await.unwrap_or_default()
}
