//! PUBLISH as the broker sends it (MQTT 5.0 section 3.3, MQTT 3.1.1 section 3.3), written straight from our own types.

use bytes::{BufMut, BytesMut};
use gatehouse_model::{Properties, Qos, TopicName};

use super::Version;

/// An outbound PUBLISH.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutgoingPublish<'a> {
    pub(crate) topic: &'a TopicName,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
    /// 0 with QoS 0.
    pub(crate) packet_id: u16,
    pub(crate) properties: &'a Properties,
    /// What is left of the message expiry, in seconds.
    pub(crate) expiry: Option<u32>,
    /// The identifiers of all subscriptions that match.
    pub(crate) identifiers: &'a [u32],
}

/// How the topic of a PUBLISH is written (MQTT 5.0 section 3.3.2.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicAlias {
    /// In full.
    None,
    /// In full, and this alias stands for it from now on.
    Set(u16),
    /// Not at all: the alias says it.
    Use(u16),
}

impl TopicAlias {
    fn number(self) -> Option<u16> {
        match self {
            Self::None => None,
            Self::Set(alias) | Self::Use(alias) => Some(alias),
        }
    }
}

/// Property identifiers (MQTT 5.0 section 2.2.2.2).
mod property {
    pub(super) const PAYLOAD_FORMAT: u8 = 0x01;
    pub(super) const MESSAGE_EXPIRY: u8 = 0x02;
    pub(super) const CONTENT_TYPE: u8 = 0x03;
    pub(super) const RESPONSE_TOPIC: u8 = 0x08;
    pub(super) const CORRELATION_DATA: u8 = 0x09;
    pub(super) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
    pub(super) const TOPIC_ALIAS: u8 = 0x23;
    pub(super) const USER: u8 = 0x26;
}

/// Bytes of a variable byte integer (MQTT 5.0 section 1.5.5).
const fn integer_bytes(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

fn put_integer(out: &mut BytesMut, mut value: usize) {
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            out.put_u8(low);
            return;
        }
        out.put_u8(low | 0x80);
    }
}

/// A string or binary data with its length before it. What came in over the wire, and topics, fit into 16 bits;
/// what a part of the gateway made too long is cut rather than sent with a wrong length.
fn put_text(out: &mut BytesMut, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.put_u16(length);
    out.put_slice(&bytes[..usize::from(length)]);
}

fn text_bytes(bytes: &[u8]) -> usize {
    2 + bytes.len().min(usize::from(u16::MAX))
}

