//! Chips and expanders in a running bridge.

use std::time::Duration;

use gatehouse_board::catalogue::{Bus, Settings, find};
use gatehouse_board::config::{
    ActiveLevel, ChipConfig, ChipPlace, DeviceConfig, DriverConfig, I2cBusName, InputConfig, LineNumber,
    OutputConfig, Pin,
};
use gatehouse_board::sim::chips::Fault;
use gatehouse_model::{DeviceId, Quality, Value};

use crate::harness::{House, MINUTE};

fn id(word: &str) -> DeviceId {
    DeviceId::new(word).unwrap()
}

fn chip(word: &'static str, name: &str) -> DeviceConfig {
    chip_with(word, name, None)
}

fn chip_with(word: &'static str, name: &str, interrupt: Option<Pin>) -> DeviceConfig {
    let entry = find(word).unwrap();
    let Bus::I2c { addresses } = entry.bus else { panic!("{word} is not on I²C") };
    let place = ChipPlace::I2c { bus: I2cBusName::Kernel(1), address: addresses[0] };
    let settings = Settings::defaults(entry.settings);
    let chip = ChipConfig { entry, place, settings, every: entry.periods.default, interrupt };
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

/// The line that the porch's interrupt output is wired to.
const INTERRUPT: LineNumber = LineNumber::new(4);

/// A porch that tells its changes, with a door that is closed, after the start.
async fn told_porch() -> House {
    let relay = OutputConfig { active: ActiveLevel::Low, ..OutputConfig::at(porch(0)) };
    let door = InputConfig { class: Some("door".to_owned()), ..InputConfig::at(porch(8)) };
    let mut house = House::of(vec![
        chip_with("mcp23017", "porch", Some(Pin::Header(INTERRUPT))),
        DeviceConfig::new(id("relay"), "Relay", DriverConfig::Output(relay)),
        DeviceConfig::new(id("door"), "Door", DriverConfig::Input(door)),
    ]);
    house.reading("door", "contact").await;
    house.reading("relay", "power").await;
    house.pass(Duration::from_millis(10_300)).await;
    house
}

fn transfers(house: &House) -> u64 {
    house.board.chips(1).unwrap().transfers()
}

fn move_door(house: &House, is_high: bool) {
    house.board.with_chip(&id("porch"), |chip| chip.drive_from_outside(8, Some(is_high))).unwrap();
}

fn milliseconds(house: &House) -> i64 {
    house.clock.now().as_millis()
}

#[tokio::test(start_paused = true)]
async fn an_edge_arrives_by_the_interrupt_line_without_polling() {
    let mut house = told_porch().await;
    let before = transfers(&house);
    house.pass(Duration::from_secs(10)).await;
    let idle = transfers(&house) - before;
    assert!(idle < 150, "a check and a safety poll a second, not a hundred polls: {idle} transfers");
    for is_high in [false, true, false] {
        house.pass(Duration::from_millis(1_370)).await;
        let moved = milliseconds(&house);
        move_door(&house, is_high);
        let told = house.reading("door", "contact").await;
        assert_eq!(told.value, Value::Switch(!is_high));
        let late = milliseconds(&house) - moved;
        assert!(late < 50, "its debounce takes 20 ms, and the rest {late} ms");
        assert_eq!(told.at.as_millis(), moved, "it is dated to the edge of the interrupt line");
    }
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lost_edge_is_caught_by_the_safety_poll() {
    let mut house = told_porch().await;
    assert!(house.board.set_stuck(&id("porch"), true), "its interrupt line is broken: it stays high");
    for is_high in [false, true] {
        let moved = milliseconds(&house);
        move_door(&house, is_high);
        assert_eq!(house.reading("door", "contact").await.value, Value::Switch(!is_high));
        let late = milliseconds(&house) - moved;
        assert!((21..1_100).contains(&late), "{late} ms");
    }
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_chip_that_holds_its_line_low_does_not_spin_the_loop() {
    let mut house = told_porch().await;
    house.board.short(INTERRUPT, true);
    let before = transfers(&house);
    house.pass(Duration::from_secs(10)).await;
    let held = transfers(&house) - before;
    assert!((500..1_400).contains(&held), "it is polled, and no more than that: {held} transfers in 10 s");
    // Everything else goes on.
    move_door(&house, false);
    assert_eq!(house.reading("door", "contact").await.value, Value::Switch(true));
    house.command("relay", "power", "ON").await;
    assert_eq!(house.reading("relay", "power").await.value, Value::Switch(true));
    // And when the short is gone, so is the polling.
    house.board.short(INTERRUPT, false);
    house.pass(Duration::from_secs(1)).await;
    let before = transfers(&house);
    house.pass(Duration::from_secs(10)).await;
    assert!(transfers(&house) - before < 150);
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_line_that_somebody_else_has_costs_only_its_speed() {
    let relay = OutputConfig { active: ActiveLevel::Low, ..OutputConfig::at(porch(0)) };
    let door = InputConfig { class: Some("door".to_owned()), ..InputConfig::at(porch(8)) };
    let devices = vec![
        chip_with("mcp23017", "porch", Some(Pin::Header(INTERRUPT))),
        DeviceConfig::new(id("relay"), "Relay", DriverConfig::Output(relay)),
        DeviceConfig::new(id("door"), "Door", DriverConfig::Input(door)),
    ];
    let mut house = House::with_a_line_that_is_taken(devices, INTERRUPT);
    let first = house.reading("door", "contact").await.value;
    house.pass(Duration::from_secs(2)).await;
    move_door(&house, false);
    let moved = milliseconds(&house);
    assert_ne!(house.reading("door", "contact").await.value, first);
    assert!(milliseconds(&house) - moved < 100);
    assert_eq!(house.latest("home/porch/availability").as_deref(), Some("online"));
    house.stop().await.unwrap();
}
