//! What passes the guard, and what does not.

use super::*;
use gatehouse_model::{Properties, PropertyInfo, PropertyKind, Qos, Scheme};

/// When the tests begin, by the wall clock: 2026-11-21T09:14:00Z.
const START: i64 = 1_795_252_440_000;

fn at(millis: u64) -> Now {
    let clock = Timestamp::from_millis(START + i64::try_from(millis).unwrap());
    Now { clock, moment: Moment::from_start(Duration::from_millis(millis)) }
}

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
            range: None,
        };
        let heater = DeviceInfo {
            id: DeviceId::new("heater").unwrap(),
            name: "Heater".to_owned(),
            room: None,
            driver: "output".to_owned(),
            connection: String::new(),
            simulated: true,
            period_ms: None,
            properties: vec![
                property("power", true),
                property("contact", false),
                PropertyInfo {
                    kind: PropertyKind::Number { unit: "°".to_owned(), decimals: 1 },
                    ..property("angle", true)
                },
            ],
        };
        let freezer = DeviceInfo { id: DeviceId::new("freezer").unwrap(), ..heater.clone() };
        let meter = DeviceInfo {
            id: DeviceId::new("meter").unwrap(),
            properties: vec![PropertyInfo { kind: PropertyKind::Text, ..property("send", true) }],
            ..heater.clone()
        };
        let scheme = Scheme::new("home").unwrap();
        let notes = DeviceNotes {
            safe_when_on: BTreeSet::from([freezer.id.clone()]),
            takes_text: BTreeSet::from([meter.id.clone()]),
        };
        let mut guard = CommandGuard::new(scheme.clone(), &[heater, freezer, meter], notes);
        guard.admit();
        Self { guard, scheme }
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
        self.guard.check(&message, at(millis))
    }

    /// A command with a payload, properties and a client at a time.
    fn ask(
        &mut self,
        payload: &str,
        properties: Properties,
        client_id: &str,
        millis: u64,
    ) -> Option<RefusalKind> {
        let origin = Origin::Client { client_id: client_id.into(), user: "ana".into() };
        let topic = gatehouse_model::TopicName::new("home/heater/power/set").unwrap();
        let message = Message {
            properties,
            ..Message::new(topic, payload.to_owned(), Qos::AtLeastOnce, false, origin)
        };
        self.guard.check(&message, at(millis)).err().map(|refusal| refusal.kind)
    }

    fn will(&self, device: &str, payload: &str, retain: bool) -> Option<RefusalKind> {
        self.will_to(device, "power", payload, retain)
    }

    fn will_to(&self, device: &str, property: &str, payload: &str, retain: bool) -> Option<RefusalKind> {
        let origin = Origin::Client { client_id: "c".into(), user: "ana".into() };
        let topic = gatehouse_model::TopicName::new(format!("home/{device}/{property}/set")).unwrap();
        let will = Message::new(topic, payload.to_owned(), Qos::AtLeastOnce, retain, origin);
        self.guard.check_will(&will).err().map(|refusal| refusal.kind)
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

/// A heater was told to go on while the gateway started: the command was acknowledged, and nobody had heard it.
#[test]
fn a_command_that_comes_before_anybody_could_do_it_is_refused_and_says_so() {
    let mut house = House::new();
    house.guard = CommandGuard { phase: Phase::Starting, ..house.guard };
    let refusal = house.send("heater", "power", "ON", false, 0).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Starting);
    assert!(refusal.reason.contains("still starting"), "{refusal}");
    assert!(refusal.answer.is_some_and(|(_, _, result)| !result.ok), "whoever asked is answered");
    house.guard.admit();
    assert_eq!(house.send("heater", "power", "ON", false, 0), Ok(()));
    house.guard.refuse_all();
    house.guard.admit();
    assert_eq!(
        house.refusal("heater", "power", "ON", false),
        RefusalKind::Stopping,
        "it does not start again"
    );
}

/// Zero is off for a switch. For a valve that a servo turns it is an angle, and perhaps the open one.
#[test]
fn a_last_will_is_no_number_where_numbers_are_more_than_on_and_off() {
    let house = House::new();
    assert_eq!(house.will("heater", "0", false), None);
    assert_eq!(house.will_to("heater", "angle", "0", false), Some(RefusalKind::UnsafeWill));
}

