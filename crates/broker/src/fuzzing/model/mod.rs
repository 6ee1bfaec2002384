//! The specification as a model: what each client must, may and must not be sent.
//!
//! It is written from the standards and from what ARCHITECTURE.md and the settings promise beyond them, and not from
//! the broker's code: lists that are searched from the front, no queue, no tree, no window. Numbers of statements are
//! those of MQTT 5.0 unless they say otherwise. [`input`] changes it by what happens to the broker; [`output`] holds
//! what the broker sends against it.

mod input;
mod output;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use gatehouse_model::Moment;

use super::schedule::{FILTERS, House, TOPICS, Wish};
use crate::codec::AckKind;
use crate::core::ConnectionId;

/// The largest packet that a client with small packets takes.
pub(super) const SMALL_PACKET: usize = 128;

/// An application message.
#[derive(Debug)]
pub(super) struct Message {
    /// Which message of the schedule it is.
    pub(super) number: u32,
    pub(super) topic: usize,
    pub(super) payload: Bytes,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) expiry: Option<u32>,
    pub(super) publisher: u8,
    /// It carries its number as a user property as well.
    pub(super) numbered: bool,
}

impl Message {
    fn is_big(&self) -> bool {
        self.payload.len() > SMALL_PACKET
    }
}

/// A message that the broker has taken.
#[derive(Clone, Debug)]
struct Taken {
    message: Rc<Message>,
    at: Moment,
    /// Counts what the broker has taken, which is the order of delivery.
    sequence: u64,
    /// How often the broker was started since. Each may round the age of the message by a second.
    restarts: u32,
}

