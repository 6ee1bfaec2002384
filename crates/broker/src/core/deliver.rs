//! A message goes out to everybody who asked for it: at once, or into the queue of who cannot take it now.

use std::sync::Arc;

use gatehouse_model::{Message, Moment, Qos, TopicName};

use super::outgoing::{Delivery, Queueing};
use super::publish::compact;
use super::route::{Audience, Target, targets};
use super::send::{TooLarge, count_sent, send_first, write_publish};
use super::subscriptions::Subscriber;
use super::weight::message_bytes;
use super::{Action, Core, Pressure, note};
use crate::Settings;
use crate::codec::{OutgoingPublish, Wanted};
use crate::store::Change;

impl Core {
    /// Everybody who receives what is published to `topic`.
    pub(super) fn route(&mut self, topic: &TopicName) -> Arc<[Target]> {
        if let Some(known) = self.routes.get(topic) {
            return known;
        }
        let mut entries = Vec::new();
        self.subscriptions.matching(topic, &mut entries);
        entries.retain(|entry| match entry.subscriber {
            // Rights of the members of a group are looked at when one is chosen.
            Subscriber::Local(_) | Subscriber::Group(_) => true,
            Subscriber::Session(key) => {
                self.sessions.get(key).is_some_and(|session| session.rights.may_receive(topic))
            }
        });
        let route: Arc<[Target]> = targets(entries).into();
        self.routes.insert(topic.clone(), Arc::clone(&route));
        route
    }

    /// Delivers a message; tells whether there was anybody to deliver it to. `kept` is the same message when it is
    /// being retained, so that it is not copied again.
    pub(super) fn deliver(
        &mut self,
        now: Moment,
        message: &Message,
        mut kept: Option<Arc<Message>>,
        publisher: Option<u32>,
    ) -> bool {
        let route = self.route(&message.topic);
        self.templates.clear();
        let mut somebody = false;
        for target in route.iter() {
            let itself = matches!(target.subscriber, Subscriber::Session(key) if Some(key) == publisher);
            match (target.audience, itself) {
                (Audience::NotThePublisher, true) | (Audience::ThePublisher, false) => continue,
                _ => {}
            }
            let is_one_of_many = route.len() > 1;
            somebody |= match target.subscriber {
                Subscriber::Local(subscription) => {
                    let qos = target.qos.min(message.qos);
                    let shared = kept.get_or_insert_with(|| Arc::new(compact(message)));
                    let delivered = Message { qos, retain: false, ..Message::clone(shared) };
                    let pressure =
                        self.locals.note(now, subscription, message_bytes(message), &self.settings);
                    self.pressure = self.pressure.max(pressure);
                    let is_state = message.retain;
                    self.actions.push(Action::Deliver { subscription, message: delivered, is_state });
                    true
                }
                Subscriber::Session(_) => {
                    self.deliver_to_session(now, target, message, &mut kept, None, is_one_of_many);
                    true
                }
                Subscriber::Group(group) => {
                    self.deliver_shared(now, group, message, &mut kept, is_one_of_many)
                }
            }
        }
        somebody
    }

    /// Gives a message that has just come in to the session of a target.
    pub(super) fn deliver_to_session(
        &mut self,
        now: Moment,
        target: &Target,
        message: &Message,
        kept: &mut Option<Arc<Message>>,
        share: Option<Arc<Wanted>>,
        is_one_of_many: bool,
    ) {
        let Subscriber::Session(key) = target.subscriber else { return };
        if target.qos.min(message.qos) == Qos::AtMostOnce {
            return self.deliver_at_most_once(now, key, target, message, is_one_of_many);
        }
        let kept = Arc::clone(kept.get_or_insert_with(|| Arc::new(compact(message))));
        self.deliver_kept(now, target, kept, now, share, is_one_of_many);
    }

    /// Gives a message that came in at `received` to the session of a target, with QoS 1 or 2.
    pub(super) fn deliver_kept(
        &mut self,
        now: Moment,
        target: &Target,
        message: Arc<Message>,
        received: Moment,
        share: Option<Arc<Wanted>>,
        is_one_of_many: bool,
    ) {
        let Subscriber::Session(key) = target.subscriber else { return };
        let delivery = Delivery {
            number: 0,
            qos: target.qos.min(message.qos),
            retain: target.retain_as_published && message.retain,
            message,
            identifiers: target.identifiers.clone(),
            received,
            share,
            waits_for: None,
        };
        self.deliver_surely(now, key, delivery, is_one_of_many);
    }

