//! Sensors that are unplugged when the gateway starts, and what is derived from them.

use std::fs;
use std::path::Path;

use gatehouse_board::Bridge;
use gatehouse_board::config::{
    CalibrateConfig, ChipChoice, DerivedConfig, DeviceConfig, DriverConfig, KernelConfig, KernelDevice,
    Quantity, Role,
};
use gatehouse_model::{DeviceId, PropertyId};

use crate::harness::{House, MINUTE, parts, plain_house};

/// A DHT11 of the kernel's.
fn cellar() -> DeviceConfig {
    let kernel = KernelConfig {
        word: "iio",
        device: KernelDevice::Iio(ChipChoice { chip: "dht11".to_owned(), at: None }),
        every: MINUTE,
    };
    DeviceConfig::new(DeviceId::new("cellar").unwrap(), "Cellar", DriverConfig::Kernel(kernel))
}

fn derived(id: &str, inputs: &[(Role, &str)], gives: Quantity) -> DeviceConfig {
    let inputs = inputs.iter().map(|(role, path)| (*role, path.parse().unwrap())).collect();
    let config = DerivedConfig::new(inputs, vec![gives]);
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Derived(config))
}

/// The dew point in the cellar, in °F.
fn dew() -> DeviceConfig {
    let inputs = [(Role::Temperature, "cellar/temperature"), (Role::Humidity, "cellar/humidity")];
    let mut dew = derived("dew", &inputs, Quantity::DewPoint);
    let fahrenheit = CalibrateConfig { unit: Some("°F".to_owned()), ..CalibrateConfig::linear(1.8, 32.0) };
    dew.calibrate.insert(PropertyId::new("dew-point").unwrap(), fahrenheit);
    dew
}

/// Derived from what is derived.
fn coldest() -> DeviceConfig {
    derived("coldest", &[(Role::Value, "dew/dew-point")], Quantity::Min)
}

fn heater() -> DeviceConfig {
    plain_house().into_iter().find(|device| device.id.as_str() == "heater").unwrap()
}

fn plug_in(sys: &Path, humidity: bool) {
    let directory = sys.join("bus/iio/devices/iio:device0");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("in_temp_input"), "20000\n").unwrap();
    if humidity {
        fs::write(directory.join("in_humidityrelative_input"), "50000\n").unwrap();
    }
    // A device without its name is none yet.
    fs::write(directory.join("name"), "dht11@4\n").unwrap();
}

fn refusal(devices: Vec<DeviceConfig>, sys: &Path) -> String {
    let mut parts = parts(devices);
    parts.board = House::board_with_kernel(&parts, sys);
    Bridge::new(parts).unwrap_err().to_string()
}

/// A heater must not stay cold, nor lose its safety, because a humidity sensor in the cellar is unplugged.
#[tokio::test(start_paused = true)]
async fn what_is_derived_from_an_unplugged_sensor_waits_for_it() {
    let sys = tempfile::tempdir().unwrap();
    let devices = vec![coldest(), dew(), cellar(), heater()];
    let mut house = House::with_kernel(devices.clone(), sys.path());
    house.payload("home/dew/availability", "offline").await;
    house.payload("home/coldest/availability", "offline").await;
    let fault = house.fault("dew").unwrap();
    assert!(fault.contains("`cellar` has not shown yet what it measures"), "{fault}");
    house.command("heater", "power", "ON").await;
    assert!(house.result("heater", "power").await.ok);

    plug_in(sys.path(), true);
    house.payload("home/dew/availability", "online").await;
    let dew_point = house.number("dew", "dew-point").await;
    assert!((dew_point - 48.7).abs() < 0.3, "9.3 °C at 20 °C and 50 %: {dew_point}");
    house.payload("home/coldest/availability", "online").await;
    assert!((house.number("coldest", "min").await - dew_point).abs() < 0.1);

    // The inventory says it as well, as it is calibrated.
    let applied = house.apply(devices).await.unwrap();
    let changed = [applied.added, applied.changed, applied.removed].concat();
    assert!(changed.is_empty(), "{changed:?}");
    for id in ["dew", "coldest"] {
        let info = applied.inventory.iter().find(|info| info.id.as_str() == id).unwrap();
        assert_eq!(info.properties.len(), 1, "{info:?}");
        assert!(format!("{:?}", info.properties[0].kind).contains("°F"), "{info:?}");
    }
    house.stop().await.unwrap();
}

/// Another chip than was meant is a fault of this device only.
#[tokio::test(start_paused = true)]
async fn a_source_that_appears_without_the_value_is_said() {
    let sys = tempfile::tempdir().unwrap();
    let mut house = House::with_kernel(vec![cellar(), dew()], sys.path());
    house.payload("home/dew/availability", "offline").await;
    plug_in(sys.path(), false);
    house.payload("home/cellar/availability", "online").await;
    house.pass(MINUTE).await;
    let fault = house.fault("dew").unwrap();
    assert!(fault.contains("there is no value `cellar/humidity`"), "{fault}");
    house.stop().await.unwrap();
}

#[tokio::test]
async fn what_can_be_known_at_the_start_is_refused_as_before() {
    let sys = tempfile::tempdir().unwrap();
    let problem = refusal(vec![dew()], sys.path());
    assert!(problem.contains("there is no device `cellar`"), "{problem}");
    let mut misnamed = dew();
    misnamed.calibrate.insert(PropertyId::new("dewpoint").unwrap(), CalibrateConfig::linear(1.0, 0.0));
    let problem = refusal(vec![cellar(), misnamed], sys.path());
    assert!(problem.contains("has no property `dewpoint`"), "{problem}");
    plug_in(sys.path(), false);
    let problem = refusal(vec![cellar(), dew()], sys.path());
    assert!(problem.contains("there is no value `cellar/humidity`"), "{problem}");
}
