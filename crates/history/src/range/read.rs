//! Reads what a chart needs out of the file.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use futures_util::TryStreamExt;
use gatehouse_model::Timestamp;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Connection, FromRow, Row as _};

use super::gather::Gather;
use super::grid::{Grid, HOUR, Stretch, Unit, stretches};
use super::recent::{Recent, in_order, merge, take_before};
use super::sealed::{self, Sealed};
use super::{RangeQuery, Series, whole};
use crate::asking::{self, Deadline, Trouble};
use crate::entry::Entry;
use crate::intake::Held;
use crate::names::{Kind, SeriesName};
use crate::rollup::{Rollup, Samples};
use crate::row::keys_from;
use crate::time_limit::limit_time;
use crate::{History, HistoryError, before};

/// The row of a series.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct StoredSeries {
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) unit: Option<String>,
    pub(crate) since: i64,
}

/// The row of a series of texts, or of the one of numbers and switches.
pub(crate) async fn find(
    connection: &mut SqliteConnection,
    name: &SeriesName,
    is_text: bool,
) -> Result<Option<StoredSeries>, sqlx::Error> {
    sqlx::query_as(
        "SELECT id, kind, unit, since FROM series WHERE source = ?1 AND name = ?2 AND (kind = 'text') = ?3",
    )
    .bind(name.source())
    .bind(name.stored())
    .bind(is_text)
    .fetch_optional(connection)
    .await
}

/// The end of what is sealed: before it, rows of `sample` came late.
pub(crate) async fn sealed_until(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    let found: Option<i64> = sqlx::query_scalar("SELECT value FROM meta WHERE key = 'sealed_until'")
        .fetch_optional(connection)
        .await?;
    Ok(found.unwrap_or(i64::MIN))
}

pub(crate) async fn read(history: &History, query: &RangeQuery) -> Result<Series, HistoryError> {
    let grid = Grid::of(query)?;
    let (mut connection, deadline) = asking::begin(history).await?;
    // Before the file is read: see `waiting`.
    let held = history.recording.of_series(&query.series);
    let answer = read_limited(&mut connection, history, &query.series, grid, &held, &deadline).await;
    asking::end(connection, &deadline, answer).await
}

async fn read_limited(
    connection: &mut SqliteConnection,
    history: &History,
    name: &SeriesName,
    grid: Grid,
    held: &Held,
    deadline: &Deadline,
) -> Result<Series, Trouble> {
    // All that follows sees the file as it was at one moment.
    let mut transaction = connection.begin().await?;
    let series = find(&mut transaction, name, false).await?;
    let id = series.as_ref().map(|series| series.id);
    let mut waiting = in_order(&held.waiting);
    let since = series.iter().map(|series| series.since).chain(waiting.front().map(Entry::at)).min();

    let waiting_before = take_before(&mut waiting, grid.from);
    let latest = in_order(held.latest.iter().filter(|latest| latest.at < grid.from));
    let recorder = merge(waiting_before, latest.into());
    let seed = match id {
        Some(id) => {
            let window = (since.unwrap_or(i64::MIN), grid.from);
            seed(&mut transaction, history, id, window, recorder, deadline).await?
        }
        None => recorder,
    };
    let begin = seed.first().map_or(grid.from, Entry::at);
    let outages = outages(&mut transaction, begin, grid.to).await?;
    let mut gather = Gather::new(grid, history.clock.now().as_millis(), &outages);
    seed.into_iter().for_each(|entry| gather.take(entry));

    let sealed = sealed_until(&mut transaction).await?;
    let unsealed = unsealed(&mut transaction, id, &grid, sealed, &waiting).await?;
    let mut sources = Sources {
        recent: Recent::new(id, waiting, grid.from),
        sealed: Sealed::new(id, grid.from, &history.notes),
    };
    for stretch in stretches(&grid, sealed, &unsealed) {
        match (stretch.unit, id) {
            (Unit::Raw, _) => {
                sources.read(&mut transaction, &mut gather, &stretch, deadline).await?;
            }
            (_, Some(id)) => {
                for part in whole::parts(&mut transaction, id, &grid, &stretch, &outages).await? {
                    if let Some(rows) = gather.take_part(part) {
                        rollups(&mut transaction, &mut gather, id, &rows).await?;
                    }
                }
            }
            (_, None) => {}
        }
    }
    transaction.commit().await?;
    let (points, gaps, before) = gather.finish();
    Ok(Series {
        kind: series
            .as_ref()
            .and_then(|series| series.kind.parse().ok())
            .or_else(|| (!held.waiting.is_empty()).then_some(Kind::Number)),
        unit: series.and_then(|series| series.unit).map(Arc::from),
        bucket: grid.bucket(),
        recording_since: since.map(Timestamp::from_millis),
        before,
        points,
        gaps,
    })
}

/// What says which value holds when the range begins: the last chunk's part before it, and what came after that.
pub(crate) async fn seed(
    connection: &mut SqliteConnection,
    history: &History,
    id: i64,
    (since, from): (i64, i64),
    recorder: Vec<Entry>,
    deadline: &Deadline,
) -> Result<Vec<Entry>, Trouble> {
    let chunk = sealed::last_before(connection, id, from, &history.notes).await?;
    // No look for one that is older, but for one of the same moment, which may be better.
    let known = chunk.last().into_iter().chain(recorder.last()).map(Entry::at).max();
    let left = deadline.left();
    let window = (known.unwrap_or(since), from);
    let recent =
        before::look_back(connection, &history.clock, left.min(before::LOOK_BACK_TIME), id, window).await?;
    limit_time(connection, &history.clock, left).await?;
    Ok(merge(merge(chunk, recent.into_iter().collect()), recorder))
}

