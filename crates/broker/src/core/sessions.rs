//! Sessions, and the connections that some of them have.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use gatehouse_model::{Message, Moment, Origin, TopicFilter, TopicName};

use super::aliases::OutgoingAliases;
use super::outgoing::Outgoing;
use super::retained::Retained;
use super::subscriptions::Entry;
use crate::Rights;
use crate::codec::{Encoder, Wanted, Will};
use crate::store::Ticket;

/// The number of a connection, given by the edge and never used again.
pub(crate) type ConnectionId = u64;

/// How many bytes of a connection are not written yet. The edge keeps it, the core reads it.
pub(crate) trait Gauge: Send + Sync {
    /// Bytes that wait to be written.
    fn unwritten(&self) -> usize;

    /// Bytes that have ever been written: while it grows, the client reads.
    fn written(&self) -> u64;

    /// An empty buffer for bytes that are staged.
    fn spare(&self) -> BytesMut {
        BytesMut::new()
    }
}

/// The state that a client has at the broker, connected or not.
pub(crate) struct Session {
    pub(crate) client_id: Arc<str>,
    pub(crate) user: Arc<str>,
    pub(crate) rights: Rights,
    pub(crate) origin: Origin,
    pub(crate) link: Option<Box<Link>>,
    pub(crate) subscriptions: HashSet<Wanted>,
    pub(crate) outgoing: Outgoing,
    /// Packet identifiers of QoS 2 publishes that the client has begun and not released.
    pub(crate) incoming: HashSet<u16>,
    /// The commit that covers its beginning.
    pub(crate) begun_by: Ticket,
    /// The commit that covers the last change that an answer to its client stood for.
    pub(crate) covered_by: Ticket,
    /// Seconds that it outlives its connection.
    pub(crate) expiry: u32,
    /// When it ends, while its client is away.
    pub(crate) ends_at: Option<Moment>,
    /// When its client left, if it has been here in this run.
    pub(crate) left: Option<Moment>,
    /// Messages for it that were dropped.
    pub(crate) dropped: u64,
    /// A will that waits for its delay.
    pub(crate) pending_will: Option<(Moment, Box<Message>)>,
}

impl Session {
    /// Bytes that are staged for its client.
    pub(crate) fn staged_bytes(&self) -> usize {
        self.link.as_ref().map_or(0, |link| link.staged.len())
    }

    /// Whether it outlives its connection, so that the store has to know of it.
    pub(crate) fn lasts(&self) -> bool {
        self.expiry > 0
    }
}

/// The open connection of a session.
pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    pub(crate) encoder: Encoder,
    /// The protocol's name for people.
    pub(crate) protocol: &'static str,
    /// Seconds; 0 is none.
    pub(crate) keep_alive: u16,
    pub(crate) opened: Moment,
    /// The longest silence allowed: one and a half times the keep-alive. [MQTT-3.1.2-22]
    pub(crate) silence: Option<Duration>,
    /// When the timer for the silence is set.
    pub(crate) silence_due: Moment,
    pub(crate) last_heard: Moment,
    /// QoS 1 and 2 messages that may be on their way at once.
    pub(crate) window: usize,
    /// Topic aliases set for the client.
    pub(crate) aliases: OutgoingAliases,
    pub(crate) will: Option<Box<Will>>,
    /// Bytes for the client that the edge takes at the end of the round.
    pub(crate) staged: BytesMut,
    /// Answers that wait for a commit, in order. The first of a connection is its CONNACK.
    pub(crate) held: VecDeque<(Ticket, BytesMut)>,
    /// The CONNACK is staged. Before it nothing is sent. [MQTT-3.2.0-1]
    pub(crate) greeted: bool,
    /// On the list of sessions for which something waits for a commit.
    pub(crate) holds: bool,
    pub(crate) gauge: Arc<dyn Gauge>,
    /// What the gauge had written when it was last seen to have grown, and when that was.
    pub(crate) progress: (u64, Moment),
    /// Something waits until the client has read more.
    pub(crate) congested: bool,
    /// Retained messages that are still to be sent for new subscriptions.
    pub(crate) replay: Replay,
    /// Noted in the list of sessions with something for the edge.
    pub(crate) noted: bool,
}

impl Link {
    /// Where bytes for the client are staged.
    pub(crate) fn stage(&mut self) -> &mut BytesMut {
        if self.staged.capacity() == 0 {
            self.staged = self.gauge.spare();
        }
        &mut self.staged
    }

    /// Bytes that the client has not taken yet.
    pub(crate) fn backlog(&self) -> usize {
        self.staged.len() + self.gauge.unwritten()
    }

    /// Whether the client reads at all: something was written to it within [`PATIENCE`].
    pub(crate) fn reads(&mut self, now: Moment) -> bool {
        let written = self.gauge.written();
        if written != self.progress.0 {
            self.progress = (written, now);
        }
        now.saturating_since(self.progress.1) < PATIENCE
    }
}

