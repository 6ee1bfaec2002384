//! What is in the file, as far as it must be known to write on, and what the next commit will change.
//!
//! Changes are gathered by what they concern. What cancels out before it was written, such as a message that was
//! delivered meanwhile, leaves nothing behind, and a group in which everything cancelled out needs no commit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use gatehouse_model::{Message, Qos, TopicFilter, TopicName};

use super::record::bytes_of;
use crate::store::{Change, KeptDelivery, KeptSubscription, KeptWill};

/// About how many bytes a gathered change takes besides the message in it.
const CHANGE_BYTES: usize = 96;

/// Finished deliveries between unfinished ones from which on it pays to clear them away.
const LEAST_CLEARED: usize = 64;

/// Everything that is known of the file, and what is to be written.
#[derive(Debug)]
pub(super) struct State {
    pub(super) sessions: HashMap<Arc<str>, Session>,
    /// Messages that several deliveries refer to, with how many do besides the first. The others are not in it: nearly
    /// every message waits for one session.
    shared: HashMap<i64, u32>,
    next_session: i64,
    next_message: i64,
    next_delivery: i64,
    pub(super) group: Group,
    /// Retained messages that wait for the next sweep: what becomes of each topic.
    pub(super) lazy: HashMap<TopicName, Retaining>,
}

/// A message that becomes retained, with its time in milliseconds; nothing when there is to be none.
pub(super) type Retaining = Option<(Arc<Message>, i64)>;

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: i64,
    pub(super) row: SessionRow,
    /// Its unfinished deliveries by growing number, and among them finished ones: they leave when they come first or last,
    /// or when they are the most.
    slots: VecDeque<Slot>,
    /// How many of them are finished.
    finished: usize,
    /// It may be in the file.
    maybe_written: bool,
    pub(super) delta: Delta,
}

/// The row of a session, with its will.
#[derive(Clone, Debug)]
pub(super) struct SessionRow {
    pub(super) user: Arc<str>,
    pub(super) expiry_seconds: u32,
    pub(super) away_since: Option<i64>,
    pub(super) sent_before: Option<u64>,
    pub(super) will: Option<Arc<KeptWill>>,
}

/// What the next commit changes of a session, deliveries apart.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// Its row.
    pub(super) row: bool,
    /// Its will.
    pub(super) will: bool,
    /// Subscriptions by share and filter: what they become, or nothing when they go.
    pub(super) subscriptions: HashMap<(Option<Arc<str>>, TopicFilter), Option<KeptSubscription>>,
    /// Packet identifiers: whether they are in use.
    pub(super) incoming: HashMap<u16, bool>,
}

/// A delivery that may be in the file.
#[derive(Clone, Copy, Debug)]
struct Slot {
    number: u64,
    /// The key of its row; zero when it is finished.
    row: i64,
    message: i64,
}

/// What the next commit writes besides the deltas of sessions.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Sessions that have a delta.
    pub(super) touched: HashSet<Arc<str>>,
    /// Sessions that go, by key.
    pub(super) ended: Vec<i64>,
    /// New messages and deliveries, by key.
    pub(super) messages: BTreeMap<i64, (Arc<Message>, i64)>,
    pub(super) deliveries: BTreeMap<i64, NewDelivery>,
    /// Keys of deliveries that were received.
    pub(super) received: BTreeSet<i64>,
    /// Keys of what goes.
    pub(super) gone_deliveries: Vec<i64>,
    pub(super) gone_messages: Vec<i64>,
    pub(super) retained: HashMap<TopicName, Retaining>,
    /// A commit of this group has failed, and nobody knows how much of it is in the file all the same: of what was in it
    /// then, deliveries and messages with keys below these, what goes is deleted even if the file should not have it. What
    /// came since leaves nothing behind when it goes, however long the disk fails.
    tried_deliveries: i64,
    tried_messages: i64,
}

/// A delivery to be written.
#[derive(Debug)]
pub(super) struct NewDelivery {
    pub(super) session: i64,
    pub(super) number: u64,
    pub(super) message: i64,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) received: bool,
    pub(super) identifiers: Option<Arc<[u32]>>,
}

