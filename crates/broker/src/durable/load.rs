//! What a file holds, read back.
//!
//! A file that is damaged is read as far as it can be: each table until its first error, and then without what refers to
//! rows that are gone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use gatehouse_model::{Message, Timestamp, TopicFilter, TopicName};
use sqlx::FromRow;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::record::{Columns, RECEIVED, qos_of, retain_of};
use super::state::{SessionRow, State};
use super::write::PACKET_BITS;
use crate::store::{KeptDelivery, KeptSession, KeptSubscription, KeptWill, RestoredDelivery, Snapshot};

/// What was read: for the core, and what the writer must know to go on.
pub(super) struct Loaded {
    pub(super) snapshot: Snapshot,
    pub(super) state: State,
    /// Rows that were passed over since they cannot be understood, or refer to rows that are not there.
    pub(super) passed_over: u64,
    /// Tables that could not be read to their end.
    pub(super) broken: Vec<(&'static str, sqlx::Error)>,
}

/// How errors are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Any error ends it.
    Strict,
    /// An error ends the table.
    Salvage,
}

/// Reads everything. Ages are told at `now`.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    now: Timestamp,
    care: Care,
) -> Result<Loaded, sqlx::Error> {
    let mut reader = Reader {
        now,
        care,
        topics: HashMap::new(),
        client_ids: HashMap::new(),
        places: HashMap::new(),
        loaded: Loaded {
            snapshot: Snapshot::default(),
            state: State::default(),
            passed_over: 0,
            broken: Vec::new(),
        },
    };
    reader.sessions(connection).await?;
    reader.subscriptions(connection).await?;
    reader.incoming(connection).await?;
    let messages = reader.messages(connection).await?;
    reader.deliveries(connection, messages).await?;
    reader.retained(connection).await?;
    for session in &mut reader.loaded.snapshot.sessions {
        session.deliveries.sort_unstable_by_key(|restored| restored.delivery.number);
    }
    Ok(reader.loaded)
}

struct Reader {
    now: Timestamp,
    care: Care,
    /// Topics that were read: many messages have the same.
    topics: HashMap<String, TopicName>,
    client_ids: HashMap<i64, Arc<str>>,
    /// Where a session is in the snapshot, by its key.
    places: HashMap<i64, usize>,
    loaded: Loaded,
}

/// A message that waits, with its time, and whether a delivery was found for it.
struct Body {
    message: Arc<Message>,
    at: i64,
    found: bool,
}

