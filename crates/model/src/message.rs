//! A message on its way through the broker, and how a reading travels in one.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Cause, Origin, Place, Quality, Reading, Scheme, Timestamp, TopicName, Value};

/// Quality of service (MQTT 5.0 section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Qos {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

impl Qos {
    /// 0, 1 or 2.
    pub const fn level(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }

    /// The quality of service for 0, 1 or 2.
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// The properties of an application message that the server passes on unchanged (MQTT 5.0 section 3.3.2.3), and the
/// expiry, which it counts down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// The payload is UTF-8 text.
    pub payload_is_utf8: bool,
    /// Seconds that the message may wait for a subscriber.
    pub message_expiry_seconds: Option<u32>,
    /// MIME type of the payload.
    pub content_type: Option<Arc<str>>,
    /// Where an answer should go.
    pub response_topic: Option<TopicName>,
    /// What the answer should carry, so that the asker knows it.
    pub correlation_data: Option<Bytes>,
    /// Name and value pairs, in their order.
    pub user: Vec<(Arc<str>, Arc<str>)>,
}

impl Properties {
    /// The first user property of this name.
    pub fn user_property(&self, name: &str) -> Option<&str> {
        self.user.iter().find(|(key, _)| &**key == name).map(|(_, value)| &**value)
    }
}

/// An application message. Who sent it is not optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is published.
    pub topic: TopicName,
    /// What it says.
    pub payload: Bytes,
    /// How surely it is delivered.
    pub qos: Qos,
    /// As a publish: keep it for later subscribers. As a delivery: it comes from the retained store.
    pub retain: bool,
    /// MQTT 5 properties.
    pub properties: Properties,
    /// Who or what sent it.
    pub origin: Origin,
}

/// User property with the time of a reading.
pub const PROPERTY_TIME: &str = "ts";
/// User property with the quality of a reading.
pub const PROPERTY_QUALITY: &str = "quality";
/// User property with the cause of a state, as JSON.
pub const PROPERTY_CAUSE: &str = "cause";

impl Message {
    /// A message with no properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>, qos: Qos, retain: bool, origin: Origin) -> Self {
        Self { topic, payload: payload.into(), qos, retain, properties: Properties::default(), origin }
    }

    /// The message of a reading: the bare scalar, retained, with time, quality and cause as user properties, so that
    /// every subscriber can be as honest as the sensor was. Numbers and texts without a cause are telemetry (QoS 0),
    /// the rest are states (QoS 1).
    pub fn of_reading(scheme: &Scheme, reading: &Reading, origin: Origin) -> Self {
        let is_state = reading.cause.is_some() || matches!(reading.value, Value::Switch(_));
        let qos = if is_state { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        let topic = scheme.property(&reading.device, &reading.property);
        let mut message = Self::new(topic, reading.value.to_string(), qos, true, origin);
        message.properties.payload_is_utf8 = true;
        message.properties.user.push((PROPERTY_TIME.into(), reading.at.to_string().into()));
        message.properties.user.push((PROPERTY_QUALITY.into(), reading.quality.as_str().into()));
        // A cause is made of texts and lists of texts, which always have a JSON form.
        if let Some(json) = reading.cause.as_ref().and_then(|cause| serde_json::to_string(cause).ok()) {
            message.properties.user.push((PROPERTY_CAUSE.into(), json.into()));
        }
        message
    }

    /// The reading in a message on a property topic, or nothing when it is another kind of message. A message from a
    /// client that says nothing of time and quality is taken as read just now (`received`) and good.
    pub fn to_reading(&self, scheme: &Scheme, received: Timestamp) -> Option<Reading> {
        let Some(Place::Property(device, property)) = scheme.place(&self.topic) else { return None };
        let value = Value::from_payload(&self.payload)?;
        let at = self.properties.user_property(PROPERTY_TIME).and_then(|text| Timestamp::parse(text).ok());
        let quality = self.properties.user_property(PROPERTY_QUALITY).and_then(Quality::from_word);
        let cause = self.properties.user_property(PROPERTY_CAUSE);
        let cause: Option<Cause> = cause.and_then(|json| serde_json::from_str(json).ok());
        let (at, quality) = (at.unwrap_or(received), quality.unwrap_or(Quality::Ok));
        Some(Reading { device, property, value, quality, at, cause })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceId, PropertyId};

    #[test]
    fn a_reading_arrives_as_it_left() {
        let scheme = Scheme::new("casa/ático").unwrap();
        let reading = Reading {
            device: DeviceId::new("boiler").unwrap(),
            property: PropertyId::new("power").unwrap(),
            value: Value::Switch(true),
            quality: Quality::Simulated,
            at: Timestamp::from_millis(1_000),
            cause: Some(Cause::direct(Origin::Page { user: "ana".into() })),
        };
        let message = Message::of_reading(&scheme, &reading, Origin::part("bridge"));
        assert_eq!(message.topic.as_str(), "casa/ático/boiler/power");
        assert_eq!((message.qos, message.retain, &*message.payload), (Qos::AtLeastOnce, true, &b"ON"[..]));
        assert_eq!(message.to_reading(&scheme, Timestamp::from_millis(9)), Some(reading));
    }
}
