//! What a message says: values of properties, and of other topics that the configuration names. It decides, and does
//! nothing else.

use std::sync::Arc;

use gatehouse_model::message::{PROPERTY_CAUSE, PROPERTY_QUALITY};
use gatehouse_model::{Message, Place, Quality, Scheme, Timestamp, TopicFilter, TopicName, Value};

use crate::diary::witness::said;
use crate::names::SeriesName;

/// Most rules for topics: each message is held against all of them.
pub const MAX_TOPIC_RULES: usize = 100;

/// Most fields of one rule.
pub const MAX_TOPIC_FIELDS: usize = 50;

/// Longest JSON object that fields are looked for in, in bytes: what larger devices say of themselves has some thousand.
pub const MAX_JSON_BYTES: usize = 64 * 1024;

/// Topics outside the gateway's scheme that are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRule {
    /// Which topics.
    pub filter: TopicFilter,
    /// The fields of the JSON object that is published there, with points between levels: `temperature`,
    /// `ENERGY.Power`. Empty: the payload is the bare value.
    pub fields: Vec<Arc<str>>,
    /// The unit of their numbers.
    pub unit: Option<Arc<str>>,
}

/// One value that a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    pub(crate) name: SeriesName,
    /// Nothing: the message takes back what was said, as an empty payload does.
    pub(crate) value: Option<Value>,
    pub(crate) quality: Quality,
    /// The time that the message gives itself.
    pub(crate) said: Option<Timestamp>,
    /// A state with a cause.
    pub(crate) has_cause: bool,
    pub(crate) unit: Option<Arc<str>>,
}

/// Which messages say values.
#[derive(Debug)]
pub(crate) struct Sources {
    scheme: Scheme,
    rules: Vec<TopicRule>,
}

impl Sources {
    pub(crate) fn new(scheme: Scheme, rules: Vec<TopicRule>) -> Self {
        Self { scheme, rules }
    }

    /// All values that a message says.
    pub(crate) fn observations(&self, message: &Message) -> Vec<Observation> {
        let mut found = Vec::new();
        if let Some(Place::Property(device, property)) = self.scheme.place(&message.topic) {
            let name = SeriesName::Property(device, property);
            found.extend(observation(name, &message.payload, message, None));
            return found;
        }
        let mut object = None;
        for rule in self.rules.iter().filter(|rule| rule.filter.matches(&message.topic)) {
            if rule.fields.is_empty() {
                let name = SeriesName::Topic(message.topic.clone());
                found.extend(observation(name, &message.payload, message, rule.unit.clone()));
                continue;
            }
            if message.payload.len() > MAX_JSON_BYTES {
                continue;
            }
            let object = object.get_or_insert_with(|| {
                serde_json::from_slice(&message.payload).unwrap_or(serde_json::Value::Null)
            });
            for field in &rule.fields {
                let Some(payload) = field_of(object, field) else { continue };
                // As if it were published below: whoever sends objects calls it so when it sends bare values.
                let below = format!("{}/{}", message.topic, field.replace('.', "/"));
                let Ok(topic) = TopicName::new(below) else { continue };
                found.extend(observation(
                    SeriesName::Topic(topic),
                    payload.as_bytes(),
                    message,
                    rule.unit.clone(),
                ));
            }
        }
        // Two rules may name the same.
        let mut seen = Vec::with_capacity(found.len());
        found.retain(|observation| {
            let is_new = !seen.contains(&observation.name);
            if is_new {
                seen.push(observation.name.clone());
            }
            is_new
        });
        found
    }
}

fn observation(
    name: SeriesName,
    payload: &[u8],
    message: &Message,
    unit: Option<Arc<str>>,
) -> Option<Observation> {
    let value = Value::from_payload(payload);
    if value.is_none() && !payload.is_empty() {
        return None;
    }
    let quality = message.properties.user_property(PROPERTY_QUALITY).and_then(Quality::from_word);
    let cause = message.properties.user_property(PROPERTY_CAUSE);
    Some(Observation {
        name,
        value,
        quality: quality.unwrap_or(Quality::Ok),
        said: said(message),
        has_cause: cause.is_some_and(|json| serde_json::from_str::<gatehouse_model::Cause>(json).is_ok()),
        unit,
    })
}

