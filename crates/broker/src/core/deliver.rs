//! A message goes out: to everybody who asked for it, at once, or from the queue when there is room again.

use std::sync::Arc;

use bytes::BytesMut;
use gatehouse_model::{Message, Moment, Qos, TopicName};

use super::outgoing::{Delivery, InFlight, Queueing, Stage, expiry_left};
use super::publish::compact;
use super::retained::{Retained, message_bytes};
use super::route::{Audience, Target, targets};
use super::sessions::{Link, Replayed, Session};
use super::subscriptions::{Entry, Subscriber};
use super::{Action, Core, Pressure, Tally, note};
use crate::Settings;
use crate::codec::{Ack, AckKind, OutgoingPublish, Reason, TopicAlias, Version, Wanted, set_packet_id};
use crate::store::Change;

/// The encoded forms of the message that is being delivered, so that a fan-out encodes it once for each kind of client.
#[derive(Debug, Default)]
pub(super) struct Templates {
    bytes: BytesMut,
    known: Vec<Template>,
}

#[derive(Clone, Copy, Debug)]
struct Template {
    kind: (Version, Qos, bool),
    start: usize,
    end: usize,
    id_at: usize,
}

impl Templates {
    fn clear(&mut self) {
        self.bytes.clear();
        self.known.clear();
    }

    /// The template for this kind of client, made when there is none yet.
    fn get(&mut self, publish: &OutgoingPublish<'_>, version: Version) -> Option<Template> {
        let kind = (version, publish.qos, publish.retain);
        if let Some(known) = self.known.iter().find(|template| template.kind == kind) {
            return Some(*known);
        }
        let start = self.bytes.len();
        let id_at = publish.encode(version, usize::MAX, &mut self.bytes)?;
        let template = Template { kind, start, end: self.bytes.len(), id_at };
        self.known.push(template);
        Some(template)
    }
}