impl Reader {
    /// Hands each row of a query to `take`, which says whether it could be understood.
    async fn each<T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin>(
        &mut self,
        connection: &mut SqliteConnection,
        table: &'static str,
        text: &'static str,
        mut take: impl FnMut(&mut Self, T) -> Option<()>,
    ) -> Result<(), sqlx::Error> {
        let mut rows = sqlx::query(text).fetch(connection);
        loop {
            let row = match rows.try_next().await {
                Ok(Some(row)) => row,
                Ok(None) => return Ok(()),
                Err(error) if self.care == Care::Salvage => {
                    self.loaded.broken.push((table, error));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            if T::from_row(&row).ok().and_then(|row| take(self, row)).is_none() {
                self.loaded.passed_over += 1;
            }
        }
    }

    fn age(&self, at: i64) -> Duration {
        self.now.saturating_since(Timestamp::from_millis(at))
    }

    fn topic(&mut self, text: String) -> Option<TopicName> {
        if let Some(topic) = self.topics.get(&text) {
            return Some(topic.clone());
        }
        let topic = TopicName::new(text.as_str()).ok()?;
        self.topics.insert(text, topic.clone());
        Some(topic)
    }

    fn session(&mut self, id: i64) -> Option<&mut KeptSession> {
        self.loaded.snapshot.sessions.get_mut(*self.places.get(&id)?)
    }

    async fn sessions(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let text =
            "SELECT id, client_id, user, expiry_seconds, away_since, sent_before FROM session ORDER BY id";
        self.each(
            connection,
            "session",
            text,
            |reader, row: (i64, String, String, u32, Option<i64>, Option<i64>)| {
                let (id, client_id, user, expiry_seconds, away_since, sent_before) = row;
                let (client_id, user): (Arc<str>, Arc<str>) = (client_id.into(), user.into());
                let sent_before = sent_before.and_then(|number| u64::try_from(number).ok());
                let row = SessionRow {
                    user: Arc::clone(&user),
                    expiry_seconds,
                    away_since,
                    sent_before,
                    will: None,
                };
                reader.loaded.state.found_session(Arc::clone(&client_id), id, row);
                reader.places.insert(id, reader.loaded.snapshot.sessions.len());
                reader.client_ids.insert(id, Arc::clone(&client_id));
                let away = away_since.map(|at| reader.age(at));
                reader.loaded.snapshot.sessions.push(KeptSession {
                    client_id,
                    user,
                    expiry_seconds,
                    away,
                    sent_before,
                    will: None,
                    subscriptions: Vec::new(),
                    incoming: Vec::new(),
                    deliveries: Vec::new(),
                });
                Some(())
            },
        )
        .await?;
        let text = "SELECT session, delay_seconds, topic, payload, flags, details FROM will";
        self.each(connection, "will", text, |reader, row: (i64, u32, String, Vec<u8>, i64, String)| {
            let (session, delay_seconds, topic, payload, flags, details) = row;
            let message = Columns { payload, flags, details }.message(reader.topic(topic)?)?;
            let will = KeptWill { message, delay_seconds };
            let client_id = reader.client_ids.get(&session)?;
            if let Some(known) = reader.loaded.state.sessions.get_mut(client_id) {
                known.row.will = Some(Arc::new(will.clone()));
            }
            reader.session(session)?.will = Some(will);
            Some(())
        })
        .await
    }

    async fn subscriptions(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let text = "SELECT session, share, filter, options, identifier FROM subscription";
        self.each(connection, "subscription", text, |reader, row: (i64, String, String, u8, Option<u32>)| {
            let (session, share, filter, options, identifier) = row;
            let share = (!share.is_empty()).then(|| share.into());
            let filter = TopicFilter::new(filter).ok()?;
            let subscription = KeptSubscription { share, filter, options, identifier };
            reader.session(session)?.subscriptions.push(subscription);
            Some(())
        })
        .await
    }

    async fn incoming(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.each(connection, "incoming", "SELECT id FROM incoming", |reader, (id,): (i64,)| {
            let packet = u16::try_from(id & i64::from(u16::MAX)).ok()?;
            reader.session(id >> PACKET_BITS)?.incoming.push(packet);
            Some(())
        })
        .await
    }

    async fn messages(
        &mut self,
        connection: &mut SqliteConnection,
    ) -> Result<HashMap<i64, Body>, sqlx::Error> {
        let mut bodies = HashMap::new();
        let text = "SELECT id, at, topic, payload, flags, details FROM message";
        self.each(connection, "message", text, |reader, row: (i64, i64, String, Vec<u8>, i64, String)| {
            let (id, at, topic, payload, flags, details) = row;
            reader.loaded.state.found_message(id);
            let message = Columns { payload, flags, details }.message(reader.topic(topic)?)?;
            bodies.insert(id, Body { message: Arc::new(message), at, found: false });
            Some(())
        })
        .await?;
        Ok(bodies)
    }

    async fn deliveries(
        &mut self,
        connection: &mut SqliteConnection,
        mut bodies: HashMap<i64, Body>,
    ) -> Result<(), sqlx::Error> {
        let text = "SELECT id, session, number, message, flags, identifiers FROM delivery";
        self.each(connection, "delivery", text, |reader, row: (i64, i64, i64, i64, i64, Option<String>)| {
            let (id, session, number, message, flags, identifiers) = row;
            reader.loaded.state.found_row(id);
            let number = u64::try_from(number).ok()?;
            let qos = qos_of(flags)?;
            let identifiers: Option<Vec<u32>> = match identifiers {
                Some(text) => Some(serde_json::from_str(&text).ok()?),
                None => None,
            };
            let client_id = Arc::clone(reader.client_ids.get(&session)?);
            let body = bodies.get_mut(&message)?;
            let first = !std::mem::replace(&mut body.found, true);
            reader.loaded.state.found_delivery(&client_id, number, id, message, first);
            let age = reader.age(body.at);
            let delivery = KeptDelivery {
                number,
                message: Arc::clone(&body.message),
                qos,
                retain: retain_of(flags),
                identifiers: identifiers.map(Into::into),
            };
            let restored = RestoredDelivery { delivery, received: flags & RECEIVED != 0, age };
            reader.session(session)?.deliveries.push(restored);
            Some(())
        })
        .await?;
        // Nothing leaves a message without a delivery behind; where one is, it goes with the next commit.
        let lost = bodies.into_iter().filter(|(_, body)| !body.found).map(|(id, _)| id);
        self.loaded.state.group.gone_messages.extend(lost);
        Ok(())
    }

    async fn retained(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let text = "SELECT topic, at, payload, flags, details FROM retained";
        self.each(connection, "retained", text, |reader, row: (String, i64, Vec<u8>, i64, String)| {
            let (topic, at, payload, flags, details) = row;
            let message = Columns { payload, flags, details }.message(TopicName::new(topic).ok()?)?;
            let age = reader.age(at);
            reader.loaded.snapshot.retained.push((message, age));
            Some(())
        })
        .await
    }
}
