//! Readings on their way out: calibration, belief, filters, and values that are derived from them.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_board::Bridge;
use gatehouse_board::config::{
    CalibrateConfig, DerivedConfig, DeviceConfig, DriverConfig, FilterRule, PlausibilityRules, Quantity,
    Role, SimulatedClimateConfig,
};
use gatehouse_board::memory::Memory;
use gatehouse_control::derived::formulas;
use gatehouse_model::{DeviceId, ManualClock, PropertyId, PropertyKind, Quality, Timestamp};

use crate::harness::{House, MINUTE, parts, plain_house};

fn kitchen() -> DeviceConfig {
    plain_house().into_iter().find(|device| device.id.as_str() == "kitchen").unwrap()
}

fn derived(id: &str, inputs: &[(Role, &str)], gives: &[Quantity]) -> DeviceConfig {
    let inputs = inputs.iter().map(|(role, path)| (*role, path.parse().unwrap())).collect();
    let config = DerivedConfig::new(inputs, gives.to_vec());
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Derived(config))
}

fn air(id: &str, device: &str) -> DeviceConfig {
    let (temperature, humidity) = (format!("{device}/temperature"), format!("{device}/humidity"));
    derived(
        id,
        &[(Role::Temperature, &temperature), (Role::Humidity, &humidity)],
        &[Quantity::DewPoint, Quantity::AbsoluteHumidity],
    )
}

/// A kitchen whose temperature is taken for a power: about 1 kW.
fn meter() -> DeviceConfig {
    let mut meter = kitchen();
    let calibrate = CalibrateConfig {
        unit: Some("W".to_owned()),
        name: Some("Power".to_owned()),
        class: Some("power".to_owned()),
        ..CalibrateConfig::linear(1.0, 1000.0)
    };
    meter.calibrate.insert(PropertyId::new("temperature").unwrap(), calibrate);
    meter
}

fn energy() -> DeviceConfig {
    derived("meter", &[(Role::Power, "kitchen/temperature")], &[Quantity::Energy])
}

