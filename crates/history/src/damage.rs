//! Chunks that were found to be damaged: whoever finds one says so here, and the recorder writes it into the file, where
//! the page finds it.
//!
//! A card that fails damages many chunks, and each chart that is drawn meets them again, so each is told once: in one run by
//! its place in the file, over all runs by its sentence.

use std::collections::HashSet;

use gatehouse_model::Timestamp;
use sqlx::sqlite::SqliteConnection;

use crate::chunk::{Chunk, Damage};
use crate::diary::store;
use crate::diary::{GatewayWord, NewEvent};
use crate::names::SeriesName;

/// Most damaged chunks that are counted in one run: a card that has lost more is given up anyway.
const MAX_KNOWN: usize = 100_000;

/// Most that wait for the recorder; those beyond are told when they are found again.
const MAX_WAITING: usize = 1_000;

/// Most notices in the file that one more is put beside: those who read them need no more.
const MAX_NOTICES: i64 = 1_000;

/// A chunk that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    series: i64,
    start: i64,
    stop: i64,
    count: i64,
    damage: Damage,
}

impl Found {
    pub(crate) fn new(chunk: &Chunk, damage: Damage) -> Self {
        let Chunk { series, start, stop, count, .. } = *chunk;
        Self { series, start, stop, count, damage }
    }

    /// Whether its first sample is of this time.
    pub(crate) const fn begins_at(&self, at: i64) -> bool {
        self.start == at
    }

    /// For people: what is lost.
    fn sentence(&self, series: &str) -> String {
        let Self { start, stop, count, damage, .. } = self;
        let (start, stop) = (Timestamp::from_millis(*start), Timestamp::from_millis(*stop));
        format!(
            "{count} samples of {series} from {start} to {stop} are damaged and cannot be read: {damage}. All others are \
             there. See to the health of the disk."
        )
    }
}

/// The chunks that were found so far in this run.
#[derive(Debug, Default)]
pub(crate) struct Log {
    known: HashSet<(i64, i64)>,
    waiting: Vec<Found>,
}

impl Log {
    /// Takes one. Gives whether it is new and is to be told.
    pub(crate) fn take(&mut self, found: Found) -> bool {
        let is_full = self.waiting.len() >= MAX_WAITING || self.known.len() >= MAX_KNOWN;
        if is_full || !self.known.insert((found.series, found.start)) {
            return false;
        }
        self.waiting.push(found);
        true
    }

    /// How many were found.
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Those that wait to be told.
    pub(crate) fn waiting(&mut self) -> Vec<Found> {
        std::mem::take(&mut self.waiting)
    }

    /// These could not be told yet.
    pub(crate) fn give_back(&mut self, found: Vec<Found>) {
        self.waiting.splice(..0, found);
    }
}

/// Writes what was found where the page finds it, and into the log of events; what is there already stays the only one.
pub(crate) async fn tell(
    transaction: &mut SqliteConnection,
    now: Timestamp,
    found: &[Found],
) -> Result<(), sqlx::Error> {
    for found in found {
        let name: Option<(String, String)> = sqlx::query_as("SELECT source, name FROM series WHERE id = ?1")
            .bind(found.series)
            .fetch_optional(&mut *transaction)
            .await?;
        let name = name.and_then(|(source, name)| SeriesName::from_stored(&source, &name));
        let series = name.map_or_else(|| format!("series {}", found.series), |name| name.to_string());
        let sentence = found.sentence(&series);
        let noted = sqlx::query(NOTE)
            .bind(now.as_millis())
            .bind(&sentence)
            .bind(MAX_NOTICES)
            .execute(&mut *transaction)
            .await?;
        if noted.rows_affected() > 0 {
            tracing::error!("{sentence}");
            let event = NewEvent::gateway(GatewayWord::Damage, &sentence, now);
            store::write(transaction, &event).await?;
        }
    }
    Ok(())
}

const NOTE: &str = "
    INSERT INTO notice (at, sentence) SELECT ?1, ?2
    WHERE NOT EXISTS (SELECT 1 FROM notice WHERE sentence = ?2) AND (SELECT count(*) FROM notice) < ?3";

#[cfg(test)]
mod tests {
    use super::*;

    fn found(series: i64, start: i64) -> Found {
        Found { series, start, stop: start + 1, count: 2, damage: Damage::Checksum }
    }

    #[test]
    fn each_chunk_waits_once_and_what_does_not_fit_is_found_again() {
        let mut log = Log::default();
        assert!(log.take(found(1, 5)) && log.take(found(2, 5)) && !log.take(found(1, 5)));
        let waiting = log.waiting();
        assert_eq!((waiting.len(), log.has_waiting(), log.count()), (2, false, 2));
        assert!(!log.take(found(2, 5)), "it was told");
        log.give_back(waiting.clone());
        assert_eq!(log.waiting(), waiting);
        for start in 0..2_000 {
            log.take(found(3, start));
        }
        assert_eq!(log.waiting().len(), MAX_WAITING);
        assert!(log.take(found(3, 1_999)), "it did not fit before");
    }
}
