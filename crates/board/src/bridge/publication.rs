//! What one device says: its values, all of them together as JSON, and whether it can be relied on.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatehouse_model::{
    Cause, DeviceId, DeviceReport, Message, Origin, PROPERTY_TIME, PropertyId, Qos, Quality, Reading, Scheme,
    Timestamp, Value,
};

use super::observations::Observations;
use super::outlet::Outlet;

/// The bridge's name as the origin of messages.
pub(super) const PART: &str = "bridge";

/// Payloads of `…/availability`.
const ONLINE: &str = "online";
const OFFLINE: &str = "offline";

/// Publishes for one device.
#[derive(Debug)]
pub(super) struct Publication {
    scheme: Scheme,
    device: DeviceId,
    outlet: Arc<Outlet>,
    observations: Arc<Observations>,
    latest: BTreeMap<PropertyId, (Value, Quality, Timestamp)>,
    fault: Option<String>,
    /// Nothing before the first word about it.
    is_online: Option<bool>,
}

impl Publication {
    pub(super) fn new(
        scheme: Scheme,
        device: DeviceId,
        outlet: Arc<Outlet>,
        observations: Arc<Observations>,
    ) -> Self {
        let latest = BTreeMap::new();
        Self { scheme, device, outlet, observations, latest, fault: None, is_online: None }
    }

    pub(super) fn device(&self) -> &DeviceId {
        &self.device
    }

    /// Publishes a value. [`Publication::report`] follows when all values of one reading are out.
    pub(super) fn value(
        &mut self,
        property: &PropertyId,
        value: Value,
        quality: Quality,
        at: Timestamp,
        cause: Option<Cause>,
    ) {
        self.say(property, value, quality, at, cause, None);
    }

    /// Says that nobody knows this value: what was said before of it is taken back.
    pub(super) fn unknown(&mut self, property: &PropertyId) {
        self.latest.remove(property);
        let topic = self.scheme.property(&self.device, property);
        self.outlet.state(Message::new(topic, "", Qos::AtLeastOnce, true, Origin::part(PART)));
    }

    /// Publishes a text of which none may be passed over, as one line of many.
    pub(super) fn text(
        &mut self,
        property: &PropertyId,
        text: &str,
        quality: Quality,
        at: Timestamp,
        cause: Option<Cause>,
    ) {
        self.say(property, Value::Text(text.into()), quality, at, cause, Some(Qos::AtLeastOnce));
    }

    fn say(
        &mut self,
        property: &PropertyId,
        value: Value,
        quality: Quality,
        at: Timestamp,
        cause: Option<Cause>,
        qos: Option<Qos>,
    ) {
        let (device, property) = (self.device.clone(), property.clone());
        self.latest.insert(property.clone(), (value.clone(), quality, at));
        let reading = Reading { device, property, value, quality, at, cause };
        let mut message = Message::of_reading(&self.scheme, &reading, Origin::part(PART));
        message.qos = qos.unwrap_or(message.qos);
        if message.qos == Qos::AtMostOnce {
            self.outlet.measurement(message);
        } else {
            self.outlet.state(message);
        }
        self.observations.note(reading);
    }

    /// Tells the other parts of the bridge a value that is not worth a message.
    pub(super) fn observe(&self, property: &PropertyId, value: Value, quality: Quality, at: Timestamp) {
        let (device, property) = (self.device.clone(), property.clone());
        self.observations.note(Reading { device, property, value, quality, at, cause: None });
    }

    /// Says that something happened, on the device's event topic. An event is not a state: it is never retained, or a
    /// button would be pressed anew at every reconnect.
    pub(super) fn event(&self, word: &str, at: Timestamp) {
        let json = serde_json::json!({ "event_type": word }).to_string();
        let topic = self.scheme.event(&self.device);
        let mut message = Message::new(topic, json, Qos::AtLeastOnce, false, Origin::part(PART));
        message.properties.payload_is_utf8 = true;
        message.properties.content_type = Some("application/json".into());
        message.properties.user.push((PROPERTY_TIME.into(), at.to_string().into()));
        self.outlet.state(message);
    }

    /// Publishes all values together.
    pub(super) fn report(&self) {
        let report = DeviceReport {
            values: self.latest.iter().map(|(id, (value, _, _))| (id.clone(), value.clone())).collect(),
            ts: self.latest.values().map(|(_, _, at)| *at).max(),
            quality: self.latest.values().map(|(_, quality, _)| *quality).max(),
            fault: self.fault.clone(),
        };
        let has_state = report.values.values().any(|value| matches!(value, Value::Switch(_)));
        let qos = if has_state || report.fault.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        // A report is made of texts, finite numbers and a map with text keys, which always have a JSON form.
        let Ok(json) = serde_json::to_string(&report) else { return };
        let topic = self.scheme.json(&self.device);
        let mut message = Message::new(topic, json, qos, true, Origin::part(PART));
        message.properties.payload_is_utf8 = true;
        message.properties.content_type = Some("application/json".into());
        self.outlet.measurement(message);
    }

    /// The device works. Says so when that is news.
    pub(super) fn works(&mut self) {
        let had_fault = self.fault.take().is_some();
        if self.is_online != Some(true) {
            if had_fault {
                tracing::info!(device = %self.device, "the device works again");
            }
            self.report();
            self.availability(true);
        }
    }

    /// The device does not work, and why, in a sentence for people. Says so when that is news.
    pub(super) fn fails(&mut self, fault: &str) {
        if self.is_online == Some(false) && self.fault.as_deref() == Some(fault) {
            return;
        }
        if self.is_online != Some(false) {
            tracing::warn!(device = %self.device, "{fault}");
        }
        self.fault = Some(fault.to_owned());
        self.observations.lose(&self.device);
        self.report();
        self.availability(false);
    }

    /// Something is not as it should be, in a sentence for people, although the device works; or that is over.
    pub(super) fn warns(&mut self, sentence: Option<&str>) {
        match sentence {
            Some(sentence) => tracing::warn!(device = %self.device, "{sentence}"),
            None => tracing::info!(device = %self.device, "what was not as it should be is over"),
        }
        self.fault = sentence.map(str::to_owned);
        self.report();
    }

    /// The gateway stops: nobody vouches for the device's values any more.
    pub(super) fn ends(&mut self) {
        self.availability(false);
    }

    fn availability(&mut self, is_online: bool) {
        if self.is_online == Some(is_online) {
            return;
        }
        self.is_online = Some(is_online);
        let payload = if is_online { ONLINE } else { OFFLINE };
        let topic = self.scheme.availability(&self.device);
        let mut message = Message::new(topic, payload, Qos::AtLeastOnce, true, Origin::part(PART));
        message.properties.payload_is_utf8 = true;
        self.outlet.state(message);
    }
}