/// How long publishers are slowed down for whoever has stopped to read. Then it is left to itself, and what does not fit
/// into its queue is dropped.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Retained messages on their way to new subscriptions. Only the first subscription in line is expanded, so that a
/// client that subscribes much and reads little costs little.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) current: Option<Replayed>,
    pub(crate) waiting: VecDeque<Wish>,
    /// Topics whose newest state should have been delivered as it happened while retained messages waited, and was
    /// dropped: there the retained message is still news.
    missed: HashSet<TopicName>,
}

/// A new subscription whose retained messages have not been looked up yet.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) filter: TopicFilter,
    pub(crate) entry: Entry,
    /// The number of the last message that was retained before it subscribed. What came later is delivered as it
    /// happens.
    pub(crate) up_to: u64,
}

/// Retained messages for one subscription.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) wish: Wish,
    pub(crate) found: VecDeque<Retained>,
}

/// Topics of missed states that are remembered for one client. It is more than a house has; what is missed beyond it
/// is lost, as every QoS 0 message for a client that does not read is.
const MISSED_TOPICS: usize = 4_096;

impl Replay {
    /// A filter is asked for anew, or not any more: what it still had to get is not due.
    pub(crate) fn forget(&mut self, filter: &TopicFilter) {
        self.waiting.retain(|wish| wish.filter != *filter);
        self.current.take_if(|current| current.wish.filter == *filter);
        self.tidy();
    }

    /// A state was delivered as it happened, or dropped.
    pub(crate) fn note(&mut self, topic: &TopicName, delivered: bool) {
        if self.current.is_none() && self.waiting.is_empty() {
            return;
        }
        if delivered {
            self.missed.remove(topic);
        } else if self.missed.len() < MISSED_TOPICS {
            self.missed.insert(topic.clone());
        }
    }

    /// Whether a message that was retained under `number` is still news to a subscription.
    pub(crate) fn is_news(&self, number: u64, up_to: u64, topic: &TopicName) -> bool {
        number <= up_to || self.missed.contains(topic)
    }

    /// Nothing has to be remembered when nothing waits.
    pub(crate) fn tidy(&mut self) {
        if self.current.is_none() && self.waiting.is_empty() && self.missed.capacity() > 0 {
            self.missed = HashSet::new();
        }
    }
}

/// All sessions, by number, by client identifier and by connection.
#[derive(Default)]
pub(crate) struct Sessions {
    slots: Vec<Option<Box<Session>>>,
    free: Vec<u32>,
    by_client: HashMap<Arc<str>, u32>,
    /// How many each user has.
    by_user: HashMap<Arc<str>, usize>,
    by_connection: HashMap<ConnectionId, u32>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// How many a user has.
    pub(crate) fn of_user(&self, user: &str) -> usize {
        self.by_user.get(user).copied().unwrap_or(0)
    }

    /// How many of them are connected.
    pub(crate) fn connected(&self) -> usize {
        self.by_connection.len()
    }

    pub(crate) fn get(&self, key: u32) -> Option<&Session> {
        self.slots.get(key as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, key: u32) -> Option<&mut Session> {
        self.slots.get_mut(key as usize)?.as_deref_mut()
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<u32> {
        self.by_client.get(client_id).copied()
    }

    pub(crate) fn of_connection(&self, connection: ConnectionId) -> Option<u32> {
        self.by_connection.get(&connection).copied()
    }

    /// The sessions that are connected.
    pub(crate) fn connected_keys(&self) -> Vec<u32> {
        self.by_connection.values().copied().collect()
    }

    /// All sessions.
    pub(crate) fn keys(&self) -> Vec<u32> {
        self.by_client.values().copied().collect()
    }

    /// The sessions of a user.
    pub(crate) fn keys_of(&self, user: &str) -> Vec<u32> {
        let is_theirs = |key: &u32| self.get(*key).is_some_and(|session| &*session.user == user);
        self.by_client.values().copied().filter(is_theirs).collect()
    }

    pub(crate) fn insert(&mut self, session: Session) -> u32 {
        let key = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            // Sessions are bounded by a setting far below 2^32.
            (self.slots.len() - 1) as u32
        });
        self.by_client.insert(Arc::clone(&session.client_id), key);
        *self.by_user.entry(Arc::clone(&session.user)).or_default() += 1;
        if let Some(slot) = self.slots.get_mut(key as usize) {
            *slot = Some(Box::new(session));
        }
        key
    }

    pub(crate) fn remove(&mut self, key: u32) -> Option<Box<Session>> {
        let session = self.slots.get_mut(key as usize)?.take()?;
        self.by_client.remove(&session.client_id);
        match self.by_user.get_mut(&session.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.by_user.remove(&session.user)),
        }
        if let Some(link) = &session.link {
            self.by_connection.remove(&link.connection);
        }
        self.free.push(key);
        Some(session)
    }

    pub(crate) fn open_link(&mut self, key: u32, link: Link) {
        if let Some(session) = self.slots.get_mut(key as usize).and_then(Option::as_mut) {
            self.by_connection.insert(link.connection, key);
            session.link = Some(Box::new(link));
        }
    }

    pub(crate) fn close_link(&mut self, key: u32) -> Option<Box<Link>> {
        let link = self.get_mut(key)?.link.take()?;
        self.by_connection.remove(&link.connection);
        Some(link)
    }
}
