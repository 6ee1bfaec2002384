//! What waits for a session is sent, as far as its window and its connection have room: what has to be repeated, the
//! queue, and retained messages for new subscriptions.

use std::sync::Arc;

use gatehouse_model::{Moment, Qos};

use super::expiry::expiry_left;
use super::outgoing::{Delivery, Stage};
use super::retained::Retained;
use super::send::{TooLarge, count_sent, send_again, send_first, write_publish};
use super::sessions::Replayed;
use super::subscriptions::Entry;
use super::{Core, note};
use crate::codec::OutgoingPublish;
use crate::store::Change;

impl Core {
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
        if qos == Qos::AtMostOnce && session.outgoing.has_backlog() {
            // A former state of the topic may wait there, and must not be the last that the client hears.
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
