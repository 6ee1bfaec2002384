//! Which messages tell of an event, and which only repeat one. It decides, and does nothing else.
//!
//! States are retained, so all of them arrive again at each start and reload. An event is a change against what was known
//! before; a message from the retained store only says what that is.

use std::collections::HashMap;
use std::sync::Arc;

use gatehouse_model::message::PROPERTY_TIME;
use gatehouse_model::{
    CommandResult, DeviceId, Message, Origin, Place, PropertyId, Scheme, Timestamp, Value,
};

use super::{EventKind, NewEvent, shortened};
use crate::clocks::Dating;

/// Payloads of `<base>/<device>/availability`.
pub(crate) const ONLINE: &[u8] = b"online";
pub(crate) const OFFLINE: &[u8] = b"offline";

/// Most devices and properties whose last state is remembered, to tell a change from a repetition.
const MAX_REMEMBERED: usize = 10_000;

/// The value of an alert that begins, and of one that ends.
const FAULT: &str = "fault";
const OVER: &str = "over";

/// What is known of the house so far.
#[derive(Debug)]
pub(crate) struct Witness {
    scheme: Scheme,
    online: HashMap<DeviceId, Word>,
    faults: HashMap<DeviceId, Option<Arc<str>>>,
    states: HashMap<(DeviceId, PropertyId), (Timestamp, Value)>,
    is_stopping: bool,
}

/// What was last said about a device's availability.
#[derive(Clone, Copy, Debug)]
struct Word {
    is_online: bool,
    /// It was said in an earlier run.
    is_old: bool,
}

impl Witness {
    pub(crate) fn new(scheme: Scheme) -> Self {
        Self {
            scheme,
            online: HashMap::new(),
            faults: HashMap::new(),
            states: HashMap::new(),
            is_stopping: false,
        }
    }

    /// The gateway stops: that its devices go with it is no news.
    pub(crate) fn stops(&mut self) {
        self.is_stopping = true;
    }

    /// The event in a message, if it tells of one.
    pub(crate) fn event_in(&mut self, message: &Message, dating: Dating) -> Option<NewEvent> {
        match self.scheme.place(&message.topic)? {
            Place::Property(device, property) => self.switched(message, dating, device, property),
            Place::Result(device, property) => refused(message, dating, device, property),
            Place::Availability(device) => self.availability(message, dating, device),
            Place::Json(device) => self.alert(message, dating, device),
            Place::Event(device) => press(message, dating, device),
            _ => None,
        }
    }

    fn switched(
        &mut self,
        message: &Message,
        dating: Dating,
        device: DeviceId,
        property: PropertyId,
    ) -> Option<NewEvent> {
        let reading = message.to_reading(&self.scheme, dating.received)?;
        let cause = reading.cause?;
        let at = dating.time_of(message, said(message));
        let state = (at, reading.value.clone());
        let key = (device, property);
        // The same state with the same time is a repetition, whoever repeats it.
        let is_known = self.states.get(&key) == Some(&state);
        if self.states.contains_key(&key) || self.states.len() < MAX_REMEMBERED {
            self.states.insert(key.clone(), state);
        }
        if message.retain || is_known {
            return None;
        }
        let sentence = (!cause.chain.is_empty()).then(|| shortened(&cause.to_string()));
        Some(NewEvent {
            device: Some(key.0),
            property: Some(key.1),
            value: Some(shortened(&reading.value.to_string())),
            sentence,
            who: Some(shortened(&cause.origin.to_string())),
            cause: Some(cause),
            ..NewEvent::new(EventKind::Switched, at)
        })
    }

    fn availability(&mut self, message: &Message, dating: Dating, device: DeviceId) -> Option<NewEvent> {
        let is_online = match &*message.payload {
            ONLINE => true,
            OFFLINE => false,
            _ => return None,
        };
        let before = self.online.get(&device).copied();
        if before.is_some() || self.online.len() < MAX_REMEMBERED {
            self.online.insert(device.clone(), Word { is_online, is_old: message.retain });
        }
        if message.retain || self.is_stopping {
            return None;
        }
        let is_ours = matches!(message.origin, Origin::Part { .. });
        let had_fault = self.faults.get(&device).is_some_and(Option::is_some);
        let is_news = match before {
            // The gateway said it of its own device when it stopped; that it started is told already.
            Some(Word { is_online: false, is_old: true }) if is_online && is_ours && !had_fault => false,
            Some(before) => before.is_online != is_online,
            // The first word ever about a device: that it works is what everybody expects.
            None => !is_online,
        };
        is_news.then(|| NewEvent {
            device: Some(device),
            value: Some(if is_online { "online" } else { "offline" }.into()),
            who: Some(shortened(&message.origin.to_string())),
            ..NewEvent::new(EventKind::Availability, dating.received)
        })
    }

