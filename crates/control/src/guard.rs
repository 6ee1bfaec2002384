//! The guard at the broker's door: what may not even reach an output, and who may speak for a device.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{
    Cause, Command, CommandError, CommandResult, DeviceId, DeviceInfo, Message, Moment, Origin, Place,
    PropertyId, Scheme,
};

/// Commands that one sender may give to one property in a burst: somebody who plays with a switch stays below. A sender is
/// a user, a page's user or a part of the gateway: the number of client ids does not matter, since they cost nothing.
pub const BURST: u32 = 10;

/// Time after which one more command is allowed: five a second are more than any relay should do.
pub const REFILL: Duration = Duration::from_millis(200);

/// Most pairs of sender and property whose commands are counted. When there are more, those that have been quiet are
/// forgotten, and when none has, commands are refused: that many at once are a flood.
pub const MAX_TRACKED: usize = 4_096;

/// What kind of refusal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// A retained command would be repeated at every reconnect.
    Retained,
    /// No such device, no such property, or one that takes no commands.
    UnknownTarget,
    /// The payload is not a command.
    Malformed,
    /// Too many commands.
    Flood,
    /// The gateway is stopping.
    Stopping,
    /// What only the gateway says: its own state, and what its devices report.
    NotYours,
}

/// Why a message does not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct GuardRefusal {
    /// What kind of refusal it is.
    pub kind: RefusalKind,
    /// Why, in a sentence for people.
    pub reason: String,
    /// The answer to publish, for commands to something that can have a result topic.
    pub answer: Option<(DeviceId, PropertyId, CommandResult)>,
}

/// Stands before the outputs. It guards the gateway's own devices; other devices may live below the same base topic,
/// and their messages pass.
#[derive(Debug)]
pub struct CommandGuard {
    scheme: Scheme,
    devices: BTreeSet<DeviceId>,
    targets: BTreeMap<(DeviceId, PropertyId), bool>,
    senders: HashMap<(Sender, DeviceId, PropertyId), Bucket>,
    is_stopping: bool,
}

/// Who is counted as one.
type Sender = Arc<str>;

fn sender_of(origin: &Origin) -> Sender {
    match origin {
        Origin::Client { user, .. } | Origin::Page { user } => user.clone(),
        Origin::Part { name } => format!("part {name}").into(),
        Origin::FailSafe { .. } => "fail-safe".into(),
    }
}

/// Commands that a sender may still give; one more with each [`REFILL`].
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u32,
    since: Moment,
}

impl CommandGuard {
    /// A guard of these devices.
    pub fn new(scheme: Scheme, devices: &[DeviceInfo]) -> Self {
        let targets = devices
            .iter()
            .flat_map(|device| device.properties.iter().map(|property| (device.id.clone(), property)))
            .map(|(device, property)| ((device, property.id.clone()), property.settable))
            .collect();
        let devices = devices.iter().map(|device| device.id.clone()).collect();
        Self { scheme, devices, targets, senders: HashMap::new(), is_stopping: false }
    }

    /// Refuses every command from now on.
    pub fn refuse_all(&mut self) {
        self.is_stopping = true;
    }

    /// Decides whether a message may pass. Most are none of the guard's business.
    ///
    /// # Errors
    /// Why not, and the answer to publish.
    pub fn check(&mut self, message: &Message, now: Moment) -> Result<(), Box<GuardRefusal>> {
        match self.scheme.place(&message.topic) {
            Some(Place::Set(device, property)) if self.devices.contains(&device) => {
                self.check_command(message, device, property, now)
            }
            Some(place) if self.is_ours(&place) && !matches!(message.origin, Origin::Part { .. }) => {
                let reason = format!(
                    "{} is what the gateway itself says: send commands to the device's set topic, or use a topic of your own",
                    message.topic
                );
                Err(Box::new(GuardRefusal { kind: RefusalKind::NotYours, reason, answer: None }))
            }
            _ => Ok(()),
        }
    }

    /// Whether only the gateway speaks there. A client that may publish everywhere could otherwise say that the heater
    /// is off, and every phone would believe it.
    fn is_ours(&self, place: &Place) -> bool {
        match place {
            Place::Status | Place::Info => true,
            Place::Availability(device) | Place::Json(device) | Place::Event(device) => {
                self.devices.contains(device)
            }
            Place::Property(device, _) | Place::Result(device, _) => self.devices.contains(device),
            Place::Set(..) => false,
        }
    }

