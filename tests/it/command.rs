//! A command travels: from MQTT or the page to an output, and its state and its answer back.

use gatehouse_tests::http::Point;
use gatehouse_tests::{Browser, Gateway, LIMIT, Phone, Setup};
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use serde_json::{Value, json};

/// A demonstration with somebody at the page and somebody with a phone, both looking at the heater.
struct Scene {
    gateway: Gateway,
    browser: Browser,
    phone: Phone,
    heater: Point,
}

fn scene() -> Scene {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let heater = browser.find("heater", |_, property| is_heater(property));
    let phone = gateway.phone("kitchen-tablet");
    phone.subscribe("home/#");
    phone.wait_payload(&heater.topic(), "OFF");
    Scene { gateway, browser, phone, heater }
}

pub(crate) fn is_heater(property: &Value) -> bool {
    property["settable"] == true && property["class"] == "heat"
}

impl Scene {
    fn set_topic(&self) -> String {
        format!("{}/set", self.heater.topic())
    }

    /// Waits for the next answer to a command on the heater after `mark`.
    fn result_after(&self, mark: usize) -> Value {
        let topic = format!("{}/result", self.heater.topic());
        self.phone.wait_after(mark, &topic, |message| {
            assert!(!message.retain, "an answer is never retained: {message:?}");
            Some(message.json())
        })
    }

    /// Asserts that nothing has switched the heater on so far. Whatever a refused command had done would have come
    /// before its answer.
    fn assert_still_off(&self) {
        let states = self.phone.messages().all();
        let on =
            states.iter().find(|message| message.topic == self.heater.topic() && message.payload == "ON");
        assert_eq!(on, None, "a refused command switched the heater");
    }
}