    /// The `fault` in what a device says as a whole.
    fn alert(&mut self, message: &Message, dating: Dating, device: DeviceId) -> Option<NewEvent> {
        let report: serde_json::Value = serde_json::from_slice(&message.payload).ok()?;
        let fault = report.as_object()?.get("fault").and_then(|fault| fault.as_str()).map(shortened);
        let before = self.faults.get(&device).cloned();
        if before.is_some() || self.faults.len() < MAX_REMEMBERED {
            self.faults.insert(device.clone(), fault.clone());
        }
        let before = before.flatten();
        if message.retain || before == fault {
            return None;
        }
        let value = Some(if fault.is_some() { FAULT } else { OVER }.into());
        let sentence = fault.or(before);
        let who = Some(shortened(&message.origin.to_string()));
        let event = NewEvent::new(EventKind::Alert, dating.received);
        Some(NewEvent { device: Some(device), value, sentence, who, ..event })
    }
}

fn refused(message: &Message, dating: Dating, device: DeviceId, property: PropertyId) -> Option<NewEvent> {
    let result: CommandResult = serde_json::from_slice(&message.payload).ok()?;
    if message.retain || result.ok {
        return None;
    }
    Some(NewEvent {
        device: Some(device),
        property: Some(property),
        sentence: result.reason.as_deref().map(shortened),
        who: Some(shortened(&result.cause.origin.to_string())),
        cause: Some(result.cause),
        ..NewEvent::new(EventKind::Refused, dating.received)
    })
}

/// A press is told as `{"event_type": "single"}`, by other makes also as a bare word.
fn press(message: &Message, dating: Dating, device: DeviceId) -> Option<NewEvent> {
    if message.retain {
        return None;
    }
    let text = std::str::from_utf8(&message.payload).ok()?;
    let word = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(object)) => shortened(object.get("event_type")?.as_str()?),
        Ok(serde_json::Value::String(word)) => shortened(&word),
        _ if text.is_empty() => return None,
        _ => shortened(text),
    };
    Some(NewEvent {
        device: Some(device),
        value: Some(word),
        who: Some(shortened(&message.origin.to_string())),
        ..NewEvent::new(EventKind::Press, dating.time_of(message, said(message)))
    })
}

