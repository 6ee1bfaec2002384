//! What happens to the broker.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use gatehouse_model::Moment;

use super::{
    Answer, Cell, Delivery, Link, Message, Model, Replay, Session, State, Subscription, Taken, matches,
};
use crate::codec::AckKind;
use crate::core::ConnectionId;
use crate::fuzzing::schedule::{Hello, Wish};
use crate::fuzzing::world::{RECEIVE_MAXIMUM, settings};

const SUCCESS: u8 = 0;
const NO_SUBSCRIBERS: u8 = 0x10;
const NO_SUBSCRIPTION: u8 = 0x11;
const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
const TAKEN_OVER: u8 = 0x8E;
const UNKNOWN_ID: u8 = 0x92;
const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
const PROTOCOL_ERROR: u8 = 0x82;

/// What a publish led to.
struct Outcome {
    /// Somebody may be sent it.
    somebody: bool,
    /// Something of it outlives the process.
    lasting: bool,
}

impl Model {
    pub(in crate::fuzzing) fn connect(
        &mut self,
        connection: ConnectionId,
        client: u8,
        hello: &Hello,
        will: Option<Rc<Message>>,
    ) {
        if let Some(open) = self.sessions.get(&client).and_then(|session| session.link) {
            // [MQTT-3.1.4-3]
            self.close(open, Some(TAKEN_OVER), true);
        }
        if hello.clean {
            // [MQTT-3.1.2-4]
            self.end_session(client);
        }
        let session_present = self.sessions.contains_key(&client);
        let settings = settings(self.house);
        let longest = u32::try_from(settings.max_session_expiry.as_secs()).unwrap_or(u32::MAX);
        let session = self.sessions.entry(client).or_insert_with(|| Session::new(self.step));
        session.link = Some(connection);
        session.expiry = hello.expiry.min(longest);
        // [MQTT-3.1.3-9]
        (session.ends_at, session.will) = (None, None);
        for delivery in &mut session.deliveries {
            // [MQTT-3.1.2-25]: what is too large for the client counts as sent.
            delivery.optional |= hello.small_packets && delivery.taken.message.is_big();
        }
        self.links.insert(
            connection,
            Link {
                client,
                five: hello.five,
                window: usize::from(hello.receive_maximum.min(self.house.window)),
                receive_maximum: usize::from(hello.receive_maximum),
                small: hello.small_packets,
                // [MQTT-3.1.2-22]
                silence: (hello.keep_alive > 0)
                    .then(|| Duration::from_millis(u64::from(hello.keep_alive) * 1_500)),
                last_heard: self.now,
                will: will.map(|message| (hello.will.map_or(0, |will| will.delay), message)),
                greeted: false,
                answers: VecDeque::from([(
                    Answer::ConnAck { session_present },
                    if session_present { 0 } else { self.ended.get(&client).copied().unwrap_or(0) },
                )]),
                at_most_once: Vec::new(),
                replays: Vec::new(),
                deaf: false,
                missed: BTreeSet::new(),
                farewell: None,
                told_farewell: false,
                states: BTreeMap::new(),
                session_ended: false,
                leftover: Vec::new(),
            },
        );
    }

    /// The connection of a client, when it is open; whatever it sends counts as a sign of life.
    fn heard(&mut self, connection: ConnectionId) -> Option<(&mut Link, &mut Session)> {
        let now = self.now;
        let link = self.links.get_mut(&connection).filter(|link| link.farewell.is_none())?;
        link.last_heard = now;
        let session = self.sessions.get_mut(&link.client)?;
        Some((link, session))
    }

