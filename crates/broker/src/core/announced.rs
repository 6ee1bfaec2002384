//! What a house does without, as its settings say: told in the CONNACK (MQTT 5.0 section 3.2.2.3), and held to.

use gatehouse_model::Qos;

use super::Core;
use crate::codec::{Publish, Reason, Subscribe, Version, Wanted, Will};

/// A reason code, and what to say with it.
type Unavailable = (Reason, &'static str);

impl Core {
    /// A will that the broker could not publish keeps its client out. [MQTT-3.2.2-12], [MQTT-3.2.2-13]
    pub(super) fn check_will(&self, will: &Will) -> Result<(), Unavailable> {
        self.check_message(will.qos, will.retain)
    }

    /// A publish of a client. An MQTT 5 client was told what it must not send, and 3.1.1 has no way to refuse one
    /// message: either way the connection ends.
    pub(super) fn check_publish(&self, publish: &Publish) -> Result<(), Unavailable> {
        self.check_message(publish.qos, publish.retain)
    }

    fn check_message(&self, qos: Qos, retain: bool) -> Result<(), Unavailable> {
        if qos > self.settings.maximum_qos {
            return Err((Reason::QosNotSupported, "messages of this QoS are not taken"));
        }
        if retain && !self.settings.retain_available {
            return Err((Reason::RetainNotSupported, "clients may not have messages retained"));
        }
        Ok(())
    }

    /// An MQTT 5 client was told what cannot be had, so that asking for it ends its connection. Other clients are told
    /// for each filter in the SUBACK ([`Core::check_filter`]).
    pub(super) fn check_subscribe(&self, key: u32, subscribe: &Subscribe) -> Result<(), Unavailable> {
        let link = self.sessions.get(key).and_then(|session| session.link.as_ref());
        if link.is_none_or(|link| link.encoder.version == Version::V3) {
            return Ok(());
        }
        if subscribe.identifier.is_some() && !self.settings.subscription_identifiers {
            return Err((
                Reason::SubscriptionIdentifiersNotSupported,
                "subscription identifiers are not available",
            ));
        }
        let mut filters = subscribe.filters.iter().flatten();
        filters.try_for_each(|(wanted, _)| self.check_filter(wanted))
    }

    /// Whether the broker takes subscriptions of this kind at all.
    pub(super) fn check_filter(&self, wanted: &Wanted) -> Result<(), Unavailable> {
        if wanted.share.is_some() && !self.settings.shared_subscriptions {
            return Err((Reason::SharedNotSupported, "shared subscriptions are not available"));
        }
        if !self.settings.wildcard_subscriptions && wanted.filter.as_str().contains(['+', '#']) {
            return Err((Reason::WildcardsNotSupported, "filters with wildcards are not available"));
        }
        Ok(())
    }
}
