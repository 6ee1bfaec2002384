//! What outlives the process: the seam between the core, which decides, and whoever writes to a disk.
//!
//! The core records what a round of packets changed as [`Change`]s and gives the round a [`Ticket`]. The hub hands
//! both to the [`Store`], which commits them when it likes, in order; one commit may cover many rounds. What may only
//! be said once it is kept (an acknowledgement, a CONNACK, a QoS 2 delivery) is held until the store reports its
//! ticket as committed.
//!
//! Times in here are ages and durations, never moments: a moment means nothing after a restart. A store stamps what it
//! is given with the wall clock when it is given it, and tells ages when it loads; where the wall clock has stepped
//! back meanwhile, an age is zero, so that a wrong clock keeps too much rather than too little.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::{Message, Qos, TopicFilter, TopicName};

/// The number of a round whose changes are stored together. Tickets only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// One thing that has to outlive the process.
///
/// A *lazy* change is one that nobody waits for: a QoS 0 message that is retained promises nothing, and a house full
/// of sensors must not wear its memory card out. A store writes the newest of each topic now and then, and all of them
/// when it is closed. The end of a delivery may wait a moment as well, for something else to be written: nobody is told
/// of it. Every other change belongs to the next commit.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A message becomes the retained one of its topic, and takes the place of whatever was recorded for the topic
    /// before, lazily or not.
    Retained {
        /// The message.
        message: Arc<Message>,
        /// It may be written later.
        lazily: bool,
    },
    /// A topic has no retained message any more.
    RetainedCleared {
        /// Which topic.
        topic: TopicName,
        /// It may be written later: the message has expired, which the next start would see as well.
        lazily: bool,
    },
    /// A session that outlives its connection has its client connected: it begins, or its client is back. What it holds
    /// stays; its user, expiry and will are these from now on, and it is not away.
    SessionOpened {
        /// Whose it is.
        client_id: Arc<str>,
        /// The name that the client logged in with.
        user: Arc<str>,
        /// Seconds that it lives on after its client has gone.
        expiry_seconds: u32,
        /// The will of the connection.
        will: Option<Arc<KeptWill>>,
    },
    /// The client of a session has gone; its expiry counts from now.
    SessionLeft {
        /// Whose session.
        client_id: Arc<str>,
        /// Seconds that it lives on; a DISCONNECT may have changed them.
        expiry_seconds: u32,
        /// Deliveries below this number may have been sent, so that they are repeated as duplicates.
        sent_before: u64,
    },
    /// The will of a session was published, or is not to be published any more.
    WillGone(Arc<str>),
    /// A session is over, with all that it held.
    SessionEnded(Arc<str>),
    /// A session subscribed, or changed a subscription.
    Subscribed {
        /// Whose session.
        client_id: Arc<str>,
        /// What it asks for.
        subscription: KeptSubscription,
    },
    /// A session does not ask for a filter any more.
    Unsubscribed {
        /// Whose session.
        client_id: Arc<str>,
        /// The group of a shared subscription.
        share: Option<Arc<str>>,
        /// The filter.
        filter: TopicFilter,
    },
    /// A message waits for a session, or is on its way to its client.
    Queued {
        /// Whose session.
        client_id: Arc<str>,
        /// The message and how it is delivered. Several sessions share one `Arc` of the message in a round.
        delivery: KeptDelivery,
    },
    /// A delivery came to its end: acknowledged, expired, or given up.
    Delivered(Arc<str>, u64),
    /// A QoS 2 delivery was received (PUBREC) and must only be released (PUBREL) from now on.
    Received(Arc<str>, u64),
    /// A client began a QoS 2 publish: the packet identifier is in use until it is released.
    IncomingBegun(Arc<str>, u16),
    /// A client released a QoS 2 publish.
    IncomingReleased(Arc<str>, u16),
}

/// A will, as it waits in a session.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptWill {
    /// What is published.
    pub message: Message,
    /// Seconds between the loss of the connection and the publishing.
    pub delay_seconds: u32,
}

