//! A reading travels: from this machine to the page, to MQTT and to history.

use gatehouse_model::Timestamp;
use gatehouse_tests::{LIMIT, Setup, until};
use serde_json::{Value, json};

#[test]
fn the_load_of_this_machine_reaches_the_page_mqtt_and_history() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    let load = browser.find("load of this machine", |device, property| {
        device["driver"] == "host" && property["id"].as_str().is_some_and(|id| id.starts_with("load"))
    });

    // To the page: with its value, its time and its quality.
    let events = browser.events();
    let shown = until("the load on the page", LIMIT, || {
        let reading = load.reading(&browser.house());
        if reading["value"].is_number() { Ok(reading) } else { Err(reading.to_string()) }
    });
    assert_eq!(shown["quality"], "ok", "{shown}");
    let at = Timestamp::parse(shown["at"].as_str().unwrap_or_default());
    assert!(at.is_ok(), "{shown}");

    // To MQTT: the bare number, retained for those who come later, with the same honesty in its properties.
    let heard = phone.wait(&load.topic(), |message| Some(message.clone()));
    let number: f64 = heard.payload.parse().expect("a bare number");
    assert!((0.0..10_000.0).contains(&number), "{heard:?}");
    assert_eq!(heard.user_property("quality"), "ok", "{heard:?}");
    assert!(Timestamp::parse(heard.user_property("ts")).is_ok(), "{heard:?}");
    let late = gateway.phone("late");
    late.subscribe(&load.topic());
    assert!(late.wait(&load.topic(), |message| Some(message.retain)), "the last value is retained");

    // It goes on: a later reading follows on both ways.
    let first = heard.user_property("ts").to_owned();
    phone.wait(&load.topic(), |message| (message.user_property("ts") > first.as_str()).then_some(()));
    events.wait("reading", LIMIT, |event| {
        let ours = event["device"] == load.device.as_str() && event["property"] == load.property.as_str();
        (ours && event["at"].as_str() > Some(first.as_str())).then_some(())
    });

    // To history, after its next commit.
    let series = until("the load in history", LIMIT, || {
        let answer = browser.get(&load.history_path()).expect(200).json();
        if answer["points"].as_array().is_some_and(|points| !points.is_empty()) {
            Ok(answer)
        } else {
            Err(answer.to_string())
        }
    });
    let point = &series["points"][0];
    for field in ["min", "mean", "max", "last"] {
        assert!(point[field].is_number(), "{field} in {series}");
    }
    assert!(point["count"].as_u64() >= Some(1), "{series}");
    assert_eq!(point["quality"], "ok", "{series}");
    assert!(series["recording_since"].is_string(), "{series}");
}

#[test]
fn the_gateway_announces_itself_over_mqtt() {
    let gateway = Setup::demo().start();
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    phone.wait_payload("home/status", "online");
    let info = phone.wait("home/info", |message| Some(message.json()));
    assert_eq!(info["base"], "home");
    let devices = info["devices"].as_array().expect("devices").clone();
    assert!(!devices.is_empty());
    for device in &devices {
        let id = device["id"].as_str().expect("a device has an id");
        phone.wait_payload(&format!("home/{id}/availability"), "online");
    }
    let host = devices.iter().find(|device| device["driver"] == "host").expect("this machine is a device");
    assert_eq!(host["simulated"], false, "the sensors of this machine are real");
    let json = format!("home/{}/json", host["id"].as_str().unwrap_or_default());
    let report = phone.wait(&json, |message| message.json()["ts"].is_string().then(|| message.json()));
    assert_eq!(report["quality"], "ok", "{report}");
}

#[test]
fn every_simulated_value_says_that_it_is_made_up() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let house = until("a reading of every device", LIMIT, || {
        let house = browser.house();
        let silent: Vec<&Value> = properties(&house)
            // Where a cover is, nobody knows before it was at an end.
            .filter(|(device, property)| property["reading"].is_null() && device["driver"] != "cover")
            .map(|(device, _)| &device["id"])
            .collect();
        if silent.is_empty() { Ok(house) } else { Err(format!("no reading yet of {silent:?}")) }
    });
    for (device, property) in properties(&house).filter(|(_, property)| !property["reading"].is_null()) {
        let quality = &property["reading"]["quality"];
        let is_simulated = device["simulated"] == true;
        assert_eq!(quality == "simulated", is_simulated, "{device:#}");
    }
    let names: Vec<&Value> = properties(&house).map(|(_, property)| &property["class"]).collect();
    for class in ["temperature", "humidity", "motion", "door", "light", "heat"] {
        assert!(names.contains(&&json!(class)), "the simulated house has no {class}: {names:?}");
    }
}

fn properties(house: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let devices = house["devices"].as_array().into_iter().flatten();
    devices.flat_map(|device| {
        device["properties"].as_array().into_iter().flatten().map(move |property| (device, property))
    })
}

#[test]
fn what_was_recorded_before_a_stop_is_there_after_it() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let load = browser.find("number of this machine", |device, property| {
        device["driver"] == "host" && property["kind"] == "number"
    });
    let phone = gateway.phone("phone");
    phone.subscribe(&load.topic());
    let last = phone.wait(&load.topic(), |message| (!message.retain).then(|| message.clone()));

    // No commit has been waited for: the stop itself must write what is still held back.
    let gateway = gateway.restart();
    let browser = gateway.administrator();
    let path = format!("{}?from={}&points=2000", load.history_path(), last.user_property("ts"));
    let series = browser.get(&path).expect(200).json();
    let number: f64 = last.payload.parse().expect("a number");
    let found = series["points"].as_array().into_iter().flatten().any(|point| {
        let bounds = point["min"].as_f64().zip(point["max"].as_f64());
        bounds.is_some_and(|(min, max)| (min - 1e-6..=max + 1e-6).contains(&number))
    });
    assert!(found, "{number} at {} is missing in {series}", last.user_property("ts"));
}