impl Group {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.has_ends_only() && self.gone_deliveries.is_empty() && self.gone_messages.is_empty()
    }

    /// Whether deliveries that came to their end are all that there is to write.
    pub(super) fn has_ends_only(&self) -> bool {
        self.touched.is_empty()
            && self.ended.is_empty()
            && self.messages.is_empty()
            && self.deliveries.is_empty()
            && self.received.is_empty()
            && self.retained.is_empty()
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            sessions: HashMap::new(),
            shared: HashMap::new(),
            next_session: 1,
            next_message: 1,
            next_delivery: 1,
            group: Group::default(),
            lazy: HashMap::new(),
        }
    }
}

/// About how many bytes of memory changes take, a message that several of them share in a row counted once.
pub(super) fn bytes_of_changes(changes: &[Change]) -> usize {
    let mut last: *const Message = std::ptr::null();
    let mut bytes = 0;
    for change in changes {
        bytes += size_of::<Change>()
            + match change {
                Change::Retained { message, lazily: false }
                | Change::Queued { delivery: KeptDelivery { message, .. }, .. } => {
                    let first = !std::ptr::eq(std::mem::replace(&mut last, Arc::as_ptr(message)), last);
                    if first { bytes_of(message) } else { 0 }
                }
                Change::SessionOpened { will: Some(will), .. } => bytes_of(&will.message),
                _ => 0,
            };
    }
    bytes
}

impl State {
    /// Takes the changes of one round, recorded at `at`.
    pub(super) fn apply(&mut self, at: i64, changes: Vec<Change>) {
        // Sessions that get the same message in a round share it in the file too.
        let mut bodies = HashMap::new();
        for change in changes {
            self.apply_one(at, change, &mut bodies);
        }
    }

    pub(super) fn apply_one(&mut self, at: i64, change: Change, bodies: &mut HashMap<*const Message, i64>) {
        match change {
            Change::Retained { message, lazily: true } => {
                self.lazy.insert(message.topic.clone(), Some((message, at)));
            }
            Change::Retained { message, lazily: false } => {
                self.lazy.remove(&message.topic);
                self.group.retained.insert(message.topic.clone(), Some((message, at)));
            }
            Change::RetainedCleared { topic, lazily: true } => {
                self.lazy.insert(topic, None);
            }
            Change::RetainedCleared { topic, lazily: false } => {
                self.lazy.remove(&topic);
                self.group.retained.insert(topic, None);
            }
            Change::SessionOpened { client_id, user, expiry_seconds, will } => {
                let row = SessionRow { user, expiry_seconds, away_since: None, sent_before: None, will };
                self.open(&client_id, row);
            }
            Change::SessionLeft { client_id, expiry_seconds, sent_before } => {
                let Some(session) = self.touch(&client_id) else { return };
                session.row.expiry_seconds = expiry_seconds;
                session.row.sent_before = Some(sent_before);
                session.row.away_since = Some(at);
                session.delta.row = true;
            }
            Change::WillGone(client_id) => {
                let Some(session) = self.touch(&client_id) else { return };
                session.row.will = None;
                session.delta.will = true;
            }
            Change::SessionEnded(client_id) => self.end(&client_id),
            Change::Subscribed { client_id, subscription } => {
                let Some(session) = self.touch(&client_id) else { return };
                let key = (subscription.share.clone(), subscription.filter.clone());
                session.delta.subscriptions.insert(key, Some(subscription));
            }
            Change::Unsubscribed { client_id, share, filter } => {
                let Some(session) = self.touch(&client_id) else { return };
                session.delta.subscriptions.insert((share, filter), None);
            }
            Change::Queued { client_id, delivery } => self.queue(at, &client_id, delivery, bodies),
            Change::Delivered(client_id, number) => self.deliver(&client_id, number),
            Change::Received(client_id, number) => {
                let Some(slot) = self.sessions.get(&client_id).and_then(|session| session.slot(number))
                else {
                    return;
                };
                match self.group.deliveries.get_mut(&slot.row) {
                    Some(waiting) => waiting.received = true,
                    None => drop(self.group.received.insert(slot.row)),
                }
            }
            Change::IncomingBegun(client_id, packet) => {
                let Some(session) = self.touch(&client_id) else { return };
                session.delta.incoming.insert(packet, true);
            }
            Change::IncomingReleased(client_id, packet) => {
                let Some(session) = self.touch(&client_id) else { return };
                session.delta.incoming.insert(packet, false);
            }
        }
    }

