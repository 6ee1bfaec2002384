//! What the broker sends, held against what it owes.

use std::collections::BTreeMap;

use gatehouse_model::Moment;

use super::{Answer, Delivery, Link, Model, Replay, SMALL_PACKET, Session, State, Taken};
use crate::codec::AckKind;
use crate::core::ConnectionId;
use crate::fuzzing::heard::{Got, Heard};
use crate::fuzzing::schedule::TOPICS;

type Check = Result<(), String>;

impl Taken {
    /// Whether a publish carries this message, with what is left of its expiry when it is sent now.
    fn is_carried_by(&self, got: &Got, five: bool, now: Moment) -> bool {
        let message = &self.message;
        let number = message.number.to_string();
        let user = [("n".to_owned(), number)];
        let user_fits = match five && message.numbered {
            true => got.user == user,
            false => got.user.is_empty(),
        };
        // MQTT 5.0 section 3.3.2.3.3: what was published, less the time that the message has waited.
        let waited = u32::try_from(now.saturating_since(self.at).as_secs()).unwrap_or(u32::MAX);
        let expiry_fits = match (message.expiry.filter(|_| five), got.expiry) {
            (None, None) => true,
            (Some(seconds), Some(left)) => {
                let exact = seconds.saturating_sub(waited);
                (exact..=exact + self.restarts).contains(&left)
            }
            _ => false,
        };
        TOPICS[message.topic] == got.topic && message.payload == got.payload && user_fits && expiry_fits
    }
}

impl Delivery {
    fn is_carried_by(&self, got: &Got, five: bool, now: Moment) -> bool {
        let mut identifiers = got.identifiers.clone();
        identifiers.sort_unstable();
        let identifiers_fit = if five { identifiers == self.identifiers } else { identifiers.is_empty() };
        self.qos == got.qos
            && self.retain[usize::from(got.retain)]
            && identifiers_fit
            && self.taken.is_carried_by(got, five, now)
    }
}

impl Delivery {
    /// Whether a later message of the same publisher and topic was sent already.
    fn is_before(&self, last: &BTreeMap<(u8, usize), u64>) -> bool {
        let message = &self.taken.message;
        last.get(&(message.publisher, message.topic)).is_some_and(|last| *last > self.taken.sequence)
    }
}

impl Session {
    fn is_past(&self, delivery: &Delivery) -> bool {
        delivery.is_before(&self.last)
    }
}

impl Replay {
    fn is_carried_by(&self, got: &Got, five: bool, now: Moment) -> bool {
        let identifiers: &[u32] = if five { &self.identifiers } else { &[] };
        self.qos == got.qos && identifiers == got.identifiers && self.taken.is_carried_by(got, five, now)
    }
}

impl Link {
    fn notes_state(&mut self, taken: &Taken) {
        if taken.message.retain {
            let newest = self.states.entry(taken.message.topic).or_default();
            *newest = taken.sequence.max(*newest);
        }
    }
}

/// The first that fits, of those that must come before those that may.
fn first<T>(all: &[T], may: impl Fn(&T) -> bool, fits: impl Fn(&T) -> bool) -> Option<usize> {
    let must = all.iter().position(|one| !may(one) && fits(one));
    must.or_else(|| all.iter().position(fits))
}

impl Model {
    /// A connection is sent a packet. `kept` is the last step of which everything is kept.
    pub(in crate::fuzzing) fn hear(&mut self, connection: ConnectionId, heard: &Heard, kept: u64) -> Check {
        let link = self.links.get_mut(&connection).ok_or("nobody has this connection")?;
        // [MQTT-3.2.0-1]
        if link.greeted == matches!(heard, Heard::ConnAck { .. }) {
            return Err(format!("[MQTT-3.2.0-1], [MQTT-3.2.0-2]: {heard:?}"));
        }
        match heard {
            Heard::Publish(got) => self.hear_publish(connection, got),
            Heard::Disconnect(code) => match link.farewell {
                Some(Some(expected)) if expected == *code && link.five => {
                    link.told_farewell = true;
                    Ok(())
                }
                _ => Err(format!("a DISCONNECT with {code:#x} instead of {:?}", link.farewell)),
            },
            Heard::Ack(AckKind::Release, id, 0) if self.hear_repeated_release(connection, *id) => Ok(()),
            answer => self.hear_answer(connection, answer, kept),
        }
    }

