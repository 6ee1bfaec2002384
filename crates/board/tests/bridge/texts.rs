//! Chips that say texts, and displays.

use gatehouse_board::catalogue::{Bus, Settings, find};
use gatehouse_board::config::{ChipConfig, ChipPlace, DeviceConfig, DriverConfig, I2cBusName};
use gatehouse_board::sim::chips::Fault;
use gatehouse_model::{DeviceId, Origin, Value};

use crate::harness::{House, MINUTE};

fn id(word: &str) -> DeviceId {
    DeviceId::new(word).unwrap()
}

fn chip(word: &'static str, name: &str) -> DeviceConfig {
    let entry = find(word).unwrap();
    let Bus::I2c { addresses } = entry.bus else { panic!("{word} is not on I²C") };
    let place = ChipPlace::I2c { bus: I2cBusName::Kernel(1), address: addresses[0] };
    let settings = Settings::defaults(entry.settings);
    let chip = ChipConfig { entry, place, settings, every: entry.periods.default, interrupt: None };
    DeviceConfig::new(id(name), name, DriverConfig::Chip(chip))
}

fn picture(house: &House) -> Vec<String> {
    house.board.with_chip(&id("panel"), |chip| chip.picture()).flatten().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_display_shows_what_it_is_told_and_again_when_it_comes_back() {
    let mut house = House::of(vec![chip("ssd1306", "panel")]);
    assert_eq!(house.reading("panel", "text").await.value, Value::Text(" ".into()));
    let empty = picture(&house);
    house.command("panel", "text", r#"{"value":"Frost: 1.5 °C","id":"f1"}"#).await;
    let shown = house.reading("panel", "text").await;
    assert_eq!(shown.value, Value::Text("Frost: 1.5 °C".into()));
    let by = shown.cause.map(|cause| cause.origin);
    assert_eq!(by, Some(Origin::Client { client_id: "phone".into(), user: "ana".into() }));
    let result = house.result("panel", "text").await;
    assert_eq!((result.id.as_deref(), result.ok), (Some("f1"), true));
    let frost = picture(&house);
    assert_ne!(frost, empty);

    house.board.set_chip_fault(&id("panel"), Some(Fault::Vanished));
    house.payload("home/panel/availability", "offline").await;
    house.command("panel", "text", "nobody sees this").await;
    let refused = house.result("panel", "text").await;
    assert!(!refused.ok && refused.reason.is_some_and(|reason| reason.contains("does not answer")));
    house.board.with_chip(&id("panel"), |chip| chip.lose_power());
    house.board.set_chip_fault(&id("panel"), None);
    house.payload("home/panel/availability", "online").await;
    assert_eq!(picture(&house), frost, "what was refused is not shown later");

    // Its supply was cut for a moment only.
    house.board.with_chip(&id("panel"), |chip| chip.lose_power());
    house.pass(2 * MINUTE).await;
    assert_eq!(picture(&house), frost);
    house.command("panel", "text", &"x".repeat(300)).await;
    let refused = house.result("panel", "text").await;
    assert!(refused.reason.is_some_and(|reason| reason.contains("300 bytes")));
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_chip_says_cannot_be_set() {
    let mut house = House::of(vec![chip("pn532", "reader")]);
    assert_eq!(house.reading("reader", "tag").await.value, Value::Text("none".into()));
    house.command("reader", "tag", "12:34").await;
    assert!(!house.result("reader", "tag").await.ok);
    house.stop().await.unwrap();
}
