//! A simulated disk: it keeps what the contract of the store says, commits when it is told to, and forgets the rest
//! when the broker ends without a word.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gatehouse_model::{Message, Moment, TopicName};

use crate::Rights;
use crate::core::Restored;
use crate::store::{Change, KeptDelivery, KeptSession, KeptSubscription, KeptWill, RestoredDelivery, Ticket};

/// What was submitted and what is kept of it.
#[derive(Debug, Default)]
pub(super) struct Disk {
    submitted: VecDeque<(Ticket, Moment, Vec<Change>)>,
    sessions: BTreeMap<Arc<str>, Session>,
    /// What is retained, without lazy changes and with them.
    retained: [BTreeMap<TopicName, (Moment, Arc<Message>)>; 2],
}

#[derive(Debug)]
struct Session {
    user: Arc<str>,
    expiry_seconds: u32,
    left: Option<(Moment, u64)>,
    will: Option<Arc<KeptWill>>,
    subscriptions: Vec<KeptSubscription>,
    incoming: Vec<u16>,
    deliveries: BTreeMap<u64, (KeptDelivery, bool, Moment)>,
}

impl Disk {
    pub(super) fn submit(&mut self, now: Moment, ticket: Ticket, changes: Vec<Change>) {
        self.submitted.push_back((ticket, now, changes));
    }

    /// Commits the first rounds that wait; gives the last ticket of them.
    pub(super) fn commit(&mut self, count: usize) -> Result<Option<Ticket>, String> {
        let mut last = None;
        for _ in 0..count {
            let Some((ticket, at, changes)) = self.submitted.pop_front() else { break };
            for change in changes {
                self.keep(at, change)?;
            }
            last = Some(ticket);
        }
        Ok(last)
    }

    /// Whether everything is kept.
    pub(super) fn is_calm(&self) -> bool {
        self.submitted.is_empty()
    }

    /// The broker ends: what was not committed is gone. Gives what the next start finds at `now`, for users with these
    /// rights.
    pub(super) fn crash(&mut self, lazy_too: bool, now: Moment, rights: &Rights) -> Restored {
        self.submitted.clear();
        let which = usize::from(lazy_too);
        self.retained[1 - which] = self.retained[which].clone();
        let retained = self.retained[which]
            .values()
            .map(|(at, message)| (Message::clone(message), now.saturating_since(*at)))
            .collect();
        let sessions = self
            .sessions
            .iter()
            .map(|(client_id, session)| (session.restored(client_id, now), Some(rights.clone())))
            .collect();
        Restored { retained, sessions, warnings: Vec::new() }
    }

    fn session(&mut self, client_id: &Arc<str>) -> Result<&mut Session, String> {
        self.sessions.get_mut(client_id).ok_or_else(|| format!("the store has no session {client_id}"))
    }

    fn keep(&mut self, at: Moment, change: Change) -> Result<(), String> {
        match change {
            Change::Retained { message, lazily } => {
                for retained in &mut self.retained[usize::from(lazily)..] {
                    retained.insert(message.topic.clone(), (at, Arc::clone(&message)));
                }
            }
            Change::RetainedCleared { topic, lazily } => {
                for retained in &mut self.retained[usize::from(lazily)..] {
                    retained.remove(&topic);
                }
            }
            Change::SessionOpened { client_id, user, expiry_seconds, will } => {
                let session = self.sessions.entry(client_id).or_insert_with(|| Session {
                    user: Arc::clone(&user),
                    expiry_seconds,
                    left: None,
                    will: None,
                    subscriptions: Vec::new(),
                    incoming: Vec::new(),
                    deliveries: BTreeMap::new(),
                });
                (session.user, session.expiry_seconds, session.will, session.left) =
                    (user, expiry_seconds, will, None);
            }
            Change::SessionLeft { client_id, expiry_seconds, sent_before } => {
                let session = self.session(&client_id)?;
                (session.expiry_seconds, session.left) = (expiry_seconds, Some((at, sent_before)));
            }
            Change::WillGone(client_id) => self.session(&client_id)?.will = None,
            Change::SessionEnded(client_id) => {
                self.sessions.remove(&client_id).ok_or("the store has no session that ended")?;
            }
            Change::Subscribed { client_id, subscription } => {
                let of_session = &mut self.session(&client_id)?.subscriptions;
                of_session
                    .retain(|one| (&one.share, &one.filter) != (&subscription.share, &subscription.filter));
                of_session.push(subscription);
            }
            Change::Unsubscribed { client_id, share, filter } => {
                let of_session = &mut self.session(&client_id)?.subscriptions;
                of_session.retain(|one| (&one.share, &one.filter) != (&share, &filter));
            }
            Change::Queued { client_id, delivery } => {
                let number = delivery.number;
                if self.session(&client_id)?.deliveries.insert(number, (delivery, false, at)).is_some() {
                    return Err(format!("delivery {number} of {client_id} is kept twice"));
                }
            }
            Change::Delivered(client_id, number) => {
                self.session(&client_id)?.deliveries.remove(&number);
            }
            Change::Received(client_id, number) => {
                if let Some((_, received, _)) = self.session(&client_id)?.deliveries.get_mut(&number) {
                    *received = true;
                }
            }
            Change::IncomingBegun(client_id, id) => self.session(&client_id)?.incoming.push(id),
            Change::IncomingReleased(client_id, id) => {
                self.session(&client_id)?.incoming.retain(|one| *one != id);
            }
        }
        Ok(())
    }
}

impl Session {
    fn restored(&self, client_id: &Arc<str>, now: Moment) -> KeptSession {
        KeptSession {
            client_id: Arc::clone(client_id),
            user: Arc::clone(&self.user),
            expiry_seconds: self.expiry_seconds,
            away: self.left.map(|(at, _)| now.saturating_since(at)),
            sent_before: self.left.map(|(_, before)| before),
            will: self.will.as_deref().cloned(),
            subscriptions: self.subscriptions.clone(),
            incoming: self.incoming.clone(),
            deliveries: self
                .deliveries
                .values()
                .map(|(delivery, received, at)| RestoredDelivery {
                    delivery: delivery.clone(),
                    received: *received,
                    age: now.saturating_since(*at),
                })
                .collect(),
        }
    }
}
