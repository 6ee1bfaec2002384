//! Texts and their ids: a sample of a series of texts has the id of its text as its value, so that as-of queries, chunks
//! and retention are the same for all kinds of series.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;

use crate::intake::{Batch, Sample};

/// Most different texts that one series brings into the file, over all its years: a device with states has tens; one that
/// says something else each time (a serial line, a counter in words) stops being recorded here, and is counted.
pub(crate) const MAX_TEXTS_OF_A_SERIES: i64 = 10_000;

/// Most different texts of the file: some 10 MB of words.
pub(crate) const MAX_TEXTS_IN_FILE: i64 = 200_000;

/// What the writer knows of texts, by the numbers that the intake gave them.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    known: Vec<Arc<str>>,
    ids: HashMap<usize, i64>,
}

/// What one transaction found or made; it counts once that is committed.
#[derive(Debug, Default)]
pub(crate) struct NewTexts(HashMap<usize, i64>);

impl Texts {
    /// How many texts it has met.
    pub(crate) fn known(&self) -> usize {
        self.known.len()
    }

    /// A transaction with these new texts is committed.
    pub(crate) fn take(&mut self, met: &[Arc<str>], new: NewTexts) {
        self.known.extend_from_slice(met);
        self.ids.extend(new.0);
    }

    /// The id of the text that `sample` has, as a value; nothing at a limit.
    pub(crate) async fn id_of(
        &self,
        transaction: &mut SqliteConnection,
        new: &mut NewTexts,
        series: i64,
        sample: &Sample,
        batch: &Batch,
    ) -> Result<Option<f64>, sqlx::Error> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it was made of a small whole number"
        )]
        let number = sample.value as usize;
        let id = match self.ids.get(&number).or_else(|| new.0.get(&number)) {
            Some(id) => Some(*id),
            None => {
                let known = self.known.len();
                let text = self.known.get(number).or_else(|| batch.new_texts.get(number.checked_sub(known)?));
                let Some(text) = text else { return Ok(None) };
                let id = find_or_make(transaction, series, text).await?;
                new.0.extend(id.map(|id| (number, id)));
                id
            }
        };
        #[expect(clippy::cast_precision_loss, reason = "ids of a table with a limit are far below 2^53")]
        Ok(id.map(|id| id as f64))
    }
}

async fn find_or_make(
    transaction: &mut SqliteConnection,
    series: i64,
    text: &str,
) -> Result<Option<i64>, sqlx::Error> {
    let found = find(transaction, text).await?;
    if found.is_some() {
        return Ok(found);
    }
    let (all, own): (i64, i64) = sqlx::query_as("SELECT count(*), coalesce(sum(series = ?1), 0) FROM text")
        .bind(series)
        .fetch_one(&mut *transaction)
        .await?;
    if all >= MAX_TEXTS_IN_FILE || own >= MAX_TEXTS_OF_A_SERIES {
        return Ok(None);
    }
    make(transaction, series, text).await.map(Some)
}

async fn find(transaction: &mut SqliteConnection, text: &str) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("SELECT id FROM text WHERE content = ?1").bind(text).fetch_optional(transaction).await
}

async fn make(transaction: &mut SqliteConnection, series: i64, text: &str) -> Result<i64, sqlx::Error> {
    let made = sqlx::query("INSERT INTO text (content, series) VALUES (?1, ?2)")
        .bind(text)
        .bind(series)
        .execute(transaction)
        .await?;
    Ok(made.last_insert_rowid())
}

/// How many texts there are, counted once for a transaction that brings many. [`MAX_TEXTS_IN_FILE`] and
/// [`MAX_TEXTS_OF_A_SERIES`] hold for it too.
#[derive(Debug, Default)]
pub(crate) struct Room {
    all: i64,
    of_series: HashMap<i64, i64>,
}

impl Room {
    /// Counts.
    pub(crate) async fn look(transaction: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let counts: Vec<(Option<i64>, i64)> =
            sqlx::query_as("SELECT series, count(*) FROM text GROUP BY series")
                .fetch_all(transaction)
                .await?;
        let all = counts.iter().map(|(_, count)| count).sum();
        Ok(Self { all, of_series: counts.into_iter().filter_map(|(id, count)| Some((id?, count))).collect() })
    }

    /// The id of a text that a series says; nothing at a limit.
    pub(crate) async fn find_or_make(
        &mut self,
        transaction: &mut SqliteConnection,
        series: i64,
        text: &str,
    ) -> Result<Option<i64>, sqlx::Error> {
        let found = find(transaction, text).await?;
        if found.is_some() {
            return Ok(found);
        }
        let own = self.of_series.entry(series).or_default();
        if self.all >= MAX_TEXTS_IN_FILE || *own >= MAX_TEXTS_OF_A_SERIES {
            return Ok(None);
        }
        let id = make(transaction, series, text).await?;
        (self.all, *own) = (self.all + 1, *own + 1);
        Ok(Some(id))
    }
}