/// One subscription of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptSubscription {
    /// The group of a shared subscription (`$share/{group}/{filter}`).
    pub share: Option<Arc<str>>,
    /// The filter, without the prefix of a shared subscription.
    pub filter: TopicFilter,
    /// Granted QoS, 0 to 2, and the options of MQTT 5, as the byte of a SUBSCRIBE packet (MQTT 5.0 section 3.8.3.1).
    pub options: u8,
    /// Subscription identifier.
    pub identifier: Option<u32>,
}

/// One delivery of a session that is not finished.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptDelivery {
    /// Orders the deliveries of a session and gives the packet identifier.
    pub number: u64,
    /// The message as it was published.
    pub message: Arc<Message>,
    /// The QoS of the delivery, 1 or 2.
    pub qos: Qos,
    /// The RETAIN flag of the delivery.
    pub retain: bool,
    /// Identifiers of the subscriptions that matched.
    pub identifiers: Option<Arc<[u32]>>,
}

/// What a store kept from the last run.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Retained messages, each with the time since it was recorded.
    pub retained: Vec<(Message, Duration)>,
    /// Sessions.
    pub sessions: Vec<KeptSession>,
    /// What people should know of the store's condition, in sentences: that a damaged file was moved aside, say.
    pub warnings: Vec<String>,
}

/// A session as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptSession {
    /// Whose it is.
    pub client_id: Arc<str>,
    /// The name that the client logged in with.
    pub user: Arc<str>,
    /// Seconds that it lives on after its client has gone.
    pub expiry_seconds: u32,
    /// How long its client has been gone; nothing when it was connected until the end of the last run.
    pub away: Option<Duration>,
    /// Deliveries below this number may have been sent. Of a session that was connected until the end nothing is known.
    pub sent_before: Option<u64>,
    /// A will that is not published yet.
    pub will: Option<KeptWill>,
    /// What it asks for.
    pub subscriptions: Vec<KeptSubscription>,
    /// Packet identifiers of QoS 2 publishes that its client has begun and not released.
    pub incoming: Vec<u16>,
    /// Unfinished deliveries by growing number, with the time since each was recorded.
    pub deliveries: Vec<RestoredDelivery>,
}

/// A delivery as it was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoredDelivery {
    /// The delivery.
    pub delivery: KeptDelivery,
    /// Its client has it (PUBREC), so that only PUBREL is sent.
    pub received: bool,
    /// Time since it was recorded; its message's expiry has run on meanwhile.
    pub age: Duration,
}

/// Why the store cannot keep its promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room on the disk, or a quota is used up.
    #[error("the disk is full: {0}")]
    Full(String),
    /// Reading or writing failed.
    #[error("the broker's store failed: {0}")]
    Failed(String),
}

/// What a store has to tell while it works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Every change up to this ticket is on the disk, but lazy ones; if commits were failing, they work again.
    Committed(Ticket),
    /// A commit failed. The store keeps what it was given and tries again by itself; it tells this once, and next that
    /// something was committed.
    Failing(StoreError),
    /// Whoever writes has died, and nothing will ever be kept again: the broker has to end and be started anew.
    Gone(StoreError),
}

/// Keeps what has to outlive the process.
#[async_trait]
pub trait Store: Send {
    /// Whether changes are wanted at all. A store that forgets saves the core the work of recording them.
    fn keeps(&self) -> bool;

    /// What the last run left. Called once, before anything else.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Takes the changes of one round, to be committed together and in order. It returns at once.
    fn submit(&mut self, ticket: Ticket, changes: Vec<Change>);

    /// About how many bytes of memory the changes take that were submitted and are not committed, lazy ones not counted.
    /// The hub takes nothing in from the network while they are more than [`crate::Settings::uncommitted_bytes`].
    fn uncommitted_bytes(&self) -> usize;

    /// Waits until there is something to tell: tickets greater than `after` are committed, or commits fail. It must be
    /// safe to drop the future before it is done.
    async fn progress(&mut self, after: Ticket) -> Progress;

    /// Commits everything that was submitted, lazy changes too, and closes. Nothing is called after it.
    ///
    /// # Errors
    /// When something could not be committed; it is lost.
    async fn close(&mut self) -> Result<(), StoreError>;
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

    fn uncommitted_bytes(&self) -> usize {
        0
    }

    async fn progress(&mut self, _after: Ticket) -> Progress {
        // Nothing is ever submitted, so nothing is ever waited for.
        std::future::pending().await
    }

    async fn close(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
