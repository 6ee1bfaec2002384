//! How a message lies in a row: what people look for in columns of its own, the rest as JSON.

use std::sync::Arc;

use bytes::Bytes;
use gatehouse_model::{Message, Origin, Properties, Qos, TopicName};
use serde::{Deserialize, Serialize};

/// Bits of the flags that hold the quality of service, of a message and of a delivery.
const QOS: i64 = 3;
/// The flag of a message or a delivery: retain.
const RETAIN: i64 = 4;
/// The flag of a message: its payload is UTF-8 text.
const TEXT: i64 = 8;
/// The flag of a delivery: its client has it (PUBREC).
pub(super) const RECEIVED: i64 = 8;

/// What a message has besides topic, payload and flags. Names are short, since most messages have an origin only.
#[derive(Debug, Serialize, Deserialize)]
struct Details {
    from: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiry: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response: Option<TopicName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user: Vec<(Arc<str>, Arc<str>)>,
}

/// The columns `payload`, `flags` and `details` of a message.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) payload: Vec<u8>,
    pub(super) flags: i64,
    pub(super) details: String,
}

impl Columns {
    /// The columns of a message.
    pub(super) fn of(message: &Message) -> Result<Self, serde_json::Error> {
        let Properties {
            payload_is_utf8,
            message_expiry_seconds,
            content_type,
            response_topic,
            correlation_data,
            user,
        } = &message.properties;
        let details = Details {
            from: message.origin.clone(),
            expiry: *message_expiry_seconds,
            content: content_type.clone(),
            response: response_topic.clone(),
            correlation: correlation_data.clone(),
            user: user.clone(),
        };
        let text = if *payload_is_utf8 { TEXT } else { 0 };
        Ok(Self {
            payload: message.payload.to_vec(),
            flags: delivery_flags(message.qos, message.retain, false) | text,
            details: serde_json::to_string(&details)?,
        })
    }

    /// The message in these columns; nothing when they hold none.
    pub(super) fn message(self, topic: TopicName) -> Option<Message> {
        let details: Details = serde_json::from_str(&self.details).ok()?;
        Some(Message {
            topic,
            payload: self.payload.into(),
            qos: qos_of(self.flags)?,
            retain: retain_of(self.flags),
            properties: Properties {
                payload_is_utf8: self.flags & TEXT != 0,
                message_expiry_seconds: details.expiry,
                content_type: details.content,
                response_topic: details.response,
                correlation_data: details.correlation,
                user: details.user,
            },
            origin: details.from,
        })
    }
}

/// The flags of a delivery.
pub(super) fn delivery_flags(qos: Qos, retain: bool, received: bool) -> i64 {
    i64::from(qos.level()) | if retain { RETAIN } else { 0 } | if received { RECEIVED } else { 0 }
}

/// The quality of service in flags.
pub(super) fn qos_of(flags: i64) -> Option<Qos> {
    u8::try_from(flags & QOS).ok().and_then(Qos::from_level)
}

/// The RETAIN flag in flags.
pub(super) fn retain_of(flags: i64) -> bool {
    flags & RETAIN != 0
}

/// About how many bytes of memory a message takes.
pub(super) fn bytes_of(message: &Message) -> usize {
    let properties = &message.properties;
    let user: usize = properties.user.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    let content = properties.content_type.as_ref().map_or(0, |text| text.len());
    let correlation = properties.correlation_data.as_ref().map_or(0, Bytes::len);
    let response = properties.response_topic.as_ref().map_or(0, |topic| topic.as_str().len());
    size_of::<Message>()
        + message.topic.as_str().len()
        + message.payload.len()
        + user
        + content
        + correlation
        + response
}
