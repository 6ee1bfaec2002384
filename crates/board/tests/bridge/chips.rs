//! Chips and expanders in a running bridge.

use std::time::Duration;

use embedded_hal::i2c::Operation;
use gatehouse_board::catalogue::{Bus, SettingValue, Settings, find};
use gatehouse_board::config::{
    ActiveLevel, ChipConfig, ChipPlace, DEFAULT_SERVO_PULSES, DeviceConfig, DriverConfig, Duty, I2cBusName,
    InputConfig, LineNumber, OutputConfig, OutputKind, Pin,
};
use gatehouse_board::sim::chips::Fault;
use gatehouse_board::traits::I2cBackend;
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

fn board_line(line: u8) -> Pin {
    Pin::Expander { device: id("board"), line }
}

/// A PCA9685 with a lamp, a servo, and two valves of which one may be open at a time.
fn pwm_house() -> House {
    let output = |name: &str, output: OutputConfig| {
        DeviceConfig::new(id(name), name, DriverConfig::Output(output)).in_room("Living room")
    };
    let pwm = OutputKind::Pwm { period: Duration::from_millis(5) };
    let lamp = OutputConfig {
        kind: pwm,
        max_on: Some(5 * MINUTE),
        min_off: Duration::from_secs(10),
        ..OutputConfig::at(board_line(3))
    };
    let servo = OutputConfig {
        kind: OutputKind::Servo { angles: (0.0, 180.0), pulses: DEFAULT_SERVO_PULSES },
        safe: Duty::from_share(0.5),
        max_on: None,
        ..OutputConfig::at(board_line(0))
    };
    let valve = |line| OutputConfig {
        kind: pwm,
        max_on: Some(MINUTE),
        interlock: Some("water".to_owned()),
        dead_time: Duration::from_secs(2),
        ..OutputConfig::at(board_line(line))
    };
    let mut board = chip("pca9685", "board");
    if let DriverConfig::Chip(chip) = &mut board.driver {
        chip.settings.set("frequency", SettingValue::Number(50.0));
    }
    House::of(vec![
        board,
        output("lamp", lamp),
        output("servo", servo),
        output("hot", valve(4)),
        output("cold", valve(5)),
    ])
}

/// The share of time in ten-thousandths in which an output of the PCA9685 is on, as its registers say (section 7.3.3).
fn share(house: &House, line: u8) -> u32 {
    let mut bytes = [0; 4];
    let mut bus = house.board.chips(1).unwrap();
    let register = [0x06 + 4 * line];
    bus.transfer(0x40, &mut [Operation::Write(&register), Operation::Read(&mut bytes)]).unwrap();
    let [on_low, on_high, off_low, off_high] = bytes;
    match (on_high & 0x10, off_high & 0x10) {
        (_, 0x10) => 0,
        (0x10, _) => 10_000,
        _ => {
            let count = |low, high| u32::from(u16::from_le_bytes([low, high]));
            let on = count(off_low, off_high) - count(on_low, on_high);
            on * 10_000 / 4_096
        }
    }
}

fn assert_near(share: u32, wanted: u32, what: &str) {
    assert!(share.abs_diff(wanted) <= 3, "{what}: {share} ten-thousandths instead of {wanted}");
}

#[tokio::test(start_paused = true)]
async fn pwm_outputs_of_an_expander_are_as_safe_as_any_other() {
    let mut house = pwm_house();
    assert_eq!(house.reading("lamp", "power").await.value, Value::Switch(false));
    assert_eq!(share(&house, 3), 0);
    house.command("lamp", "level", "25").await;
    assert!(house.result("lamp", "level").await.ok);
    assert_near(share(&house, 3), 2_500, "a quarter");
    house.command("lamp", "power", "ON").await;
    house.pass(Duration::from_secs(1)).await;
    assert!(share(&house, 3) > 0);
    // Longer than that it may not be on, whoever forgets it; and then it rests.
    house.pass(5 * MINUTE).await;
    assert_eq!(share(&house, 3), 0, "max_on");
    assert_eq!(house.latest("home/lamp/power").as_deref(), Some("OFF"));
    house.command("lamp", "level", "50").await;
    let refused = house.result("lamp", "level").await;
    assert!(!refused.ok && share(&house, 3) == 0, "{refused:?}");
    house.pass(6 * MINUTE).await;

    // The valves are never open together, with a pause in between.
    house.command("hot", "level", "60").await;
    house.result("hot", "level").await;
    assert_near(share(&house, 4), 6_000, "hot");
    house.command("cold", "level", "100").await;
    let refused = house.result("cold", "level").await;
    assert!(!refused.ok, "the other valve is open: {refused:?}");
    assert_eq!(share(&house, 5), 0);
    house.command("hot", "power", "OFF").await;
    assert!(house.result("hot", "power").await.ok);
    house.pass(Duration::from_secs(3)).await;
    house.command("cold", "level", "100").await;
    assert!(house.result("cold", "level").await.ok);
    assert_eq!([share(&house, 4), share(&house, 5)], [0, 10_000], "one after the other");

    // A cut of the supply: asleep, and everything off; then what is wanted.
    house.command("lamp", "level", "50").await;
    house.pass(Duration::from_secs(1)).await;
    assert_near(share(&house, 3), 5_000, "half");
    house.board.with_chip(&id("board"), |chip| chip.lose_power());
    assert_eq!(share(&house, 3), 0);
    house.pass(Duration::from_secs(3)).await;
    assert_near(share(&house, 3), 5_000, "after the cut");

    house.stop().await.unwrap();
    assert_eq!([share(&house, 3), share(&house, 4), share(&house, 5)], [0; 3], "safe at the end");
}

#[tokio::test(start_paused = true)]
async fn a_servo_of_an_expander_goes_where_it_is_told_and_to_its_safe_angle() {
    let mut house = pwm_house();
    assert_eq!(house.number("servo", "angle").await, 90.0);
    assert_near(share(&house, 0), 750, "1.5 ms of 20 ms");
    for (angle, wanted) in [("180", 1_000), ("0", 500), ("45", 625)] {
        house.command("servo", "angle", angle).await;
        assert!(house.result("servo", "angle").await.ok, "{angle}");
        assert_near(share(&house, 0), wanted, angle);
    }
    house.pass(Duration::from_secs(30)).await;
    assert_eq!(house.fault("servo"), None, "what is read back is what was set");
    house.stop().await.unwrap();
    assert_near(share(&house, 0), 750, "its safe angle at the end");
}

#[tokio::test(start_paused = true)]
async fn a_pwm_output_of_an_expander_that_does_not_obey_is_a_fault() {
    let mut house = pwm_house();
    house.reading("lamp", "power").await;
    house.command("lamp", "level", "50").await;
    house.result("lamp", "level").await;
    house.board.set_chip_fault(&id("board"), Some(Fault::Vanished));
    house.payload("home/board/availability", "offline").await;
    house.pass(MINUTE).await;
    assert!(house.fault("lamp").is_some(), "nobody knows what it does");
    house.board.set_chip_fault(&id("board"), None);
    house.pass(MINUTE).await;
    house.stop().await.unwrap();
    assert_eq!(share(&house, 3), 0);
}
