//! The store against real files.

mod changes;
mod damage;
mod failing;
mod model;
mod random;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{
    Clock, ManualClock, Message, Origin, Properties, Qos, Timestamp, TopicFilter, TopicName,
};
use tempfile::TempDir;

use super::*;
use crate::store::{KeptDelivery, KeptSubscription, KeptWill};
use model::Model;

/// Wall-clock time at the start of every test.
const NOW: i64 = 1_795_252_440_000;

/// Longest wait for a commit.
const LIMIT: Duration = Duration::from_secs(30);

/// A directory with a clock.
struct Place {
    directory: TempDir,
    clock: Arc<ManualClock>,
}

impl Place {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(NOW)));
        Self { directory: TempDir::new().unwrap(), clock }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("broker.db")
    }

    async fn open(&self) -> Opening {
        self.open_with(prompt()).await
    }

    async fn open_with(&self, options: StoreOptions) -> Opening {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let mut store = SqliteStore::open(&self.file(), options, clock).await.unwrap();
        let snapshot = store.load().await.unwrap();
        let commits = Box::new(store.commits());
        Opening { store, snapshot, commits, ticket: Ticket(0) }
    }

    /// What a power cut now would leave, in a directory of its own.
    fn power_cut(&self) -> Self {
        let copy = Self { directory: TempDir::new().unwrap(), clock: Arc::clone(&self.clock) };
        for ending in ["", "-wal"] {
            let source = file::beside(&self.file(), ending);
            if source.exists() {
                std::fs::copy(source, file::beside(&copy.file(), ending)).unwrap();
            }
        }
        copy
    }
}

/// Options with which every change is committed at once.
fn prompt() -> StoreOptions {
    StoreOptions { ends_within: Duration::ZERO, ..StoreOptions::default() }
}

/// A store that was opened and loaded.
struct Opening {
    store: SqliteStore,
    snapshot: Snapshot,
    commits: Box<dyn Fn() -> u64>,
    ticket: Ticket,
}

impl Opening {
    /// Submits one round.
    fn submit(&mut self, changes: Vec<Change>) -> Ticket {
        self.ticket = Ticket(self.ticket.0 + 1);
        self.store.submit(self.ticket, changes);
        self.ticket
    }

    /// Waits until everything that was submitted is committed.
    async fn settle(&mut self) {
        if self.ticket > Ticket(0)
            && let Progress::Failing(error) | Progress::Gone(error) =
                self.next(Ticket(self.ticket.0 - 1)).await
        {
            panic!("{error}");
        }
    }

    async fn next(&mut self, after: Ticket) -> Progress {
        tokio::time::timeout(LIMIT, self.store.progress(after)).await.expect("the store tells something")
    }

    async fn commit(&mut self, changes: Vec<Change>) {
        self.submit(changes);
        self.settle().await;
    }

    async fn close(mut self) {
        self.store.close().await.unwrap();
    }
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn message(name: &str, payload: &str) -> Arc<Message> {
    let origin = Origin::Client { client_id: "sender".into(), user: "ana".into() };
    Arc::new(Message::new(topic(name), payload.to_owned(), Qos::AtLeastOnce, false, origin))
}

/// A message with everything that a message can have.
fn rich_message(name: &str) -> Message {
    Message {
        topic: topic(name),
        payload: vec![0, 255, 128, 10].into(),
        qos: Qos::ExactlyOnce,
        retain: true,
        properties: Properties {
            payload_is_utf8: true,
            message_expiry_seconds: Some(u32::MAX),
            content_type: Some("text/plain; übung".into()),
            response_topic: Some(topic("answers/here")),
            correlation_data: Some(vec![0, 1, 255].into()),
            user: vec![("b".into(), "2".into()), ("a".into(), "".into()), ("b".into(), "1".into())],
        },
        origin: Origin::fail_safe("longest \"on\" time"),
    }
}

fn opened(client_id: &str) -> Change {
    Change::SessionOpened {
        client_id: client_id.into(),
        user: "ana".into(),
        expiry_seconds: 3_600,
        will: None,
    }
}

fn left(client_id: &str, sent_before: u64) -> Change {
    Change::SessionLeft { client_id: client_id.into(), expiry_seconds: 60, sent_before }
}

fn subscribed(client_id: &str, share: Option<&str>, filter: &str, options: u8) -> Change {
    let subscription = KeptSubscription {
        share: share.map(Into::into),
        filter: TopicFilter::new(filter).unwrap(),
        options,
        identifier: (options > 1).then_some(7),
    };
    Change::Subscribed { client_id: client_id.into(), subscription }
}

fn queued(client_id: &str, number: u64, message: &Arc<Message>) -> Change {
    let delivery = KeptDelivery {
        number,
        message: Arc::clone(message),
        qos: Qos::AtLeastOnce,
        retain: false,
        identifiers: None,
    };
    Change::Queued { client_id: client_id.into(), delivery }
}

fn delivered(client_id: &str, number: u64) -> Change {
    Change::Delivered(client_id.into(), number)
}

/// The answer of the `sqlite3` tool.
async fn ask<T>(file: &Path, text: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + Send + Unpin,
{
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    let answer = sqlx::query_scalar(text).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}
