//! Chips of the simulated board below the whole bridge: they follow the configuration, and fail one by one.

use std::time::Duration;

use gatehouse_board::Bridge;
use gatehouse_board::config::DeviceConfig;
use gatehouse_board::sim::{Mischief, NoMischief, demo_house};
use gatehouse_model::{DeviceId, Quality, Value};

use crate::harness::{House, MINUTE, parts};

fn id(word: &str) -> DeviceId {
    DeviceId::new(word).unwrap()
}

fn from_demo(ids: &[&str]) -> Vec<DeviceConfig> {
    demo_house().into_iter().filter(|device| ids.contains(&device.id.as_str())).collect()
}

fn celsius(value: &Value) -> f64 {
    value.as_number().unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_property_of_the_demonstration_house_has_a_believable_value() {
    let inventory = Bridge::new(parts(demo_house())).unwrap().inventory();
    let mut house = House::demo();
    for device in inventory.iter().filter(|device| device.simulated) {
        for property in &device.properties {
            // Where a blind is, nobody knows before it was at an end.
            if device.driver == "cover" && property.id.as_str() == "position" {
                continue;
            }
            let reading = house.reading(device.id.as_str(), property.id.as_str()).await;
            assert_eq!(reading.quality, Quality::Simulated, "{}/{}", device.id, property.id);
        }
    }
    let number = |device: &str, property: &str| -> f64 {
        house.latest(&format!("home/{device}/{property}")).unwrap().parse().unwrap()
    };
    for (device, property, range) in [
        ("living-room", "temperature", 17.0..23.0),
        ("living-room", "pressure", 1_000.0..1_025.0),
        ("bathroom", "humidity", 30.0..70.0),
        ("plants", "a0", 30.0..75.0),
        ("supply", "voltage", 4.8..5.2),
        ("supply", "current", 0.1..2.0),
        ("outdoors", "temperature", 3.0..15.0),
    ] {
        let found = number(device, property);
        assert!(range.contains(&found), "{device}/{property} is {found}");
    }
    house.stop().await.unwrap();
}

/// A chip that was configured while the house ran was on no bus, and its driver found nobody.
#[tokio::test(start_paused = true)]
async fn chips_and_thermometers_follow_the_configuration() {
    let mut house = House::of(from_demo(&["hall-light"]));
    house.message("home/hall-light/availability").await;
    let with = from_demo(&["hall-light", "living-room", "outdoors"]);
    house.apply(with).await.unwrap();
    let warm = house.reading("living-room", "temperature").await;
    assert!((15.0..25.0).contains(&celsius(&warm.value)), "{warm:?}");
    house.reading("outdoors", "temperature").await;
    assert!(house.board.chips(1).unwrap().with_chip(None, 0x76, |_| ()).is_some());

    // The same chip moves to its other address.
    let mut moved = from_demo(&["living-room", "hall-light"]);
    let gatehouse_board::config::DriverConfig::Chip(chip) = &mut moved[0].driver else { panic!("no chip") };
    chip.place = gatehouse_board::config::ChipPlace::I2c {
        bus: gatehouse_board::config::I2cBusName::Kernel(1),
        address: 0x77,
    };
    house.apply(moved).await.unwrap();
    house.reading("living-room", "temperature").await;
    let bus = house.board.chips(1).unwrap();
    assert!(bus.with_chip(None, 0x76, |_| ()).is_none(), "it is not at its old place");
    assert!(bus.with_chip(None, 0x77, |_| ()).is_some());

    house.apply(from_demo(&["hall-light"])).await.unwrap();
    assert!(bus.with_chip(None, 0x77, |_| ()).is_none(), "it is gone");
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_chip_that_another_configuration_leaves_alone_keeps_its_registers() {
    let mut house = House::of(from_demo(&["living-room"]));
    house.reading("living-room", "temperature").await;
    house.board.set_mischief(&id("living-room"), Some(Mischief::Vanished)).unwrap();
    house.apply(from_demo(&["living-room", "kitchen"])).await.unwrap();
    house.reading("kitchen", "temperature").await;
    house.payload("home/living-room/availability", "offline").await;
    house.board.set_mischief(&id("living-room"), None).unwrap();
    house.payload("home/living-room/availability", "online").await;
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_mischief_is_noticed_and_over_without_a_restart() {
    let sensors = ["living-room", "kitchen", "bathroom", "outdoors"];
    let mut house = House::of(from_demo(&sensors));
    for (device, mischief, words) in [
        ("living-room", Mischief::Vanished, ""),
        ("living-room", Mischief::WrongChip, ""),
        ("bathroom", Mischief::Damaged, "checksum"),
        ("outdoors", Mischief::Vanished, "not on the bus"),
        ("outdoors", Mischief::Damaged, "checksum"),
        ("kitchen", Mischief::StuckBus, ""),
    ] {
        for sensor in sensors {
            house.reading(sensor, "temperature").await;
        }
        house.board.set_mischief(&id(device), Some(mischief)).unwrap();
        house.payload(&format!("home/{device}/availability"), "offline").await;
        let fault = house.fault(device).unwrap_or_default();
        assert!(!fault.is_empty() && fault.contains(words), "{device} {mischief:?}: {fault}");
        house.pass(MINUTE).await;
        let stuck = mischief == Mischief::StuckBus;
        for sensor in sensors.iter().filter(|sensor| **sensor != device) {
            let word = if stuck && *sensor != "outdoors" { "offline" } else { "online" };
            let topic = format!("home/{sensor}/availability");
            assert_eq!(house.latest(&topic).as_deref(), Some(word), "{sensor} with {device} {mischief:?}");
        }
        house.board.set_mischief(&id(device), None).unwrap();
        house.payload(&format!("home/{device}/availability"), "online").await;
        house.pass(MINUTE).await;
        assert_eq!(house.fault(device), None);
    }
    house.stop().await.unwrap();
}

/// Its lamp and its letter box hang at a chip on the bus: the board switches a register and follows an interrupt.
#[tokio::test(start_paused = true)]
async fn the_expander_at_the_door_switches_and_is_followed_like_the_chips_indoors() {
    let mut house = House::of(from_demo(&["porch", "porch-light", "letter-box", "kitchen"]));
    house.payload("home/porch-light/power", "OFF").await;
    house.payload("home/letter-box/contact", "OFF").await;
    let lines = |house: &House| house.board.with_chip(&id("porch"), |chip| chip.lines()).unwrap().unwrap();
    assert_eq!(lines(&house) & 1, 0);
    house.command("porch-light", "power", "ON").await;
    house.payload("home/porch-light/power", "ON").await;
    assert_eq!(lines(&house) & 1, 1, "the register is what the topic says");
    assert!(house.board.set_input(&id("letter-box"), true));
    house.payload("home/letter-box/contact", "ON").await;
    assert!(house.board.set_input(&id("letter-box"), false));
    house.payload("home/letter-box/contact", "OFF").await;

    house.board.set_mischief(&id("porch"), Some(Mischief::Vanished)).unwrap();
    house.payload("home/porch-light/availability", "offline").await;
    house.payload("home/letter-box/availability", "offline").await;
    house.reading("kitchen", "temperature").await;
    house.board.set_mischief(&id("porch"), None).unwrap();
    house.payload("home/porch-light/availability", "online").await;
    house.payload("home/letter-box/availability", "online").await;
    house.stop().await.unwrap();
}

/// People lift the flap and turn the knob, and a turn that is asked for while another is under way comes after it.
#[tokio::test(start_paused = true)]
async fn people_bring_letters_and_turn_the_knob() {
    let mut house = House::lively(from_demo(&["porch", "letter-box", "volume"]));
    house.payload("home/letter-box/contact", "OFF").await;
    house.payload("home/letter-box/contact", "ON").await;
    house.payload("home/letter-box/contact", "OFF").await;
    house.payload("home/volume/event", r#"{"event_type":"clockwise"}"#).await;
    house.stop().await.unwrap();

    let mut house = House::of(from_demo(&["volume"]));
    house.payload("home/volume/position", "0").await;
    for (detents, quarter) in
        [(30, Duration::from_millis(2)), (-10, Duration::from_millis(1)), (4, Duration::from_millis(3))]
    {
        assert!(house.board.turn(&id("volume"), detents, quarter));
    }
    for position in ["30", "20", "24"] {
        house.payload("home/volume/position", position).await;
    }
    assert!(!house.board.set_input(&id("volume"), true), "a knob is turned, not set");
    assert!(!house.board.turn(&id("letter-box"), 1, Duration::from_millis(2)));
    house.stop().await.unwrap();
}

#[test]
fn a_mischief_that_cannot_be_is_refused() {
    let clock = crate::harness::manual_clock();
    let board = gatehouse_board::sim::SimulatedBoard::still(&demo_house(), 1, clock);
    for (device, mischief) in [
        ("this-machine", Mischief::Vanished),
        ("heater", Mischief::Damaged),
        ("brightness", Mischief::WrongChip),
        ("outdoors", Mischief::StuckBus),
        ("kitchen", Mischief::StuckPin),
        ("nobody", Mischief::Vanished),
    ] {
        let refused = board.set_mischief(&id(device), Some(mischief));
        assert!(matches!(refused, Err(NoMischief::NotThere { .. })), "{device} {mischief:?}: {refused:?}");
    }
    let slow = board.set_mischief(&id("kitchen"), Some(Mischief::Slow(Duration::from_secs(60))));
    assert_eq!(slow, Err(NoMischief::TooSlow));
}