/// A packet did not fit into what its client takes.
struct TooLarge;

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
    fn count_dropped(&mut self, key: u32) {
        self.tally.messages_dropped += 1;
        if let Some(session) = self.sessions.get_mut(key) {
            session.dropped += 1;
        }
    }

    /// QoS 1 and 2: now when nothing waits before it, else later. The delivery gets its number here.
    fn deliver_surely(&mut self, now: Moment, key: u32, mut delivery: Delivery, share: bool) {
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

    /// The client has read most of what waited for it.
    pub(crate) fn drained(&mut self, now: Moment, connection: super::ConnectionId) {
        let Some(key) = self.sessions.of_connection(connection) else { return };
        if let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) {
            link.congested = false;
        }
        self.pump(now, key);
    }

    /// Sends what waits for a session as far as its window and its connection have room: first what was on its way
    /// when the former connection broke [MQTT-4.4.0-1], then the queue, then retained messages for new subscriptions.
    pub(super) fn pump(&mut self, now: Moment, key: u32) {
        loop {
            let limit = self.outbound_limit();
            let Some(session) = self.sessions.get_mut(key) else { return };
            let Some(link) = session.link.as_mut() else { return };
            if !link.takes_deliveries() {
                return;
            }
            if link.backlog() > limit {
                link.congested = true;
                note(&mut self.noted, key, &mut link.noted);
                return;
            }
            if let Some(repeat) = session.outgoing.next_repeat(link.window) {
                let packet_id = repeat.delivery.packet_id();
                note(&mut self.noted, key, &mut link.noted);
                let allowed = repeat.stage == Stage::Released
                    || session.rights.may_receive(&repeat.delivery.message.topic);
                if allowed && send_again(now, link, repeat).is_ok() {
                    self.tally.packets_sent += 1;
                    continue;
                }
                // The client takes smaller packets than last time, and the message counts as sent [MQTT-3.1.2-25]; or its
                // right has gone. It leaves its place in the window.
                self.tally.messages_dropped += u64::from(allowed);
                let client_id = &session.client_id;
                if let Some(number) = session.outgoing.finish(packet_id).filter(|_| session.expiry > 0) {
                    self.journal.record_aside(|| Change::Delivered(Arc::clone(client_id), number));
                }
            } else if let Some(delivery) = session.outgoing.next_waiting(link.window, self.committed) {
                note(&mut self.noted, key, &mut link.noted);
                let (number, bytes) = (delivery.number, delivery.message.payload.len());
                let lasts = session.lasts() && delivery.qos != Qos::AtMostOnce;
                let expired = delivery.expiry_left(now).is_err();
                // The rights may have changed while it waited.
                let allowed = session.rights.may_receive(&delivery.message.topic);
                let before = session.staged_bytes();
                if allowed && !expired && send_first(now, session, delivery, None).is_ok() {
                    self.staged += session.staged_bytes() - before;
                    count_sent(&mut self.tally, bytes);
                    continue;
                }
                // An expired message has come to its end as its publisher wished; one too large is lost, and counted.
                let client_id = &session.client_id;
                if lasts {
                    self.journal.record_aside(|| Change::Delivered(Arc::clone(client_id), number));
                }
                if !expired {
                    self.count_dropped(key);
                }
            } else if !self.replay_one(now, key) {
                return self.note_waiting(key);
            }
        }
    }

    /// Sends the next retained message that a new subscription asked for. Tells whether there was one that could be
    /// looked at.
    fn replay_one(&mut self, now: Moment, key: u32) -> bool {
        let Some(session) = self.sessions.get_mut(key) else { return false };
        let Some(link) = session.link.as_mut() else { return false };
        let Some(current) = link.replay.current.as_mut() else {
            link.replay.tidy();
            let Some(wish) = link.replay.waiting.pop_front() else { return false };
            let mut found = Vec::new();
            self.retained.matching(&wish.filter, &mut found);
            link.replay.current = Some(Replayed { wish, found: found.into() });
            return true;
        };
        let (entry, up_to) = (current.wish.entry, current.wish.up_to);
        let Some(retained) = current.found.front() else {
            link.replay.current = None;
            return true;
        };
        let qos = entry.options.qos.min(retained.message.qos);
        // Those that wait for a commit are let through as many as fit, so that one commit serves all of them.
        if qos != Qos::AtMostOnce && !session.outgoing.has_place(link.window) {
            return false;
        }
        let Some(known) = current.found.pop_front() else { return false };
        // What has been retained, replaced or cleared since it subscribed was delivered as it happened: sending the
        // former value now would turn back the time, and sending the new one would tell it twice.
        let topic = &known.message.topic;
        let Some(retained) = self.retained.get(topic).cloned() else { return true };
        if !link.replay.is_news(retained.number, up_to, topic) || !session.rights.may_receive(topic) {
            return true;
        }
        link.replay.note(topic, true);
        let qos = entry.options.qos.min(retained.message.qos);
        self.send_retained(now, key, entry, retained, qos);
        true
    }

    fn send_retained(&mut self, now: Moment, key: u32, entry: Entry, retained: Retained, qos: Qos) {
        let Retained { message, received, .. } = retained;
        let Ok(expiry) = expiry_left(&message, received, now) else { return };
        if qos != Qos::AtMostOnce {
            let identifiers = entry.identifier.map(|identifier| [identifier].into());
            let delivery = Delivery {
                number: 0,
                message,
                qos,
                retain: true,
                identifiers,
                received,
                share: None,
                waits_for: None,
            };
            return self.deliver_surely(now, key, delivery, false);
        }
        let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else { return };
        let publish = OutgoingPublish {
            topic: &message.topic,
            payload: &message.payload,
            qos,
            retain: true,
            duplicate: false,
            packet_id: 0,
            properties: &message.properties,
            expiry,
            identifiers: entry.identifier.as_slice(),
        };
        let before = link.staged.len();
        match write_publish(link, &publish, None) {
            Ok(()) => {
                self.staged += link.staged.len() - before;
                count_sent(&mut self.tally, publish.payload.len());
                note(&mut self.noted, key, &mut link.noted);
            }
            Err(TooLarge) => self.count_dropped(key),
        }
    }
}

fn count_sent(tally: &mut Tally, payload_bytes: usize) {
    tally.payload_bytes_sent += payload_bytes as u64;
    tally.packets_sent += 1;
    tally.messages_sent += 1;
}