    fn check_command(
        &mut self,
        message: &Message,
        device: DeviceId,
        property: PropertyId,
        now: Moment,
    ) -> Result<(), Box<GuardRefusal>> {
        let command = Command::parse(&message.payload);
        let id = command.as_ref().ok().and_then(|command| command.id.clone());
        self.decide(message, command, &device, &property, now).map_err(|(kind, reason)| {
            let cause = Cause::direct(message.origin.clone());
            let result = CommandResult { id, ok: false, reason: Some(reason.as_str().into()), cause };
            Box::new(GuardRefusal { kind, reason, answer: Some((device, property, result)) })
        })
    }

    fn decide(
        &mut self,
        message: &Message,
        command: Result<Command, CommandError>,
        device: &DeviceId,
        property: &PropertyId,
        now: Moment,
    ) -> Result<(), (RefusalKind, String)> {
        if self.is_stopping {
            let reason = "the gateway is stopping: its outputs stay at their safe level".to_owned();
            return Err((RefusalKind::Stopping, reason));
        }
        if message.retain {
            let reason = "a command must not be retained, or it would be repeated at every reconnect: send it without the retain flag";
            return Err((RefusalKind::Retained, reason.to_owned()));
        }
        match self.targets.get(&(device.clone(), property.clone())) {
            Some(true) => {}
            Some(false) => {
                let reason = format!("{device}/{property} is a reading and takes no commands");
                return Err((RefusalKind::UnknownTarget, reason));
            }
            None => {
                let reason = format!("there is no property {property} of a device {device} here");
                return Err((RefusalKind::UnknownTarget, reason));
            }
        }
        // Malformed commands count too, or they could be sent without end.
        if !self.may_pass((sender_of(&message.origin), device.clone(), property.clone()), now) {
            let reason = format!(
                "too many commands: at most {BURST} at once and one more every {} ms",
                REFILL.as_millis()
            );
            return Err((RefusalKind::Flood, reason));
        }
        command.map(drop).map_err(|error| (RefusalKind::Malformed, error.to_string()))
    }

    fn may_pass(&mut self, sender: (Sender, DeviceId, PropertyId), now: Moment) -> bool {
        if self.senders.len() >= MAX_TRACKED && !self.senders.contains_key(&sender) {
            self.senders.retain(|_, bucket| bucket.at(now).left < BURST);
            if self.senders.len() >= MAX_TRACKED {
                return false;
            }
        }
        let bucket = self.senders.entry(sender).or_insert(Bucket { left: BURST, since: now });
        *bucket = bucket.at(now);
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => false,
        }
    }
}