fn refused(devices: Vec<DeviceConfig>) -> String {
    Bridge::new(parts(devices)).unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_dew_point_is_that_of_its_sensors_and_made_up_like_them() {
    // It stands before its sensor, which changes nothing.
    let mut house = House::of(vec![air("kitchen-air", "kitchen"), kitchen()]);
    let dew_point = house.reading("kitchen-air", "dew-point").await;
    let temperature = house.number("kitchen", "temperature").await;
    let humidity = house.number("kitchen", "humidity").await;
    let expected = formulas::dew_point(temperature, humidity).unwrap();
    assert!((dew_point.value.as_number().unwrap() - expected).abs() < 0.1, "{dew_point:?}, not {expected}");
    assert_eq!(dew_point.quality, Quality::Simulated);
    house.payload("home/kitchen-air/availability", "online").await;
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_derived_value_goes_stale_with_its_sensor_and_comes_back() {
    let mut house = House::of(vec![kitchen(), air("kitchen-air", "kitchen")]);
    let kitchen = DeviceId::new("kitchen").unwrap();
    house.payload("home/kitchen-air/availability", "online").await;
    house.board.set_failure(&kitchen, Some("its cable is cut"));
    house.payload("home/kitchen-air/availability", "offline").await;
    assert!(house.fault("kitchen-air").is_some_and(|fault| fault.contains("is stale")));
    let before = house.readings_so_far("kitchen-air", "dew-point").len();
    house.pass(10 * MINUTE).await;
    assert_eq!(house.count_good_readings_after("kitchen-air", "dew-point", before), 0, "nothing is made up");
    house.board.set_failure(&kitchen, None);
    house.payload("home/kitchen-air/availability", "online").await;
    assert_eq!(house.fault("kitchen-air"), None);
    assert_eq!(house.reading("kitchen-air", "dew-point").await.quality, Quality::Simulated);
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_never_answers_is_told_by_what_is_derived_from_it() {
    let mut house = House::of(vec![kitchen(), air("kitchen-air", "kitchen")]);
    house.board.set_failure(&DeviceId::new("kitchen").unwrap(), Some("nothing is there"));
    house.payload("home/kitchen-air/availability", "offline").await;
    let fault = house.fault("kitchen-air").unwrap();
    assert!(fault.contains("nothing was heard of `kitchen/"), "{fault}");
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_kilowatt_for_an_hour_is_a_kilowatt_hour_on_top_of_what_is_remembered() {
    let memory = Memory::volatile(Arc::new(ManualClock::new(Timestamp::from_millis(0))));
    let (id, property) = (DeviceId::new("meter").unwrap(), PropertyId::new("energy").unwrap());
    memory.set_amount(&id, &property, 100.0, Duration::ZERO);
    let mut house = House::that_remembers(vec![meter(), energy()], memory.clone());
    house.pass(60 * MINUTE).await;
    let counted = house.number("meter", "energy").await - 100.0;
    assert!((1.0..1.06).contains(&counted), "{counted} kWh in an hour");
    // A sensor that is away for an hour costs that hour.
    let kitchen = DeviceId::new("kitchen").unwrap();
    house.board.set_failure(&kitchen, Some("its cable is cut"));
    house.pass(60 * MINUTE).await;
    house.board.set_failure(&kitchen, None);
    house.pass(1 * MINUTE).await;
    let later = house.number("meter", "energy").await - 100.0;
    assert!(later - counted < 0.05, "{} kWh while nobody measured", later - counted);
    house.stop().await.unwrap();
    let remembered = memory.amount(&id, &property).unwrap();
    assert!((remembered - 100.0 - later).abs() < 0.01, "{remembered}");
}

#[test]
fn a_calibration_makes_something_else_of_a_voltage() {
    let bridge = Bridge::new(parts(vec![meter(), energy()])).unwrap();
    let inventory = bridge.inventory();
    let power = &inventory[0].properties[0];
    let PropertyKind::Number { unit, .. } = &power.kind else { panic!("{power:?}") };
    assert_eq!((unit.as_str(), power.name.as_str(), power.class.as_deref()), ("W", "Power", Some("power")));
    assert_eq!((inventory[1].driver.as_str(), inventory[1].simulated), ("derived", true));
    assert_eq!(inventory[1].connection, "kitchen/temperature");
}

#[test]
fn what_cannot_be_derived_is_refused_with_the_reason() {
    let missing = refused(vec![air("a", "attic")]);
    assert!(missing.contains("`a`: there is no device `attic`"), "{missing}");
    let pressure = derived("a", &[(Role::Pressure, "kitchen/temperature")], &[Quantity::Altitude]);
    let unit = refused(vec![kitchen(), pressure]);
    assert!(unit.contains("`kitchen/temperature` is in `°C`, but `pressure` must be in hPa"), "{unit}");
    let mixed = [(Role::Value, "kitchen/temperature"), (Role::Value, "kitchen/humidity")];
    let mixed = refused(vec![kitchen(), derived("a", &mixed, &[Quantity::Mean])]);
    assert!(mixed.contains("means nothing"), "{mixed}");
    let one = |id: &str, other: &str| derived(id, &[(Role::Value, other)], &[Quantity::Max]);
    let circle = refused(vec![one("a", "b/max"), one("b", "a/max"), kitchen()]);
    assert!(circle.contains("`a` is derived from itself") && circle.contains("`b` is derived"), "{circle}");
    let chain = vec![one("a", "b/max"), one("b", "kitchen/temperature"), kitchen()];
    assert_eq!(
        Bridge::new(parts(chain)).unwrap().inventory()[0].id.as_str(),
        "a",
        "the order is the owner's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sensor_that_gives_only_nonsense_is_a_fault() {
    let mut kitchen = kitchen();
    for property in ["temperature", "humidity"] {
        let rules = PlausibilityRules {
            range: Some((500.0, 600.0)),
            out_of_range: gatehouse_control::plausible::OutOfRange::Refused,
            ..PlausibilityRules::default()
        };
        kitchen.plausible.insert(PropertyId::new(property).unwrap(), rules);
    }
    let mut house = House::of(vec![kitchen]);
    house.payload("home/kitchen/availability", "offline").await;
    assert!(house.fault("kitchen").is_some_and(|fault| fault.contains("outside 500 to 600")));
    assert!(house.readings_so_far("kitchen", "temperature").is_empty());
    house.stop().await.unwrap();
}

/// One that is read every hour was away for an hour after a single lost answer.
#[tokio::test(start_paused = true)]
async fn a_sensor_that_was_away_is_back_within_half_a_minute_however_seldom_it_is_read() {
    let mut kitchen = kitchen();
    kitchen.driver = DriverConfig::SimulatedClimate(SimulatedClimateConfig { every: 60 * MINUTE });
    let id = kitchen.id.clone();
    let mut house = House::of(vec![kitchen]);
    house.payload("home/kitchen/availability", "online").await;
    house.board.set_failure(&id, Some("its cable is cut"));
    house.pass(70 * MINUTE).await;
    assert_eq!(house.latest("home/kitchen/availability").as_deref(), Some("offline"));
    house.board.set_failure(&id, None);
    house.pass(Duration::from_secs(31)).await;
    assert_eq!(house.latest("home/kitchen/availability").as_deref(), Some("online"));
    house.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn filters_work_on_readings_and_on_time() {
    let mut kitchen = kitchen();
    let every_ten_minutes = vec![FilterRule::ThrottleAverage(10 * MINUTE)];
    kitchen.filter.insert(PropertyId::new("temperature").unwrap(), every_ten_minutes);
    let mut house = House::of(vec![kitchen]);
    house.pass(61 * MINUTE).await;
    let count = house.readings_so_far("kitchen", "temperature").len();
    assert_eq!(count, 6, "one for each ten minutes of an hour");
    assert!(house.readings_so_far("kitchen", "humidity").len() > 60, "the other value is left alone");
    house.stop().await.unwrap();
}