    pub(in crate::fuzzing) fn publish(&mut self, connection: ConnectionId, id: u16, message: &Rc<Message>) {
        let step = self.step;
        let Some((link, session)) = self.heard(connection) else { return };
        let lasts = session.lasts();
        if message.qos == 2 {
            if let Some(begun) = session.incoming.get(&id) {
                // [MQTT-4.3.3-10]: it is the same message until it is released.
                let answer = Answer::Ack(AckKind::Received, id, vec![SUCCESS, NO_SUBSCRIBERS]);
                link.answers.push_back((answer, *begun));
                return;
            }
            if link.five && session.incoming.len() >= usize::from(RECEIVE_MAXIMUM) {
                // [MQTT-3.3.4-7]
                return self.close(connection, Some(RECEIVE_MAXIMUM_EXCEEDED), true);
            }
        }
        let outcome = self.take(message);
        let Some((link, session)) = self.heard(connection) else { return };
        let reasons = match (outcome.somebody, link.five) {
            (false, true) => vec![SUCCESS, NO_SUBSCRIBERS],
            _ => vec![SUCCESS],
        };
        let lasting = outcome.lasting || (message.qos == 2 && lasts);
        let depends = if lasting { step } else { 0 };
        match message.qos {
            0 => {}
            1 => link.answers.push_back((Answer::Ack(AckKind::Published, id, reasons), depends)),
            _ => {
                session.incoming.insert(id, depends);
                session.released.remove(&id);
                link.answers.push_back((Answer::Ack(AckKind::Received, id, reasons), depends));
            }
        }
    }

    /// PUBREL.
    pub(in crate::fuzzing) fn release(&mut self, connection: ConnectionId, id: u16) {
        let step = self.step;
        let Some((link, session)) = self.heard(connection) else { return };
        let known = session.incoming.remove(&id).is_some();
        if known {
            session.released.insert(id, if session.lasts() { step } else { 0 });
        }
        let depends = session.released.get(&id).copied().unwrap_or(0);
        let reason = if known || !link.five { SUCCESS } else { UNKNOWN_ID };
        link.answers.push_back((Answer::Ack(AckKind::Complete, id, vec![reason]), depends));
    }

    /// PUBACK, PUBREC or PUBCOMP.
    pub(in crate::fuzzing) fn acknowledge(&mut self, connection: ConnectionId, kind: AckKind, id: u16) {
        let step = self.step;
        let Some((link, session)) = self.heard(connection) else { return };
        let lasts = session.lasts();
        let place = session
            .deliveries
            .iter()
            .position(|delivery| matches!(delivery.state, State::Sent { id: sent, .. } if sent == id));
        let found = place.and_then(|place| session.deliveries.get_mut(place));
        match (kind, found) {
            (AckKind::Received, found) => {
                let found = found.filter(|delivery| delivery.qos == 2);
                let reason = if found.is_some() || !link.five { SUCCESS } else { UNKNOWN_ID };
                let mut depends = 0;
                if let Some(Delivery { state: State::Sent { released, .. }, .. }) = found {
                    depends = *released.get_or_insert(if lasts { step } else { 0 });
                }
                link.answers.push_back((Answer::Ack(AckKind::Release, id, vec![reason]), depends));
            }
            (AckKind::Published, Some(delivery)) if delivery.qos == 1 => {
                session.deliveries.remove(place.unwrap_or_default());
            }
            // A client that says that it is done is done, even when it has left out a packet.
            (AckKind::Complete, Some(delivery)) if delivery.qos == 2 => {
                session.deliveries.remove(place.unwrap_or_default());
            }
            _ => {}
        }
    }

    pub(in crate::fuzzing) fn subscribe(
        &mut self,
        connection: ConnectionId,
        id: u16,
        wishes: &[Wish],
        identifier: Option<u32>,
    ) {
        let (step, now, house) = (self.step, self.now, self.house);
        let states: Vec<Taken> = self.retained.values().filter_map(|cell| cell.now.clone()).collect();
        let Some((link, session)) = self.heard(connection) else { return };
        for wish in wishes {
            let former = session.subscriptions.insert(wish.filter, Subscription { wish: *wish, identifier });
            let replays = match wish.retain_handling {
                0 => true,
                1 => former.is_none(),
                _ => false,
            };
            if !replays {
                continue;
            }
            for replay in link.replays.iter_mut().filter(|replay| replay.filter == wish.filter) {
                replay.optional = true;
            }
            link.replays.extend(
                states
                    .iter()
                    .filter(|taken| matches(wish.filter, taken.message.topic))
                    .filter(|taken| taken.has_expired(now) != Some(true))
                    .map(|taken| Replay {
                        filter: wish.filter,
                        taken: taken.clone(),
                        qos: wish.qos.min(taken.message.qos),
                        identifiers: identifier.into_iter().collect(),
                        // A queue that is shorter than the window may have no room for what is retained.
                        optional: link.small && taken.message.is_big()
                            || house.queue < usize::from(house.window)
                            || house.queue < session.deliveries.len() + states.len(),
                    }),
            );
        }
        let codes = wishes.iter().map(|wish| wish.qos).collect();
        let depends = if session.lasts() { step } else { 0 };
        link.answers.push_back((Answer::SubAck(id, codes), depends));
    }

