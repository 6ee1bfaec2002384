//! Clients come: sessions begin, are taken over or resumed, and the client is greeted.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use gatehouse_model::{Moment, Origin};

use super::aliases::OutgoingAliases;
use super::leave::will_message;
use super::outgoing::Outgoing;
use super::own_topics::is_own;
use super::sessions::{ConnectionId, Gauge, Link, Replay, Session};
use super::timers::Timer;
use super::{Action, Core};
use crate::Identity;
use crate::codec::{ConnAck, Connect, Encoder, Reason, Version};
use crate::store::{Change, KeptWill, Ticket};

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
            && (is_own(&will.topic) || !identity.rights.may_publish(&will.topic))
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
