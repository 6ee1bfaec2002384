//! Clients go: their connections are closed, their sessions end, their wills are published, their rights are taken.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Message, Moment, Origin};

use super::sessions::ConnectionId;
use super::timers::Timer;
use super::{Action, Core};
use crate::Rights;
use crate::codec::{Reason, Will};
use crate::store::{Change, Ticket};

impl Core {
    /// The edge lost a connection: the client closed it, or sent what is no packet.
    pub(crate) fn lost(
        &mut self,
        now: Moment,
        connection: ConnectionId,
        error: Option<crate::codec::WireError>,
    ) {
        let Some(key) = self.sessions.of_connection(connection) else { return };
        match error {
            Some(error) => self.reject(now, key, error.reason, error.what),
            None => self.close(now, key, None, true),
        }
    }

    /// Ends a connection because of what its client sent.
    pub(super) fn reject(&mut self, now: Moment, key: u32, reason: Reason, what: &'static str) {
        self.tally.protocol_errors += 1;
        self.close(now, key, Some((reason, what)), true);
    }

    /// Ends the connection of a session, with a DISCONNECT when there is a reason for it, and with or without the will.
    pub(super) fn close(
        &mut self,
        now: Moment,
        key: u32,
        farewell: Option<(Reason, &'static str)>,
        with_will: bool,
    ) {
        let Some(link) = self.sessions.close_link(key) else { return };
        let mut bytes = link.staged;
        // Before its CONNACK a client is told nothing. [MQTT-3.2.0-1]
        if let Some((reason, text)) = farewell.filter(|_| link.greeted) {
            link.encoder.disconnect(reason, text, &mut bytes);
            self.tally.packets_sent += 1;
        }
        self.actions.push(Action::Close { connection: link.connection, bytes });
        if link.silence.is_some() {
            self.timers.cancel(link.silence_due, Timer::KeepAlive(key));
        }
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.outgoing.forget_at_most_once();
        session.left = Some(now);
        let expiry = session.expiry;
        let had_will = link.will.is_some();
        let will = link.will.filter(|_| with_will);
        let origin = session.origin.clone();
        if expiry > 0 {
            let ends_at = now + Duration::from_secs(u64::from(expiry));
            session.ends_at = Some(ends_at);
            self.timers.set(ends_at, Timer::SessionEnd(key));
            let session = &*session;
            self.journal.record_aside(|| Change::SessionLeft {
                client_id: Arc::clone(&session.client_id),
                expiry_seconds: expiry,
                sent_before: session.outgoing.sent_before(),
            });
            if had_will && will.is_none() {
                self.journal.record_aside(|| Change::WillGone(Arc::clone(&session.client_id)));
            }
        }
        if let Some(will) = will {
            let delay = will.delay_seconds.min(expiry);
            let message = Box::new(will_message(*will, origin));
            let at = now + Duration::from_secs(u64::from(delay));
            if let Some(session) = self.sessions.get_mut(key) {
                session.pending_will = Some((at, message));
            }
            if delay == 0 {
                self.publish_pending_will(now, key);
            } else {
                self.timers.set(at, Timer::Will(key));
            }
        }
        if expiry == 0 {
            self.end_session(now, key);
        }
    }

    /// Ends every connection and every session of a user. The ticket, if there is one, has to be committed before it
    /// holds across a restart.
    pub(crate) fn revoke(&mut self, now: Moment, user: &str) -> Option<Ticket> {
        let mark = self.journal.mark();
        for key in self.sessions.keys_of(user) {
            self.close(now, key, Some((Reason::NotAuthorized, "the user's access was revoked")), true);
            // A session that does not outlive its connection is gone by now, and nobody else has its number yet.
            self.end_session(now, key);
        }
        self.journal.since(mark)
    }

    /// Gives every session of a user other rights, by its client identifier. Subscriptions stay; what may not be
    /// received is left out when it is routed, or taken from the queue.
    pub(crate) fn set_rights(&mut self, user: &str, rights: impl Fn(&str) -> Rights) {
        for key in self.sessions.keys_of(user) {
            if let Some(session) = self.sessions.get_mut(key) {
                session.rights = rights(&session.client_id);
            }
        }
        self.routes.forget();
    }

    /// Ends a session with everything that belongs to it. A will that was waiting is published. [MQTT-3.1.2-8]
    pub(super) fn end_session(&mut self, now: Moment, key: u32) {
        self.publish_pending_will(now, key);
        let Some(mut session) = self.sessions.remove(key) else { return };
        for wanted in &session.subscriptions {
            self.take_out(key, wanted);
        }
        self.routes.forget();
        if let Some(at) = session.ends_at {
            self.timers.cancel(at, Timer::SessionEnd(key));
        }
        let mut covered_by = session.covered_by.max(session.begun_by);
        if session.lasts() {
            self.journal.record_for(&mut covered_by, || Change::SessionEnded(Arc::clone(&session.client_id)));
        }
        if covered_by > self.committed {
            self.ended.insert(Arc::clone(&session.client_id), covered_by);
        }
        self.pass_on(now, &mut session.outgoing);
    }

    /// Publishes the will that waits in a session, if there is one, under the rights that its client has.
    pub(super) fn publish_pending_will(&mut self, now: Moment, key: u32) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some((at, message)) = session.pending_will.take() else { return };
        self.timers.cancel(at, Timer::Will(key));
        if session.lasts() {
            let client_id = &session.client_id;
            self.journal.record_aside(|| Change::WillGone(Arc::clone(client_id)));
        }
        let allowed = session.rights.may_publish(&message.topic);
        self.publish_will(now, &message, allowed, Some(key));
    }