impl OutgoingPublish<'_> {
    fn has_properties(&self) -> bool {
        let own = self.properties;
        own.payload_is_utf8
            || self.expiry.is_some()
            || own.content_type.is_some()
            || own.response_topic.is_some()
            || own.correlation_data.is_some()
            || !own.user.is_empty()
            || !self.identifiers.is_empty()
    }

    fn properties_bytes(&self) -> usize {
        if !self.has_properties() {
            return 0;
        }
        let own = self.properties;
        let optional = |text: Option<&[u8]>| text.map_or(0, |bytes| 1 + text_bytes(bytes));
        let mut sum = if own.payload_is_utf8 { 2 } else { 0 };
        sum += if self.expiry.is_some() { 5 } else { 0 };
        sum += optional(own.content_type.as_deref().map(str::as_bytes));
        sum += optional(own.response_topic.as_ref().map(|topic| topic.as_str().as_bytes()));
        sum += optional(own.correlation_data.as_deref());
        for identifier in self.identifiers {
            sum += 1 + integer_bytes(*identifier as usize);
        }
        for (name, value) in &own.user {
            sum += 1 + text_bytes(name.as_bytes()) + text_bytes(value.as_bytes());
        }
        sum
    }

    fn put_properties(&self, out: &mut BytesMut) {
        let own = self.properties;
        let mut optional = |identifier: u8, text: Option<&[u8]>| {
            if let Some(bytes) = text {
                out.put_u8(identifier);
                put_text(out, bytes);
            }
        };
        optional(property::CONTENT_TYPE, own.content_type.as_deref().map(str::as_bytes));
        optional(
            property::RESPONSE_TOPIC,
            own.response_topic.as_ref().map(|topic| topic.as_str().as_bytes()),
        );
        optional(property::CORRELATION_DATA, own.correlation_data.as_deref());
        if own.payload_is_utf8 {
            out.put_slice(&[property::PAYLOAD_FORMAT, 1]);
        }
        if let Some(expiry) = self.expiry {
            out.put_u8(property::MESSAGE_EXPIRY);
            out.put_u32(expiry);
        }
        for identifier in self.identifiers {
            out.put_u8(property::SUBSCRIPTION_IDENTIFIER);
            put_integer(out, *identifier as usize);
        }
        for (name, value) in &own.user {
            out.put_u8(property::USER);
            put_text(out, name.as_bytes());
            put_text(out, value.as_bytes());
        }
    }

    /// Appends the packet, and gives how far from its start the packet identifier stands (with QoS 1 and 2), for
    /// [`set_packet_id`]. Nothing is written when the packet would be larger than `max_packet_bytes`.
    pub(crate) fn encode(
        &self,
        version: Version,
        max_packet_bytes: usize,
        out: &mut BytesMut,
    ) -> Option<usize> {
        self.encode_aliased(version, TopicAlias::None, max_packet_bytes, out)
    }

    /// The same with a topic alias, which only MQTT 5 has.
    pub(crate) fn encode_aliased(
        &self,
        version: Version,
        alias: TopicAlias,
        max_packet_bytes: usize,
        out: &mut BytesMut,
    ) -> Option<usize> {
        let topic = match alias {
            TopicAlias::Use(_) => &[],
            TopicAlias::None | TopicAlias::Set(_) => self.topic.as_str().as_bytes(),
        };
        let alias_bytes = if alias == TopicAlias::None { 0 } else { 3 };
        let properties = if version == Version::V5 { self.properties_bytes() + alias_bytes } else { 0 };
        let mut remaining = text_bytes(topic) + self.payload.len();
        if self.qos != Qos::AtMostOnce {
            remaining += 2;
        }
        if version == Version::V5 {
            remaining += integer_bytes(properties) + properties;
        }
        let header = 1 + integer_bytes(remaining);
        if header + remaining > max_packet_bytes.min(MAX_PACKET_BYTES) {
            return None;
        }
        out.reserve(header + remaining);
        let flags = (u8::from(self.duplicate) << 3) | (self.qos.level() << 1) | u8::from(self.retain);
        out.put_u8(0x30 | flags);
        put_integer(out, remaining);
        put_text(out, topic);
        let id_at = header + text_bytes(topic);
        if self.qos != Qos::AtMostOnce {
            out.put_u16(self.packet_id);
        }
        if version == Version::V5 {
            put_integer(out, properties);
            if let Some(alias) = alias.number() {
                out.put_u8(property::TOPIC_ALIAS);
                out.put_u16(alias);
            }
            if properties > alias_bytes {
                self.put_properties(out);
            }
        }
        out.put_slice(self.payload);
        Some(id_at)
    }
}

/// The largest packet that the format can express: a remaining length of 268,435,455 and its five bytes of header.
const MAX_PACKET_BYTES: usize = 268_435_455 + 5;

