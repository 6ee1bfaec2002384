//! Things go wrong in the simulated house: whoever is sick says so, the others go on, and it is over without a restart.

use gatehouse_tests::{Browser, Gateway, LIMIT, Phone, Setup, until};
use serde_json::{Value, json};

struct Scene {
    gateway: Gateway,
    browser: Browser,
    phone: Phone,
}

fn scene() -> Scene {
    let mut gateway = Setup::demo().start();
    gateway.tolerate("WARN");
    let browser = gateway.administrator();
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    for device in ["living-room", "kitchen", "outdoors"] {
        phone.wait_payload(&format!("home/{device}/availability"), "online");
    }
    Scene { gateway, browser, phone }
}

impl Scene {
    /// Gives a device a fault, and tells how many messages there were before.
    fn fault(&self, device: &str, fault: &str) -> usize {
        let mark = self.phone.messages().mark();
        let body = json!({ "device": device, "fault": fault });
        self.browser.post("/api/v1/demo/faults", &body).expect(204);
        mark
    }

    fn wait_availability(&self, mark: usize, device: &str, word: &str) {
        let topic = format!("home/{device}/availability");
        self.phone.wait_after(mark, &topic, |message| (message.payload == word).then_some(()));
    }

    /// Waits for two readings of a property, so that the second began after the mark.
    fn wait_readings(&self, mark: usize, topic: &str) {
        let count = std::cell::Cell::new(0);
        self.phone.wait_after(mark, topic, |_| {
            count.set(count.get() + 1);
            (count.get() >= 2).then_some(())
        });
    }

    fn assert_never_offline_since(&self, mark: usize, devices: &[&str]) {
        for message in &self.phone.messages().all()[mark..] {
            let is_theirs =
                devices.iter().any(|device| message.topic == format!("home/{device}/availability"));
            assert!(!(is_theirs && message.payload == "offline"), "{message:?}");
        }
    }

    /// What the page says is the matter with a device, when it says so.
    fn fault_on_the_page(&self, device: &str) -> String {
        until("a fault on the page", LIMIT, || {
            let house = self.browser.house();
            let found = house["devices"].as_array().into_iter().flatten().find(|found| found["id"] == device);
            match found.map(|found| &found["fault"]) {
                Some(Value::String(sentence)) => Ok(sentence.clone()),
                other => Err(format!("{other:?}")),
            }
        })
    }
}

#[test]
fn a_sensor_that_vanishes_is_offline_with_a_sentence_and_back_without_a_restart() {
    let scene = scene();
    for device in ["living-room", "outdoors"] {
        let mark = scene.fault(device, "vanished");
        scene.wait_availability(mark, device, "offline");
        let sentence = scene.fault_on_the_page(device);
        assert!(sentence.split_whitespace().count() > 3, "{sentence}");
        scene.wait_readings(scene.phone.messages().mark(), "home/kitchen/temperature");
        scene.assert_never_offline_since(mark, &["kitchen", "bathroom", "brightness", "supply", "heater"]);
        let mark = scene.fault(device, "none");
        scene.wait_availability(mark, device, "online");
        scene.phone.wait_after(mark, &format!("home/{device}/temperature"), |message| {
            (message.user_property("quality") == "simulated").then_some(())
        });
    }
    assert!(scene.gateway.stop().status.success());
}

#[test]
fn a_stuck_bus_is_a_matter_of_that_bus_alone() {
    let scene = scene();
    let mark = scene.fault("kitchen", "stuck-bus");
    for device in ["kitchen", "living-room", "bathroom", "plants"] {
        scene.wait_availability(mark, device, "offline");
    }
    scene.wait_readings(scene.phone.messages().mark(), "home/outdoors/temperature");
    scene.phone.publish("home/hall-light/power/set", "ON", false).expect("the light is there");
    scene.phone.wait_after(mark, "home/hall-light/power", |state| (state.payload == "ON").then_some(()));
    scene.assert_never_offline_since(
        mark,
        &["outdoors", "hall-light", "heater", "front-door", "this-machine"],
    );
    let mark = scene.fault("kitchen", "none");
    for device in ["kitchen", "living-room", "bathroom", "plants"] {
        scene.wait_availability(mark, device, "online");
    }
    assert!(scene.gateway.stop().status.success());
}

#[test]
fn a_stuck_pin_latches_a_fault_and_a_contact_can_be_opened() {
    let scene = scene();
    let mark = scene.fault("hall-light", "stuck-pin");
    scene.phone.publish("home/hall-light/power/set", "ON", false).expect("the light is there");
    let answer = scene.phone.wait_after(mark, "home/hall-light/power/result", |answer| Some(answer.json()));
    assert_eq!(answer["ok"], false, "{answer}");
    assert!(scene.fault_on_the_page("hall-light").contains("pin"));
    scene.browser.post("/api/v1/demo/inputs", &json!({ "device": "front-door", "on": true })).expect(204);
    scene.phone.wait_after(mark, "home/front-door/contact", |state| (state.payload == "ON").then_some(()));
    scene.browser.post("/api/v1/demo/inputs", &json!({ "device": "kitchen", "on": true })).expect(422);
}