    /// Publishes a will that its client is allowed to publish now, or not.
    fn publish_will(&mut self, now: Moment, message: &Message, allowed: bool, publisher: Option<u32>) {
        let outcome = match allowed {
            // One that a store kept may be older than the rules of today.
            true => match self.guard.check_will(message) {
                Ok(()) => self.accept(now, message, publisher),
                Err(refusal) => Err(Box::new(refusal)),
            },
            false => Err(super::publish::not_authorized()),
        };
        if let Err(refusal) = outcome {
            self.tally.messages_refused += 1;
            tracing::debug!(topic = %message.topic, %refusal, "a will was refused");
        }
    }

    /// The timer of a client's keep-alive: it has been silent for too long, or was heard since and gets a new timer.
    pub(super) fn check_silence(&mut self, now: Moment, key: u32) {
        let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else { return };
        let Some(silence) = link.silence else { return };
        if !self.listens {
            link.last_heard = now;
        }
        let due = link.last_heard + silence;
        if due <= now {
            self.close(
                now,
                key,
                Some((Reason::KeepAliveTimeout, "nothing was heard within the keep-alive")),
                true,
            );
        } else {
            link.silence_due = due;
            self.timers.set(due, Timer::KeepAlive(key));
        }
    }

    /// The broker stops: every client is told and disconnected, then all wills are published, those included that
    /// wait for their delay. A client that the broker
    /// disconnects did not say goodbye, so its will is due [MQTT-3.1.2-8]; nobody is left to receive it at once, but
    /// retained topics and waiting sessions tell the truth when the broker is back.
    pub(crate) fn shut_down(&mut self, now: Moment) {
        let mut wills = Vec::new();
        for key in self.sessions.connected_keys() {
            let Some(session) = self.sessions.get_mut(key) else { continue };
            let origin = session.origin.clone();
            let will = session.link.as_mut().and_then(|link| link.will.take());
            if will.is_some() && session.lasts() {
                let client_id = &session.client_id;
                self.journal.record_aside(|| Change::WillGone(Arc::clone(client_id)));
            }
            if let Some(will) = will {
                let allowed = session.rights.may_publish(&will.topic);
                wills.push((will_message(*will, origin), allowed));
            }
            self.close(now, key, Some((Reason::ShuttingDown, "the broker is shutting down")), false);
        }
        for (message, allowed) in wills {
            self.publish_will(now, &message, allowed, None);
        }
        // Those of clients that are away do not wait for their delay: nobody would be left to publish them.
        for key in self.sessions.keys() {
            self.publish_pending_will(now, key);
        }
    }

    /// Lets go the clients that were found to have to go while something else was going on.
    pub(super) fn dismiss_doomed(&mut self, now: Moment) {
        while let Some((connection, reason, text)) = self.doomed.pop() {
            // It may have gone by itself meanwhile, and its session's number may be another's.
            if let Some(key) = self.sessions.of_connection(connection) {
                self.close(now, key, Some((reason, text)), true);
            }
        }
    }
}

pub(super) fn will_message(will: Will, origin: Origin) -> Message {
    Message {
        topic: will.topic,
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
        properties: will.properties,
        origin,
    }
}