    pub(in crate::fuzzing) fn unsubscribe(&mut self, connection: ConnectionId, id: u16, filter: usize) {
        let step = self.step;
        let Some((link, session)) = self.heard(connection) else { return };
        let known = session.subscriptions.remove(&filter).is_some();
        for replay in link.replays.iter_mut().filter(|replay| replay.filter == filter) {
            replay.optional = true;
        }
        let codes = match (link.five, known) {
            (true, true) => vec![SUCCESS],
            (true, false) => vec![NO_SUBSCRIPTION],
            (false, _) => Vec::new(),
        };
        let depends = if known && session.lasts() { step } else { 0 };
        link.answers.push_back((Answer::UnsubAck(id, codes), depends));
    }

    pub(in crate::fuzzing) fn ping(&mut self, connection: ConnectionId) {
        let Some((link, _)) = self.heard(connection) else { return };
        link.answers.push_back((Answer::Pong, 0));
    }

    pub(in crate::fuzzing) fn disconnect(
        &mut self,
        connection: ConnectionId,
        with_will: bool,
        expiry: Option<u32>,
    ) {
        let Some((_, session)) = self.heard(connection) else { return };
        match expiry {
            // MQTT 5.0 section 3.14.2.2.2
            Some(asked) if asked > 0 && !session.lasts() => {
                return self.close(connection, Some(PROTOCOL_ERROR), true);
            }
            Some(asked) => session.expiry = asked,
            None => {}
        }
        self.close(connection, None, with_will);
    }

    /// The connection is lost, or ended by the broker for what the client sent.
    pub(in crate::fuzzing) fn lose(&mut self, connection: ConnectionId, reason: Option<u8>) {
        if self.heard(connection).is_some() {
            self.close(connection, reason, true);
        }
    }

