//! One transaction: a group of changes onto the disk, or nothing of it.
//!
//! A statement costs some tens of microseconds on its way to SQLite's thread, whatever it does, and a row in it about
//! one. So rows are written many at a time, and rows that go are named in one list.

use gatehouse_model::Message;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, Encode, Sqlite, Type};

use super::record::{Columns, RECEIVED, delivery_flags};
use super::state::{Session, State};

/// Rows of one statement. Each size of each table is a prepared statement of its own, which SQLite keeps.
const SIZES: [usize; 4] = [128, 32, 8, 1];

/// Prepared statements that the connection keeps: those of seven tables in four sizes, and the others.
pub(super) const STATEMENTS: usize = 64;

/// Bits that an MQTT packet identifier takes in the key of `incoming`.
pub(super) const PACKET_BITS: u32 = 16;

/// Writes the group of `state`, or nothing of it.
pub(super) async fn write(connection: &mut SqliteConnection, state: &State) -> Result<(), sqlx::Error> {
    // Dropping it on an error rolls back.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    remove(&mut transaction, state).await?;
    insert(&mut transaction, state).await?;
    transaction.commit().await
}

/// What goes, before what comes: a client that ended its session and began another has one row at a time.
async fn remove(connection: &mut SqliteConnection, state: &State) -> Result<(), sqlx::Error> {
    let group = &state.group;
    let touched: Vec<&Session> = touched(state).map(|(_, session)| session).collect();
    if !group.ended.is_empty() {
        let ended = list(group.ended.iter().copied());
        for text in [
            "DELETE FROM session WHERE id IN (SELECT value FROM json_each(?1))",
            "DELETE FROM will WHERE session IN (SELECT value FROM json_each(?1))",
            "DELETE FROM subscription WHERE session IN (SELECT value FROM json_each(?1))",
        ] {
            sqlx::query(text).bind(ended.as_str()).execute(&mut *connection).await?;
        }
        for session in &group.ended {
            let first = session << PACKET_BITS;
            sqlx::query("DELETE FROM incoming WHERE id BETWEEN ?1 AND ?2")
                .bind(first)
                .bind(first | i64::from(u16::MAX))
                .execute(&mut *connection)
                .await?;
        }
    }
    let unwilling = touched.iter().filter(|session| session.delta.will && session.row.will.is_none());
    let released = touched.iter().flat_map(|session| packets(session, false));
    for (text, keys) in [
        ("DELETE FROM delivery WHERE id IN (SELECT value FROM json_each(?1))", group.gone_deliveries.clone()),
        ("DELETE FROM message WHERE id IN (SELECT value FROM json_each(?1))", group.gone_messages.clone()),
        (
            "DELETE FROM will WHERE session IN (SELECT value FROM json_each(?1))",
            unwilling.map(|s| s.id).collect(),
        ),
        ("DELETE FROM incoming WHERE id IN (SELECT value FROM json_each(?1))", released.collect()),
        (MARK_RECEIVED, group.received.iter().copied().collect()),
    ] {
        if !keys.is_empty() {
            sqlx::query(text).bind(list(keys.into_iter())).execute(&mut *connection).await?;
        }
    }
    for session in touched {
        for ((share, filter), subscription) in &session.delta.subscriptions {
            if subscription.is_none() {
                sqlx::query("DELETE FROM subscription WHERE session = ?1 AND share = ?2 AND filter = ?3")
                    .bind(session.id)
                    .bind(share.as_deref().unwrap_or_default())
                    .bind(filter.as_str())
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    let cleared = group.retained.iter().filter(|(_, retaining)| retaining.is_none());
    let cleared: Vec<&str> = cleared.map(|(topic, _)| topic.as_str()).collect();
    if !cleared.is_empty() {
        // A list of texts always has a JSON form.
        let cleared = serde_json::to_string(&cleared).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query("DELETE FROM retained WHERE topic IN (SELECT value FROM json_each(?1))")
            .bind(cleared)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

const MARK_RECEIVED: &str =
    "UPDATE delivery SET flags = flags | 8 WHERE id IN (SELECT value FROM json_each(?1))";
const _: () = assert!(RECEIVED == 8, "the statement above names the flag");

async fn insert(connection: &mut SqliteConnection, state: &State) -> Result<(), sqlx::Error> {
    let group = &state.group;
    let changed = touched(state).filter(|(_, session)| session.delta.row);
    rows(connection, "session", 6, changed.collect(), |values, (client_id, session)| {
        let row = &session.row;
        values.add(session.id)?;
        values.add(client_id)?;
        values.add(&*row.user)?;
        values.add(i64::from(row.expiry_seconds))?;
        values.add(row.away_since)?;
        values.add(row.sent_before.map(integer))
    })
    .await?;
    let wills = touched(state).filter(|(_, session)| session.delta.will);
    let wills = wills.filter_map(|(_, session)| Some((session.id, session.row.will.as_ref()?)));
    rows(connection, "will", 6, wills.collect(), |values, (session, will)| {
        values.add(session)?;
        values.add(i64::from(will.delay_seconds))?;
        values.add(will.message.topic.as_str())?;
        values.add_message(&will.message)
    })
    .await?;
    let subscriptions = touched(state).flat_map(|(_, session)| {
        session.delta.subscriptions.values().flatten().map(|subscription| (session.id, subscription))
    });
    rows(connection, "subscription", 5, subscriptions.collect(), |values, (session, subscription)| {
        values.add(session)?;
        values.add(subscription.share.as_deref().unwrap_or_default())?;
        values.add(subscription.filter.as_str())?;
        values.add(i64::from(subscription.options))?;
        values.add(subscription.identifier.map(i64::from))
    })
    .await?;
    let begun = touched(state).flat_map(|(_, session)| packets(session, true));
    rows(connection, "incoming", 1, begun.collect(), |values, packet| values.add(packet)).await?;
    rows(connection, "message", 6, group.messages.iter().collect(), |values, (id, (message, at))| {
        values.add(*id)?;
        values.add(*at)?;
        values.add(message.topic.as_str())?;
        values.add_message(message)
    })
    .await?;
    rows(connection, "delivery", 6, group.deliveries.iter().collect(), |values, (id, delivery)| {
        values.add(*id)?;
        values.add(delivery.session)?;
        values.add(integer(delivery.number))?;
        values.add(delivery.message)?;
        values.add(delivery_flags(delivery.qos, delivery.retain, delivery.received))?;
        values.add(delivery.identifiers.as_deref().map(|all| list(all.iter().map(|id| i64::from(*id)))))
    })
    .await?;
    let retained = group.retained.iter().filter_map(|(topic, retaining)| Some((topic, retaining.as_ref()?)));
    rows(connection, "retained", 5, retained.collect(), |values, (topic, (message, at))| {
        values.add(topic.as_str())?;
        values.add(*at)?;
        values.add_message(message)
    })
    .await
}

/// The sessions with a delta.
fn touched(state: &State) -> impl Iterator<Item = (&str, &Session)> {
    let sessions = state.group.touched.iter();
    sessions.filter_map(|client_id| Some((&**client_id, state.sessions.get(client_id)?)))
}

/// The keys of packet identifiers that came into use, or are not in use any more.
fn packets(session: &Session, begun: bool) -> impl Iterator<Item = i64> {
    let changed = session.delta.incoming.iter().filter(move |(_, in_use)| **in_use == begun);
    changed.map(|(packet, _)| (session.id << PACKET_BITS) | i64::from(*packet))
}

/// The values of some rows.
struct Values(SqliteArguments);

impl Values {
    fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> Result<(), sqlx::Error> {
        self.0.add(value).map_err(sqlx::Error::Encode)
    }

    /// `payload`, `flags` and `details`.
    fn add_message(&mut self, message: &Message) -> Result<(), sqlx::Error> {
        let columns = Columns::of(message).map_err(|error| sqlx::Error::Encode(error.into()))?;
        self.add(columns.payload)?;
        self.add(columns.flags)?;
        self.add(columns.details)
    }
}

/// Writes rows, each replacing the one with its key, so that a group which is in the file although its commit was reported
/// as failed can be written again.
async fn rows<T>(
    connection: &mut SqliteConnection,
    table: &str,
    columns: usize,
    rows: Vec<T>,
    bind: impl Fn(&mut Values, T) -> Result<(), sqlx::Error>,
) -> Result<(), sqlx::Error> {
    let mut left = rows.len();
    let mut rows = rows.into_iter();
    let row = format!("(?{})", ",?".repeat(columns.saturating_sub(1)));
    while let Some(size) = SIZES.into_iter().find(|size| *size <= left) {
        let mut values = Values(SqliteArguments::default());
        values.0.reserve(size * columns, 0);
        for row in rows.by_ref().take(size) {
            bind(&mut values, row)?;
        }
        let more = format!(",{row}").repeat(size - 1);
        // It is made of the names of tables and question marks.
        let text = AssertSqlSafe(format!("INSERT OR REPLACE INTO {table} VALUES {row}{more}"));
        sqlx::query_with(text, values.0).execute(&mut *connection).await?;
        left -= size;
    }
    Ok(())
}

/// Keys as a JSON list, for `json_each`: a list of any length in one statement.
fn list(keys: impl Iterator<Item = i64>) -> String {
    let mut text = String::from("[");
    for key in keys {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&key.to_string());
    }
    text.push(']');
    text
}

/// A number as SQLite keeps it. Nothing that is counted here comes near the limit.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
