//! The broker's own figures: counted by the hub, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The figures at one moment. Counters run from the start of the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How long the broker has been running.
    pub uptime: Duration,
    /// Clients connected over the network.
    pub clients_connected: u64,
    /// Sessions, connected or waiting for their client.
    pub sessions: u64,
    /// Messages published by clients and by parts of the gateway.
    pub messages_received: u64,
    /// Messages delivered to clients and to parts of the gateway.
    pub messages_sent: u64,
    /// Messages that were dropped at a limit: a full queue, a client that does not read, a packet too large for it.
    pub messages_dropped: u64,
    /// Messages that were refused: rights, guard, quota.
    pub messages_refused: u64,
    /// The store cannot write to the disk now: what has to be kept is not acknowledged.
    pub store_failing: bool,
    /// Retained messages, `$SYS` included.
    pub retained_messages: u64,
    /// Subscriptions, in-process ones included.
    pub subscriptions: u64,
    /// Bytes read from the network.
    pub bytes_received: u64,
    /// Bytes written to the network.
    pub bytes_sent: u64,
    /// Connections closed because of what the client sent.
    pub protocol_errors: u64,
    /// Connections whose TLS handshake failed or was not done in time.
    pub tls_failures: u64,
    /// Connections that were given a place, whether or not they logged in.
    pub connections_accepted: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Logins whose client closed the connection while it waited for its turn.
    pub logins_abandoned: u64,
    /// Connections closed at once, because there were as many as there may be, or as many that had not logged in.
    pub connections_refused: u64,
}

/// The same figures while they are being counted.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) clients_connected: AtomicU64,
    pub(crate) sessions: AtomicU64,
    pub(crate) messages_received: AtomicU64,
    pub(crate) messages_sent: AtomicU64,
    pub(crate) messages_dropped: AtomicU64,
    pub(crate) messages_refused: AtomicU64,
    /// 1 while the store fails.
    pub(crate) store_failing: AtomicU64,
    pub(crate) retained_messages: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) protocol_errors: AtomicU64,
    /// Protocol errors before the core knew of the connection.
    pub(crate) handshake_errors: AtomicU64,
    pub(crate) tls_failures: AtomicU64,
    pub(crate) logins_refused: AtomicU64,
    pub(crate) logins_abandoned: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    /// Connections that were given a place.
    pub(crate) connections_accepted: AtomicU64,
}

impl Counters {
    /// Adds to a counter; no order with anything else is promised.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Sets a counter that its one owner keeps elsewhere.
    pub(crate) fn set(counter: &AtomicU64, value: u64) {
        counter.store(value, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self, uptime: Duration) -> Statistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            uptime,
            clients_connected: read(&self.clients_connected),
            sessions: read(&self.sessions),
            messages_received: read(&self.messages_received),
            messages_sent: read(&self.messages_sent),
            messages_dropped: read(&self.messages_dropped),
            messages_refused: read(&self.messages_refused),
            store_failing: read(&self.store_failing) != 0,
            retained_messages: read(&self.retained_messages),
            subscriptions: read(&self.subscriptions),
            bytes_received: read(&self.bytes_received),
            bytes_sent: read(&self.bytes_sent),
            protocol_errors: read(&self.protocol_errors) + read(&self.handshake_errors),
            tls_failures: read(&self.tls_failures),
            connections_accepted: read(&self.connections_accepted),
            logins_refused: read(&self.logins_refused),
            logins_abandoned: read(&self.logins_abandoned),
            connections_refused: read(&self.connections_refused),
        }
    }
}
