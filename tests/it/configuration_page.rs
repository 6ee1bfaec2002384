//! The configuration is changed over the API: a device is added, a mistake changes nothing, and what nobody confirms is
//! taken back, also over a restart.

use gatehouse_tests::{Browser, Setup, until};
use serde_json::{Value, json};
use std::time::Duration;

const HOUSE: &str = r#"# The lamp over the table.
[[device]]
id = "lamp"
driver = "output"
pin = 6
safe = "off"
max_on = "1h" # never forgotten
"#;

const PATH: &str = "/api/v1/configuration";
const DEVICES: &str = "/api/v1/configuration/devices";

/// Longest time until the page shows a change.
const LIMIT: Duration = Duration::from_secs(20);

fn ids(browser: &Browser) -> Vec<String> {
    let house = browser.house();
    let devices = house["devices"].as_array().cloned().unwrap_or_default();
    devices.iter().filter_map(|device| device["id"].as_str().map(str::to_owned)).collect()
}

fn wait_for_ids(browser: &Browser, expected: &[&str]) {
    until("the devices of the house", LIMIT, || {
        let now = ids(browser);
        if now == expected { Ok(()) } else { Err(format!("{now:?}")) }
    });
}

fn put(browser: &Browser, body: &Value) -> gatehouse_tests::Answer {
    browser.put(PATH, body)
}

#[test]
fn a_device_is_added_over_the_api_and_a_wrong_one_changes_nothing() {
    let gateway = Setup::simulated(HOUSE).start();
    let browser = gateway.administrator();
    let before = browser.get(PATH).expect(200).json();
    assert_eq!(before["text"], HOUSE);
    assert_eq!(before["read_only"], Value::Null);
    let door = "[[device]]\nid = \"input-4\"\ndriver = \"input\"\npin = 4\npull = \"up\"\nactive = \"low\"\n";
    let body = json!({ "configuration": door, "id": "back-door", "name": "Back door", "room": "Hall" });
    let added = browser.post(DEVICES, &body).expect(201).json();
    assert_eq!(added["added"], json!(["back-door"]));
    wait_for_ids(&browser, &["lamp", "back-door"]);
    let after = browser.get(PATH).expect(200).json();
    let text = after["text"].as_str().expect("a text").to_owned();
    assert!(text.starts_with(HOUSE) && text.contains("room = \"Hall\""), "{text}");

    // The same pin once more, and something that is no device.
    let message =
        browser.post(DEVICES, &json!({ "configuration": door })).expect_error(422, "wrong_configuration");
    assert!(message.contains("back-door"), "who has the pin already: {message}");
    browser.post(DEVICES, &json!({ "configuration": "[http]\n" })).expect_error(422, "wrong_configuration");
    assert_eq!(std::fs::read_to_string(gateway.configuration()).expect("a text"), text);

    // Changes are based on what there is; the check tells where the mistake is and writes nothing.
    put(&browser, &json!({ "text": HOUSE, "base": before["version"] }))
        .expect_error(409, "changed_meanwhile");
    let wrong = HOUSE.replace("\"off\"", "\"of\"");
    let found = browser.post(&format!("{PATH}/check"), &json!({ "text": wrong })).expect(200).json();
    assert_eq!(found["problems"][0]["line"], 6, "{found}");
    put(&browser, &json!({ "text": wrong, "base": after["version"] }))
        .expect_error(422, "wrong_configuration");
    let changed = put(&browser, &json!({ "text": HOUSE, "base": after["version"] })).expect(200).json();
    assert_eq!(changed["removed"], json!(["back-door"]));
    wait_for_ids(&browser, &["lamp"]);
    let versions = browser.get(&format!("{PATH}/versions")).expect(200).json();
    let newest = versions["versions"][0]["id"].as_str().expect("an id");
    let kept = browser.get(&format!("{PATH}/versions/{newest}")).expect(200).json();
    assert_eq!(kept["text"], text);
    assert!(gateway.stop().status.success());
}

#[test]
fn a_change_that_nobody_confirms_is_taken_back_also_over_a_restart() {
    let gateway = Setup::simulated(HOUSE).start();
    let browser = gateway.administrator();
    let fan = HOUSE.replace("lamp\"", "fan\"");
    let change = |browser: &Browser| {
        let base = browser.get(PATH).expect(200).json()["version"].clone();
        let body = json!({ "text": fan, "base": base, "confirm_within_s": 10 });
        let changed = put(browser, &body).expect(200).json();
        assert!(changed["unconfirmed"]["left_ms"].as_u64().is_some_and(|left| left <= 10_000), "{changed}");
    };
    // In time by itself.
    change(&browser);
    wait_for_ids(&browser, &["fan"]);
    put(&browser, &json!({ "text": HOUSE, "base": "" })).expect_error(409, "unconfirmed");
    wait_for_ids(&browser, &["lamp"]);
    assert_eq!(std::fs::read_to_string(gateway.configuration()).expect("a text"), HOUSE);
    let confirm = |browser: &Browser, version: &Value| {
        browser.post(&format!("{PATH}/confirm"), &json!({ "version": version }))
    };
    confirm(&browser, &json!("")).expect_error(409, "nothing_to_confirm");
    // The audit log tells it from somebody who edited the file.
    let changes = |browser: &Browser| -> Vec<(Value, String)> {
        let entries = browser.get("/api/v1/audit").expect(200).json()["entries"].clone();
        let changes =
            entries.as_array().expect("entries").iter().filter(|one| one["what"] == "configuration-changed");
        changes
            .map(|one| (one["who"].clone(), one["detail"].as_str().unwrap_or_default().to_owned()))
            .collect()
    };
    let (by, detail) = changes(&browser).remove(0);
    assert_eq!(by, Value::Null, "{detail}");
    assert!(detail.starts_with("taken back: not confirmed in time; "), "{detail}");

    // At once, when somebody asks for it.
    change(&browser);
    assert_eq!(browser.post(&format!("{PATH}/take-back"), &json!({})).status, 204);
    wait_for_ids(&browser, &["lamp"]);
    let newest = changes(&browser).remove(0);
    assert_eq!(newest, (json!("ana"), "taken back".to_owned()), "who asked for it, and once");

    // Over a restart.
    change(&browser);
    let gateway = gateway.restart();
    let browser = gateway.administrator();
    wait_for_ids(&browser, &["lamp"]);
    assert_eq!(std::fs::read_to_string(gateway.configuration()).expect("a text"), HOUSE);

    // What is confirmed stays.
    change(&browser);
    let waiting = browser.get(PATH).expect(200).json()["unconfirmed"]["version"].clone();
    confirm(&browser, &json!("0")).expect_error(409, "another_waits");
    confirm(&browser, &waiting).expect(204);
    assert_eq!(changes(&browser)[0], (json!("ana"), "confirmed".to_owned()));
    let gateway = gateway.restart();
    let browser = gateway.administrator();
    wait_for_ids(&browser, &["fan"]);
    assert_eq!(browser.get(PATH).expect(200).json()["unconfirmed"], Value::Null);
    assert!(gateway.stop().status.success());
}

#[test]
fn the_demonstration_without_a_file_is_read_only_and_says_why() {
    let gateway = Setup::demo().start();
    let browser = gateway.administrator();
    let shown = browser.get(PATH).expect(200).json();
    assert!(shown["read_only"].as_str().is_some_and(|why| why.contains("--config FILE")), "{shown}");
    put(&browser, &json!({ "text": "", "base": shown["version"] })).expect_error(409, "read_only");
}
