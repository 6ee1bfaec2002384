//! A packet comes in from a client.

use std::sync::Arc;

use bytes::BytesMut;
use gatehouse_model::{Message, Moment, Qos};

use super::durability::hold;
use super::outgoing::Stage;
use super::sessions::{ConnectionId, Link};
use super::{Core, Pressure, note};
use crate::RefusalCode;
use crate::codec::{Ack, AckKind, Disconnect, Packet, Publish, Reason, Version};
use crate::store::{Change, Ticket};

/// Commits that the answers to one client wait for one by one; those that come then wait for the latest together.
pub(super) const MOST_HELD_COMMITS: usize = 64;

/// Most bytes of answers to one client that wait for the disk: twice the acknowledgements of as many messages as can be on
/// their way at once (65,535). Who sends on without them while the disk fails would fill the memory.
pub(super) const MOST_HELD_BYTES: usize = 2 * 4 * 65_536;

/// QoS 2 publishes that a client of 3.1.1, which knows no Receive Maximum, may have begun and not released. Each takes
/// some bytes here and a row on the disk, and no client that means well comes near.
const MOST_UNRELEASED: usize = 8_192;

impl Core {
    /// Takes packets of one connection, in order, until they end or the connection does. It gives the pressure at those
    /// whom they were delivered to.
    pub(crate) fn packets(
        &mut self,
        now: Moment,
        connection: ConnectionId,
        packets: impl IntoIterator<Item = Packet>,
    ) -> Pressure {
        self.pressure = Pressure::default();
        let Some(key) = self.sessions.of_connection(connection) else { return self.pressure };
        if let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) {
            link.last_heard = now;
        }
        for packet in packets {
            // A packet may end the connection, and what follows it is then nobody's.
            if self.sessions.of_connection(connection) != Some(key) {
                break;
            }
            self.tally.packets_received += 1;
            self.packet(now, key, packet);
        }
        self.pressure
    }

    fn packet(&mut self, now: Moment, key: u32, packet: Packet) {
        match packet {
            Packet::Publish(publish) => self.publish(now, key, publish),
            Packet::PubAck(id) => self.acknowledged(now, key, id, Qos::AtLeastOnce),
            Packet::PubRec { packet_id, accepted: true } => self.received(key, packet_id),
            Packet::PubRec { packet_id, accepted: false } => {
                self.acknowledged(now, key, packet_id, Qos::ExactlyOnce);
            }
            Packet::PubRel(id) => self.released(key, id),
            Packet::PubComp(id) => self.acknowledged(now, key, id, Qos::ExactlyOnce),
            Packet::Subscribe(subscribe) => self.subscribe(now, key, &subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(now, key, &unsubscribe),
            Packet::PingReq => self.pong(key),
            Packet::Disconnect(disconnect) => self.disconnected(now, key, disconnect),
            // [MQTT-3.1.0-2]
            Packet::Connect => self.reject(now, key, Reason::Protocol, "a second CONNECT"),
            Packet::Auth => {
                self.reject(
                    now,
                    key,
                    Reason::Protocol,
                    "AUTH without an authentication method in the CONNECT",
                );
            }
        }
    }

    /// Stages an answer, or holds it until `ticket` is committed. Answers of one connection keep their order, so one
    /// that waits for nothing still goes behind those that do. [MQTT-4.6.0-2]
    pub(super) fn answer(
        &mut self,
        key: u32,
        ticket: Option<Ticket>,
        write: impl FnOnce(&Link, &mut BytesMut),
    ) {
        let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else { return };
        let waits_for = ticket.or_else(|| link.held.back().map(|(ticket, _)| *ticket));
        let Some(waits_for) = waits_for else { return self.answer_at_once(key, write) };
        self.tally.packets_sent += 1;
        let mut bytes = BytesMut::new();
        write(link, &mut bytes);
        let is_full = link.held.len() >= MOST_HELD_COMMITS;
        match link.held.back_mut() {
            Some((last, held)) if *last == waits_for || is_full => {
                *last = waits_for;
                held.extend_from_slice(&bytes);
            }
            _ => link.held.push_back((waits_for, bytes)),
        }
        if link.held.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > MOST_HELD_BYTES {
            let text = "the client sends on although the broker's disk cannot follow";
            self.doomed.push((link.connection, Reason::QuotaExceeded, text));
        }
        hold(&mut self.holding, key, &mut link.holds);
    }

    /// Stages an answer, whatever waits.
    fn answer_at_once(&mut self, key: u32, write: impl FnOnce(&Link, &mut BytesMut)) {
        let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else { return };
        self.tally.packets_sent += 1;
        let mut staged = std::mem::take(link.stage());
        write(link, &mut staged);
        link.staged = staged;
        note(&mut self.noted, key, &mut link.noted);
        if link.backlog() > self.settings.outbound_bytes.saturating_mul(2) {
            let text = "the client sends but does not read";
            self.doomed.push((link.connection, Reason::QuotaExceeded, text));
        }
    }

    /// A client asks for a sign of life. It stands for nothing that is kept, and a client that got none would take the
    /// broker for dead because its disk is slow; only the CONNACK goes before. [MQTT-3.2.0-1], [MQTT-3.12.4-1]
    fn pong(&mut self, key: u32) {
        let link = self.sessions.get(key).and_then(|session| session.link.as_ref());
        match link.is_some_and(|link| link.greeted) {
            true => self.answer_at_once(key, |link, out| link.encoder.pingresp(out)),
            false => self.answer(key, None, |link, out| link.encoder.pingresp(out)),
        }
    }

    fn answer_ack(&mut self, key: u32, ticket: Option<Ticket>, ack: Ack<'_>) {
        self.answer(key, ticket, |link, out| link.encoder.ack(ack, out));
    }

    /// A client publishes.
    fn publish(&mut self, now: Moment, key: u32, publish: Publish) {
        if let Err((reason, what)) = self.check_publish(&publish) {
            return self.reject(now, key, reason, what);
        }
        let mark = self.journal.mark();
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (qos, packet_id) = (publish.qos, publish.packet_id);
        if qos == Qos::ExactlyOnce && session.incoming.contains(&packet_id) {
            // Sent again because our PUBREC was lost: it has been taken already. [MQTT-4.3.3-10]
            let ack = Ack { kind: AckKind::Received, packet_id, reason: Reason::Success, text: None };
            return self.answer_ack(key, None, ack);
        }
        let version = session.link.as_ref().map_or(Version::V3, |link| link.encoder.version);
        if version == Version::V5
            && qos == Qos::ExactlyOnce
            && session.incoming.len() >= usize::from(self.settings.receive_maximum)
        {
            // [MQTT-3.3.4-7]
            return self.reject(now, key, Reason::ReceiveMaximumExceeded, "too many unreleased messages");
        }
        if qos == Qos::ExactlyOnce && session.incoming.len() >= MOST_UNRELEASED {
            return self.reject(now, key, Reason::QuotaExceeded, "too many unreleased messages");
        }
        self.tally.messages_received += 1;
        self.tally.payload_bytes_received += publish.payload.len() as u64;
        let allowed = session.rights.may_publish(&publish.topic);
        let message = Message {
            topic: publish.topic,
            payload: publish.payload,
            qos,
            retain: publish.retain,
            properties: publish.properties,
            origin: session.origin.clone(),
        };
        let outcome = match (allowed, version) {
            (false, _) => Err(super::publish::not_authorized()),
            // A 3.1.1 client could not be told: its message is taken, and its acknowledgement waits for the disk.
            (true, Version::V3) => self.accept(now, &message, Some(key)),
            (true, Version::V5) => self
                .refuse_what_cannot_be_kept(&message, key)
                .and_then(|()| self.accept(now, &message, Some(key))),
        };
        let refusal = match &outcome {
            Ok(_) => None,
            Err(refusal) => {
                self.tally.messages_refused += 1;
                Some(refusal)
            }
        };
        // 3.1.1 can only be told that the message came; the refusal's own answer tells the rest. [MQTT-3.3.5-2] of 3.1.1
        let refused = refusal.filter(|_| version == Version::V5);
        let reason = match (&outcome, refused) {
            (_, Some(refusal)) => reason_of(refusal.code),
            (Ok(false), None) => Reason::NoMatchingSubscribers,
            _ => Reason::Success,
        };
        if qos == Qos::ExactlyOnce && refused.is_none() {
            self.begin_incoming(key, packet_id);
        }
        let kind = match qos {
            Qos::AtMostOnce => return,
            Qos::AtLeastOnce => AckKind::Published,
            Qos::ExactlyOnce => AckKind::Received,
        };
        let ticket = self.journal.since(mark);
        let text = refused.map(|refusal| refusal.reason.as_str());
        self.answer_ack(key, ticket, Ack { kind, packet_id, reason, text });
    }

    fn begin_incoming(&mut self, key: u32, packet_id: u16) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.incoming.insert(packet_id);
        if session.lasts() {
            let client_id = &session.client_id;
            self.journal.record_for(&mut session.covered_by, || {
                Change::IncomingBegun(Arc::clone(client_id), packet_id)
            });
        }
    }

    /// PUBREL: the client will not send this message again.
    fn released(&mut self, key: u32, packet_id: u16) {
        let mark = self.journal.mark();
        let Some(session) = self.sessions.get_mut(key) else { return };
        let known = session.incoming.remove(&packet_id);
        if session.incoming.is_empty() {
            session.incoming.shrink_to_fit();
        }
        if known && session.lasts() {
            let client_id = &session.client_id;
            self.journal.record_for(&mut session.covered_by, || {
                Change::IncomingReleased(Arc::clone(client_id), packet_id)
            });
        }
        let reason = if known { Reason::Success } else { Reason::PacketIdNotFound };
        let ticket = self.journal.since(mark);
        self.answer_ack(key, ticket, Ack { kind: AckKind::Complete, packet_id, reason, text: None });
    }

    /// PUBREC: the client has a QoS 2 message.
    fn received(&mut self, key: u32, packet_id: u16) {
        let mark = self.journal.mark();
        let Some(session) = self.sessions.get_mut(key) else { return };
        let number = session.outgoing.release(packet_id);
        if let Some(number) = number
            && session.lasts()
        {
            let client_id = &session.client_id;
            self.journal
                .record_for(&mut session.covered_by, || Change::Received(Arc::clone(client_id), number));
        }
        let reason = if number.is_some() { Reason::Success } else { Reason::PacketIdNotFound };
        let ticket = self.journal.since(mark);
        self.answer_ack(key, ticket, Ack { kind: AckKind::Release, packet_id, reason, text: None });
    }

    /// PUBACK, PUBCOMP, or a PUBREC that refuses: a delivery has come to its end, and the next may begin.
    fn acknowledged(&mut self, now: Moment, key: u32, packet_id: u16, qos: Qos) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let fits = session.outgoing.find(packet_id).is_some_and(|one| {
            one.delivery.qos == qos && (qos == Qos::ExactlyOnce || one.stage == Stage::Published)
        });
        if !fits {
            // An acknowledgement of nothing: repeated by the client, or for the session that it had before.
            return;
        }
        if let Some(number) = session.outgoing.finish(packet_id)
            && session.lasts()
        {
            let client_id = &session.client_id;
            self.journal.record_aside(|| Change::Delivered(Arc::clone(client_id), number));
        }
        self.pump(now, key);
    }

    /// The client says goodbye.
    fn disconnected(&mut self, now: Moment, key: u32, disconnect: Disconnect) {
        if let Some(asked) = disconnect.session_expiry {
            let longest = u32::try_from(self.settings.max_session_expiry.as_secs()).unwrap_or(u32::MAX);
            let Some(session) = self.sessions.get_mut(key) else { return };
            if !session.lasts() && asked > 0 {
                // MQTT 5.0 section 3.14.2.2.2
                return self.reject(now, key, Reason::Protocol, "a session expiry that was zero cannot grow");
            }
            let was_kept = session.lasts();
            session.expiry = asked.min(longest);
            if was_kept && !session.lasts() {
                let client_id = &session.client_id;
                self.journal
                    .record_for(&mut session.covered_by, || Change::SessionEnded(Arc::clone(client_id)));
            }
        }
        self.close(now, key, None, disconnect.with_will);
    }
}

fn reason_of(code: RefusalCode) -> Reason {
    match code {
        RefusalCode::Implementation => Reason::Implementation,
        RefusalCode::NotAuthorized => Reason::NotAuthorized,
        RefusalCode::TopicNameInvalid => Reason::TopicNameInvalid,
        RefusalCode::QuotaExceeded => Reason::QuotaExceeded,
        RefusalCode::PayloadFormatInvalid => Reason::PayloadFormatInvalid,
    }
}