/// A text for a serial device is no command in words, and whatever it says goes out; all other rules hold for it, too.
#[test]
fn texts_pass_where_a_device_takes_them() {
    let mut house = House::new();
    for text in ["AT+CSQ", "ON", "{\"state\":1}", "21.5", " "] {
        assert_eq!(house.send("meter", "send", text, false, 0), Ok(()), "{text}");
    }
    assert_eq!(house.refusal("meter", "send", "AT", true), RefusalKind::Retained);
    assert_eq!(house.refusal("meter", "send", "", false), RefusalKind::Malformed);
    assert_eq!(house.refusal("meter", "send", &"x".repeat(1_025), false), RefusalKind::Malformed);
    assert_eq!(house.refusal("meter", "line", "AT", false), RefusalKind::UnknownTarget);
    let old = r#"{"value":"AT","ts":"2026-11-21T08:14:00Z"}"#;
    assert_eq!(house.refusal("meter", "send", old, false), RefusalKind::Stale);
    let once = r#"{"value":"AT","id":"k1"}"#;
    assert_eq!(house.send("meter", "send", once, false, 0), Ok(()));
    assert_eq!(house.refusal("meter", "send", once, false), RefusalKind::Duplicate);
    assert_eq!(house.will("meter", "OFF", false), Some(RefusalKind::UnsafeWill));
}

