//! What outlives the process: the seam at which a durable store takes the place of memory.
//!
//! The core records what a round of packets changed as [`Change`]s and gives the round a [`Ticket`]. The hub hands
//! both to the [`Store`], which commits them when it likes (one commit may cover many rounds). Acknowledgements that
//! stand for changes of a round are held until the store reports its ticket as committed.

use std::sync::Arc;

use async_trait::async_trait;
use gatehouse_model::{Message, TopicFilter, TopicName};

/// The number of a round whose changes are stored together. Tickets only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One thing that has to outlive the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A message becomes the retained one of its topic.
    Retained(Arc<Message>),
    /// A topic has no retained message any more.
    RetainedCleared(TopicName),
    /// A session that outlives its connection begins, empty.
    SessionBegun {
        /// Whose it is.
        client_id: Arc<str>,
        /// Seconds that it lives on after its client has gone.
        expiry_seconds: u32,
    },
    /// A session is over, with all that it held.
    SessionEnded(Arc<str>),
    /// A session subscribed, or changed a subscription.
    Subscribed {
        /// Whose session.
        client_id: Arc<str>,
        /// What it asks for.
        filter: TopicFilter,
        /// Granted QoS, 0 to 2, and the options of MQTT 5, as the byte of a SUBSCRIBE packet (section 3.8.3.1).
        options: u8,
        /// Subscription identifier.
        identifier: Option<u32>,
    },
    /// A session does not ask for a filter any more.
    Unsubscribed(Arc<str>, TopicFilter),
    /// A message waits for a session. Its number orders the messages of that session.
    Queued {
        /// Whose session.
        client_id: Arc<str>,
        /// The number of this delivery in its session.
        number: u64,
        /// The message.
        message: Arc<Message>,
    },
    /// The client has the message: a QoS 1 or 2 delivery came to its end, or the message expired.
    Delivered(Arc<str>, u64),
    /// A QoS 2 delivery was received (PUBREC) and must only be released from now on.
    Received(Arc<str>, u64),
    /// A client began a QoS 2 publish: the packet identifier is in use until it is released.
    IncomingBegun(Arc<str>, u16),
    /// A client released a QoS 2 publish.
    IncomingReleased(Arc<str>, u16),
}

/// What a store kept from the last run. The shape of sessions in it comes with the durable store.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Retained messages.
    pub retained: Vec<Message>,
}

/// Why the store cannot keep its promise.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("the broker's store failed: {0}")]
    Failed(String),
}

/// Keeps what has to outlive the process.
#[async_trait]
pub trait Store: Send {
    /// Whether changes are wanted at all. A store that forgets saves the core the work of recording them.
    fn keeps(&self) -> bool;

    /// What the last run left.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Takes the changes of one round, to be committed together and in order. It returns at once.
    fn submit(&mut self, ticket: Ticket, changes: Vec<Change>);

    /// Waits until every ticket up to some number greater than `after` is committed, and gives that number. It must be
    /// safe to drop the future before it is done.
    ///
    /// # Errors
    /// When the store cannot commit any more; acknowledgements that wait are then never sent.
    async fn committed(&mut self, after: Ticket) -> Result<Ticket, StoreError>;
}

/// Keeps nothing beyond the process: a promise here holds as long as the process does.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStore;

#[async_trait]
impl Store for MemoryStore {
    fn keeps(&self) -> bool {
        false
    }

    async fn load(&mut self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot::default())
    }

    fn submit(&mut self, _ticket: Ticket, _changes: Vec<Change>) {}

    async fn committed(&mut self, _after: Ticket) -> Result<Ticket, StoreError> {
        // Nothing is ever submitted, so nothing is ever waited for.
        std::future::pending().await
    }
}
