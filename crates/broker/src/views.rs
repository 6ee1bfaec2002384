//! What people want to see of the broker: its clients and what it retains. Taken in one look, so that it fits together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, TopicName};

/// Most retained messages of one [`RetainedPage`], so that a look never holds the broker up.
pub const RETAINED_PER_PAGE: usize = 500;

/// A client, connected or with a session that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientView {
    /// The MQTT client identifier.
    pub client_id: Arc<str>,
    /// The name that it logged in with.
    pub user: Arc<str>,
    /// Its connection, when it is connected.
    pub connection: Option<ConnectionView>,
    /// Time since anything was heard of it; nothing for a session of the last run whose client has not been back.
    pub last_heard: Option<Duration>,
    /// Seconds that the session outlives its connection; 0 is a session that ends with it.
    pub session_expiry_seconds: u32,
    /// Topic filters that it is subscribed to.
    pub subscriptions: usize,
    /// QoS 1 and 2 messages that were sent and are not acknowledged.
    pub in_flight: usize,
    /// Messages that wait to be sent.
    pub queued: usize,
    /// Messages that were dropped since the session began or the broker started: at a limit, or too large for the client.
    pub dropped: u64,
}

/// The connection of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionView {
    /// Where it comes from.
    pub peer: Option<SocketAddr>,
    /// The protocol: `3.1`, `3.1.1` or `5`.
    pub protocol: &'static str,
    /// The keep-alive in force, in seconds; 0 is none.
    pub keep_alive_seconds: u16,
    /// How long it has been connected.
    pub connected_for: Duration,
    /// Whether a last will is published when it is lost.
    pub has_will: bool,
}

/// Some retained messages, ordered by topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RetainedPage {
    /// The messages.
    pub messages: Vec<Arc<Message>>,
    /// Where to go on, when there are more: after this topic.
    pub more_after: Option<TopicName>,
}
