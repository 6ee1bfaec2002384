//! The house as it is heard, message by message.

use std::sync::Arc;

use gatehouse_model::{
    Cause, CommandResult, DeviceInfo, ManualClock, Message, Origin, Qos, Quality, Reading, SeededRandomness,
    TopicName, Value,
};
use gatehouse_model::{PropertyKind, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// The gateway's clock, which stands still.
const NOW: &str = "1970-01-01T00:00:01.000Z";

fn property(id: &str, kind: PropertyKind) -> PropertyInfo {
    PropertyInfo {
        id: PropertyId::new(id).unwrap(),
        name: id.to_owned(),
        kind,
        settable: id == "power",
        class: None,
        range: None,
    }
}

fn device(id: &str, properties: Vec<PropertyInfo>) -> DeviceInfo {
    DeviceInfo {
        id: DeviceId::new(id).unwrap(),
        name: id.to_owned(),
        room: None,
        driver: "sim".to_owned(),
        connection: "nowhere".to_owned(),
        simulated: true,
        period_ms: None,
        properties,
    }
}

fn info() -> GatewayInfo {
    GatewayInfo {
        name: "Casa".to_owned(),
        version: "0.1.0".to_owned(),
        board: "simulated".to_owned(),
        base: "casa".to_owned(),
        devices: vec![
            device(
                "kitchen",
                vec![property("temperature", PropertyKind::Number { unit: "°C".into(), decimals: 1 })],
            ),
            device(
                "boiler",
                vec![property("power", PropertyKind::Switch), property("mode", PropertyKind::Text)],
            ),
        ],
    }
}

struct World {
    house: LiveHouse,
    scheme: Scheme,
    place: Place,
}

impl World {
    fn new() -> Self {
        let scheme = Scheme::new("casa").unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
        let house = LiveHouse::new(scheme.clone(), info(), clock, &SeededRandomness::new(1));
        let ((), place) = house.listen(|_| ());
        Self { house, scheme, place }
    }

    /// A message arrives; the answer is the events it made, as name and data.
    fn hear(&mut self, topic: &str, payload: &str) -> Vec<(String, Json)> {
        self.hear_message(&message(topic, payload, false))
    }

    fn hear_message(&mut self, message: &Message) -> Vec<(String, Json)> {
        self.house.take(message);
        let mut heard = Vec::new();
        while let Some(event) = self.house.heard(&mut self.place) {
            match event {
                Heard::Anew => {
                    heard.push(("house".to_owned(), Json::Null));
                    self.place = self.house.listen(|_| ()).1;
                }
                Heard::Change(frame) => heard.push(parse(std::str::from_utf8(&frame).unwrap())),
            }
        }
        heard
    }

    fn reading(&self, device: &str, property: &str) -> Json {
        let devices = serde_json::to_value(self.house.view(State::devices)).unwrap();
        let find = |list: &Json, id: &str| {
            list.as_array().unwrap().iter().find(|entry| entry["id"] == id).unwrap().clone()
        };
        find(&find(&devices, device)["properties"], property)["reading"].clone()
    }
}

fn message(topic: &str, payload: &str, retain: bool) -> Message {
    let topic = TopicName::new(topic).unwrap();
    Message::new(topic, payload.to_owned(), Qos::AtMostOnce, retain, Origin::part("bridge"))
}

fn parse(frame: &str) -> (String, Json) {
    let frame = frame.strip_prefix("id: ").unwrap().split_once('\n').unwrap().1;
    let (name, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
    let data = data.strip_suffix("\n\n").unwrap();
    assert!(!data.contains('\n'), "one line of data");
    (name.to_owned(), serde_json::from_str(data).unwrap())
}

#[test]
fn a_reading_is_kept_and_told() {
    let mut world = World::new();
    assert_eq!(world.reading("boiler", "power"), Json::Null);
    let reading = Reading {
        device: DeviceId::new("boiler").unwrap(),
        property: PropertyId::new("power").unwrap(),
        value: Value::Switch(true),
        quality: Quality::Simulated,
        at: Timestamp::from_millis(500),
        cause: Some(Cause::direct(Origin::Page { user: "ana".into() })),
    };
    let message = Message::of_reading(&world.scheme, &reading, Origin::part("bridge"));
    let heard = world.hear_message(&message);
    let mut expected = json!({
        "value": "ON", "quality": "simulated", "at": "1970-01-01T00:00:00.500Z",
        "cause": { "sentence": "ana at the dashboard", "by": "page", "user": "ana", "client_id": null, "name": null, "reason": null, "chain": [] },
    });
    assert_eq!(world.reading("boiler", "power"), expected);
    expected["now"] = NOW.into();
    expected["device"] = "boiler".into();
    expected["property"] = "power".into();
    assert_eq!(heard, [("reading".to_owned(), expected)]);
}

#[test]
fn a_client_without_properties_is_taken_at_its_word() {
    let mut world = World::new();
    world.hear("casa/kitchen/temperature", "21.5");
    let expected = json!({ "value": 21.5, "quality": "ok", "at": "1970-01-01T00:00:01.000Z", "cause": null });
    assert_eq!(world.reading("kitchen", "temperature"), expected);
    let cleared = world.hear("casa/kitchen/temperature", "");
    assert_eq!(cleared, [("house".to_owned(), Json::Null)]);
    assert_eq!(world.reading("kitchen", "temperature"), Json::Null);
}

#[test]
fn a_value_has_the_kind_of_its_property() {
    let mut world = World::new();
    assert_eq!(world.hear("casa/kitchen/temperature", "warm"), []);
    assert_eq!(world.hear("casa/boiler/power", "21.5"), []);
    world.hear("casa/boiler/mode", "21.50");
    assert_eq!(world.reading("boiler", "mode")["value"], "21.50", "a word that looks like a number");
    world.hear("casa/boiler/mode", "ON");
    assert_eq!(world.reading("boiler", "mode")["value"], "ON");
}

#[test]
fn what_is_not_ours_is_passed_over() {
    let mut world = World::new();
    for topic in [
        "casa/unknown/temperature",
        "casa/kitchen/unknown",
        "casa/ático/luz",
        "elsewhere/kitchen/temperature",
        "casa/unknown/availability",
        "casa/unknown/json",
        "casa/boiler/power/set",
        "casa/boiler/event",
    ] {
        assert_eq!(world.hear(topic, "online"), [], "{topic}");
    }
    assert_eq!(world.hear("casa/info", "{rubbish"), []);
    assert_eq!(world.hear("casa/kitchen/json", "[1,2"), []);
    assert_eq!(world.hear("casa/boiler/power/result", "[1,2"), []);
}

#[test]
fn status_availability_and_fault_are_told_when_they_change() {
    let mut world = World::new();
    assert_eq!(
        world.hear("casa/status", "online"),
        [("online".to_owned(), json!({ "now": NOW, "online": true }))]
    );
    assert_eq!(world.hear("casa/status", "online"), []);
    assert_eq!(
        world.hear("casa/status", "offline"),
        [("online".to_owned(), json!({ "now": NOW, "online": false }))]
    );

    let event = |availability: &str, fault: Json| {
        [(
            "availability".to_owned(),
            json!({ "now": NOW, "device": "kitchen", "availability": availability, "fault": fault }),
        )]
    };
    assert_eq!(world.hear("casa/kitchen/availability", "online"), event("online", Json::Null));
    assert_eq!(world.hear("casa/kitchen/availability", "online"), []);
    assert_eq!(world.hear("casa/kitchen/json", r#"{"temperature":21.5}"#), []);
    assert_eq!(world.hear("casa/kitchen/availability", "offline"), event("offline", Json::Null));
    let sentence = "No answer on I2C bus 1 at 0x76.";
    let report = json!({ "fault": sentence }).to_string();
    assert_eq!(world.hear("casa/kitchen/json", &report), event("offline", sentence.into()));
    assert_eq!(world.hear("casa/kitchen/json", &report), []);
    assert_eq!(world.hear("casa/kitchen/json", "{}"), event("offline", Json::Null));
}

#[test]
fn a_result_is_told_once_and_never_from_the_past() {
    let mut world = World::new();
    let result = CommandResult {
        id: Some("7".into()),
        ok: false,
        reason: Some("Window is open.".into()),
        cause: Cause::direct(Origin::Page { user: "ana".into() }),
    };
    let payload = serde_json::to_string(&result).unwrap();
    let expected = json!({ "now": NOW, "device": "boiler", "property": "power", "id": "7", "ok": false, "reason": "Window is open." });
    assert_eq!(world.hear("casa/boiler/power/result", &payload), [("result".to_owned(), expected)]);
    assert_eq!(world.hear_message(&message("casa/boiler/power/result", &payload, true)), []);
}

#[test]
fn a_new_inventory_keeps_the_readings_that_still_fit() {
    let mut world = World::new();
    world.hear("casa/kitchen/temperature", "21.5");
    world.hear("casa/boiler/power", "ON");
    let same = serde_json::to_string(&info()).unwrap();
    assert_eq!(world.hear("casa/info", &same), []);

    let mut changed = info();
    changed.devices[0].name = "Cocina".to_owned();
    changed.devices[1].properties.remove(0);
    let changed = serde_json::to_string(&changed).unwrap();
    assert_eq!(world.hear("casa/info", &changed), [("house".to_owned(), Json::Null)]);
    assert_eq!(world.reading("kitchen", "temperature")["value"], 21.5);
    world.hear("casa/info", &same);
    assert_eq!(world.reading("boiler", "power"), Json::Null);
}

/// An output that was added spoke once, before the inventory with it was sent, and its tile waited for a first reading until
/// somebody switched it.
#[test]
fn who_speaks_before_the_inventory_names_him_is_heard() {
    let mut world = World::new();
    let whole = serde_json::to_string(&info()).unwrap();
    let mut smaller = info();
    smaller.devices.remove(1);
    world.hear("casa/info", &serde_json::to_string(&smaller).unwrap());
    for (topic, payload) in [
        ("casa/boiler/power", "ON"),
        ("casa/boiler/power", "OFF"),
        ("casa/boiler/availability", "online"),
        ("casa/nobody/power", "ON"),
    ] {
        assert_eq!(world.hear(topic, payload), [], "{topic}");
    }
    assert_eq!(world.hear("casa/info", &whole), [("house".to_owned(), Json::Null)]);
    assert_eq!(world.reading("boiler", "power")["value"], "OFF");
    let devices = serde_json::to_value(world.house.view(State::devices)).unwrap();
    assert_eq!(devices[1]["availability"], "online");
}

#[test]
fn properties_are_looked_up() {
    let world = World::new();
    let look_up = |device: &str, property: &str| {
        world.house.look_up(&DeviceId::new(device).unwrap(), &PropertyId::new(property).unwrap())
    };
    assert!(matches!(look_up("boiler", "power"), Lookup::Found(info) if info.settable));
    assert_eq!(look_up("boiler", "unknown"), Lookup::UnknownProperty);
    assert_eq!(look_up("unknown", "power"), Lookup::UnknownDevice);
}

proptest! {
    /// Anybody who may publish can send anything here.
    #[test]
    fn no_payload_breaks_the_house(
        topic in prop::sample::select(vec![
            "casa/status", "casa/info", "casa/kitchen/availability", "casa/kitchen/json",
            "casa/kitchen/temperature", "casa/boiler/mode", "casa/boiler/power/result",
        ]),
        payload in prop_oneof![".*", r#"\{"(fault|id|ok|devices)":.{0,20}\}"#],
    ) {
        World::new().hear(topic, &payload);
    }
}

/// What the watchdog follows: the page of a house that nobody listens to any more shows old values as if they were new.
#[tokio::test(start_paused = true)]
async fn it_tells_that_it_follows_the_house_and_only_then() {
    let world = World::new();
    let pulse = || tokio::time::timeout(std::time::Duration::from_secs(15), world.house.pulse());
    assert!(pulse().await.is_err(), "nobody follows");
    let (follower, messages) = (world.house.clone(), futures_util::stream::pending());
    let following = tokio::spawn(async move { follower.follow(messages).await });
    for _ in 0..2 {
        pulse().await.unwrap();
    }
    following.abort();
    let _ = following.await;
    assert!(pulse().await.is_err(), "nobody follows any more");
}