impl Bucket {
    /// The bucket with what has been refilled until `now`.
    fn at(self, now: Moment) -> Self {
        let refills = now.saturating_since(self.since).as_millis() / REFILL.as_millis();
        let refills = u32::try_from(refills).unwrap_or(u32::MAX);
        let left = self.left.saturating_add(refills).min(BURST);
        // A full bucket starts to count anew; another keeps the rest of the time that has not refilled anything.
        let since = if left == BURST { now } else { self.since + REFILL.saturating_mul(refills) };
        Self { left, since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatehouse_model::{PropertyInfo, PropertyKind, Qos, Scheme};

    struct House {
        guard: CommandGuard,
        scheme: Scheme,
    }

    impl House {
        fn new() -> Self {
            let property = |id: &str, settable| PropertyInfo {
                id: PropertyId::new(id).unwrap(),
                name: id.to_owned(),
                kind: PropertyKind::Switch,
                settable,
                class: None,
            };
            let heater = DeviceInfo {
                id: DeviceId::new("heater").unwrap(),
                name: "Heater".to_owned(),
                room: None,
                driver: "output".to_owned(),
                connection: String::new(),
                simulated: true,
                period_ms: None,
                properties: vec![property("power", true), property("contact", false)],
            };
            let scheme = Scheme::new("home").unwrap();
            Self { guard: CommandGuard::new(scheme.clone(), &[heater]), scheme }
        }

        fn send(
            &mut self,
            device: &str,
            property: &str,
            payload: &str,
            retain: bool,
            millis: u64,
        ) -> Result<(), Box<GuardRefusal>> {
            let (device, property) = (DeviceId::new(device).unwrap(), PropertyId::new(property).unwrap());
            let origin = Origin::Client { client_id: "phone".into(), user: "ana".into() };
            let topic = self.scheme.set(&device, &property);
            let message = Message::new(topic, payload.to_owned(), Qos::AtLeastOnce, retain, origin);
            let now = Moment::from_start(Duration::from_millis(millis));
            self.guard.check(&message, now)
        }

        fn refusal(&mut self, device: &str, property: &str, payload: &str, retain: bool) -> RefusalKind {
            self.send(device, property, payload, retain, 0).unwrap_err().kind
        }
    }

    #[test]
    fn what_does_not_pass() {
        let mut house = House::new();
        assert_eq!(house.send("heater", "power", "ON", false, 0), Ok(()));
        assert_eq!(house.refusal("heater", "power", "ON", true), RefusalKind::Retained);
        assert_eq!(house.refusal("heater", "contact", "ON", false), RefusalKind::UnknownTarget);
        assert_eq!(house.refusal("heater", "colour", "ON", false), RefusalKind::UnknownTarget);
        assert_eq!(house.refusal("heater", "power", "maybe", false), RefusalKind::Malformed);
        house.guard.refuse_all();
        assert_eq!(house.refusal("heater", "power", "ON", false), RefusalKind::Stopping);
    }

    #[test]
    fn only_the_gateway_speaks_for_its_devices() {
        let mut house = House::new();
        let client = Origin::Client { client_id: "phone".into(), user: "ana".into() };
        let mut check = |topic: &str, origin: &Origin| {
            let topic = gatehouse_model::TopicName::new(topic).unwrap();
            let message = Message::new(topic, "OFF", Qos::AtMostOnce, true, origin.clone());
            house.guard.check(&message, Moment::default()).map_err(|refusal| refusal.kind)
        };
        for topic in
            ["home/status", "home/info", "home/heater/power", "home/heater/availability", "home/heater/json"]
        {
            assert_eq!(check(topic, &client), Err(RefusalKind::NotYours), "{topic}");
            assert_eq!(check(topic, &Origin::part("bridge")), Ok(()), "{topic}");
        }
        // Other devices may live below the same base, and other bases beside it.
        for topic in [
            "home/temperature",
            "home/phone/battery",
            "home/lamp/power/set",
            "home/Küche/power/set",
            "garden/heater/power",
        ] {
            assert_eq!(check(topic, &client), Ok(()), "{topic}");
        }
    }

    #[test]
    fn the_answer_names_the_command() {
        let refusal =
            House::new().send("heater", "power", r#"{"value":"ON","id":"k1"}"#, true, 0).unwrap_err();
        let (_, _, result) = refusal.answer.unwrap();
        assert_eq!(result.id.as_deref(), Some("k1"));
        assert!(!result.ok && result.reason.as_deref() == Some(&*refusal.reason));
    }

    #[test]
    fn a_flood_is_refused_until_time_has_passed() {
        let mut house = House::new();
        for _ in 0..BURST {
            assert_eq!(house.send("heater", "power", "TOGGLE", false, 1_000), Ok(()));
        }
        assert_eq!(
            house.send("heater", "power", "TOGGLE", false, 1_199).unwrap_err().kind,
            RefusalKind::Flood
        );
        assert_eq!(house.send("heater", "power", "TOGGLE", false, 1_200), Ok(()));
        assert_eq!(
            house.send("heater", "power", "TOGGLE", false, 1_399).unwrap_err().kind,
            RefusalKind::Flood
        );
        assert_eq!(house.send("heater", "power", "TOGGLE", false, 60_000), Ok(()));
    }

    #[test]
    fn the_table_of_senders_is_bounded() {
        let mut house = House::new();
        let (device, property) = (DeviceId::new("heater").unwrap(), PropertyId::new("power").unwrap());
        let send = |house: &mut House, number: usize, seconds: u64| {
            let origin = Origin::Client { client_id: "c".into(), user: format!("u{number}").into() };
            let message =
                Message::new(house.scheme.set(&device, &property), "ON", Qos::AtMostOnce, false, origin);
            let now = Moment::from_start(Duration::from_secs(seconds));
            house.guard.check(&message, now).map_err(|refusal| refusal.kind)
        };
        for number in 0..MAX_TRACKED {
            assert_eq!(send(&mut house, number, 0), Ok(()));
        }
        assert_eq!(send(&mut house, MAX_TRACKED, 0), Err(RefusalKind::Flood));
        assert_eq!(send(&mut house, MAX_TRACKED, 60), Ok(()), "those that were quiet are forgotten");
    }
}
