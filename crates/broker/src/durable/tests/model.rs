//! What a store should keep, in the simplest form: maps, changed at once.

use std::collections::BTreeMap;

use crate::store::{KeptSession, RestoredDelivery};

use super::*;

/// A session, with times instead of ages.
#[derive(Clone, Debug)]
struct ModelSession {
    user: Arc<str>,
    expiry_seconds: u32,
    away: Option<i64>,
    sent_before: Option<u64>,
    will: Option<KeptWill>,
    subscriptions: BTreeMap<(Option<Arc<str>>, TopicFilter), KeptSubscription>,
    incoming: BTreeMap<u16, ()>,
    deliveries: BTreeMap<u64, (KeptDelivery, bool, i64)>,
}

/// Everything that a store keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    sessions: BTreeMap<Arc<str>, ModelSession>,
    retained: BTreeMap<TopicName, (Arc<Message>, i64)>,
    lazy: BTreeMap<TopicName, Option<(Arc<Message>, i64)>>,
}

impl Model {
    pub(super) fn apply(&mut self, at: i64, change: &Change) {
        match change.clone() {
            Change::Retained { message, lazily: true } => {
                self.lazy.insert(message.topic.clone(), Some((message, at)));
            }
            Change::Retained { message, lazily: false } => {
                self.lazy.remove(&message.topic);
                self.retained.insert(message.topic.clone(), (message, at));
            }
            Change::RetainedCleared { topic, lazily: true } => {
                self.lazy.insert(topic, None);
            }
            Change::RetainedCleared { topic, lazily: false } => {
                self.lazy.remove(&topic);
                self.retained.remove(&topic);
            }
            Change::SessionOpened { client_id, user, expiry_seconds, will } => {
                let session = self.sessions.entry(client_id).or_insert_with(|| ModelSession {
                    user: "".into(),
                    expiry_seconds: 0,
                    away: None,
                    sent_before: None,
                    will: None,
                    subscriptions: BTreeMap::new(),
                    incoming: BTreeMap::new(),
                    deliveries: BTreeMap::new(),
                });
                session.user = user;
                session.expiry_seconds = expiry_seconds;
                session.will = will.map(|will| (*will).clone());
                session.away = None;
                session.sent_before = None;
            }
            Change::SessionEnded(client_id) => {
                self.sessions.remove(&client_id);
            }
            Change::SessionLeft { client_id, .. }
            | Change::WillGone(client_id)
            | Change::Subscribed { client_id, .. }
            | Change::Unsubscribed { client_id, .. }
            | Change::Queued { client_id, .. }
            | Change::Delivered(client_id, _)
            | Change::Received(client_id, _)
            | Change::IncomingBegun(client_id, _)
            | Change::IncomingReleased(client_id, _) => {
                if let Some(session) = self.sessions.get_mut(&client_id) {
                    session.apply(at, change);
                }
            }
        }
    }

    /// Writes the lazy changes, as a sweep or the end does.
    pub(super) fn sweep(&mut self) {
        for (topic, retaining) in std::mem::take(&mut self.lazy) {
            match retaining {
                Some(kept) => self.retained.insert(topic, kept),
                None => self.retained.remove(&topic),
            };
        }
    }

    /// A power cut takes what nobody waited for.
    pub(super) fn forget_lazy(&mut self) {
        self.lazy.clear();
    }

    /// What a store that was loaded at `now` should give, in the order of [`sorted`].
    pub(super) fn snapshot(&self, now: i64) -> Snapshot {
        let age = |at: i64| Duration::from_millis(u64::try_from(now - at).unwrap_or(0));
        let sessions = self.sessions.iter().map(|(client_id, session)| KeptSession {
            client_id: Arc::clone(client_id),
            user: Arc::clone(&session.user),
            expiry_seconds: session.expiry_seconds,
            away: session.away.map(age),
            sent_before: session.sent_before,
            will: session.will.clone(),
            subscriptions: session.subscriptions.values().cloned().collect(),
            incoming: session.incoming.keys().copied().collect(),
            deliveries: session
                .deliveries
                .values()
                .map(|(delivery, received, at)| RestoredDelivery {
                    delivery: delivery.clone(),
                    received: *received,
                    age: age(*at),
                })
                .collect(),
        });
        Snapshot {
            sessions: sessions.collect(),
            retained: self.retained.values().map(|(message, at)| ((**message).clone(), age(*at))).collect(),
            warnings: Vec::new(),
        }
    }
}

impl ModelSession {
    fn apply(&mut self, at: i64, change: &Change) {
        match change.clone() {
            Change::SessionLeft { expiry_seconds, sent_before, .. } => {
                (self.expiry_seconds, self.sent_before, self.away) =
                    (expiry_seconds, Some(sent_before), Some(at));
            }
            Change::WillGone(_) => self.will = None,
            Change::Subscribed { subscription, .. } => {
                let key = (subscription.share.clone(), subscription.filter.clone());
                self.subscriptions.insert(key, subscription);
            }
            Change::Unsubscribed { share, filter, .. } => {
                self.subscriptions.remove(&(share, filter));
            }
            Change::Queued { delivery, .. } => {
                self.deliveries.insert(delivery.number, (delivery, false, at));
            }
            Change::Delivered(_, number) => {
                self.deliveries.remove(&number);
            }
            Change::Received(_, number) => {
                if let Some(delivery) = self.deliveries.get_mut(&number) {
                    delivery.1 = true;
                }
            }
            Change::IncomingBegun(_, packet) => {
                self.incoming.insert(packet, ());
            }
            Change::IncomingReleased(_, packet) => {
                self.incoming.remove(&packet);
            }
            _ => {}
        }
    }
}

/// A snapshot in an order of its own. The order of deliveries is the store's promise and is left as it is.
pub(super) fn sorted(mut snapshot: Snapshot) -> Snapshot {
    snapshot.sessions.sort_by(|a, b| a.client_id.cmp(&b.client_id));
    for session in &mut snapshot.sessions {
        session.subscriptions.sort_by(|a, b| (&a.share, &a.filter).cmp(&(&b.share, &b.filter)));
        session.incoming.sort_unstable();
    }
    snapshot.retained.sort_by(|a, b| a.0.topic.cmp(&b.0.topic));
    snapshot
}

/// Fails when two snapshots differ.
pub(super) fn assert_same(found: Snapshot, expected: &Snapshot) {
    let found = sorted(found);
    assert_eq!(found.warnings, expected.warnings);
    assert_eq!(found.sessions, expected.sessions);
    assert_eq!(found.retained, expected.retained);
}
