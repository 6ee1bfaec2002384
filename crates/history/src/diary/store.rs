//! Events in the file: written, searched, and given up when they are old.

use futures_util::TryStreamExt;
use gatehouse_model::{DeviceId, PropertyId, Timestamp};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::{Event, EventKind, EventQuery, MAX_EVENTS, NewEvent};
use crate::time_limit::{explain_read, lift_time_limit, limit_time};
use crate::{History, HistoryError, InvalidRange};

/// Most events that one transaction gives up, so that it stays short.
const GIVEN_UP_AT_ONCE: i64 = 1_000;

/// Longest text that is looked for, in bytes.
pub(crate) const MAX_SEARCH_BYTES: usize = 200;

pub(crate) async fn write(transaction: &mut SqliteConnection, event: &NewEvent) -> Result<(), sqlx::Error> {
    // A cause is made of texts and lists of texts, which always have a JSON form.
    let cause = event.cause.as_ref().and_then(|cause| serde_json::to_string(cause).ok());
    sqlx::query(
        "INSERT INTO event (ts, kind, device, property, value, sentence, who, cause)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(event.at.as_millis())
    .bind(event.kind.as_str())
    .bind(event.device.as_ref().map(DeviceId::as_str))
    .bind(event.property.as_ref().map(PropertyId::as_str))
    .bind(event.value.as_deref())
    .bind(event.sentence.as_deref())
    .bind(event.who.as_deref())
    .bind(cause)
    .execute(transaction)
    .await?;
    Ok(())
}

pub(crate) async fn read(history: &History, query: &EventQuery) -> Result<Vec<Event>, HistoryError> {
    if query.limit == 0 || query.limit > MAX_EVENTS {
        return Err(InvalidRange::Events.into());
    }
    if query.contains.as_ref().is_some_and(|text| text.len() > MAX_SEARCH_BYTES) {
        return Err(InvalidRange::Search.into());
    }
    let limit = history.options.query_time_limit;
    let explain = |error| explain_read(error, limit);
    let mut connection = history.readers.acquire().await.map_err(explain)?;
    limit_time(&mut connection, &history.clock, limit).await.map_err(explain)?;
    let answer = find(&mut connection, query).await;
    lift_time_limit(&mut connection).await.map_err(explain)?;
    answer.map_err(explain)
}

async fn find(connection: &mut SqliteConnection, query: &EventQuery) -> Result<Vec<Event>, sqlx::Error> {
    let mut sql = QueryBuilder::new("SELECT id, ts, kind, device, property, value, sentence, who, cause");
    let text = query.contains.as_deref().filter(|text| !text.is_empty());
    // SQLite knows the two cases of A to Z only; other letters are compared here, row by row.
    let folded = text.filter(|text| !text.is_ascii()).map(str::to_lowercase);
    if folded.is_some() {
        sql.push(", ").push(SEARCHED).push(" AS searched");
    }
    sql.push(" FROM event WHERE true");
    if let Some(from) = query.from {
        sql.push(" AND ts >= ").push_bind(from.as_millis());
    }
    if let Some(to) = query.to {
        sql.push(" AND ts < ").push_bind(to.as_millis());
    }
    if let Some(id) = query.before_id {
        let at: Option<i64> = sqlx::query_scalar("SELECT ts FROM event WHERE id = ?1")
            .bind(id)
            .fetch_optional(&mut *connection)
            .await?;
        // An event that was given up meanwhile was among the oldest; what follows it is gone as well, but for late ones.
        match at {
            Some(at) => {
                sql.push(" AND (ts, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
            }
            None => {
                sql.push(" AND id < ").push_bind(id);
            }
        }
    }
    if let Some(device) = &query.device {
        sql.push(" AND device = ").push_bind(device.as_str());
    }
    if !query.kinds.is_empty() {
        // The plus sign: time is the better index, of a kind there are thousands.
        sql.push(" AND +kind IN (");
        let mut kinds = sql.separated(", ");
        for kind in &query.kinds {
            kinds.push_bind(kind.as_str());
        }
        sql.push(")");
    }
    if let Some(text) = text.filter(|text| text.is_ascii()) {
        let pattern = format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        sql.push(" AND ").push(SEARCHED).push(" LIKE ");
        sql.push_bind(pattern).push(" ESCAPE '\\'");
    }
    sql.push(" ORDER BY ts DESC, id DESC");
    let Some(folded) = folded else {
        return all(sql.push(" LIMIT ").push_bind(i64::from(query.limit)), connection).await;
    };
    let mut events = Vec::new();
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut rows = sql.build().fetch(connection);
    while events.len() < limit
        && let Some(row) = rows.try_next().await?
    {
        let searched: String = row.try_get("searched")?;
        if searched.to_lowercase().contains(&folded) {
            events.push(event_of(&row)?);
        }
    }
    Ok(events)
}

/// What a text is looked for in.
const SEARCHED: &str = "concat_ws(char(10), device, property, value, sentence, who, cause)";

async fn all(
    sql: &mut QueryBuilder<Sqlite>,
    connection: &mut SqliteConnection,
) -> Result<Vec<Event>, sqlx::Error> {
    let rows = sql.build().fetch_all(connection).await?;
    rows.iter().map(event_of).collect()
}

fn event_of(row: &SqliteRow) -> Result<Event, sqlx::Error> {
    let text = |column: &str| row.try_get::<Option<String>, _>(column);
    let kind: String = row.try_get("kind")?;
    Ok(Event {
        id: row.try_get("id")?,
        at: Timestamp::from_millis(row.try_get("ts")?),
        // A later release may know more kinds; they are about the house, whatever they are.
        kind: EventKind::from_word(&kind).unwrap_or(EventKind::Gateway),
        device: text("device")?.and_then(|id| DeviceId::new(&id).ok()),
        property: text("property")?.and_then(|id| PropertyId::new(&id).ok()),
        value: text("value")?.map(Into::into),
        sentence: text("sentence")?.map(Into::into),
        who: text("who")?.map(Into::into),
        cause: text("cause")?.and_then(|json| serde_json::from_str(&json).ok()),
    })
}

/// Gives up the oldest events: those before `before`, and as many as there are more than `keep`. Gives their number.
pub(crate) async fn give_up(
    connection: &mut SqliteConnection,
    before: i64,
    keep: u64,
) -> Result<u64, sqlx::Error> {
    let mut gone = 0;
    for (before, limit) in [(before, None), (i64::MAX, Some(keep))] {
        loop {
            let mut at_once = GIVEN_UP_AT_ONCE;
            if let Some(keep) = limit {
                let all: i64 =
                    sqlx::query_scalar("SELECT count(*) FROM event").fetch_one(&mut *connection).await?;
                at_once = all.saturating_sub(i64::try_from(keep).unwrap_or(i64::MAX)).clamp(0, at_once);
            }
            let deleted = sqlx::query(GIVE_UP)
                .bind(before)
                .bind(at_once)
                .execute(&mut *connection)
                .await?
                .rows_affected();
            gone += deleted;
            if deleted < GIVEN_UP_AT_ONCE.unsigned_abs() {
                break;
            }
        }
    }
    Ok(gone)
}

const GIVE_UP: &str =
    "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE ts < ?1 ORDER BY ts, id LIMIT ?2)";
