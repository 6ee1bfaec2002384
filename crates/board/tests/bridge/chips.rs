//! Chips and expanders in a running bridge.

use std::time::Duration;

use gatehouse_board::catalogue::{Bus, Settings, find};
use gatehouse_board::config::{
    ActiveLevel, ChipConfig, ChipPlace, DeviceConfig, DriverConfig, I2cBusName, InputConfig, OutputConfig,
    Pin,
};
use gatehouse_board::sim::chips::Fault;
use gatehouse_model::{DeviceId, Quality, Value};

use crate::harness::{House, MINUTE};

fn id(word: &str) -> DeviceId {
    DeviceId::new(word).unwrap()
}

fn chip(word: &'static str, name: &str) -> DeviceConfig {
    let entry = find(word).unwrap();
    let Bus::I2c { addresses } = entry.bus else { panic!("{word} is not on I²C") };
    let place = ChipPlace::I2c { bus: I2cBusName::Kernel(1), address: addresses[0] };
    let settings = Settings::defaults(entry.settings);
    let chip = ChipConfig { entry, place, settings, every: entry.periods.default };
    DeviceConfig::new(id(name), name, DriverConfig::Chip(chip)).in_room("Living room")
}

fn porch(line: u8) -> Pin {
    Pin::Expander { device: id("porch"), line }
}

/// A porch with an expander that has a relay (on when low) and a door.
fn house() -> House {
    let relay = OutputConfig { active: ActiveLevel::Low, ..OutputConfig::at(porch(0)) };
    let door = InputConfig { class: Some("door".to_owned()), ..InputConfig::at(porch(8)) };
    House::of(vec![
        chip("mcp23017", "porch"),
        DeviceConfig::new(id("relay"), "Relay", DriverConfig::Output(relay)),
        DeviceConfig::new(id("door"), "Door", DriverConfig::Input(door)),
        chip("bme280", "air"),
    ])
}

fn is_high(house: &House, line: u8) -> bool {
    house.board.with_chip(&id("porch"), |chip| chip.lines()).flatten().unwrap() >> line & 1 == 1
}

#[tokio::test(start_paused = true)]
async fn a_chip_measures_its_room_and_what_it_says_is_marked_as_simulated() {
    let mut house = house();
    let reading = house.reading("air", "temperature").await;
    assert_eq!(reading.quality, Quality::Simulated);
    assert!(reading.value.as_number().is_some_and(|celsius| (15.0..25.0).contains(&celsius)), "{reading:?}");
    assert!(house.number("air", "pressure").await > 1_000.0);
    house.board.set_chip_fault(&id("air"), Some(Fault::Vanished));
    house.payload("home/air/availability", "offline").await;
    assert!(house.fault("air").is_some_and(|fault| fault.contains("check power and wiring")));
    house.board.set_chip_fault(&id("air"), None);
    house.payload("home/air/availability", "online").await;
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn outputs_and_inputs_of_an_expander_are_like_any_other() {
    let mut house = house();
    assert_eq!(house.reading("relay", "power").await.value, Value::Switch(false));
    assert!(is_high(&house, 0), "off is high");
    house.payload("home/porch/availability", "online").await;
    house.command("relay", "power", "ON").await;
    assert_eq!(house.reading("relay", "power").await.value, Value::Switch(true));
    assert!(!is_high(&house, 0));
    // Its pull-up holds the contact's line high: it is open; now it is closed to ground.
    let first = house.reading("door", "contact").await.value;
    house.board.with_chip(&id("porch"), |chip| chip.drive_from_outside(8, Some(false)));
    let second = house.reading("door", "contact").await.value;
    assert_ne!(first, second);
    house.stop().await.unwrap();
    assert!(is_high(&house, 0), "the outputs are safe at the end");
}

#[tokio::test(start_paused = true)]
async fn an_expander_that_vanishes_is_a_fault_and_comes_back_with_what_is_wanted_then() {
    let mut house = house();
    house.reading("relay", "power").await;
    house.command("relay", "power", "ON").await;
    assert_eq!(house.reading("relay", "power").await.value, Value::Switch(true));
    house.board.set_chip_fault(&id("porch"), Some(Fault::Vanished));
    house.payload("home/porch/availability", "offline").await;
    house.payload("home/door/availability", "offline").await;
    house.command("relay", "power", "OFF").await;
    house.result("relay", "power").await;
    house.board.with_chip(&id("porch"), |chip| chip.lose_power());
    house.board.set_chip_fault(&id("porch"), None);
    house.payload("home/porch/availability", "online").await;
    house.pass(Duration::from_secs(2)).await;
    assert!(is_high(&house, 0), "the relay was to be off");
    house.pass(2 * MINUTE).await;
    assert_eq!(house.latest("home/door/availability").as_deref(), Some("online"));
    house.stop().await.unwrap();
}
