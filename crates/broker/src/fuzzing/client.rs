//! What a client of the house remembers: what it has sent and not been told of, and what it has received.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use super::heard::{Got, Heard};
use super::model::Message;
use crate::codec::AckKind;
use crate::core::ConnectionId;

/// One client. Its memory outlives its connections, and those of the broker.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) connection: Option<ConnectionId>,
    pub(super) five: bool,
    pub(super) deaf: bool,
    /// Which session of the broker its memory belongs to.
    session: Option<u64>,
    /// It has heard its CONNACK, and so whether the broker remembers it.
    pub(super) greeted: bool,
    /// QoS 1 and 2 messages that are not acknowledged (PUBACK, PUBREC), in the order in which they were sent.
    pub(super) unacknowledged: Vec<(u16, Rc<Message>)>,
    /// Identifiers of QoS 2 messages that the broker has (PUBREC) and has not forgotten (PUBCOMP).
    pub(super) received_by_broker: Vec<u16>,
    /// QoS 2 messages that are here and not released, by packet identifier.
    unreleased: BTreeMap<u16, String>,
    /// What is to be acknowledged, in order.
    pub(super) owed: VecDeque<(AckKind, u16)>,
    /// Identifiers of which it told that it has a message, without having one; it does not complete what follows.
    pub(super) wrongly_received: Vec<u16>,
    /// What the application was given with QoS 2.
    seen: BTreeSet<String>,
    /// What was sent to the client while it did not read.
    unheard: VecDeque<Heard>,
    /// It has found its session again, and sends again what was not acknowledged.
    pub(super) sends_again: bool,
}

impl Client {
    /// A packet identifier that is not in use. [MQTT-2.2.1-3]
    pub(super) fn free_id(&self) -> u16 {
        let in_use = |id: u16| {
            self.unacknowledged.iter().any(|(used, _)| *used == id) || self.received_by_broker.contains(&id)
        };
        (1..).find(|id| !in_use(*id)).unwrap_or(u16::MAX)
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self) {
        self.connection = None;
        self.deaf = false;
        self.greeted = false;
        self.owed.clear();
        self.wrongly_received.clear();
        self.unheard.clear();
        self.sends_again = false;
    }

    /// The client begins anew. [MQTT-3.1.2-4]
    pub(super) fn forget(&mut self) {
        self.unacknowledged.clear();
        self.received_by_broker.clear();
        self.unreleased.clear();
        self.seen.clear();
    }

    /// A CONNACK tells of this session. When the one before it was lost, that may be another than the client takes it for,
    /// which is a gap of the protocol and not of a broker.
    pub(super) fn belongs_to(&mut self, session: Option<u64>) {
        if self.session != session {
            self.forget();
        }
        self.session = session;
    }

    /// The client reads again.
    pub(super) fn listen(&mut self) -> Result<(), String> {
        self.deaf = false;
        while let Some(heard) = self.unheard.pop_front() {
            self.hear(heard)?;
        }
        Ok(())
    }

    pub(super) fn hear(&mut self, heard: Heard) -> Result<(), String> {
        if self.deaf {
            self.unheard.push_back(heard);
            return Ok(());
        }
        match heard {
            Heard::ConnAck { session_present: true, .. } => {
                self.greeted = true;
                self.sends_again = true;
            }
            Heard::ConnAck { session_present: false, .. } => {
                self.greeted = true;
                self.forget();
            }
            Heard::Publish(got) => self.take(&got)?,
            Heard::Ack(AckKind::Published, id, _) => self.unacknowledged.retain(|(one, _)| *one != id),
            Heard::Ack(AckKind::Received, id, _) => {
                let before = self.unacknowledged.len();
                self.unacknowledged.retain(|(one, _)| *one != id);
                if self.unacknowledged.len() < before {
                    self.received_by_broker.push(id);
                }
            }
            Heard::Ack(AckKind::Complete, id, _) => self.received_by_broker.retain(|one| *one != id),
            Heard::Ack(AckKind::Release, id, _) if self.wrongly_received.contains(&id) => {
                self.wrongly_received.retain(|one| *one != id);
            }
            Heard::Ack(AckKind::Release, id, _) => {
                self.unreleased.remove(&id);
                self.owed.push_back((AckKind::Complete, id));
            }
            Heard::SubAck(..) | Heard::UnsubAck(..) | Heard::Pong | Heard::Disconnect(_) => {}
        }
        Ok(())
    }

    /// A message comes. One of QoS 2 is given to the application when its packet identifier is new. [MQTT-4.3.3-10]
    fn take(&mut self, got: &Got) -> Result<(), String> {
        let name = format!("{} {}", got.topic, String::from_utf8_lossy(&got.payload));
        match got.qos {
            0 => return Ok(()),
            1 => {
                self.owed.push_back((AckKind::Published, got.id));
                return Ok(());
            }
            _ => self.owed.push_back((AckKind::Received, got.id)),
        }
        match self.unreleased.get(&got.id) {
            Some(first) if *first == name => return Ok(()),
            Some(first) => {
                return Err(format!(
                    "{first:?} is not released, and {name:?} comes under its identifier: it is lost"
                ));
            }
            None => self.unreleased.insert(got.id, name.clone()),
        };
        // What is retained may come for each subscription, and an empty message has no name.
        if !got.retain && !got.payload.is_empty() && !self.seen.insert(name.clone()) {
            return Err(format!("the application is given {name:?} a second time"));
        }
        Ok(())
    }
}