/// Writes another packet identifier into an encoded PUBLISH that begins at `start`.
pub(crate) fn set_packet_id(out: &mut BytesMut, start: usize, id_at: usize, packet_id: u16) {
    out[start + id_at..start + id_at + 2].copy_from_slice(&packet_id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Decoder, Packet};
    use bytes::Bytes;
    use proptest::prelude::*;

    fn any_properties() -> impl Strategy<Value = Properties> {
        (
            any::<bool>(),
            proptest::option::of("[a-zé]{0,20}"),
            proptest::option::of("[a-z/]{1,20}"),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
            proptest::collection::vec(("[a-zñ]{0,8}", "[家客 ]{0,60}"), 0..4),
        )
            .prop_map(|(payload_is_utf8, content_type, response_topic, correlation, user)| {
                Properties {
                    payload_is_utf8,
                    message_expiry_seconds: None,
                    content_type: content_type.map(Into::into),
                    response_topic: response_topic.map(|text| TopicName::new(text).unwrap()),
                    correlation_data: correlation.map(Bytes::from),
                    user: user.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
                }
            })
    }

    proptest! {
        /// What we write, the codec reads: our one own encoder is held to another make's decoder.
        #[test]
        fn a_publish_is_read_as_it_was_written(
            topic in "[a-z/áé客]{1,40}",
            payload in proptest::collection::vec(any::<u8>(), 0..20_000),
            level in 0u8..3,
            retain: bool,
            duplicate: bool,
            version_5: bool,
            aliased: bool,
            packet_id in 1u16..,
            expiry in proptest::option::of(1u32..),
            properties in any_properties(),
        ) {
            let version = if version_5 { Version::V5 } else { Version::V3 };
            let qos = Qos::from_level(level).unwrap();
            let topic = TopicName::new(topic).unwrap();
            let outgoing = OutgoingPublish {
                topic: &topic,
                payload: &payload,
                qos,
                retain,
                duplicate: duplicate && level > 0,
                packet_id: 7,
                properties: &properties,
                expiry,
                identifiers: &[],
            };
            let mut bytes = BytesMut::new();
            let id_at = outgoing.encode(version, usize::MAX, &mut bytes).unwrap();
            if level > 0 {
                set_packet_id(&mut bytes, 0, id_at, packet_id);
            }
            let mut decoder = Decoder::new(version, 1_000_000, 9);
            if aliased && version_5 {
                // First one that sets the alias, then one that only uses it.
                let mut setting = BytesMut::new();
                outgoing.encode_aliased(version, TopicAlias::Set(9), usize::MAX, &mut setting).unwrap();
                let Some(Packet::Publish(read)) = decoder.decode(&mut setting).unwrap() else { panic!() };
                prop_assert_eq!(&read.topic, &topic);
                bytes.clear();
                let id_at =
                    outgoing.encode_aliased(version, TopicAlias::Use(9), usize::MAX, &mut bytes).unwrap();
                if level > 0 {
                    set_packet_id(&mut bytes, 0, id_at, packet_id);
                }
            }
            let Some(Packet::Publish(read)) = decoder.decode(&mut bytes).unwrap() else { panic!() };
            prop_assert!(bytes.is_empty());
            prop_assert_eq!(&read.topic, &topic);
            prop_assert_eq!(&read.payload[..], &payload[..]);
            prop_assert_eq!((read.qos, read.retain), (qos, retain));
            prop_assert_eq!(read.packet_id, if level == 0 { 0 } else { packet_id });
            if version_5 {
                let expected = Properties { message_expiry_seconds: expiry, ..properties };
                prop_assert_eq!(read.properties, expected);
            }
        }
    }

    #[test]
    fn a_packet_too_large_for_the_client_is_not_written() {
        let topic = TopicName::new("t").unwrap();
        let outgoing = OutgoingPublish {
            topic: &topic,
            payload: &[0; 100],
            qos: Qos::AtMostOnce,
            retain: false,
            duplicate: false,
            packet_id: 0,
            properties: &Properties::default(),
            expiry: None,
            identifiers: &[],
        };
        let mut bytes = BytesMut::new();
        assert_eq!(outgoing.encode(Version::V3, 104, &mut bytes), None);
        assert!(bytes.is_empty());
        assert!(outgoing.encode(Version::V3, 105, &mut bytes).is_some());
        assert_eq!(bytes.len(), 105);
    }
}
