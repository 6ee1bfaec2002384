//! Clients come and go: sessions begin, are taken over, resumed and ended, and wills are published.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use gatehouse_model::{Message, Moment, Origin};

use super::aliases::OutgoingAliases;
use super::outgoing::Outgoing;
use super::sessions::{ConnectionId, Gauge, Link, Replay, Session};
use super::timers::Timer;
use super::{Action, Core};
use crate::codec::{ConnAck, Connect, Encoder, Reason, Version, Will};
use crate::store::{Change, KeptWill, Ticket};
use crate::{Identity, Rights};

/// A keep-alive that is missed by half is a client that is gone. [MQTT-3.1.2-22]
const SILENCE_PERCENT: u64 = 150;

impl Core {
    /// A client whose login was accepted. The answer, and everything that waited for it, is staged.
    pub(crate) fn connect(
        &mut self,
        now: Moment,
        connection: ConnectionId,
        mut connect: Connect,
        identity: Identity,
        gauge: Arc<dyn Gauge>,
    ) {
        self.tally.packets_received += 1;
        let assigned = connect.client_id.is_empty();
        if assigned {
            connect.client_id = self.new_client_id();
        }
        if let Err((reason, text)) = self.check_connect(&connect, &identity) {
            return self.refuse(connection, Encoder::of(&connect), reason, text);
        }
        if let Some(reason) = self.trouble_reason()
            && connect.session_expiry > 0
            && !self.finds_kept_session(&connect, &identity)
        {
            let text = "the gateway cannot write to its disk, so that no session can be begun that lasts";
            return self.refuse(connection, Encoder::of(&connect), reason, text);
        }
        let encoder = Encoder::of(&connect);
        if self.connack(&connect, assigned, false).is_empty() {
            let text = "the answer is larger than the packets that the client takes";
            return self.refuse(connection, encoder, Reason::PacketTooLarge, text);
        }
        let mark = self.journal.mark();
        let session_present = self.make_way(now, &connect, &identity);
        let key = match self.sessions.find(&connect.client_id) {
            Some(key) => key,
            None => self.begin_session(&connect, &identity),
        };
        let (keep_alive, _) = self.granted_keep_alive(&connect);
        let silence = (keep_alive > 0)
            .then(|| Duration::from_millis(u64::from(keep_alive) * 1_000 * SILENCE_PERCENT / 100));
        let expiry = self.granted_expiry(connect.session_expiry);
        let connack = self.connack(&connect, assigned, session_present);
        self.tally.packets_sent += 1;
        let link = Link {
            connection,
            encoder,
            protocol: protocol_name(connect.level),
            keep_alive,
            opened: now,
            silence,
            silence_due: now + silence.unwrap_or_default(),
            last_heard: now,
            window: self.window().min(usize::from(connect.receive_maximum)).max(1),
            aliases: OutgoingAliases::new(
                connect.topic_alias_maximum.min(self.settings.outgoing_topic_aliases),
            ),
            will: connect.will.map(Box::new),
            staged: BytesMut::new(),
            held: VecDeque::new(),
            greeted: false,
            holds: false,
            gauge,
            progress: (0, now),
            congested: false,
            replay: Replay::default(),
            noted: true,
        };
        if silence.is_some() {
            self.timers.set(link.silence_due, Timer::KeepAlive(key));
        }
        self.noted.push(key);
        self.sessions.open_link(key, link);
        self.tally.connections += 1;
        self.tally.most_connected = self.tally.most_connected.max(self.sessions.connected());
        self.adopt(key, identity, expiry, session_present);
        // What the last connection changed has to be kept before this one is told anything that follows from it: a PUBREL
        // that is sent again is answered at once, and the packet identifier is free then. That the session is there
        // follows from its beginning.
        let covered_by = self.sessions.get(key).map(|session| session.covered_by.max(session.begun_by));
        let covered_by = covered_by.filter(|ticket| *ticket > self.committed);
        if self.trouble.is_none() {
            self.greet(key, self.journal.since(mark).max(covered_by), connack);
        } else {
            // While nothing can be kept a session that is kept already goes on, and what changed in it by this connection
            // is kept later. Only what follows from the last connection waits.
            self.greet(key, None, connack);
            self.hold_answers(key, covered_by);
        }
        self.pump(now, key);
    }

    /// Whether the client would go on with a session that is on the disk.
    fn finds_kept_session(&self, connect: &Connect, identity: &Identity) -> bool {
        let session = self.sessions.find(&connect.client_id).and_then(|key| self.sessions.get(key));
        session.is_some_and(|session| {
            resumes(connect, identity, session) && session.lasts() && session.begun_by <= self.committed
        })
    }