impl Taken {
    /// Whether it has certainly expired, or certainly not.
    fn has_expired(&self, now: Moment) -> Option<bool> {
        let Some(seconds) = self.message.expiry else { return Some(false) };
        let end = self.at + Duration::from_secs(u64::from(seconds));
        match now {
            _ if now < end => Some(false),
            _ if now >= end + Duration::from_secs(u64::from(self.restarts)) => Some(true),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Subscription {
    wish: Wish,
    identifier: Option<u32>,
}

/// Something that a client is to be sent.
#[derive(Clone, Debug)]
struct Delivery {
    taken: Taken,
    qos: u8,
    /// The RETAIN flags that it may have.
    retain: [bool; 2],
    /// Sorted.
    identifiers: Vec<u32>,
    state: State,
    /// It may be left out: a limit was hit.
    optional: bool,
    /// It may have been sent before the broker was started.
    maybe_sent: bool,
    /// It was retained, and is as old as it is.
    is_replay: bool,
}

impl Delivery {
    /// A retained message whose delivery has begun, or may have.
    fn of_replay(replay: Replay, state: State) -> Self {
        Self {
            taken: replay.taken,
            qos: replay.qos,
            retain: [false, true],
            identifiers: replay.identifiers,
            state,
            optional: true,
            maybe_sent: false,
            is_replay: true,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum State {
    Waiting,
    Sent {
        id: u16,
        /// On which connection it was sent last.
        on: Option<ConnectionId>,
        /// PUBREC was received, in this step.
        released: Option<u64>,
    },
}

/// A retained message for a new subscription.
#[derive(Clone, Debug)]
struct Replay {
    filter: usize,
    taken: Taken,
    qos: u8,
    identifiers: Vec<u32>,
    optional: bool,
}

/// The one session of a client.
#[derive(Clone, Debug)]
struct Session {
    /// The step in which it began.
    born: u64,
    link: Option<ConnectionId>,
    expiry: u32,
    subscriptions: BTreeMap<usize, Subscription>,
    deliveries: Vec<Delivery>,
    /// Identifiers of QoS 2 publishes that are begun, with the step that this follows from.
    incoming: BTreeMap<u16, u64>,
    /// Those that were released, likewise.
    released: BTreeMap<u16, u64>,
    ends_at: Option<Moment>,
    will: Option<(Moment, Rc<Message>)>,
    /// The last message of each publisher and topic.
    last: BTreeMap<(u8, usize), u64>,
}

impl Session {
    fn new(born: u64) -> Self {
        Self {
            born,
            link: None,
            expiry: 0,
            subscriptions: BTreeMap::new(),
            deliveries: Vec::new(),
            incoming: BTreeMap::new(),
            released: BTreeMap::new(),
            ends_at: None,
            will: None,
            last: BTreeMap::new(),
        }
    }

    fn lasts(&self) -> bool {
        self.expiry > 0
    }
}

/// What is owed to a client that asked.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    ConnAck {
        session_present: bool,
    },
    /// The reason codes are those that may be told.
    Ack(AckKind, u16, Vec<u8>),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    Pong,
}

/// An open connection.
#[derive(Clone, Debug)]
struct Link {
    client: u8,
    five: bool,
    window: usize,
    receive_maximum: usize,
    small: bool,
    silence: Option<Duration>,
    last_heard: Moment,
    will: Option<(u32, Rc<Message>)>,
    greeted: bool,
    /// In order, each with the step that has to be kept before it is told; 0 is none.
    answers: VecDeque<(Answer, u64)>,
    at_most_once: Vec<Delivery>,
    replays: Vec<Replay>,
    deaf: bool,
    /// What might be dropped.
    missed: BTreeSet<u64>,
    /// The model has closed it, with a reason code that the client is told.
    farewell: Option<Option<u8>>,
    told_farewell: bool,
    /// The newest state of each topic that it was sent.
    states: BTreeMap<usize, u64>,
    /// Its session ended in the round that is going on, and there may be another already.
    session_ended: bool,
    /// The deliveries of that session.
    leftover: Vec<Delivery>,
}

impl Link {
    /// Retained messages of QoS 1 and 2 whose delivery may have begun, so that it may go on with the session.
    fn begun_replays(mut self) -> impl Iterator<Item = Delivery> {
        let surely = std::mem::take(&mut self.replays).into_iter().filter(|replay| replay.qos > 0);
        surely.map(|replay| Delivery::of_replay(replay, State::Waiting))
    }
}

/// What is retained on a topic.
#[derive(Clone, Debug, Default)]
struct Cell {
    now: Option<Taken>,
    /// What a store has that has not written what is lazy.
    solid: Option<Taken>,
}

/// The whole specification of a house at one moment.
#[derive(Clone, Debug)]
pub(super) struct Model {
    house: House,
    pub(super) now: Moment,
    /// Counts the steps.
    pub(super) step: u64,
    sequence: u64,
    /// How often each message was taken. One that is published again looks the same, so that its place in the order
    /// cannot be told.
    times: BTreeMap<u32, u32>,
    sessions: BTreeMap<u8, Session>,
    /// The step in which the last lasting session of a client ended.
    ended: BTreeMap<u8, u64>,
    links: BTreeMap<ConnectionId, Link>,
    retained: BTreeMap<usize, Cell>,
}

/// Whether a filter matches a topic (MQTT 5.0 section 4.7).
fn matches(filter: usize, topic: usize) -> bool {
    fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            (["#"], _) => true,
            (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
            ([level, filter @ ..], [name, topic @ ..]) => level == name && levels_match(filter, topic),
            ([], []) => true,
            _ => false,
        }
    }
    let (filter, topic) = (FILTERS[filter], TOPICS[topic]);
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false; // [MQTT-4.7.2-1]
    }
    levels_match(&filter.split('/').collect::<Vec<_>>(), &topic.split('/').collect::<Vec<_>>())
}

impl Model {
    pub(super) fn new(house: House, now: Moment) -> Self {
        Self {
            house,
            now,
            step: 0,
            sequence: 0,
            times: BTreeMap::new(),
            sessions: BTreeMap::new(),
            ended: BTreeMap::new(),
            links: BTreeMap::new(),
            retained: BTreeMap::new(),
        }
    }

    /// Connected clients, sessions and subscriptions.
    pub(super) fn sizes(&self) -> [usize; 3] {
        [
            self.sessions.values().filter(|session| session.link.is_some()).count(),
            self.sessions.len(),
            self.sessions.values().map(|session| session.subscriptions.len()).sum(),
        ]
    }

    /// Which session a connection belongs to.
    pub(super) fn session_of(&self, connection: ConnectionId) -> Option<u64> {
        let link = self.links.get(&connection)?;
        self.sessions.get(&link.client).map(|session| session.born)
    }

    /// Clients whose session has no connection.
    pub(super) fn away(&self) -> Vec<u8> {
        self.sessions
            .iter()
            .filter(|(_, session)| session.link.is_none())
            .map(|(client, _)| *client)
            .collect()
    }

    /// Whether the keep-alive of a connection is over by then.
    pub(super) fn is_silent_by(&self, then: Moment) -> bool {
        self.links.values().any(|link| {
            link.farewell.is_none() && link.silence.is_some_and(|silence| link.last_heard + silence <= then)
        })
    }

    /// The broker ended without a word. What is lazy was written before, or is lost.
    pub(super) fn forget_lazy(&mut self, lazy_too: bool) {
        for cell in self.retained.values_mut() {
            if !lazy_too {
                cell.now = cell.solid.clone();
            }
            cell.solid = cell.now.clone();
            for taken in [&mut cell.now, &mut cell.solid].into_iter().flatten() {
                taken.restarts += 1;
            }
        }
    }

    /// The broker is started with this state of it.
    pub(super) fn restart(&mut self, now: Moment) {
        self.now = now;
        let mut links = std::mem::take(&mut self.links);
        self.sessions.retain(|_, session| session.lasts());
        for session in self.sessions.values_mut() {
            if let Some(connection) = session.link.take() {
                session.ends_at = Some(now + Duration::from_secs(u64::from(session.expiry)));
                // The connection is lost without a DISCONNECT. [MQTT-3.1.2-8]
                let link = links.remove(&connection);
                let will = link.as_ref().and_then(|link| link.will.clone());
                session.will = will.map(|(delay, message)| {
                    (now + Duration::from_secs(u64::from(delay.min(session.expiry))), message)
                });
                session.deliveries.extend(link.into_iter().flat_map(Link::begun_replays));
            }
            for delivery in &mut session.deliveries {
                delivery.taken.restarts += 1;
                delivery.maybe_sent = true;
                if let State::Sent { on, released, .. } = &mut delivery.state {
                    *on = None;
                    // One that has expired need not be sent again, even though it was sent.
                    delivery.optional |= released.is_none() && delivery.taken.has_expired(now) != Some(false);
                }
            }
        }
    }
}