#[test]
fn only_the_gateway_speaks_for_its_devices() {
    let mut house = House::new();
    let client = Origin::Client { client_id: "phone".into(), user: "ana".into() };
    let mut check = |topic: &str, origin: &Origin| {
        let topic = gatehouse_model::TopicName::new(topic).unwrap();
        let message = Message::new(topic, "OFF", Qos::AtMostOnce, true, origin.clone());
        house.guard.check(&message, at(0)).map_err(|refusal| refusal.kind)
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
    let refusal = House::new().send("heater", "power", r#"{"value":"ON","id":"k1"}"#, true, 0).unwrap_err();
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
    assert_eq!(house.send("heater", "power", "TOGGLE", false, 1_199).unwrap_err().kind, RefusalKind::Flood);
    assert_eq!(house.send("heater", "power", "TOGGLE", false, 1_200), Ok(()));
    assert_eq!(house.send("heater", "power", "TOGGLE", false, 1_399).unwrap_err().kind, RefusalKind::Flood);
    assert_eq!(house.send("heater", "power", "TOGGLE", false, 60_000), Ok(()));
}

/// A phone came back from the cellar and switched the heater with what somebody had wished an hour before.
#[test]
fn a_command_that_says_it_is_old_is_not_done() {
    let mut house = House::new();
    let timed = |seconds: i64| {
        let asked = Timestamp::from_millis(START + seconds * 1_000);
        format!(r#"{{"value":"ON","ts":"{asked}"}}"#)
    };
    let expiry = |seconds| Properties { message_expiry_seconds: Some(seconds), ..Properties::default() };
    let stated = |text: &str| Properties { user: vec![("ts".into(), text.into())], ..Properties::default() };
    let plain = Properties::default;
    let mut millis = 0;
    let mut ask = |payload: &str, properties| {
        millis += 300;
        // None of them is a flood.
        house.ask(payload, properties, "phone", millis)
    };
    assert_eq!(ask(&timed(-59), plain()), None);
    assert_eq!(ask(&timed(-61), plain()), Some(RefusalKind::Stale));
    assert_eq!(ask(&timed(-61), expiry(120)), None, "the sender says how long it holds");
    assert_eq!(ask(&timed(-6), expiry(5)), Some(RefusalKind::Stale));
    assert_eq!(ask("ON", expiry(5)), None, "nobody knows how old it is");
    assert_eq!(ask(&timed(59), plain()), None);
    assert_eq!(ask(&timed(65), plain()), Some(RefusalKind::Stale));
    assert_eq!(ask("OFF", stated("2026-11-21T08:14:00Z")), Some(RefusalKind::Stale));
    assert_eq!(ask("OFF", stated("2026-11-21T09:14:00Z")), None);
    assert_eq!(ask("OFF", stated("yesterday")), Some(RefusalKind::Stale));
    // A clock that was not set yet judges nothing.
    let origin = Origin::Client { client_id: "phone".into(), user: "eva".into() };
    let topic = gatehouse_model::TopicName::new("home/heater/power/set").unwrap();
    let message = Message::new(topic, timed(-3_600), Qos::AtLeastOnce, false, origin);
    let unset = Now { clock: Timestamp::from_millis(1_000), moment: Moment::default() };
    assert_eq!(house.guard.check(&message, unset), Ok(()));
}

/// What is sent again after a lost acknowledgement toggled the lamp a second time.
#[test]
fn a_command_with_an_id_is_done_once() {
    let mut house = House::new();
    let (toggle, plain) = (r#"{"value":"TOGGLE","id":"k1"}"#, Properties::default);
    assert_eq!(house.ask(toggle, plain(), "phone", 0), None);
    assert_eq!(house.ask(toggle, plain(), "phone", 2_000), Some(RefusalKind::Duplicate));
    assert_eq!(house.ask(r#"{"value":"OFF","id":"k1"}"#, plain(), "phone", 2_500), None, "another command");
    assert_eq!(house.ask(toggle, plain(), "tablet", 3_000), None, "another client");
    assert_eq!(house.ask(r#"{"value":"TOGGLE","id":"k2"}"#, plain(), "phone", 3_500), None);
    assert_eq!(house.ask("TOGGLE", plain(), "phone", 4_000), None);
    assert_eq!(house.ask("TOGGLE", plain(), "phone", 4_500), None, "without an id nobody can tell");
    let request = || Properties { correlation_data: Some("r1".into()), ..Properties::default() };
    assert_eq!(house.ask("TOGGLE", request(), "phone", 5_000), None);
    assert_eq!(house.ask("TOGGLE", request(), "phone", 5_500), Some(RefusalKind::Duplicate));
    assert_eq!(house.ask(toggle, plain(), "phone", 30_000), None, "after the window it is a new one");
    assert_eq!(house.guard.done.len(), 5, "those that are over are forgotten");
}

#[test]
fn a_refused_command_may_be_sent_again_with_its_id() {
    let mut house = House::new();
    let payload = r#"{"value":"ON","id":"k1"}"#;
    assert_eq!(house.send("heater", "power", payload, true, 0).unwrap_err().kind, RefusalKind::Retained);
    assert_eq!(house.send("heater", "power", payload, false, 1_000), Ok(()));
}

#[test]
fn a_will_commands_nothing_but_the_safe_level() {
    let house = House::new();
    for payload in ["OFF", "0", "false", r#"{"value":"OFF","id":"w"}"#] {
        assert_eq!(house.will("heater", payload, false), None, "{payload}");
    }
    for payload in ["ON", "1", "TOGGLE", "", "maybe", r#"{"value":"OFF","for":"5s"}"#, "42"] {
        assert_eq!(house.will("heater", payload, false), Some(RefusalKind::UnsafeWill), "{payload}");
    }
    assert_eq!(house.will("heater", "OFF", true), Some(RefusalKind::UnsafeWill), "a retained one");
    assert_eq!(house.will("freezer", "ON", false), None, "its safe level is on");
    assert_eq!(house.will("freezer", "OFF", false), Some(RefusalKind::UnsafeWill));
    assert_eq!(house.will("somebody-else", "ON", true), None, "not ours to guard");
}

#[test]
fn the_table_of_senders_is_bounded() {
    let mut house = House::new();
    let (device, property) = (DeviceId::new("heater").unwrap(), PropertyId::new("power").unwrap());
    let send = |house: &mut House, number: usize, seconds: u64| {
        let origin = Origin::Client { client_id: "c".into(), user: format!("u{number}").into() };
        let message =
            Message::new(house.scheme.set(&device, &property), "ON", Qos::AtMostOnce, false, origin);
        house.guard.check(&message, at(seconds * 1_000)).map_err(|refusal| refusal.kind)
    };
    for number in 0..MAX_TRACKED {
        assert_eq!(send(&mut house, number, 0), Ok(()));
    }
    assert_eq!(send(&mut house, MAX_TRACKED, 0), Err(RefusalKind::Flood));
    assert_eq!(send(&mut house, MAX_TRACKED, 60), Ok(()), "those that were quiet are forgotten");
}
