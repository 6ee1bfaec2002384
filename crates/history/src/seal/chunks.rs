//! Rows into the chunks where they belong.

use sqlx::sqlite::SqliteConnection;

use super::{DAY, floor};
use crate::chunk::{self, Chunk, MAX_ROWS};
use crate::damage::Found;
use crate::row::{Row, merged};

/// Rows up to which a chunk of the same day grows: series that are read every ten seconds have chunks of about six
/// hours, switches of a day. Larger ones would hardly be smaller for each row, and are written again each hour.
const FULL_ROWS: usize = 2_048;

/// Which of two rows of one time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The new one, as in [`Row::replaces`]: it was recorded later.
    Later,
    /// The one that is there: the new one comes from elsewhere.
    Known,
}

/// What came of placing rows.
#[derive(Debug)]
pub(super) struct Placed {
    /// All rows of the window, of which the new ones are part.
    pub(super) rows: Vec<Row>,
    /// The rows of the window that were there before.
    pub(super) before: Vec<Row>,
    /// The new rows that were put into chunks.
    pub(super) new: Vec<Row>,
    /// Whether anything is different from before.
    pub(super) changed: bool,
    /// Chunks that cannot be read. They stay as they are.
    pub(super) damaged: Vec<Found>,
}

/// A chunk that can be added to, or one that is made.
#[derive(Debug)]
struct Piece {
    id: Option<i64>,
    rows: Vec<Row>,
    dirty: bool,
}

#[derive(sqlx::FromRow)]
struct Stored {
    id: i64,
    series: i64,
    start: i64,
    stop: i64,
    count: i64,
    checksum: i64,
    data: Vec<u8>,
}

/// The chunks of a window of whole hours in one day, and the one before it, which may have room.
const AROUND: &str = "
    SELECT id, series, start, stop, count, checksum, data FROM chunk
    WHERE series = ?1 AND start >= ?2 AND start < ?4 AND (stop >= ?3 OR (count < ?5 AND start = (
        SELECT max(start) FROM chunk WHERE series = ?1 AND start >= ?2 AND start < ?3)))
    ORDER BY start";

/// Adds `new` rows, in the order of time and all in the window of one day, to the chunks of a series.
pub(super) async fn place(
    connection: &mut SqliteConnection,
    series: i64,
    (from, to): (i64, i64),
    new: &[Row],
    which: Which,
) -> Result<Placed, sqlx::Error> {
    let stored: Vec<Stored> = sqlx::query_as(AROUND)
        .bind(series)
        .bind(floor(from, DAY))
        .bind(from)
        .bind(to)
        .bind(i64::try_from(FULL_ROWS).unwrap_or(i64::MAX))
        .fetch_all(&mut *connection)
        .await?;
    let mut pieces = Vec::new();
    let mut damaged = Vec::new();
    for Stored { id, series, start, stop, count, checksum, data } in stored {
        let chunk = Chunk { series, start, stop, count, checksum, data };
        match chunk.decode() {
            Ok(rows) => pieces.push(Piece { id: Some(id), rows, dirty: false }),
            Err(damage) => damaged.push(Found::new(&chunk, damage)),
        }
    }
    let in_window = |row: &&Row| (from..to).contains(&row.at);
    let before: Vec<Row> = pieces.iter().flat_map(|piece| &piece.rows).filter(in_window).copied().collect();
    // A chunk that cannot be read keeps its place; a row of the very time of its first one is most likely that one.
    let mut new: Vec<Row> =
        new.iter().filter(|row| !damaged.iter().any(|found| found.begins_at(row.at))).copied().collect();
    if which == Which::Known {
        new.retain(|row| before.binary_search_by_key(&row.at, |known| known.at).is_err());
    }
    let rows = merged(before.clone(), &new);
    let changed = rows != before;
    if changed {
        for piece in spread(pieces, &new) {
            write(connection, series, piece).await?;
        }
    }
    Ok(Placed { rows, before, new, changed, damaged })
}

/// Puts each new row into the last piece that begins at or before it when it lies inside that one or there is room, and
/// else into a piece of its own with its neighbours, so that chunks of a series never overlap.
fn spread(mut pieces: Vec<Piece>, new: &[Row]) -> Vec<Piece> {
    let starts: Vec<i64> = pieces.iter().filter_map(|piece| Some(piece.rows.first()?.at)).collect();
    let slot = |row: &Row| starts.partition_point(|start| *start <= row.at);
    let mut made = Vec::new();
    for rows in new.chunk_by(|row, next| slot(row) == slot(next)) {
        let Some(first) = rows.first() else { continue };
        let place = slot(first);
        // In front of all: the first piece, when there is room.
        let index = place.saturating_sub(1);
        let fits = pieces.get(index).is_some_and(|piece| {
            let inside = place > 0 && piece.rows.last().is_some_and(|last| first.at <= last.at);
            inside || piece.rows.len() + rows.len() <= FULL_ROWS
        });
        match pieces.get_mut(index) {
            Some(piece) if fits => {
                let all = merged(std::mem::take(&mut piece.rows), rows);
                (piece.rows, piece.dirty) = (all, true);
            }
            _ => made.push(Piece { id: None, rows: rows.to_vec(), dirty: true }),
        }
    }
    pieces.retain(|piece| piece.dirty);
    pieces.extend(made);
    pieces
}

/// Writes a piece as one chunk, or as several when it is too long for one.
async fn write(connection: &mut SqliteConnection, series: i64, piece: Piece) -> Result<(), sqlx::Error> {
    let parts = if piece.rows.len() > MAX_ROWS { piece.rows.len().div_ceil(FULL_ROWS) } else { 1 };
    let length = piece.rows.len().div_ceil(parts).max(1);
    let mut id = piece.id;
    for rows in piece.rows.chunks(length) {
        let chunk = chunk::encode(series, rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
        let statement = if id.is_some() { UPDATE } else { INSERT };
        sqlx::query(statement)
            .bind(id.take())
            .bind(chunk.series)
            .bind(chunk.start)
            .bind(chunk.stop)
            .bind(chunk.count)
            .bind(chunk.checksum)
            .bind(chunk.data)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

const UPDATE: &str = "
    UPDATE chunk SET series = ?2, start = ?3, stop = ?4, count = ?5, checksum = ?6, data = ?7 WHERE id = ?1";
const INSERT: &str = "
    INSERT INTO chunk (id, series, start, stop, count, checksum, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