/// The outages between two moments.
pub(crate) async fn outages(
    connection: &mut SqliteConnection,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, i64)>, sqlx::Error> {
    sqlx::query_as(OUTAGES).bind(from).bind(to).fetch_all(connection).await
}

pub(crate) const OUTAGES: &str =
    "SELECT start, stop FROM outage WHERE start < ?2 AND stop >= ?1 ORDER BY start";

/// The hours of the range in which there are samples that came after their hour was sealed.
async fn unsealed(
    connection: &mut SqliteConnection,
    id: Option<i64>,
    grid: &Grid,
    sealed: i64,
    waiting: &VecDeque<Entry>,
) -> Result<Vec<i64>, sqlx::Error> {
    if grid.unit() == Unit::Raw {
        return Ok(Vec::new());
    }
    let late: Vec<i64> = match id {
        Some(id) => {
            sqlx::query_scalar(LATE)
                .bind(id)
                .bind(keys_from(grid.from))
                .bind(keys_from(grid.to.min(sealed)))
                .fetch_all(connection)
                .await?
        }
        None => Vec::new(),
    };
    let waiting = waiting.iter().map(Entry::at).filter(|at| *at < grid.to.min(sealed));
    let hours = late.into_iter().chain(waiting.map(|at| at.div_euclid(HOUR)));
    let hours: BTreeSet<i64> = hours.map(|hour| hour * HOUR).collect();
    Ok(hours.into_iter().collect())
}

const LATE: &str = "
    SELECT DISTINCT (key >> 20) / 3600000 FROM recent WHERE key >= ?2 AND key < ?3 AND (key & 1048575) = ?1";

/// Rollups of a stretch, one by one.
pub(super) async fn rollups(
    connection: &mut SqliteConnection,
    gather: &mut Gather,
    id: i64,
    stretch: &Stretch,
) -> Result<(), sqlx::Error> {
    let statement = if stretch.unit == Unit::Day { DAYS } else { HOURS };
    let mut rows = sqlx::query_as::<_, StoredRollup>(statement)
        .bind(id)
        .bind(stretch.from)
        .bind(stretch.to)
        .fetch(connection);
    while let Some(StoredRollup { start, rollup }) = rows.try_next().await? {
        gather.take_rollup(start, &rollup, stretch.unit.millis());
    }
    Ok(())
}

/// A row of the table `hour` or `day`.
struct StoredRollup {
    start: i64,
    rollup: Rollup,
}

/// The columns of [`StoredRollup`], those of whole numbers in few: each value of a row is copied between two threads and looked
/// at, and a chart of a year has nine thousand rows. Times of a day are below 2^27 milliseconds, and so is the number of
/// its samples, which all have times of their own.
macro_rules! rollups_of {
    ($table:literal) => {
        concat!(
            "SELECT start, (count << 35) | (worst << 32) | covered, ((first_ts - start) << 32) | (last_ts - start),
                lowest, highest, sum, first, last, weighted, held
             FROM ",
            $table,
            " WHERE series = ?1 AND start >= ?2 AND start < ?3 ORDER BY start"
        )
    };
}

pub(crate) const HOURS: &str = rollups_of!("hour");
pub(crate) const DAYS: &str = rollups_of!("day");

impl FromRow<'_, SqliteRow> for StoredRollup {
    /// By number and without a look at the types, which the tables are strict about.
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        const LOW: i64 = 0xffff_ffff;
        let start: i64 = row.try_get_unchecked(0)?;
        let numbers: i64 = row.try_get_unchecked(1)?;
        let count = numbers >> 35;
        let samples = if count > 0 {
            let ends: i64 = row.try_get_unchecked(2)?;
            Some(Samples {
                count,
                lowest: row.try_get_unchecked(3)?,
                highest: row.try_get_unchecked(4)?,
                sum: row.try_get_unchecked(5)?,
                first: row.try_get_unchecked(6)?,
                last: row.try_get_unchecked(7)?,
                first_at: start.saturating_add(ends >> 32),
                last_at: start.saturating_add(ends & LOW),
                worst: (numbers >> 32 & 7).min(6) as u8,
            })
        } else {
            None
        };
        let (weighted, held) = (row.try_get_unchecked(8)?, row.try_get_unchecked(9)?);
        Ok(Self { start, rollup: Rollup { samples, weighted, covered: numbers & LOW, held } })
    }
}

/// Where samples are read from.
pub(crate) struct Sources {
    pub(crate) recent: Recent,
    pub(crate) sealed: Sealed,
}

impl Sources {
    /// Reads the samples of a stretch, piece by piece.
    async fn read(
        &mut self,
        connection: &mut SqliteConnection,
        gather: &mut Gather,
        stretch: &Stretch,
        deadline: &Deadline,
    ) -> Result<(), Trouble> {
        let mut at = stretch.from;
        while at < stretch.to {
            deadline.go_on()?;
            let (piece, end) = self.next(connection, at, stretch.to).await?;
            piece.into_iter().for_each(|entry| gather.take(entry));
            at = end;
        }
        Ok(())
    }

    /// The entries from a moment on, and the moment up to which these are all.
    pub(crate) async fn next(
        &mut self,
        connection: &mut SqliteConnection,
        from: i64,
        to: i64,
    ) -> Result<(Vec<Entry>, i64), sqlx::Error> {
        if self.sealed.decoded_to <= from {
            self.sealed.load(connection, from, to).await?;
        }
        if self.recent.loaded_to <= from {
            self.recent.load(connection, from, to).await?;
        }
        let end = self.sealed.decoded_to.min(self.recent.loaded_to).min(to);
        Ok((merge(self.sealed.take_before(end), self.recent.take_before(end)), end))
    }
}