    /// A session whose delta is about to change. A change for a session that is over has no meaning.
    fn touch(&mut self, client_id: &Arc<str>) -> Option<&mut Session> {
        let Some(session) = self.sessions.get_mut(client_id) else {
            tracing::debug!(%client_id, "a change for a session that is not kept is passed over");
            return None;
        };
        if !self.group.touched.contains(client_id) {
            self.group.touched.insert(Arc::clone(client_id));
        }
        Some(session)
    }

    fn open(&mut self, client_id: &Arc<str>, row: SessionRow) {
        if !self.sessions.contains_key(client_id) {
            let session = Session::new(self.next_session, row.clone(), false);
            self.next_session += 1;
            self.sessions.insert(Arc::clone(client_id), session);
        }
        let Some(session) = self.touch(client_id) else { return };
        session.delta.will |= session.row.will.is_some() || row.will.is_some();
        session.delta.row = true;
        session.row = row;
    }

    fn end(&mut self, client_id: &Arc<str>) {
        let Some(session) = self.sessions.remove(client_id) else { return };
        self.group.touched.remove(client_id);
        for slot in session.slots.iter().filter(|slot| slot.row != 0) {
            self.finish(*slot);
        }
        if session.maybe_written {
            self.group.ended.push(session.id);
        }
    }

    fn queue(
        &mut self,
        at: i64,
        client_id: &Arc<str>,
        delivery: KeptDelivery,
        bodies: &mut HashMap<*const Message, i64>,
    ) {
        // A number that is used again takes the place of what had it.
        self.deliver(client_id, delivery.number);
        let Some(session) = self.sessions.get_mut(client_id) else {
            tracing::debug!(%client_id, "a message for a session that is not kept is passed over");
            return;
        };
        let KeptDelivery { number, message, qos, retain, identifiers } = delivery;
        let body = bodies.entry(Arc::as_ptr(&message)).or_insert(0);
        if self.group.messages.contains_key(body) {
            *self.shared.entry(*body).or_insert(0) += 1;
        } else {
            *body = self.next_message;
            self.next_message += 1;
            self.group.messages.insert(*body, (message, at));
        }
        let row = self.next_delivery;
        self.next_delivery += 1;
        session.insert(Slot { number, row, message: *body });
        let waiting = NewDelivery {
            session: session.id,
            number,
            message: *body,
            qos,
            retain,
            received: false,
            identifiers,
        };
        self.group.deliveries.insert(row, waiting);
    }

    fn deliver(&mut self, client_id: &Arc<str>, number: u64) {
        if let Some(slot) = self.sessions.get_mut(client_id).and_then(|session| session.take(number)) {
            self.finish(slot);
        }
    }

    /// Lets a delivery go, and its message when no other delivery has it.
    fn finish(&mut self, slot: Slot) {
        let group = &mut self.group;
        if group.deliveries.remove(&slot.row).is_none() || slot.row < group.tried_deliveries {
            group.gone_deliveries.push(slot.row);
        }
        if let Some(others) = self.shared.get_mut(&slot.message) {
            *others -= 1;
            if *others == 0 {
                self.shared.remove(&slot.message);
            }
            return;
        }
        if group.messages.remove(&slot.message).is_none() || slot.message < group.tried_messages {
            group.gone_messages.push(slot.message);
        }
    }

    /// Puts the lazy changes into the group.
    pub(super) fn sweep(&mut self) {
        for (topic, retaining) in self.lazy.drain() {
            // What was recorded strictly and still waits is older: a strict change takes the lazy one away.
            self.group.retained.insert(topic, retaining);
        }
    }

    /// The group is in the file.
    pub(super) fn committed(&mut self) {
        for client_id in self.group.touched.drain() {
            if let Some(session) = self.sessions.get_mut(&client_id) {
                session.delta = Delta::default();
                session.maybe_written = true;
            }
        }
        self.group = Group::default();
    }

