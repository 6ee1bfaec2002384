//! The page of messages, with a real MQTT client at the other end.

use gatehouse_tests::http::{Browser, EventStream};
use gatehouse_tests::{Gateway, LIMIT, Login, Phone, Setup};
use serde_json::{Value, json};

const PASSWORD: &str = "a lamp in the window";

fn start() -> (Gateway, Browser, Phone) {
    let gateway = Setup::demo().with_user("ana", "admin", PASSWORD).start();
    let browser = gateway.browser();
    browser.log_in("ana", PASSWORD);
    let login = Login { user: "ana".to_owned(), password: PASSWORD.to_owned() };
    let phone = Phone::connect(gateway.mqtt_address(), "counter", &login);
    (gateway, browser, phone)
}

fn retained(browser: &Browser, filter: &str) -> Vec<Value> {
    let answer = browser.get(&format!("/api/v1/messages/retained?filter={filter}")).expect(200).json();
    answer["messages"].as_array().expect("a list").clone()
}

fn watch(browser: &Browser, filter: &str) -> EventStream {
    let stream = browser.stream(&format!("/api/v1/messages/stream?filter={filter}"));
    stream.wait("clock", LIMIT, |_| Some(()));
    stream
}

#[test]
fn a_message_of_the_page_arrives_and_one_of_a_client_is_seen() {
    let (gateway, browser, phone) = start();
    phone.subscribe("garden/#");
    let stream = watch(&browser, "garden/%23");
    let message = json!({
        "topic": "garden/note", "payload": "water the roses", "qos": 1, "retain": true,
        "user_properties": [{ "name": "mood", "value": "dry" }],
    });
    browser.post("/api/v1/messages", &message).expect(204);
    let arrived = phone.wait_payload("garden/note", "water the roses");
    assert_eq!(arrived.user_property("mood"), "dry");
    assert_eq!(phone.publish("garden/answer", "done", true), Ok(()));
    let from = stream.wait("messages", LIMIT, |piece| {
        let messages = piece["messages"].as_array()?;
        messages.iter().find(|one| one["payload"] == "done").map(|one| one["from"].clone())
    });
    assert_eq!(from, "ana over MQTT (client counter)");
    let kept = retained(&browser, "garden/%2B");
    let topics: Vec<_> = kept.iter().map(|one| &one["topic"]).collect();
    assert_eq!(topics, ["garden/answer", "garden/note"]);
    assert_eq!(kept[1]["from"], "ana at the dashboard");

    let mark = phone.messages().mark();
    browser.delete("/api/v1/messages/retained?topic=garden/note").expect(204);
    phone.wait_after(mark, "garden/note", |message| message.payload.is_empty().then_some(()));
    browser.delete("/api/v1/messages/retained?topic=garden/note").expect_error(404, "not_retained");
    assert_eq!(retained(&browser, "garden/%2B").len(), 1);

    // It stays so over a restart, and whoever logs out sees no more.
    browser.post("/api/v1/logout", &Value::Null).expect(204);
    stream.wait_end(LIMIT);
    let gateway = gateway.restart();
    let browser = gateway.browser();
    browser.log_in("ana", PASSWORD);
    assert_eq!(retained(&browser, "garden/%2B").len(), 1);
}

/// Who may publish everywhere is still not the gateway: what it says stays its own, and a command is a command.
#[test]
fn the_guard_stands_before_the_page_too() {
    let (_gateway, browser, phone) = start();
    phone.subscribe("home/heater/#");
    let publish = |topic: &str, payload: &str, retain: bool| {
        browser.post("/api/v1/messages", &json!({ "topic": topic, "payload": payload, "retain": retain }))
    };
    publish("home/heater/power", "ON", false).expect_error(409, "refused");
    publish("home/heater/power/set", "ON", true).expect_error(409, "refused");
    browser.delete("/api/v1/messages/retained?topic=home/info").expect_error(409, "refused");
    publish("home/heater/power/set", "ON", false).expect(204);
    let on = phone.wait_payload("home/heater/power", "ON");
    assert!(on.user_property("cause").contains("ana"), "{on:?}");
}

/// Nothing is lost when many pass: a client gets all, and the page shows some and counts the rest.
#[test]
fn of_a_flood_the_page_shows_a_part_and_the_clients_get_all() {
    const FLOOD: usize = 300;
    let (_gateway, browser, phone) = start();
    phone.subscribe("flood");
    let stream = watch(&browser, "flood");
    for number in 0..FLOOD {
        assert_eq!(phone.publish("flood", &number.to_string(), false), Ok(()));
    }
    phone.wait_payload("flood", &(FLOOD - 1).to_string());
    let received = phone.messages().all();
    assert_eq!(received.iter().filter(|message| message.topic == "flood").count(), FLOOD);
    let told = std::cell::RefCell::new((0, 0));
    stream.wait("messages", LIMIT, |piece| {
        let mut told = told.borrow_mut();
        let shown = piece["messages"].as_array()?.len();
        assert!(shown <= 25, "{piece}");
        told.0 += shown;
        told.1 += usize::try_from(piece["left_out"].as_u64()?).ok()?;
        (told.0 + told.1 == FLOOD).then_some(())
    });
}