    /// Stages the CONNACK, or holds it until the session that it tells of is kept.
    fn greet(&mut self, key: u32, ticket: Option<Ticket>, connack: BytesMut) {
        let Some(link) = self.sessions.get_mut(key).and_then(|session| session.link.as_mut()) else { return };
        match ticket {
            None => {
                link.staged = connack;
                link.greeted = true;
            }
            Some(ticket) => {
                link.held.push_back((ticket, connack));
                self.note_holding(key);
            }
        }
    }

    /// What keeps a client out although its login is good.
    fn check_connect(&self, connect: &Connect, identity: &Identity) -> Result<(), (Reason, &'static str)> {
        if connect.client_id.len() > self.settings.max_client_id_bytes {
            return Err((Reason::ClientIdInvalid, "the client identifier is too long"));
        }
        if let Some(will) = &connect.will {
            self.check_will(will)?;
        }
        if let Some(will) = &connect.will
            && (will.topic.as_str().starts_with(super::publish::OWN_TOPICS)
                || !identity.rights.may_publish(&will.topic))
        {
            return Err((Reason::NotAuthorized, "the topic of the will may not be published to"));
        }
        if let Some(will) = &connect.will {
            let origin = Origin::Client {
                client_id: Arc::clone(&connect.client_id),
                user: Arc::clone(&identity.user),
            };
            if let Err(refusal) = self.guard.check_will(&will_message(will.clone(), origin)) {
                tracing::debug!(client_id = %connect.client_id, %refusal, "a will was refused");
                return Err((
                    Reason::NotAuthorized,
                    "the last will is none that may be left here: see the guide",
                ));
            }
        }
        self.check_room_for_session(connect, identity)
    }

    /// Whether there is room for the session that the client asks for. One that ends with its connection always has: else
    /// a user who leaves many sessions behind would lock out everybody, for as long as they last.
    fn check_room_for_session(
        &self,
        connect: &Connect,
        identity: &Identity,
    ) -> Result<(), (Reason, &'static str)> {
        if self.granted_expiry(connect.session_expiry) == 0 {
            return Ok(());
        }
        let before = self.sessions.find(&connect.client_id).and_then(|key| self.sessions.get(key));
        let before = before.filter(|session| session.lasts());
        if before.is_none() && self.sessions.len() >= self.settings.max_sessions {
            return Err((Reason::QuotaExceeded, "the broker keeps as many sessions as it may"));
        }
        if before.is_none_or(|session| session.user != identity.user)
            && self.sessions.of_user(&identity.user) >= self.settings.sessions_per_user
        {
            return Err((
                Reason::QuotaExceeded,
                "the broker keeps as many sessions of this user as it may: see to clients that choose another identifier each time",
            ));
        }
        Ok(())
    }

    /// The answer to a client that is let in, or nothing when it takes no packets as large as that. [MQTT-3.1.2-24]
    fn connack(&self, connect: &Connect, assigned: bool, session_present: bool) -> BytesMut {
        let (_, imposed) = self.granted_keep_alive(connect);
        let expiry = self.granted_expiry(connect.session_expiry);
        let ack = ConnAck {
            session_present,
            assigned_client_id: assigned.then(|| connect.client_id.to_string()),
            session_expiry: (expiry != connect.session_expiry).then_some(expiry),
            server_keep_alive: imposed,
            settings: &self.settings,
        };
        let mut bytes = BytesMut::new();
        Encoder::of(connect).connack(ack, &mut bytes);
        bytes
    }

    /// Answers a CONNECT with a refusal and closes.
    pub(crate) fn refuse(&mut self, connection: ConnectionId, encoder: Encoder, reason: Reason, text: &str) {
        let mut bytes = BytesMut::new();
        encoder.connection_refused(reason, text, &mut bytes);
        self.tally.packets_sent += 1;
        self.actions.push(Action::Close { connection, bytes });
    }

    /// Clears the way for a client: ends the connection that its session may have [MQTT-3.1.4-3], and the session
    /// when the client wants a new one. A session of another user is never resumed, since its messages are not this
    /// user's to read. Tells whether the client finds its session again.
    fn make_way(&mut self, now: Moment, connect: &Connect, identity: &Identity) -> bool {
        let Some(key) = self.sessions.find(&connect.client_id) else { return false };
        let Some(session) = self.sessions.get(key) else { return false };
        let resumes = resumes(connect, identity, session);
        if session.link.is_some() {
            self.close(
                now,
                key,
                Some((Reason::SessionTakenOver, "another client has the same identifier")),
                true,
            );
        }
        if !resumes {
            self.end_session(now, key);
        }
        // A session that does not outlive its connection ended with it.
        self.sessions.get(key).is_some_and(|session| session.client_id == connect.client_id)
    }

