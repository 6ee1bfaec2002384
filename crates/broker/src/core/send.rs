//! A PUBLISH is written for one client: encoded once for each kind of client of a fan-out, with a topic alias where the
//! client takes one, for the first time or again.

use bytes::BytesMut;
use gatehouse_model::{Moment, Qos};

use super::Tally;
use super::outgoing::{Delivery, InFlight, Stage};
use super::sessions::{Link, Session};
use crate::codec::{Ack, AckKind, OutgoingPublish, Reason, TopicAlias, Version, set_packet_id};

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
    pub(super) fn clear(&mut self) {
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
pub(super) struct TooLarge;

pub(super) fn count_sent(tally: &mut Tally, payload_bytes: usize) {
    tally.payload_bytes_sent += payload_bytes as u64;
    tally.packets_sent += 1;
    tally.messages_sent += 1;
}

/// Stages a PUBLISH for one client.
pub(super) fn write_publish(
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
pub(super) fn send_first(
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
pub(super) fn send_again(now: Moment, link: &mut Link, repeat: &InFlight) -> Result<(), TooLarge> {
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
