//! Answers to commands, on the result topic of the property and where an MQTT 5 client asks for them.

use std::sync::Arc;

use gatehouse_model::{CommandResult, Message, Origin, Place, Qos, Scheme, TopicName};

use super::outlet::Outlet;
use super::publication::PART;

/// Gives the answers.
pub(super) struct Answers {
    scheme: Scheme,
    outlet: Arc<Outlet>,
}

impl Answers {
    pub(super) fn new(scheme: Scheme, outlet: Arc<Outlet>) -> Self {
        Self { scheme, outlet }
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Publishes the answer to `asked`.
    pub(super) fn give(&self, asked: &Message, result: &CommandResult) {
        if let Some(reason) = &result.reason {
            tracing::debug!(topic = %asked.topic, origin = %asked.origin, %reason, "a command was refused");
        }
        // An answer is made of texts and a truth value, which always have a JSON form.
        let Ok(json) = serde_json::to_string(result) else { return };
        let mut topics = Vec::with_capacity(2);
        if let Some(Place::Set(device, property)) = self.scheme.place(&asked.topic) {
            topics.push(self.scheme.result(&device, &property));
        }
        let wished = asked.properties.response_topic.clone().filter(|topic| self.may_answer_on(topic));
        topics.extend(wished.filter(|topic| !topics.contains(topic)));
        for topic in topics {
            let mut message = Message::new(topic, json.clone(), Qos::AtLeastOnce, false, Origin::part(PART));
            message.properties.payload_is_utf8 = true;
            message.properties.content_type = Some("application/json".into());
            message.properties.correlation_data = asked.properties.correlation_data.clone();
            self.outlet.answer(message);
        }
    }

    /// A client chooses its response topic, and the bridge publishes with rights of its own. So that nobody borrows them
    /// to write states or commands, the gateway's own topics and those of the broker are not answered on, except for
    /// results.
    fn may_answer_on(&self, topic: &TopicName) -> bool {
        if topic.as_str().starts_with('$') {
            return false;
        }
        let below_base = topic
            .as_str()
            .strip_prefix(self.scheme.base())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        !below_base || matches!(self.scheme.place(topic), Some(Place::Result(..)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_borrows_the_rights_of_the_bridge() {
        let answers = Answers::new(Scheme::new("home").unwrap(), Arc::default());
        let may = |topic: &str| answers.may_answer_on(&TopicName::new(topic).unwrap());
        assert!(may("phone/answers") && may("homestead/x") && may("home/heater/power/result"));
        for own in ["home", "home/heater/power", "home/heater/power/set", "home/status", "$SYS/broker/uptime"]
        {
            assert!(!may(own), "{own}");
        }
    }
}