    fn hear_answer(&mut self, connection: ConnectionId, heard: &Heard, kept: u64) -> Check {
        let link = self.links.get_mut(&connection).ok_or("nobody has this connection")?;
        if matches!(heard, Heard::Pong) {
            // It stands for nothing, and may come before what waits for the store.
            let pong = link.answers.iter().position(|(answer, _)| matches!(answer, Answer::Pong));
            return pong
                .and_then(|pong| link.answers.remove(pong))
                .map(drop)
                .ok_or("a PINGRESP that nobody asked for".to_owned());
        }
        // Answers come in the order of what they answer. [MQTT-4.6.0-2], [MQTT-4.6.0-3], [MQTT-4.6.0-4]
        let (expected, depends) =
            link.answers.pop_front().ok_or_else(|| format!("{heard:?}, although nothing was asked"))?;
        let fits = match (&expected, heard) {
            (Answer::ConnAck { session_present }, Heard::ConnAck { code, session_present: told }) => {
                link.greeted = true;
                *code == 0 && session_present == told
            }
            (Answer::Ack(kind, id, reasons), Heard::Ack(heard, told, reason)) => {
                kind == heard && id == told && reasons.contains(reason)
            }
            (Answer::SubAck(id, codes), Heard::SubAck(told, heard)) => id == told && codes == heard,
            (Answer::UnsubAck(id, codes), Heard::UnsubAck(told, heard)) => id == told && codes == heard,
            _ => false,
        };
        if !fits {
            return Err(format!("{heard:?} instead of {expected:?}"));
        }
        if depends > kept {
            return Err(format!("{heard:?} is told before step {depends} is kept, of which it is a promise"));
        }
        Ok(())
    }

    /// A PUBREL that nobody asked for: on a new connection, when PUBREC was received on a former. [MQTT-4.4.0-1]
    fn hear_repeated_release(&mut self, connection: ConnectionId, heard: u16) -> bool {
        let Some(link) = self.links.get_mut(&connection) else { return false };
        let session = self.sessions.get_mut(&link.client).filter(|_| !link.session_ended);
        let deliveries = session.map(|session| &mut session.deliveries);
        let all = deliveries.into_iter().flatten().chain(&mut link.leftover);
        for delivery in all {
            if let State::Sent { id, on, released: Some(_) } = &mut delivery.state
                && *id == heard
                && *on != Some(connection)
            {
                *on = Some(connection);
                return true;
            }
        }
        false
    }

    fn hear_publish(&mut self, connection: ConnectionId, got: &Got) -> Check {
        let now = self.now;
        let link = self.links.get_mut(&connection).ok_or("nobody has this connection")?;
        if link.small && got.bytes > SMALL_PACKET {
            return Err(format!("[MQTT-3.1.2-24]: {} bytes", got.bytes));
        }
        let five = link.five;
        if got.qos == 0 {
            if got.duplicate {
                return Err("[MQTT-3.3.1-2]: DUP with QoS 0".to_owned());
            }
            let session = self.sessions.get(&link.client).filter(|_| !link.session_ended);
            let place = link
                .at_most_once
                .iter()
                .enumerate()
                .filter(|(_, one)| one.is_carried_by(got, five, now))
                .min_by_key(|(_, one)| (session.is_some_and(|session| session.is_past(one)), one.optional))
                .map(|(place, _)| place);
            if let Some(place) = place {
                let delivery = link.at_most_once.remove(place);
                link.notes_state(&delivery.taken);
                return self.keeps_order(connection, &delivery.taken);
            }
            return self.hear_replay(connection, got);
        }
        if got.duplicate && self.hear_repeat(connection, got)? {
            return Ok(());
        }
        let link = self.links.get_mut(&connection).ok_or("nobody has this connection")?;
        // What is owed to a new subscription comes before what may have been begun for a former one.
        let is_owed = got.retain
            && !got.duplicate
            && link.replays.iter().any(|replay| !replay.optional && replay.is_carried_by(got, five, now));
        let mut deliveries = std::mem::take(&mut link.leftover);
        let session = self.sessions.get_mut(&link.client).filter(|_| !link.session_ended);
        // Of two that look the same (a message may be published again) it is the one that is in its place.
        let last = session.as_ref().map(|session| session.last.clone()).unwrap_or_default();
        let is_past = |delivery: &Delivery| !delivery.is_replay && delivery.is_before(&last);
        let of_session = session.map(|session| &mut session.deliveries);
        let all = || of_session.iter().flat_map(|all| all.iter()).chain(&deliveries);
        // [MQTT-2.2.1-4]
        let in_use = all().any(|one| matches!(one.state, State::Sent { id, .. } if id == got.id));
        let fits = |delivery: &&mut Delivery| {
            delivery.state == State::Waiting
                && delivery.is_carried_by(got, five, now)
                && (delivery.maybe_sent || !got.duplicate)
                && !(is_owed && delivery.is_replay)
        };
        let all = of_session.into_iter().flatten().chain(&mut deliveries);
        let found = all
            .filter(fits)
            .min_by_key(|delivery| {
                (delivery.taken.has_expired(now) == Some(true), is_past(delivery), delivery.optional)
            })
            .map(|delivery| {
                delivery.state = State::Sent { id: got.id, on: Some(connection), released: None };
                (delivery.taken.clone(), delivery.is_replay)
            });
        link.leftover = deliveries;
        if in_use {
            return Err(format!("[MQTT-2.2.1-4]: packet identifier {} is in use", got.id));
        }
        match found {
            Some((taken, _)) if taken.has_expired(now) == Some(true) => {
                Err(format!("[MQTT-3.3.2-5]: message {} has expired", taken.message.number))
            }
            Some((taken, is_replay)) => {
                link.notes_state(&taken);
                if !is_replay {
                    self.keeps_order(connection, &taken)?;
                }
                self.keeps_window(connection)
            }
            None => self.hear_replay(connection, got),
        }
    }