    pub(in crate::fuzzing) fn set_deaf(&mut self, connection: ConnectionId, deaf: bool) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.deaf = deaf;
        }
    }

    fn close(&mut self, connection: ConnectionId, farewell: Option<u8>, with_will: bool) {
        let now = self.now;
        let Some(link) = self.links.get_mut(&connection) else { return };
        let client = link.client;
        link.farewell = Some(farewell);
        let will = link.will.take().filter(|_| with_will);
        let Some(session) = self.sessions.get_mut(&client) else { return };
        session.link = None;
        session.deliveries.extend(link.clone().begun_replays());
        let (expiry, lasts) = (session.expiry, session.lasts());
        session.ends_at = lasts.then(|| now + Duration::from_secs(u64::from(expiry)));
        if let Some((delay, message)) = will {
            // MQTT 5.0 section 3.1.3.2.2: after the delay, or when the session ends.
            let delay = delay.min(expiry);
            session.will = Some((now + Duration::from_secs(u64::from(delay)), message));
            if delay == 0 {
                self.publish_will(client);
            }
        }
        if !lasts {
            self.end_session(client);
        }
    }

    fn publish_will(&mut self, client: u8) {
        let will = self.sessions.get_mut(&client).and_then(|session| session.will.take());
        if let Some((_, message)) = will {
            self.take(&message);
        }
    }

    fn end_session(&mut self, client: u8) {
        self.publish_will(client);
        let Some(session) = self.sessions.remove(&client) else { return };
        if session.lasts() {
            self.ended.insert(client, self.step);
        }
        // What was sent on a connection that ended in this round may still be heard there.
        for link in self.links.values_mut().filter(|link| link.client == client && link.farewell.is_some()) {
            if !std::mem::replace(&mut link.session_ended, true) {
                link.leftover.clone_from(&session.deliveries);
            }
        }
    }

    /// Takes a message: keeps it as the state of its topic, and owes it to everybody who asked.
    fn take(&mut self, message: &Rc<Message>) -> Outcome {
        self.sequence += 1;
        *self.times.entry(message.number).or_default() += 1;
        let taken = Taken { message: Rc::clone(message), at: self.now, sequence: self.sequence, restarts: 0 };
        let mut outcome = Outcome { somebody: false, lasting: message.retain && self.retain(&taken) };
        for (client, session) in &mut self.sessions {
            let matching: Vec<&Subscription> = session
                .subscriptions
                .values()
                .filter(|one| matches(one.wish.filter, message.topic))
                // [MQTT-3.8.3-3]
                .filter(|one| !(one.wish.no_local && *client == message.publisher))
                .collect();
            let Some(greatest) = matching.iter().map(|one| one.wish.qos).max() else { continue };
            outcome.somebody = true;
            let mut identifiers: Vec<u32> = matching.iter().filter_map(|one| one.identifier).collect();
            identifiers.sort_unstable();
            let as_published = |wanted: bool| {
                matching.iter().any(|one| (one.wish.retain_as_published && message.retain) == wanted)
            };
            let mut delivery = Delivery {
                taken: taken.clone(),
                // [MQTT-3.8.4-8], [MQTT-3.3.4-2]
                qos: greatest.min(message.qos),
                retain: [as_published(false), as_published(true)],
                identifiers,
                state: State::Waiting,
                optional: false,
                maybe_sent: false,
                is_replay: false,
            };
            let mut link = session.link.and_then(|connection| self.links.get_mut(&connection));
            let waiting = session.deliveries.iter().filter(|one| one.state == State::Waiting).count()
                + link.as_ref().map_or(0, |link| link.at_most_once.len() + link.replays.len());
            let room = if delivery.qos == 0 { self.house.queue / 2 } else { self.house.queue };
            delivery.optional = waiting >= room
                || link.as_ref().is_some_and(|link| link.small && message.is_big())
                || link.as_ref().is_some_and(|link| link.deaf && delivery.qos == 0);
            if let Some(link) = link.as_mut().filter(|_| delivery.optional) {
                link.missed.insert(self.sequence);
            }
            match link {
                Some(link) if delivery.qos == 0 => link.at_most_once.push(delivery),
                _ if delivery.qos == 0 => {}
                _ => {
                    outcome.lasting |= session.lasts() && !delivery.optional;
                    session.deliveries.push(delivery);
                }
            }
        }
        outcome
    }

    /// A new state of a topic. Tells whether it promises anything.
    fn retain(&mut self, taken: &Taken) -> bool {
        let topic = taken.message.topic;
        for link in self.links.values_mut() {
            for replay in link.replays.iter_mut().filter(|replay| replay.taken.message.topic == topic) {
                replay.optional = true;
            }
        }
        let cell: &mut Cell = self.retained.entry(topic).or_default();
        if taken.message.payload.is_empty() {
            // [MQTT-3.3.1-6]
            *cell = Cell::default();
            return true;
        }
        cell.now = Some(taken.clone());
        if taken.message.qos > 0 {
            cell.solid = Some(taken.clone());
        }
        taken.message.qos > 0
    }

    /// Does what is due by `now`.
    pub(in crate::fuzzing) fn pass(&mut self, now: Moment) {
        self.now = now;
        loop {
            let silent = self
                .links
                .iter()
                .filter(|(_, link)| link.farewell.is_none())
                .filter_map(|(connection, link)| Some((link.last_heard + link.silence?, *connection)));
            let silent = silent.min().filter(|(due, _)| *due <= now);
            let will = self
                .sessions
                .iter()
                .filter_map(|(client, session)| Some((session.will.as_ref()?.0, *client)));
            let will = will.min().filter(|(due, _)| *due <= now);
            let end = self.sessions.iter().filter_map(|(client, session)| Some((session.ends_at?, *client)));
            let end = end.min().filter(|(due, _)| *due <= now);
            let first = [silent.map(|one| one.0), end.map(|one| one.0), will.map(|one| one.0)];
            let Some(first) = first.into_iter().flatten().min() else { return };
            match (silent, end, will) {
                (Some((due, connection)), ..) if due == first => {
                    self.close(connection, Some(KEEP_ALIVE_TIMEOUT), true);
                }
                (_, Some((due, client)), _) if due == first => self.end_session(client),
                (.., Some((_, client))) => self.publish_will(client),
                _ => return,
            }
        }
    }
}