    fn begin_session(&mut self, connect: &Connect, identity: &Identity) -> u32 {
        let client_id = Arc::clone(&connect.client_id);
        let user = Arc::clone(&identity.user);
        self.sessions.insert(Session {
            origin: Origin::Client { client_id: Arc::clone(&client_id), user: Arc::clone(&user) },
            client_id,
            user,
            rights: identity.rights.clone(),
            link: None,
            subscriptions: HashSet::new(),
            outgoing: Outgoing::new(self.meter.clone()),
            incoming: HashSet::new(),
            begun_by: Ticket::default(),
            // A session that is told of before the end of the former is kept would give place to that one again.
            covered_by: self.ended.remove(&connect.client_id).unwrap_or_default(),
            expiry: 0,
            ends_at: None,
            left: None,
            dropped: 0,
            pending_will: None,
        })
    }

    /// The session has its client back: nothing of it ends any more, and everything on its way is sent again.
    fn adopt(&mut self, key: u32, identity: Identity, expiry: u32, is_resumed: bool) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if let Some(at) = session.ends_at.take() {
            self.timers.cancel(at, Timer::SessionEnd(key));
        }
        if let Some((at, _)) = session.pending_will.take() {
            // [MQTT-3.1.3-9]
            self.timers.cancel(at, Timer::Will(key));
        }
        if session.rights != identity.rights {
            session.rights = identity.rights;
            self.routes.forget();
        }
        session.outgoing.restart();
        let was_kept = session.lasts();
        let has_will = session.link.as_ref().is_some_and(|link| link.will.is_some());
        let is_news = !is_resumed || has_will || session.expiry != expiry;
        session.expiry = expiry;
        if session.lasts() {
            // The client of a session that is kept already is told nothing new, unless it left a will or is granted another
            // expiry: the CONNACK stands for those.
            match is_news {
                true => self.journal.record(|| opened(session)),
                false => self.journal.record_aside(|| opened(session)),
            }
            if !is_resumed {
                session.begun_by = self.journal.current().unwrap_or_default();
            }
        } else if was_kept {
            let client_id = &session.client_id;
            self.journal.record_for(&mut session.covered_by, || Change::SessionEnded(Arc::clone(client_id)));
        }
    }

    fn new_client_id(&self) -> Arc<str> {
        let mut bytes = [0; 8];
        self.randomness.fill(&mut bytes);
        format!("gatehouse-{:016x}", u64::from_le_bytes(bytes)).into()
    }

    /// The keep-alive in force, and the one to tell the client when it asked for another.
    fn granted_keep_alive(&self, connect: &Connect) -> (u16, Option<u16>) {
        let longest = self.settings.max_keep_alive_seconds;
        let asked = connect.keep_alive;
        // 3.1.1 has no way to tell the client, so there it gets what it asks for.
        if longest == 0 || connect.version == Version::V3 || (asked > 0 && asked <= longest) {
            (asked, None)
        } else {
            (longest, Some(longest))
        }
    }

    fn granted_expiry(&self, asked: u32) -> u32 {
        let longest = u32::try_from(self.settings.max_session_expiry.as_secs()).unwrap_or(u32::MAX);
        asked.min(longest)
    }

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

/// The protocol levels of the CONNECT as people know them.
fn protocol_name(level: u8) -> &'static str {
    match level {
        3 => "3.1",
        4 => "3.1.1",
        _ => "5",
    }
}

/// Whether a client goes on with the session that has its identifier.
fn resumes(connect: &Connect, identity: &Identity, session: &Session) -> bool {
    !connect.clean_start && session.user == identity.user
}

/// What a store keeps of a session whose client is connected.
fn opened(session: &Session) -> Change {
    let will = session.link.as_ref().and_then(|link| link.will.as_deref());
    Change::SessionOpened {
        client_id: Arc::clone(&session.client_id),
        user: Arc::clone(&session.user),
        expiry_seconds: session.expiry,
        will: will.map(|will| {
            let message = will_message(will.clone(), session.origin.clone());
            Arc::new(KeptWill { message, delay_seconds: will.delay_seconds })
        }),
    }
}

fn will_message(will: Will, origin: Origin) -> Message {
    Message {
        topic: will.topic,
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
        properties: will.properties,
        origin,
    }
}
