//! The configuration is read again while the gateway runs: what changed is changed, and nothing else.

use gatehouse_tests::Setup;

const HOUSE: &str = r#"
[[device]]
id = "pump"
driver = "output"
pin = 5
safe = "off"
max_on = "1h"

[[device]]
id = "lamp"
driver = "output"
pin = 6
safe = "off"
max_on = "1h"
"#;

#[test]
fn devices_change_without_a_restart_and_a_mistake_changes_nothing() {
    let mut gateway = Setup::simulated(HOUSE).start();
    gateway.tolerate("has mistakes, so nothing was changed");
    gateway.tolerate("takes effect at the next start");
    let phone = gateway.phone("phone");
    phone.subscribe("home/#");
    phone.wait_payload("home/pump/power", "OFF");
    phone.publish("home/pump/power/set", "ON", false).expect("the pump is there");
    phone.wait_payload("home/pump/power", "ON");

    // The lamp becomes a fan, at the same pin.
    let file = gateway.configuration();
    std::fs::write(&file, HOUSE.replace("lamp", "fan")).expect("the configuration can be written");
    let mark = phone.messages().mark();
    let said = gateway.reload();
    assert!(said.contains("added `fan`; removed `lamp`; 1 devices untouched"), "{said}");
    phone.wait_after(mark, "home/fan/power", |message| (message.payload == "OFF").then_some(()));
    phone.wait_after(mark, "home/lamp/power", |message| message.payload.is_empty().then_some(()));
    let info = phone.wait_after(mark, "home/info", |message| Some(message.json()));
    let ids: Vec<&str> = info["devices"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|device| device["id"].as_str())
        .collect();
    assert_eq!(ids, ["pump", "fan"]);
    assert!(
        phone.messages().all()[mark..].iter().all(|message| message.topic != "home/pump/power"),
        "the pump was not touched"
    );
    phone.publish("home/fan/power/set", "ON", false).expect("the guard knows the fan");
    phone.wait_payload("home/fan/power", "ON");
    let mark = phone.messages().mark();
    phone.publish("home/lamp/power/set", "ON", false).expect("a topic like that of any guest");
    let answer = phone.wait_after(mark, "home/lamp/power/result", |message| Some(message.json()));
    assert_eq!(answer["ok"], false, "{answer}");

    // A mistake, and a section that waits for the next start.
    std::fs::write(&file, HOUSE.replace("safe = \"off\"", "safe = \"of\""))
        .expect("the configuration can be written");
    assert!(gateway.reload().contains("nothing was changed"));
    let renamed = format!("[gateway]\nname = \"Casa\"\nbase = \"casa\"\n{}", HOUSE.replace("lamp", "fan"));
    std::fs::write(&file, renamed).expect("the configuration can be written");
    assert!(gateway.reload().contains("2 devices untouched"));
    assert!(gateway.words().contains("[gateway] of"), "{}", gateway.words());
    phone.publish("home/pump/power/set", "TOGGLE", false).expect("the pump is there");
    phone.wait_payload("home/pump/power", "OFF");
    assert!(gateway.stop().status.success());
}