    /// A commit of the group failed; it is kept.
    pub(super) fn failed(&mut self) {
        (self.group.tried_deliveries, self.group.tried_messages) = (self.next_delivery, self.next_message);
        for client_id in &self.group.touched {
            if let Some(session) = self.sessions.get_mut(client_id) {
                session.maybe_written = true;
            }
        }
    }

    /// About how many bytes of memory the group takes.
    pub(super) fn group_bytes(&self) -> usize {
        let group = &self.group;
        let messages: usize = group.messages.values().map(|(message, _)| bytes_of(message)).sum();
        let retained: usize = group.retained.values().flatten().map(|(message, _)| bytes_of(message)).sum();
        let deltas: usize = group
            .touched
            .iter()
            .filter_map(|client_id| self.sessions.get(client_id))
            .map(|session| session.delta.subscriptions.len() + session.delta.incoming.len() + 1)
            .sum();
        let keys = group.ended.len()
            + group.received.len()
            + group.gone_deliveries.len()
            + group.gone_messages.len();
        let changes = group.messages.len() + group.deliveries.len() + group.retained.len() + deltas;
        messages + retained + changes * CHANGE_BYTES + keys * size_of::<i64>()
    }

    /// Notes a session that the file has.
    pub(super) fn found_session(&mut self, client_id: Arc<str>, id: i64, row: SessionRow) {
        self.next_session = self.next_session.max(id + 1);
        self.sessions.insert(client_id, Session::new(id, row, true));
    }

    /// Notes a delivery that the file has. Those of a session come in any order.
    pub(super) fn found_delivery(
        &mut self,
        client_id: &Arc<str>,
        number: u64,
        row: i64,
        message: i64,
        first: bool,
    ) {
        self.next_delivery = self.next_delivery.max(row + 1);
        self.next_message = self.next_message.max(message + 1);
        if !first {
            *self.shared.entry(message).or_insert(0) += 1;
        }
        if let Some(session) = self.sessions.get_mut(client_id) {
            session.insert(Slot { number, row, message });
        }
    }

    /// Notes a message that the file has.
    pub(super) fn found_message(&mut self, id: i64) {
        self.next_message = self.next_message.max(id + 1);
    }

    /// Notes that the file has deliveries up to this key.
    pub(super) fn found_row(&mut self, row: i64) {
        self.next_delivery = self.next_delivery.max(row + 1);
    }
}

impl Session {
    fn new(id: i64, row: SessionRow, maybe_written: bool) -> Self {
        Self { id, row, slots: VecDeque::new(), finished: 0, maybe_written, delta: Delta::default() }
    }

    fn position(&self, number: u64) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&number, |slot| slot.number)
    }

    fn slot(&self, number: u64) -> Option<Slot> {
        let slot = *self.slots.get(self.position(number).ok()?)?;
        (slot.row != 0).then_some(slot)
    }

    fn insert(&mut self, slot: Slot) {
        match self.position(slot.number) {
            Ok(at) => {
                if let Some(place) = self.slots.get_mut(at) {
                    self.finished -= usize::from(place.row == 0);
                    *place = slot;
                }
            }
            // Numbers grow, so this is nearly always the end.
            Err(at) => self.slots.insert(at, slot),
        }
    }

    /// Takes a delivery out.
    fn take(&mut self, number: u64) -> Option<Slot> {
        let at = self.position(number).ok()?;
        let place = self.slots.get_mut(at)?;
        let slot = *place;
        if slot.row == 0 {
            return None;
        }
        place.row = 0;
        self.finished += 1;
        while self.slots.front().is_some_and(|slot| slot.row == 0) {
            self.slots.pop_front();
            self.finished -= 1;
        }
        while self.slots.back().is_some_and(|slot| slot.row == 0) {
            self.slots.pop_back();
            self.finished -= 1;
        }
        // One delivery that its client never acknowledges must not keep the places of all that follow it.
        if self.finished > LEAST_CLEARED && self.finished > self.slots.len() / 2 {
            self.slots.retain(|slot| slot.row != 0);
            self.finished = 0;
        }
        Some(slot)
    }
}

#[cfg(test)]
impl State {
    /// Places that the deliveries of a session take.
    pub(super) fn places_of(&self, client_id: &str) -> usize {
        self.sessions.get(client_id).map_or(0, |session| session.slots.len())
    }
}
