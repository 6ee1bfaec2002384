//! A store that keeps what it commits in memory, so that a test can end a broker at any instant and begin the next one
//! with what was on the disk then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, Moment, TopicName};

use crate::Rights;
use crate::core::Restored;
use crate::store::{Change, KeptDelivery, KeptSession, KeptSubscription, KeptWill, RestoredDelivery};

/// Whether a change may be written later.
pub(super) fn is_lazy(change: &Change) -> bool {
    matches!(change, Change::Retained { lazily: true, .. } | Change::RetainedCleared { lazily: true, .. })
}

/// One session on the disk.
#[derive(Clone, Debug)]
struct Record {
    user: Arc<str>,
    expiry_seconds: u32,
    left: Option<(Moment, u64)>,
    will: Option<KeptWill>,
    subscriptions: Vec<KeptSubscription>,
    incoming: BTreeSet<u16>,
    deliveries: BTreeMap<u64, (KeptDelivery, bool, Moment)>,
}

/// What is on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    retained: BTreeMap<TopicName, (Arc<Message>, Moment)>,
    sessions: BTreeMap<Arc<str>, Record>,
}

impl Kept {
    /// Commits what was handed in at `at`. Lazy changes are never written, which is the most that a sudden end can do to
    /// them. A change of a session that is not there would be a mistake of the core.
    pub(super) fn commit(&mut self, changes: Vec<Change>, at: Moment) {
        for change in changes {
            self.apply(change, at);
        }
    }

    fn session(&mut self, client_id: &Arc<str>) -> &mut Record {
        self.sessions.get_mut(client_id).unwrap_or_else(|| panic!("{client_id} has no session on the disk"))
    }

    fn apply(&mut self, change: Change, at: Moment) {
        match change {
            lazy if is_lazy(&lazy) => {}
            Change::Retained { message, .. } => {
                self.retained.insert(message.topic.clone(), (message, at));
            }
            Change::RetainedCleared { topic, .. } => {
                self.retained.remove(&topic);
            }
            Change::SessionOpened { client_id, user, expiry_seconds, will } => {
                let record = self.sessions.entry(client_id).or_insert_with(|| Record {
                    user: Arc::clone(&user),
                    expiry_seconds,
                    left: None,
                    will: None,
                    subscriptions: Vec::new(),
                    incoming: BTreeSet::new(),
                    deliveries: BTreeMap::new(),
                });
                record.user = user;
                record.expiry_seconds = expiry_seconds;
                record.left = None;
                record.will = will.map(|will| KeptWill::clone(&will));
            }
            Change::SessionLeft { client_id, expiry_seconds, sent_before } => {
                let record = self.session(&client_id);
                record.expiry_seconds = expiry_seconds;
                record.left = Some((at, sent_before));
            }
            Change::WillGone(client_id) => self.session(&client_id).will = None,
            Change::SessionEnded(client_id) => {
                assert!(self.sessions.remove(&client_id).is_some(), "{client_id} was not on the disk");
            }
            Change::Subscribed { client_id, subscription } => {
                let record = self.session(&client_id);
                record.subscriptions.retain(|known| {
                    (&known.share, &known.filter) != (&subscription.share, &subscription.filter)
                });
                record.subscriptions.push(subscription);
            }
            Change::Unsubscribed { client_id, share, filter } => {
                self.session(&client_id)
                    .subscriptions
                    .retain(|known| (&known.share, &known.filter) != (&share, &filter));
            }
            Change::Queued { client_id, delivery } => {
                let number = delivery.number;
                let former = self.session(&client_id).deliveries.insert(number, (delivery, false, at));
                assert!(former.is_none(), "delivery {number} of {client_id} is there already");
            }
            Change::Delivered(client_id, number) => {
                let former = self.session(&client_id).deliveries.remove(&number);
                assert!(former.is_some(), "delivery {number} of {client_id} is not on the disk");
            }
            Change::Received(client_id, number) => {
                let delivery = self.session(&client_id).deliveries.get_mut(&number);
                delivery.expect("a delivery that is received is on the disk").1 = true;
            }
            Change::IncomingBegun(client_id, packet_id) => {
                assert!(self.session(&client_id).incoming.insert(packet_id));
            }
            Change::IncomingReleased(client_id, packet_id) => {
                assert!(self.session(&client_id).incoming.remove(&packet_id));
            }
        }
    }

    /// What the next broker begins with at `now`.
    pub(super) fn restored(&self, now: Moment) -> Restored {
        let age = |at: Moment| now.saturating_since(at);
        let sessions = self.sessions.iter().map(|(client_id, record)| {
            let kept = KeptSession {
                client_id: Arc::clone(client_id),
                user: Arc::clone(&record.user),
                expiry_seconds: record.expiry_seconds,
                away: record.left.map(|(at, _)| age(at)),
                sent_before: record.left.map(|(_, sent_before)| sent_before),
                will: record.will.clone(),
                subscriptions: record.subscriptions.clone(),
                incoming: record.incoming.iter().copied().collect(),
                deliveries: record
                    .deliveries
                    .values()
                    .map(|(delivery, received, at)| RestoredDelivery {
                        delivery: delivery.clone(),
                        received: *received,
                        age: age(*at),
                    })
                    .collect(),
            };
            (kept, Some(Rights::everything()))
        });
        let retained = self.retained.values();
        let retained: Vec<(Message, Duration)> =
            retained.map(|(message, at)| (Message::clone(message), age(*at))).collect();
        Restored { retained, sessions: sessions.collect(), warnings: Vec::new() }
    }
}