/// A field as the bare scalar that it would be on a topic of its own; what is no scalar is none.
fn field_of(object: &serde_json::Value, field: &str) -> Option<String> {
    // A name with a point in it goes before a path.
    let found = object.get(field).or_else(|| field.split('.').try_fold(object, |at, level| at.get(level)));
    match found? {
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(true) => Some("ON".to_owned()),
        serde_json::Value::Bool(false) => Some("OFF".to_owned()),
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{Origin, Qos};

    fn sources(rules: &[(&str, &[&str])]) -> Sources {
        let rule = |(filter, fields): &(&str, &[&str])| TopicRule {
            filter: TopicFilter::new(*filter).unwrap(),
            fields: fields.iter().map(|field| (*field).into()).collect(),
            unit: None,
        };
        Sources::new(Scheme::new("casa").unwrap(), rules.iter().map(rule).collect())
    }

    fn said_by(sources: &Sources, topic: &str, payload: &str) -> Vec<String> {
        let origin = Origin::Client { client_id: "z".into(), user: "u".into() };
        let message =
            Message::new(TopicName::new(topic).unwrap(), payload.to_owned(), Qos::AtMostOnce, false, origin);
        let word = |value: Option<Value>| value.map_or("nothing".to_owned(), |value| format!("{value:?}"));
        let all = sources.observations(&message).into_iter();
        all.map(|one| format!("{} {}", one.name, word(one.value))).collect()
    }

    #[test]
    fn properties_need_no_rule_and_other_topics_do() {
        let sources = sources(&[("z/+/t", &[]), ("z/#", &[])]);
        assert_eq!(said_by(&sources, "casa/k/t", "21.5"), ["k/t Number(21.5)"]);
        assert_eq!(said_by(&sources, "casa/k/t", ""), ["k/t nothing"]);
        assert_eq!(said_by(&sources, "casa/k/json", "{}"), [""; 0]);
        assert_eq!(
            said_by(&sources, "z/lamp/t", "ON"),
            ["topic:z/lamp/t Switch(true)"],
            "once for two rules"
        );
        assert_eq!(said_by(&sources, "z", "calm"), ["topic:z Text(\"calm\")"]);
        assert_eq!(said_by(&sources, "other/t", "1"), [""; 0]);
        assert_eq!(said_by(&sources, "z/big", &"x".repeat(5_000)), [""; 0], "a document is no value");
    }

    #[test]
    fn fields_are_taken_out_of_objects() {
        let sources = sources(&[("z/+", &["temperature", "ENERGY.Power", "on", "mode", "a.b"])]);
        let payload =
            r#"{"temperature":21.5,"ENERGY":{"Power":3},"on":false,"mode":"eco","a.b":1,"rest":[1]}"#;
        assert_eq!(
            said_by(&sources, "z/k", payload),
            [
                "topic:z/k/temperature Number(21.5)",
                "topic:z/k/ENERGY/Power Number(3.0)",
                "topic:z/k/on Switch(false)",
                "topic:z/k/mode Text(\"eco\")",
                "topic:z/k/a/b Number(1.0)",
            ]
        );
        for nothing in ["", "21.5", "[]", "{", r#"{"temperature":null,"mode":"","on":{}}"#] {
            assert_eq!(said_by(&sources, "z/k", nothing), [""; 0], "{nothing}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_payload_panics(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let topic = TopicName::new("z/k").unwrap();
            let message = Message::new(topic, payload, Qos::AtMostOnce, false, Origin::part("x"));
            let _ = sources(&[("z/+", &["a", "a.b"]), ("#", &[])]).observations(&message);
        }
    }
}