    /// A PUBLISH with DUP: once on each new connection, the same message under the same identifier.
    fn hear_repeat(&mut self, connection: ConnectionId, got: &Got) -> Result<bool, String> {
        let now = self.now;
        let link = self.links.get_mut(&connection).ok_or("nobody has this connection")?;
        let five = link.five;
        let session = self.sessions.get_mut(&link.client).filter(|_| !link.session_ended);
        let deliveries = session.map(|session| &mut session.deliveries);
        for delivery in deliveries.into_iter().flatten().chain(&mut link.leftover) {
            // What had expired when it was sent again is told with nothing left.
            let late = Got { expiry: Some(0).filter(|_| got.expiry.is_some()), ..got.clone() };
            let carried = delivery.is_carried_by(got, five, now) || delivery.is_carried_by(&late, five, now);
            if let State::Sent { id, on, released } = &mut delivery.state
                && *id == got.id
            {
                if !carried {
                    return Err(format!("another message is sent again under packet identifier {id}"));
                }
                if released.is_some() {
                    return Err("[MQTT-4.3.3-6]: a message is sent again after its PUBREC".to_owned());
                }
                if *on == Some(connection) {
                    return Err("[MQTT-4.4.0-1]: a message is sent again on the same connection".to_owned());
                }
                *on = Some(connection);
                let taken = delivery.taken.clone();
                link.notes_state(&taken);
                self.keeps_window(connection)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn hear_replay(&mut self, connection: ConnectionId, got: &Got) -> Check {
        let now = self.now;
        let link = self.links.get_mut(&connection).ok_or("nobody has this connection")?;
        let five = link.five;
        let unexpected = || format!("{got:?} is nothing that this client is to be sent");
        if !got.retain || got.duplicate {
            return Err(unexpected());
        }
        let place =
            first(&link.replays, |replay| replay.optional, |replay| replay.is_carried_by(got, five, now));
        // A state that was dropped as it happened may be told as retained while others are.
        let of_now = self.retained.values().filter_map(|cell| cell.now.as_ref());
        let replay = match place {
            Some(place) => link.replays.remove(place),
            None => of_now
                .filter(|taken| link.missed.contains(&taken.sequence) && taken.is_carried_by(got, five, now))
                .map(|taken| Replay {
                    filter: 0,
                    taken: taken.clone(),
                    qos: got.qos,
                    identifiers: got.identifiers.clone(),
                    optional: true,
                })
                .next()
                .ok_or_else(unexpected)?,
        };
        let topic = replay.taken.message.topic;
        if link.states.get(&topic).is_some_and(|newest| *newest > replay.taken.sequence) {
            return Err(format!("the retained message of {} turns back the time", TOPICS[topic]));
        }
        if replay.taken.has_expired(now) == Some(true) {
            return Err(format!("[MQTT-3.3.2-5]: message {} has expired", replay.taken.message.number));
        }
        link.notes_state(&replay.taken);
        if got.qos == 0 {
            return Ok(());
        }
        let optional = replay.optional;
        let state = State::Sent { id: got.id, on: Some(connection), released: None };
        let delivery = Delivery { optional, ..Delivery::of_replay(replay, state) };
        match self.sessions.get_mut(&link.client).filter(|_| !link.session_ended) {
            Some(session) => session.deliveries.push(delivery),
            None => link.leftover.push(delivery),
        }
        self.keeps_window(connection)
    }

    /// One order of messages for each publisher and topic. [MQTT-4.6.0-6]
    fn keeps_order(&mut self, connection: ConnectionId, taken: &Taken) -> Check {
        let Some(link) = self.links.get(&connection).filter(|link| !link.session_ended) else {
            return Ok(());
        };
        if self.times.get(&taken.message.number).is_some_and(|times| *times > 1) {
            return Ok(());
        }
        let Some(session) = self.sessions.get_mut(&link.client) else { return Ok(()) };
        let last = session.last.entry((taken.message.publisher, taken.message.topic)).or_default();
        if *last > taken.sequence {
            return Err(format!("[MQTT-4.6.0-6]: message {} comes after a later one", taken.message.number));
        }
        *last = taken.sequence;
        Ok(())
    }

    /// No more on their way than the client takes. [MQTT-3.3.4-9]
    fn keeps_window(&self, connection: ConnectionId) -> Check {
        let Some(link) = self.links.get(&connection) else { return Ok(()) };
        let on_their_way = self.on_their_way(connection, link);
        match on_their_way > link.receive_maximum {
            true => Err(format!("[MQTT-3.3.4-9]: {on_their_way} messages are on their way")),
            false => Ok(()),
        }
    }

    fn on_their_way(&self, connection: ConnectionId, link: &Link) -> usize {
        self.sessions.get(&link.client).map_or(0, |session| {
            let on_it =
                |one: &&Delivery| matches!(one.state, State::Sent { on, .. } if on == Some(connection));
            session.deliveries.iter().filter(on_it).count()
        })
    }

    /// Whether a delivery is on its way under this packet identifier.
    pub(in crate::fuzzing) fn is_on_its_way(&self, connection: ConnectionId, wanted: u16) -> bool {
        let session = self.links.get(&connection).and_then(|link| self.sessions.get(&link.client));
        session.is_some_and(|session| {
            session.deliveries.iter().any(|one| matches!(one.state, State::Sent { id, .. } if id == wanted))
        })
    }

    /// Something that was due and that the broker did not ask to be woken for.
    pub(in crate::fuzzing) fn is_overdue(&self) -> Option<String> {
        let closing = self.links.iter().find(|(_, link)| link.farewell.is_some());
        closing.map(|(connection, _)| format!("connection {connection} has been silent for too long"))
    }

    /// The broker has closed a connection.
    pub(in crate::fuzzing) fn closed(&mut self, connection: ConnectionId) -> Check {
        let link = self.links.remove(&connection).ok_or("nobody has this connection")?;
        match link.farewell {
            None => Err("the broker closes a connection without a reason".to_owned()),
            Some(Some(code)) if link.five && link.greeted && !link.told_farewell => {
                Err(format!("the client is not told why it is disconnected ({code:#x})"))
            }
            Some(_) => Ok(()),
        }
    }

    /// At the end of a round nothing is left of connections that ended.
    pub(in crate::fuzzing) fn end_round(&mut self) -> Check {
        match self.links.iter().find(|(_, link)| link.farewell.is_some()) {
            Some((connection, link)) => {
                Err(format!("connection {connection} of client {} should be closed", link.client))
            }
            None => Ok(()),
        }
    }

    /// When the store has kept everything, whoever reads has been sent all that there is room for.
    pub(in crate::fuzzing) fn nothing_is_owed(&mut self) -> Check {
        let now = self.now;
        for (connection, link) in &self.links {
            let owed = |what: &str| Err(format!("connection {connection} is owed {what}"));
            if let Some((answer, _)) = link.answers.front() {
                return owed(&format!("{answer:?}"));
            }
            if link.deaf || self.on_their_way(*connection, link) >= link.window {
                continue;
            }
            let Some(session) = self.sessions.get(&link.client) else { continue };
            for delivery in session.deliveries.iter().filter(|one| !one.optional) {
                let number = delivery.taken.message.number;
                match &delivery.state {
                    State::Sent { on, released, .. } if *on != Some(*connection) => {
                        let what = if released.is_some() { "its PUBREL" } else { "again" };
                        return owed(&format!("message {number}, {what}"));
                    }
                    State::Waiting if delivery.taken.has_expired(now) == Some(false) => {
                        return owed(&format!("message {number}"));
                    }
                    _ => {}
                }
            }
            if let Some(delivery) = link
                .at_most_once
                .iter()
                .find(|one| !one.optional && one.taken.has_expired(now) == Some(false))
            {
                return owed(&format!("message {} (QoS 0)", delivery.taken.message.number));
            }
            if let Some(replay) =
                link.replays.iter().find(|one| !one.optional && one.taken.has_expired(now) == Some(false))
            {
                return owed(&format!("retained message {}", replay.taken.message.number));
            }
        }
        Ok(())
    }

    /// At the very end, everybody who is there has got everything. Who asks for too much at once is not there.
    pub(in crate::fuzzing) fn is_done(&self) -> Check {
        for (client, session) in self.sessions.iter().filter(|(_, session)| session.link.is_some()) {
            let left = session
                .deliveries
                .iter()
                .find(|one| !one.optional && one.taken.has_expired(self.now) == Some(false));
            if let Some(delivery) = left {
                return Err(format!("client {client} never got {delivery:?}"));
            }
        }
        Ok(())
    }
}