/// The time that a message gives itself.
pub(crate) fn said(message: &Message) -> Option<Timestamp> {
    message.properties.user_property(PROPERTY_TIME).and_then(|text| Timestamp::parse(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{Cause, Qos, Quality, Reading, TopicName};

    /// 2026-11-21T09:14:00Z.
    const NOW: i64 = 1_795_252_440_000;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(NOW + millis)
    }

    fn witness() -> Witness {
        Witness::new(Scheme::new("casa").unwrap())
    }

    fn says(topic: &str, payload: impl Into<Vec<u8>>) -> Message {
        let payload: Vec<u8> = payload.into();
        let topic = TopicName::new(topic).unwrap();
        Message::new(topic, payload, Qos::AtLeastOnce, false, Origin::part("bridge"))
    }

    fn retained(message: &Message) -> Message {
        Message { retain: true, ..message.clone() }
    }

    /// What a message is to the diary, in the words of its kind, value and person.
    fn told(witness: &mut Witness, message: &Message) -> Option<String> {
        let event = witness.event_in(message, Dating::right(at(0)))?;
        let parts = [event.value, event.who, event.sentence].into_iter().flatten();
        Some(parts.fold(event.kind.as_str().to_owned(), |text, part| format!("{text}; {part}")))
    }

    fn state(on: bool, at: Timestamp, cause: Option<Cause>) -> Message {
        let reading = Reading {
            device: DeviceId::new("boiler").unwrap(),
            property: PropertyId::new("power").unwrap(),
            value: Value::Switch(on),
            quality: Quality::Ok,
            at,
            cause,
        };
        let message = Message::of_reading(&Scheme::new("casa").unwrap(), &reading, Origin::part("bridge"));
        Message { retain: false, ..message }
    }

    fn ana() -> Cause {
        Cause::direct(Origin::Page { user: "ana".into() })
    }

    #[test]
    fn a_switch_says_who_and_why_once() {
        let mut witness = witness();
        let on = state(true, at(0), Some(ana()));
        assert_eq!(told(&mut witness, &retained(&on)), None);
        assert_eq!(told(&mut witness, &on), None, "the same state with the same time is a repetition");
        let off = state(false, at(1), Some(Cause::because(Origin::fail_safe("longest on-time"), &ana())));
        assert_eq!(
            told(&mut witness, &off).unwrap(),
            "switched; OFF; fail-safe: longest on-time; fail-safe: longest on-time, because of ana on the page"
        );
        assert_eq!(told(&mut witness, &off), None);
        assert_eq!(told(&mut witness, &state(true, at(2), None)), None, "a reading has no cause");
        let again = state(true, at(3), Some(ana()));
        let event = witness.event_in(&again, Dating::right(at(9))).unwrap();
        assert_eq!((event.at, event.cause), (at(3), Some(ana())));
    }

    #[test]
    fn only_refusals_are_told_of_answers() {
        let mut witness = witness();
        let answer = |ok, reason: Option<&str>| {
            let result = CommandResult { id: None, ok, reason: reason.map(Into::into), cause: ana() };
            says("casa/boiler/power/result", serde_json::to_string(&result).unwrap())
        };
        assert_eq!(told(&mut witness, &answer(true, None)), None);
        let refusal = answer(false, Some("it rests until 9:20"));
        assert_eq!(told(&mut witness, &refusal).unwrap(), "refused; ana on the page; it rests until 9:20");
        assert_eq!(told(&mut witness, &retained(&refusal)), None);
        assert_eq!(told(&mut witness, &says("casa/boiler/power/result", "no")), None);
    }

    #[test]
    fn availability_is_told_when_it_changes() {
        let mut witness = witness();
        let (online, offline) =
            (says("casa/k/availability", "online"), says("casa/k/availability", "offline"));
        assert_eq!(told(&mut witness, &online), None, "that a new device works is no news");
        assert_eq!(told(&mut witness, &offline).unwrap(), "availability; offline; bridge");
        assert_eq!(told(&mut witness, &offline), None);
        assert_eq!(told(&mut witness, &online).unwrap(), "availability; online; bridge");
        assert_eq!(told(&mut witness, &says("casa/k/availability", "perhaps")), None);
        witness.stops();
        assert_eq!(told(&mut witness, &offline), None, "it goes with the gateway");
    }

    #[test]
    fn a_start_does_not_tell_of_devices_that_were_well_when_the_gateway_stopped() {
        let (online, offline) =
            (says("casa/k/availability", "online"), says("casa/k/availability", "offline"));
        let fault = says("casa/k/json", r#"{"fault":"no answer"}"#);
        for order in [[&fault, &offline], [&offline, &fault]] {
            let mut broken = witness();
            for message in order {
                assert_eq!(told(&mut broken, &retained(message)), None);
            }
            assert!(told(&mut broken, &online).is_some(), "a device that was broken works again");
        }
        let mut stopped = witness();
        assert_eq!(told(&mut stopped, &retained(&offline)), None);
        assert_eq!(told(&mut stopped, &online), None);
        let mut killed = witness();
        assert_eq!(told(&mut killed, &retained(&online)), None);
        assert_eq!(told(&mut killed, &online), None);
        assert!(told(&mut killed, &offline).is_some());
        let mut of_others = witness();
        let theirs = Origin::Client { client_id: "z".into(), user: "u".into() };
        assert_eq!(told(&mut of_others, &retained(&offline)), None);
        assert!(told(&mut of_others, &Message { origin: theirs, ..online }).is_some());
    }

    #[test]
    fn a_fault_is_told_when_it_begins_changes_and_ends() {
        let mut witness = witness();
        let report = |fault: &str| says("casa/k/json", format!(r#"{{"temperature":21.5{fault}}}"#));
        assert_eq!(told(&mut witness, &report("")), None);
        let broken = report(r#","fault":"no answer""#);
        assert_eq!(told(&mut witness, &broken).unwrap(), "alert; fault; bridge; no answer");
        assert_eq!(told(&mut witness, &broken), None);
        let worse = report(r#","fault":"the wire is cut""#);
        assert_eq!(told(&mut witness, &worse).unwrap(), "alert; fault; bridge; the wire is cut");
        assert_eq!(told(&mut witness, &report("")).unwrap(), "alert; over; bridge; the wire is cut");
        assert_eq!(told(&mut witness, &retained(&broken)), None);
        assert_eq!(told(&mut witness, &broken), None, "it was known at the start");
        assert_eq!(told(&mut witness, &says("casa/k/json", "[1]")), None);
    }

    #[test]
    fn presses_are_told_in_every_form() {
        let mut witness = witness();
        for (payload, word) in
            [(r#"{"event_type":"double"}"#, "double"), ("\"long\"", "long"), ("single", "single"), ("1", "1")]
        {
            let press = says("casa/button/event", payload);
            assert_eq!(told(&mut witness, &press).unwrap(), format!("press; {word}; bridge"));
            assert!(told(&mut witness, &press).is_some(), "twice the same is two presses");
            assert_eq!(told(&mut witness, &retained(&press)), None);
        }
        for nothing in ["", "{}", r#"{"event_type":3}"#] {
            assert_eq!(told(&mut witness, &says("casa/button/event", nothing)), None);
        }
        assert_eq!(told(&mut witness, &says("casa/button/event", [0xff])), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut witness = witness();
        for n in 0..MAX_REMEMBERED + 10 {
            told(&mut witness, &says(&format!("casa/d{n}/availability"), "online"));
            told(&mut witness, &says(&format!("casa/d{n}/json"), "{}"));
        }
        assert_eq!((witness.online.len(), witness.faults.len()), (MAX_REMEMBERED, MAX_REMEMBERED));
    }

    proptest::proptest! {
        #[test]
        fn no_payload_panics(place in 0..5_usize, payload in proptest::collection::vec(proptest::num::u8::ANY, 0..100)) {
            let topic = ["casa/a/b", "casa/a/json", "casa/a/event", "casa/a/availability", "casa/a/b/result"][place];
            let _ = told(&mut witness(), &says(topic, payload));
        }
    }
}