#[test]
fn on_over_mqtt_comes_back_with_its_cause() {
    let scene = scene();
    let mark = scene.phone.messages().mark();
    assert_eq!(scene.phone.publish(&scene.set_topic(), "ON", false), Ok(()));

    let state = scene.phone.wait_payload(&scene.heater.topic(), "ON");
    let cause: Value = serde_json::from_str(state.user_property("cause")).expect("a state has a cause");
    assert_eq!(cause["by"], "client", "{state:?}");
    assert_eq!((&cause["client_id"], &cause["user"]), (&json!("kitchen-tablet"), &json!("demo")));
    assert_eq!(state.qos, 1, "a state is not telemetry: {state:?}");

    let result = scene.result_after(mark);
    assert_eq!(result["ok"], true, "{result}");
    assert_eq!(result["cause"]["client_id"], "kitchen-tablet", "{result}");

    // The page says the same, with a sentence for people.
    let events = scene.browser.events();
    let house = events.wait("house", LIMIT, |house| Some(house.clone()));
    let reading = scene.heater.reading(&house);
    assert_eq!(reading["value"], "ON", "{reading}");
    let sentence = reading["cause"]["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("kitchen-tablet"), "{reading}");

    // And a phone that comes later learns it from the retained state.
    let late = scene.gateway.phone("late");
    late.subscribe(&scene.heater.topic());
    let retained = late.wait_payload(&scene.heater.topic(), "ON");
    assert!(retained.retain && !retained.user_property("cause").is_empty(), "{retained:?}");
}

#[test]
fn on_from_the_page_is_accepted_then_reported() {
    let scene = scene();
    let events = scene.browser.events();
    events.wait("house", LIMIT, |_| Some(()));
    let accepted = scene.browser.post(&scene.heater.set_path(), &json!({ "value": "ON" })).expect(202).json();
    let id = accepted["id"].as_str().expect("an accepted command has an id").to_owned();

    let result = events.wait("result", LIMIT, |result| (result["id"] == id.as_str()).then(|| result.clone()));
    assert_eq!(result["ok"], true, "{result}");
    let reading = events.wait("reading", LIMIT, |reading| {
        let ours = reading["device"] == scene.heater.device.as_str() && reading["value"] == "ON";
        ours.then(|| reading.clone())
    });
    let sentence = reading["cause"]["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains("ana"), "{reading}");

    let state = scene.phone.wait_payload(&scene.heater.topic(), "ON");
    let cause: Value = serde_json::from_str(state.user_property("cause")).expect("a state has a cause");
    assert_eq!(cause, json!({ "by": "page", "user": "ana" }));

    // TOGGLE changes over.
    scene.browser.post(&scene.heater.set_path(), &json!({ "value": "TOGGLE" })).expect(202);
    events.wait("reading", LIMIT, |reading| {
        let ours = reading["device"] == scene.heater.device.as_str() && reading["value"] == "OFF";
        ours.then_some(())
    });
}

#[test]
fn on_for_a_while_ends_by_itself() {
    let scene = scene();
    let mark = scene.phone.messages().mark();
    let command = r#"{"value":"ON","for":"2s","id":"boost-1"}"#;
    assert_eq!(scene.phone.publish(&scene.set_topic(), command, false), Ok(()));
    let result = scene.result_after(mark);
    assert_eq!((&result["id"], &result["ok"]), (&json!("boost-1"), &json!(true)), "{result}");
    scene.phone.wait_payload(&scene.heater.topic(), "ON");
    let off = scene.phone.wait_after(mark, &scene.heater.topic(), |message| {
        (message.payload == "OFF").then(|| message.clone())
    });
    let cause = off.user_property("cause");
    assert!(cause.contains("kitchen-tablet"), "the end of `for` stands on the command behind it: {cause}");
}

#[test]
fn an_output_that_must_rest_says_so() {
    let scene = scene();
    for (payload, expected) in [("ON", true), ("OFF", true), ("ON", false)] {
        let mark = scene.phone.messages().mark();
        assert_eq!(scene.phone.publish(&scene.set_topic(), payload, false), Ok(()));
        let result = scene.result_after(mark);
        assert_eq!(result["ok"], expected, "{payload}: {result}");
        if !expected {
            let reason = result["reason"].as_str().unwrap_or_default();
            assert!(
                reason.contains("Heater") && reason.contains("off"),
                "the reason says what rests: {reason}"
            );
        }
    }
}

/// MQTT 5 has a way of its own to ask and to be answered: a response topic, and data that comes back with the answer.
#[test]
fn the_answer_goes_where_an_mqtt_5_client_wants_it() {
    let scene = scene();
    scene.phone.subscribe("answers/tablet");
    let properties = PublishProperties {
        response_topic: Some("answers/tablet".to_owned()),
        correlation_data: Some("question 7".into()),
        ..PublishProperties::default()
    };
    assert_eq!(scene.phone.publish_with(&scene.set_topic(), "ON", false, properties), Ok(()));
    let answer = scene.phone.wait("answers/tablet", |message| Some(message.clone()));
    assert_eq!(answer.json()["ok"], true, "{answer:?}");
    assert_eq!(answer.correlation, "question 7", "{answer:?}");
}

/// A retained `ON` on a command topic would switch the heater on at every start of the gateway, for ever: the classic
/// trap of switching over MQTT. It is refused, with a reason that the sender can read, whatever it speaks.
#[test]
fn a_retained_command_is_refused_and_not_kept() {
    let scene = scene();
    let mark = scene.phone.messages().mark();
    let refused =
        scene.phone.publish(&scene.set_topic(), "ON", true).expect_err("a retained command is refused");
    assert!(refused.to_lowercase().contains("retain"), "the reason says what is wrong: {refused}");
    let result = scene.result_after(mark);
    assert_eq!(result["ok"], false, "{result}");
    let reason = result["reason"].as_str().unwrap_or_default().to_lowercase();
    assert!(reason.contains("retain"), "{result}");
    scene.assert_still_off();

    let late = scene.gateway.phone("late");
    late.subscribe("home/#");
    late.wait_payload(&scene.heater.topic(), "OFF");
    // A subscription to this one topic would bring the retained command, before its own end mark.
    late.subscribe(&scene.set_topic());
    late.publish("mark", "end", false).expect("a plain message is welcome");
    late.subscribe("mark");
    late.publish("mark", "end", false).expect("a plain message is welcome");
    late.wait_payload("mark", "end");
    let kept = late.messages().all().into_iter().find(|message| message.topic == scene.set_topic());
    assert_eq!(kept, None, "the refused command was kept");
}

#[test]
fn what_is_no_command_is_refused_with_the_reason() {
    let scene = scene();
    for (payload, word) in
        [("maybe", "maybe"), ("", "empty"), (r#"{"value":"ON","for":"soon"}"#, "soon"), ("21.5", "")]
    {
        let mark = scene.phone.messages().mark();
        // Refused by the guard (an error) or by the bridge (an answer): the answer comes in both cases.
        let _ = scene.phone.publish(&scene.set_topic(), payload, false);
        let result = scene.result_after(mark);
        assert_eq!(result["ok"], false, "{payload}: {result}");
        assert!(result["reason"].as_str().unwrap_or_default().contains(word), "{payload}: {result}");
    }
    scene.assert_still_off();
}

#[test]
fn the_page_says_what_is_wrong_with_a_command() {
    let scene = scene();
    let set = |path: &str, body: Value| scene.browser.post(path, &body);
    let path = scene.heater.set_path();
    set("/api/v1/devices/nothing/properties/power/set", json!({ "value": "ON" }))
        .expect_error(404, "unknown_device");
    set(&format!("/api/v1/devices/{}/properties/nothing/set", scene.heater.device), json!({ "value": "ON" }))
        .expect_error(404, "unknown_property");
    set(&path, json!({ "value": "maybe" })).expect_error(422, "invalid_value");
    set(&path, json!({ "value": "ON", "for": "soon" })).expect_error(422, "invalid_value");
    let sensor = scene.browser.find("sensor", |_, property| property["class"] == "temperature");
    set(&sensor.set_path(), json!({ "value": 21 })).expect_error(409, "not_settable");
    scene.assert_still_off();
}

/// A page of another site, open in the same browser, must not be able to switch anything.
#[test]
fn another_site_cannot_switch() {
    let scene = scene();
    let body = json!({ "value": "ON" }).to_string();
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "http://evil.example")]] {
        let path = scene.heater.set_path();
        let answer = scene.browser.post_text(&path, "application/json", &body, &headers);
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
    scene.assert_still_off();
}
