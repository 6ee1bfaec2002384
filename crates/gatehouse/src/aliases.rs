//! Values under topics of another scheme, so that phones and programs that were set up for another bridge go on.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use gatehouse_model::{Message, PropertyPath, Scheme, TopicFilter, TopicName};

/// Longest pulse that a `set_on_ms` may ask for: a year, as the longest time of an output.
const MAX_PULSE_MS: u64 = 366 * 24 * 3_600_000;

/// What an alias repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Whether the gateway runs.
    Status,
    /// A value of a device.
    Property(PropertyPath),
}

/// One value under another topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) from: Source,
    pub(crate) topic: TopicName,
    /// Our payloads with theirs; what is not here is repeated as it is.
    pub(crate) payloads: BTreeMap<String, String>,
    /// Whether it is retained there.
    pub(crate) retain: bool,
    /// Whether commands are taken on the topic's `/set` and `/set_on_ms`.
    pub(crate) commands: bool,
}

/// All aliases, looked up by topic: what is to be published for a message, or nothing.
#[derive(Debug, Default)]
pub(crate) struct AliasTable {
    by_source: BTreeMap<TopicName, Vec<Alias>>,
    /// By the topic of their commands; with whether the payload is a time in milliseconds.
    by_command: BTreeMap<TopicName, (Alias, TopicName, bool)>,
}

impl AliasTable {
    pub(crate) fn new(scheme: &Scheme, aliases: &[Alias]) -> Self {
        let mut table = Self::default();
        for alias in aliases {
            let source = match &alias.from {
                Source::Status => scheme.status(),
                Source::Property(path) => scheme.property(&path.device, &path.property),
            };
            table.by_source.entry(source).or_default().push(alias.clone());
            let Source::Property(path) = &alias.from else { continue };
            if !alias.commands {
                continue;
            }
            for (suffix, is_time) in [("set", false), ("set_on_ms", true)] {
                // The topic is one already; only an absurd length could make this none.
                let Ok(command) = TopicName::new(format!("{}/{suffix}", alias.topic)) else { continue };
                let target = scheme.set(&path.device, &path.property);
                table.by_command.insert(command, (alias.clone(), target, is_time));
            }
        }
        table
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// The topics on which commands are taken.
    pub(crate) fn commands(&self) -> BTreeSet<TopicName> {
        self.by_command.keys().cloned().collect()
    }

    /// What to listen to.
    pub(crate) fn filters(&self) -> Vec<TopicFilter> {
        let topics = self.by_source.keys().chain(self.by_command.keys());
        // A topic name is a filter as well.
        topics.filter_map(|topic| TopicFilter::new(topic.as_str()).ok()).collect()
    }

    /// What is to be published because of a message. A value is repeated as the gateway's own word; a command keeps who
    /// gave it, and meets the command guard like any other. Retained commands, which would come again at every start,
    /// give nothing.
    pub(crate) fn translate(&self, message: &Message) -> Vec<Message> {
        if let Some(aliases) = self.by_source.get(&message.topic) {
            return aliases.iter().map(|alias| alias.repeated(message)).collect();
        }
        match self.by_command.get(&message.topic) {
            Some((alias, target, is_time)) if !message.retain => {
                alias.command(message, target, *is_time).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Alias {
    fn repeated(&self, message: &Message) -> Message {
        let payload = std::str::from_utf8(&message.payload).ok().and_then(|ours| self.payloads.get(ours));
        let payload = payload.map_or_else(|| message.payload.clone(), |theirs| Bytes::from(theirs.clone()));
        let mut repeated =
            Message::new(self.topic.clone(), payload, message.qos, self.retain, message.origin.clone());
        repeated.properties.payload_is_utf8 = message.properties.payload_is_utf8;
        repeated
    }

    fn command(&self, message: &Message, target: &TopicName, is_time: bool) -> Option<Message> {
        let text = std::str::from_utf8(&message.payload).ok()?.trim();
        let payload = if is_time {
            let millis = text.parse::<u64>().ok().filter(|millis| (1..=MAX_PULSE_MS).contains(millis))?;
            format!("{{\"value\":\"ON\",\"for\":\"{millis}ms\"}}")
        } else {
            let ours = self.payloads.iter().find(|(_, theirs)| theirs.as_str() == text);
            ours.map_or_else(|| text.to_owned(), |(ours, _)| ours.clone())
        };
        let mut command = Message::new(target.clone(), payload, message.qos, false, message.origin.clone());
        command.properties.response_topic = message.properties.response_topic.clone();
        command.properties.correlation_data = message.properties.correlation_data.clone();
        Some(command)
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{Origin, Qos};

    use super::*;

    fn table() -> AliasTable {
        let scheme = Scheme::new("home").unwrap();
        let lights = Alias {
            from: Source::Property("lights/power".parse().unwrap()),
            topic: TopicName::new("old/output/lights").unwrap(),
            payloads: BTreeMap::from([("ON".into(), "yes".into()), ("OFF".into(), "no".into())]),
            retain: false,
            commands: true,
        };
        let status = Alias {
            from: Source::Status,
            topic: TopicName::new("old/status").unwrap(),
            payloads: BTreeMap::from([("online".into(), "running".into())]),
            retain: true,
            commands: false,
        };
        AliasTable::new(&scheme, &[lights, status])
    }

    fn said(topic: &str, payload: &str, retain: bool) -> Vec<(String, String, bool)> {
        let origin = Origin::Page { user: "ana".into() };
        let message = Message::new(
            TopicName::new(topic).unwrap(),
            payload.to_owned(),
            Qos::AtLeastOnce,
            retain,
            origin,
        );
        let translated = table().translate(&message);
        translated
            .iter()
            .inspect(|message| assert_eq!(message.origin, Origin::Page { user: "ana".into() }))
            .map(|message| {
                let payload = String::from_utf8(message.payload.to_vec()).unwrap();
                (message.topic.to_string(), payload, message.retain)
            })
            .collect()
    }

    #[track_caller]
    fn check(topic: &str, payload: &str, expected: &[(&str, &str, bool)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(topic, payload, retain)| ((*topic).into(), (*payload).into(), *retain))
            .collect();
        assert_eq!(said(topic, payload, false), expected);
    }

    #[test]
    fn values_and_commands_are_translated() {
        check("home/lights/power", "ON", &[("old/output/lights", "yes", false)]);
        check("home/status", "online", &[("old/status", "running", true)]);
        check("home/status", "offline", &[("old/status", "offline", true)]);
        check("old/output/lights/set", "no", &[("home/lights/power/set", "OFF", false)]);
        check("old/output/lights/set", "TOGGLE", &[("home/lights/power/set", "TOGGLE", false)]);
        let pulse = r#"{"value":"ON","for":"500ms"}"#;
        check("old/output/lights/set_on_ms", "500", &[("home/lights/power/set", pulse, false)]);
    }

    #[test]
    fn what_is_no_command_gives_nothing() {
        check("old/output/lights/set_on_ms", "0", &[]);
        check("old/output/lights/set_on_ms", "soon", &[]);
        check("home/lights/power/set", "ON", &[]);
        assert!(
            said("old/output/lights/set", "yes", true).is_empty(),
            "a retained command comes again at every start"
        );
    }
}
