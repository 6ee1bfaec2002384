//! The texts of one series in a range of time.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gatehouse_model::{Quality, Timestamp};
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use crate::as_of::contents;
use crate::asking::{self, Deadline, Trouble};
use crate::entry::Entry;
use crate::intake::HeldTexts;
use crate::names::SeriesName;
use crate::range::gather::Gather;
use crate::range::grid::Grid;
use crate::range::read::{Sources, find, outages, seed};
use crate::range::recent::{Recent, take_before};
use crate::range::sealed::Sealed;
use crate::{Gap, History, HistoryError, InvalidRange, RangeQuery, quality};

/// Most texts of one answer.
pub const MAX_TEXTS: u32 = 10_000;

/// What texts are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextQuery {
    /// Whose texts.
    pub series: SeriesName,
    /// The first moment of the range.
    pub from: Timestamp,
    /// The first moment after the range.
    pub to: Timestamp,
    /// Most texts of the answer, 1 to [`MAX_TEXTS`].
    pub limit: u32,
}

/// A text and when it was read; it holds until the next one, or until a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextAt {
    /// When.
    pub at: Timestamp,
    /// The text.
    pub text: Arc<str>,
    /// How far it can be trusted.
    pub quality: Quality,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Time of the first text that was ever recorded; nothing when there is none.
    pub recording_since: Option<Timestamp>,
    /// The text that holds when the range begins.
    pub before: Option<TextAt>,
    /// In the order of time.
    pub texts: Vec<TextAt>,
    /// The stretches in which nothing is known although something was before.
    pub gaps: Vec<Gap>,
    /// The range has more than the limit: the answer ends with the last one of `texts`.
    pub more: bool,
}

pub(crate) async fn read(history: &History, query: &TextQuery) -> Result<Texts, HistoryError> {
    if query.limit == 0 || query.limit > MAX_TEXTS {
        return Err(InvalidRange::Texts.into());
    }
    let (from, to) = (query.from, query.to);
    let grid = Grid::of(&RangeQuery { series: query.series.clone(), from, to, points: 1 })?;
    let (mut connection, deadline) = asking::begin(history).await?;
    // Before the file is read: see `waiting`.
    let held = history.recording.texts_of(&query.series);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let answer = read_limited(&mut connection, history, query, (grid, limit), held, &deadline).await;
    asking::end(connection, &deadline, answer).await
}

async fn read_limited(
    connection: &mut SqliteConnection,
    history: &History,
    query: &TextQuery,
    (grid, limit): (Grid, usize),
    HeldTexts { entries: waiting, contents: unsaved }: HeldTexts,
    deadline: &Deadline,
) -> Result<Texts, Trouble> {
    let mut transaction = connection.begin().await?;
    let series = find(&mut transaction, &query.series, true).await?;
    let id = series.as_ref().map(|series| series.id);
    let mut waiting: VecDeque<Entry> = waiting;
    let since = series.iter().map(|series| series.since).chain(waiting.front().map(Entry::at)).min();
    let recorder = take_before(&mut waiting, grid.from);
    let seed = match id {
        Some(id) => {
            let window = (since.unwrap_or(i64::MIN), grid.from);
            seed(&mut transaction, history, id, window, recorder, deadline).await?
        }
        None => recorder,
    };
    let begin = seed.first().map_or(grid.from, Entry::at);
    let outages = outages(&mut transaction, begin, grid.to).await?;
    let mut found: Vec<Entry> = Vec::new();
    let mut sources = Sources {
        recent: Recent::new(id, waiting, grid.from),
        sealed: Sealed::new(id, grid.from, &history.notes),
    };
    let (mut at, mut texts) = (grid.from, 0);
    while at < grid.to && texts <= limit {
        deadline.go_on()?;
        let (piece, end) = sources.next(&mut transaction, at, grid.to).await?;
        for entry in piece {
            texts += usize::from(matches!(entry, Entry::Reading { .. }));
            if texts > limit {
                break;
            }
            found.push(entry);
        }
        at = end;
    }
    let more = texts > limit;
    // What follows the last one was not looked at.
    let last = found.last().map_or(grid.from, Entry::at).saturating_add(1);
    let now = history.clock.now().as_millis();
    let mut gather = Gather::new(grid, if more { now.min(last) } else { now }, &outages);
    seed.iter().chain(&found).for_each(|entry| gather.take(*entry));
    let (_, gaps, before) = gather.finish();

    let ids = found.iter().filter_map(text_id).chain(before.map(|before| before.value as i64));
    let stored = contents(&mut transaction, ids.filter(|id| *id >= 0).collect()).await?;
    transaction.commit().await?;
    let text = |id: i64| content(id, &stored, &unsaved);
    let text_at = |entry: &Entry| match entry {
        Entry::Reading { at, value, quality } => Some(TextAt {
            at: Timestamp::from_millis(*at),
            text: text(*value as i64)?,
            quality: quality::from_stored(*quality),
        }),
        Entry::Unknown { .. } => None,
    };
    Ok(Texts {
        recording_since: since.map(Timestamp::from_millis),
        before: before.and_then(|before| {
            Some(TextAt { at: before.at, text: text(before.value as i64)?, quality: before.quality })
        }),
        texts: found.iter().filter_map(text_at).collect(),
        gaps,
        more,
    })
}

/// The id of the text in the file; one that waits for its commit has a negative number instead.
const fn text_id(entry: &Entry) -> Option<i64> {
    match entry {
        Entry::Reading { value, .. } => Some(*value as i64),
        Entry::Unknown { .. } => None,
    }
}

fn content(id: i64, stored: &HashMap<i64, Arc<str>>, unsaved: &[Arc<str>]) -> Option<Arc<str>> {
    match usize::try_from(id) {
        Ok(_) => stored.get(&id).cloned(),
        Err(_) => unsaved.get(usize::try_from(-1 - id).ok()?).cloned(),
    }
}