    /// QoS 0: to whoever is connected and reads.
    fn deliver_at_most_once(
        &mut self,
        now: Moment,
        key: u32,
        target: &Target,
        message: &Message,
        share: bool,
    ) {
        let limit = self.outbound_limit();
        let Some(session) = self.sessions.get_mut(key) else { return };
        let waits = session.outgoing.has_backlog();
        let Some(link) = session.link.as_mut() else { return };
        if waits || !link.takes_deliveries() {
            // It must not overtake what was published before it.
            return self.deliver_later(now, key, target, message);
        }
        let pressure = Pressure::of(link.backlog(), self.settings.outbound_bytes);
        if pressure > self.pressure && link.reads(now) {
            self.pressure = pressure;
        }
        let drops = link.backlog() > limit;
        if message.retain {
            link.replay.note(&message.topic, !drops);
        }
        if drops {
            return self.count_dropped(key);
        }
        let publish = OutgoingPublish {
            topic: &message.topic,
            payload: &message.payload,
            qos: Qos::AtMostOnce,
            retain: target.retain_as_published && message.retain,
            duplicate: false,
            packet_id: 0,
            properties: &message.properties,
            expiry: message.properties.message_expiry_seconds,
            identifiers: target.identifiers.as_deref().unwrap_or_default(),
        };
        let templates = share.then_some(&mut self.templates);
        let before = link.staged.len();
        match write_publish(link, &publish, templates) {
            Ok(()) => {
                self.staged += link.staged.len() - before;
                count_sent(&mut self.tally, publish.payload.len());
                note(&mut self.noted, key, &mut link.noted);
            }
            Err(TooLarge) => self.count_dropped(key),
        }
    }

    /// QoS 0 to a client for which something waits already: it goes behind that, and is dropped when the queue is more
    /// than half full, so that there is room left for what must not be dropped.
    fn deliver_later(&mut self, now: Moment, key: u32, target: &Target, message: &Message) {
        let limit = self.queue_limit(true) / 2;
        let Some(session) = self.sessions.get_mut(key) else { return };
        let most = self.settings.queued_messages / 2;
        let taken = session.outgoing.takes(message_bytes(message), most, limit) && {
            let delivery = Delivery {
                number: session.outgoing.number(),
                message: Arc::new(compact(message)),
                qos: Qos::AtMostOnce,
                retain: target.retain_as_published && message.retain,
                identifiers: target.identifiers.clone(),
                received: now,
                share: None,
                waits_for: None,
            };
            session.outgoing.enqueue(delivery, most, limit) == Queueing::Queued
        };
        if message.retain
            && let Some(link) = session.link.as_mut()
        {
            link.replay.note(&message.topic, taken);
        }
        if !taken {
            self.count_dropped(key);
        }
    }

    /// A message for a session was dropped.
    pub(super) fn count_dropped(&mut self, key: u32) {
        self.tally.messages_dropped += 1;
        if let Some(session) = self.sessions.get_mut(key) {
            session.dropped += 1;
        }
    }

    /// QoS 1 and 2: now when nothing waits before it, else later. The delivery gets its number here.
    pub(super) fn deliver_surely(&mut self, now: Moment, key: u32, mut delivery: Delivery, share: bool) {
        let (crowded, limit) = (self.is_crowded(), self.outbound_limit());
        let (away, connected) = (self.queue_limit(false), self.queue_limit(true));
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (topic, is_state) = (delivery.message.topic.clone(), delivery.message.retain);
        let bytes = delivery.message.payload.len();
        if session.lasts() && delivery.qos == Qos::ExactlyOnce {
            // Its packet identifier must not be known to the client before it is known to the disk: after a sudden end
            // the client would take another message under the same identifier for this one. [MQTT-4.3.3-2]
            delivery.waits_for = self.journal.current();
        }
        let waits = delivery.waits_for.is_some();
        let mut sends_now = false;
        if let Some(link) = session.link.as_mut()
            && link.takes_deliveries()
            && !waits
            && session.outgoing.has_room(link.window)
        {
            sends_now = link.backlog() <= limit
                && !(crowded && session.outgoing.held_bytes() > Settings::LEAST_SHARE);
            link.congested |= !sends_now;
            note(&mut self.noted, key, &mut link.noted);
        }
        let Settings { queued_messages, queued_bytes, .. } = self.settings;
        let over_share = crowded && session.outgoing.held_bytes() > Settings::LEAST_SHARE;
        let limit = if session.link.is_some() && !over_share { connected } else { away };
        if !sends_now {
            let pressure = session.outgoing.pressure(queued_messages, queued_bytes);
            if pressure > self.pressure && session.link.as_mut().is_some_and(|link| link.reads(now)) {
                self.pressure = pressure;
            }
            if !session.outgoing.takes(message_bytes(&delivery.message), queued_messages, limit) {
                // It takes no number: those of a full queue would come round, and be looked for, for nothing.
                if is_state && let Some(link) = session.link.as_mut() {
                    link.replay.note(&topic, false);
                }
                return self.count_dropped(key);
            }
        }
        delivery.number = session.outgoing.number();
        let kept = (session.lasts() && self.journal.keeps())
            .then(|| (Arc::clone(&session.client_id), delivery.kept()));
        let taken = if sends_now {
            let before = session.staged_bytes();
            let sent = send_first(now, session, delivery, share.then_some(&mut self.templates)).is_ok();
            self.staged += session.staged_bytes() - before;
            sent
        } else {
            session.outgoing.enqueue(delivery, queued_messages, limit) == Queueing::Queued
        };
        if is_state && let Some(link) = session.link.as_mut() {
            link.replay.note(&topic, taken);
        }
        match (taken, sends_now) {
            (false, _) => return self.count_dropped(key),
            (true, true) => count_sent(&mut self.tally, bytes),
            (true, false) => {}
        }
        if waits {
            self.note_holding(key);
        }
        if let Some((client_id, delivery)) = kept {
            self.journal.record(|| Change::Queued { client_id, delivery });
        }
    }
}