/// Stages a PUBLISH for one client.
fn write_publish(
    link: &mut Link,
    publish: &OutgoingPublish<'_>,
    templates: Option<&mut Templates>,
) -> Result<(), TooLarge> {
    let written = encode_publish(link, publish, templates);
    if link.staged.is_empty() {
        // The edge does not come for a buffer with nothing in it, and it may be a large one.
        link.staged = BytesMut::new();
    }
    written
}

/// Encodes a PUBLISH, by way of a template when the message goes to many.
fn encode_publish(
    link: &mut Link,
    publish: &OutgoingPublish<'_>,
    templates: Option<&mut Templates>,
) -> Result<(), TooLarge> {
    let limit = link.encoder.max_packet_bytes as usize;
    let version = link.encoder.version;
    // It is written when it leaves, so that what it sets or uses is what holds then: a delivery that waits for the store
    // waits as a message and not as bytes.
    match link.aliases.propose(publish.topic) {
        TopicAlias::None => {}
        alias @ TopicAlias::Use(_) => {
            let written = publish.encode_aliased(version, alias, limit, link.stage());
            return written.map(|_| ()).ok_or(TooLarge);
        }
        alias @ TopicAlias::Set(number) => {
            // It takes three bytes more this time, which may be more than the client takes.
            if publish.encode_aliased(version, alias, limit, link.stage()).is_some() {
                link.aliases.set(number, publish.topic);
                return Ok(());
            }
        }
    }
    let Some(templates) = templates.filter(|_| publish.identifiers.is_empty()) else {
        return publish.encode(version, limit, link.stage()).map(|_| ()).ok_or(TooLarge);
    };
    let template = templates.get(publish, version).ok_or(TooLarge)?;
    if template.end - template.start > limit {
        return Err(TooLarge);
    }
    let start = link.staged.len();
    link.stage().extend_from_slice(&templates.bytes[template.start..template.end]);
    if publish.qos != Qos::AtMostOnce {
        set_packet_id(&mut link.staged, start, template.id_at, publish.packet_id);
    }
    Ok(())
}

/// Sends a delivery for the first time and notes it as on its way.
fn send_first(
    now: Moment,
    session: &mut Session,
    delivery: Delivery,
    templates: Option<&mut Templates>,
) -> Result<(), TooLarge> {
    let Some(link) = session.link.as_mut() else { return Ok(()) };
    let publish = OutgoingPublish {
        topic: &delivery.message.topic,
        payload: &delivery.message.payload,
        qos: delivery.qos,
        retain: delivery.retain,
        duplicate: false,
        packet_id: delivery.packet_id(),
        properties: &delivery.message.properties,
        expiry: delivery.expiry_left(now).unwrap_or_default(),
        identifiers: delivery.identifiers.as_deref().unwrap_or_default(),
    };
    write_publish(link, &publish, templates)?;
    if delivery.qos != Qos::AtMostOnce {
        session.outgoing.begin(delivery);
    }
    Ok(())
}

/// Sends a delivery again on a new connection: PUBLISH with DUP [MQTT-3.3.1-1], or PUBREL when the client has it.
fn send_again(now: Moment, link: &mut Link, repeat: &InFlight) -> Result<(), TooLarge> {
    let packet_id = repeat.delivery.packet_id();
    if repeat.stage == Stage::Released {
        let ack = Ack { kind: AckKind::Release, packet_id, reason: Reason::Success, text: None };
        // That it was received may be what the answers wait for.
        let Link { encoder, held, staged, .. } = link;
        encoder.ack(ack, held.back_mut().map_or(staged, |(_, bytes)| bytes));
        return Ok(());
    }
    let delivery = &repeat.delivery;
    let publish = OutgoingPublish {
        topic: &delivery.message.topic,
        payload: &delivery.message.payload,
        qos: delivery.qos,
        retain: delivery.retain,
        duplicate: true,
        packet_id,
        properties: &delivery.message.properties,
        // A delivery that has begun is finished even when its expiry has passed (MQTT 5.0 section 3.3.2.3.3).
        expiry: delivery.expiry_left(now).unwrap_or(Some(0)),
        identifiers: delivery.identifiers.as_deref().unwrap_or_default(),
    };
    write_publish(link, &publish, None)
}
