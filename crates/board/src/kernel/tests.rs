//! Trees as the kernel makes them, with files from real machines.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{ManualClock, PropertyKind, Quality, Timestamp, Value};

use super::chip::Subsystem;
use super::*;
use crate::buses::Pause;
use crate::traits::{ReadError, Sample, SensorSource};

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn said(samples: &[Sample]) -> Vec<(String, f64, Quality)> {
    let said = |sample: &Sample| {
        let Value::Number(number) = sample.value else { panic!("{:?}", sample.value) };
        // As many digits as people would look at.
        (sample.property.to_string(), (number * 1e4).round() / 1e4, sample.quality)
    };
    samples.iter().map(said).collect()
}

fn units(source: &impl SensorSource) -> Vec<(String, String, String)> {
    let unit = |property: crate::traits::SensorProperty| {
        let PropertyKind::Number { unit, .. } = property.info.kind else { panic!("no number") };
        (property.info.id.to_string(), property.info.name, unit)
    };
    source.properties().into_iter().map(unit).collect()
}

const GOOD: &str = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";
const BAD: &str = "72 01 4b 46 7f ff 0e 10 57 : crc=13 NO\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";

/// A bus master with thermometers, and the links to them.
struct OneWire {
    _root: tempfile::TempDir,
    devices: PathBuf,
    master: PathBuf,
    clock: Arc<ManualClock>,
    probes: Arc<OneWireProbes>,
}

impl OneWire {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (devices, master) =
            (root.path().join("bus/w1/devices"), root.path().join("devices/w1_bus_master1"));
        fs::create_dir_all(&devices).unwrap();
        fs::create_dir_all(&master).unwrap();
        symlink(&master, devices.join("w1_bus_master1")).unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        Self { _root: root, devices, master, clock, probes: Arc::default() }
    }

    fn plug_in(&self, probe: &str, report: &str) {
        write(&self.master, &format!("{probe}/w1_slave"), report);
        let link = self.devices.join(probe);
        if !link.exists() {
            symlink(self.master.join(probe), link).unwrap();
        }
    }

    fn unplug(&self, probe: &str) {
        fs::remove_file(self.devices.join(probe)).unwrap();
        fs::remove_dir_all(self.master.join(probe)).unwrap();
    }

    fn source(&self, probe: &str) -> ProbeSource {
        let probe = ProbeId::new(probe).unwrap();
        ProbeSource::new(probe, self.probes.clone(), self.devices.clone(), self.clock.clone(), Pause::Skipped)
    }
}

const FIRST: &str = "28-0000055e2f3b";
const SECOND: &str = "28-8c4f0f1e64ff";

#[tokio::test]
async fn a_thermometer_is_read_fails_and_comes_back() {
    let bus = OneWire::new();
    bus.plug_in(FIRST, GOOD);
    let mut source = bus.source(FIRST);
    assert_eq!(said(&source.read().await.unwrap()), [("temperature".to_owned(), 23.125, Quality::Ok)]);
    bus.plug_in(FIRST, BAD);
    assert!(matches!(source.read().await, Err(ReadError::Damaged(problem)) if problem.contains("checksum")));
    bus.unplug(FIRST);
    let problem = source.read().await.unwrap_err().to_string();
    assert!(problem.contains("28-0000055e2f3b is not on the bus"), "{problem}");
    bus.plug_in(FIRST, GOOD);
    assert!(source.read().await.is_ok());
}

#[tokio::test]
async fn without_1_wire_it_is_said_how_to_switch_it_on() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let probe = ProbeId::new(FIRST).unwrap();
    let nowhere = PathBuf::from("/nowhere/w1/devices");
    let mut source = ProbeSource::new(probe, Arc::default(), nowhere, clock, Pause::Skipped);
    let problem = source.read().await.unwrap_err().to_string();
    assert!(problem.contains("dtoverlay=w1-gpio"), "{problem}");
}

/// Ten thermometers would take 7.5 s one after the other, and the tenth would be read with a period of 10 s.
#[tokio::test]
async fn thermometers_of_one_bus_measure_together() {
    let bus = OneWire::new();
    let bulk = bus.master.join("therm_bulk_read");
    let fetched = || fs::read_to_string(&bulk).unwrap();
    fs::write(&bulk, "0\n").unwrap();
    for probe in [FIRST, SECOND] {
        bus.plug_in(probe, GOOD);
    }
    let (mut first, mut second) = (bus.source(FIRST), bus.source(SECOND));
    first.read().await.unwrap();
    assert_eq!(fetched(), "trigger\n", "one conversion for both");
    fs::write(&bulk, "1\n").unwrap();
    second.read().await.unwrap();
    assert_eq!(fetched(), "1\n", "the second one only fetches its result");
    // Each result is fetched once, and an old one is none.
    first.read().await.unwrap();
    assert_eq!(fetched(), "trigger\n");
    fs::write(&bulk, "1\n").unwrap();
    bus.clock.advance(Duration::from_secs(10));
    second.read().await.unwrap();
    assert_eq!(fetched(), "trigger\n");
    // Alone on its bus, one converts by itself.
    drop(second);
    fs::write(&bulk, "0\n").unwrap();
    bus.clock.advance(Duration::from_secs(10));
    first.read().await.unwrap();
    assert_eq!(fetched(), "0\n");
}

#[tokio::test]
async fn thermometers_are_read_one_by_one_where_the_kernel_cannot_do_more() {
    let bus = OneWire::new();
    for probe in [FIRST, SECOND] {
        bus.plug_in(probe, GOOD);
    }
    let (mut first, mut second) = (bus.source(FIRST), bus.source(SECOND));
    assert!(first.read().await.is_ok() && second.read().await.is_ok());
    // A conversion that never ends costs its limit, and the reading goes on without it.
    fs::create_dir(bus.master.join("therm_bulk_read")).unwrap();
    assert!(first.read().await.is_ok());
}

fn chip(name: &str, at: Option<&str>) -> ChipChoice {
    ChipChoice { chip: name.to_owned(), at: at.map(str::to_owned) }
}

fn iio(root: &Path, choice: ChipChoice) -> KernelSource {
    KernelSource::new(Subsystem::Iio, root.join("bus/iio/devices"), choice, Pause::Skipped)
}

/// An IIO device below what it hangs on, with its link.
fn plug_in(root: &Path, parent: &str, directory: &str, files: &[(&str, &str)]) {
    let real = format!("devices/{parent}/{directory}");
    for (file, text) in files {
        write(root, &format!("{real}/{file}"), text);
    }
    let devices = root.join("bus/iio/devices");
    fs::create_dir_all(&devices).unwrap();
    symlink(root.join(real), devices.join(directory)).unwrap();
}

/// Files of a BME280 with the kernel's driver bmp280 on a Pi.
const BME280: &[(&str, &str)] = &[
    ("name", "bme280\n"),
    ("in_temp_input", "21850\n"),
    ("in_temp_oversampling_ratio", "2\n"),
    ("in_humidityrelative_input", "48291\n"),
    ("in_pressure_input", "101.325000000\n"),
    ("dev", "235:0\n"),
];

#[tokio::test]
async fn an_iio_device_gives_what_people_read() {
    let root = tempfile::tempdir().unwrap();
    plug_in(root.path(), "i2c-1/1-0076", "iio:device0", BME280);
    let mut source = iio(root.path(), chip("bme280", None));
    assert_eq!(
        units(&source),
        [
            ("humidity", "Humidity", "%"),
            ("pressure", "Pressure", "hPa"),
            ("temperature", "Temperature", "°C")
        ]
        .map(|(id, name, unit)| (id.to_owned(), name.to_owned(), unit.to_owned()))
    );
    let expected = [("humidity", 48.291), ("pressure", 1013.25), ("temperature", 21.85)];
    let samples = said(&source.read().await.unwrap());
    assert_eq!(samples, expected.map(|(id, value)| (id.to_owned(), value, Quality::Ok)));
}

/// An ADS1015 has its scale per channel; a chip of STMicroelectronics an offset for all channels of a kind.
#[tokio::test]
async fn raw_values_are_scaled_as_the_kernel_says() {
    let root = tempfile::tempdir().unwrap();
    let files = [
        ("name", "ads1015\n"),
        ("in_voltage0_raw", "1100\n"),
        ("in_voltage0_scale", "3.000000000\n"),
        ("in_voltage0-voltage1_raw", "-20\n"),
        ("in_voltage0-voltage1_scale", "2\n"),
        ("in_voltage0_label", "battery\n"),
        ("in_temp_raw", "-8\n"),
        ("in_temp_offset", "20400\n"),
        ("in_temp_scale", "2.083333\n"),
    ];
    plug_in(root.path(), "i2c-1/1-0048", "iio:device3", &files);
    let mut source = iio(root.path(), chip("iio:device3", None));
    let samples = said(&source.read().await.unwrap());
    let expected = [("temperature", 42.4833), ("voltage-0-1", -0.04), ("voltage-0", 3.3)];
    for (id, value) in expected {
        assert!(samples.contains(&(id.to_owned(), value, Quality::Ok)), "{id}: {samples:?}");
    }
    assert!(units(&source).contains(&("voltage-0".to_owned(), "battery".to_owned(), "V".to_owned())));
}

#[tokio::test]
async fn a_device_that_appears_later_shows_then_what_it_measures() {
    let root = tempfile::tempdir().unwrap();
    let mut source = iio(root.path(), chip("dht11", None));
    assert_eq!(units(&source), []);
    let problem = source.read().await.unwrap_err().to_string();
    assert!(problem.contains("no dht11 (there is none)"), "{problem}");
    let files =
        [("name", "dht11@4\n"), ("in_temp_input", "21000\n"), ("in_humidityrelative_input", "40000\n")];
    plug_in(root.path(), "platform/dht11@4", "iio:device0", &files);
    assert!(!source.has_other_properties());
    assert_eq!(source.read().await.unwrap().len(), 2);
    assert!(source.has_other_properties() && !source.has_other_properties(), "once");
    assert_eq!(units(&source).len(), 2);
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_absent_and_a_device_without_any_fails() {
    let root = tempfile::tempdir().unwrap();
    plug_in(root.path(), "i2c-1/1-0076", "iio:device0", BME280);
    let mut source = iio(root.path(), chip("bme280", Some("1-0076")));
    let file = |name: &str| root.path().join("bus/iio/devices/iio:device0").join(name);
    fs::write(file("in_pressure_input"), "").unwrap();
    let samples = said(&source.read().await.unwrap());
    assert_eq!(samples.len(), 2, "{samples:?}");
    for name in ["in_temp_input", "in_humidityrelative_input"] {
        fs::write(file(name), "nan").unwrap();
    }
    assert!(source.read().await.is_err());
    fs::write(file("in_temp_input"), "20000").unwrap();
    let samples = said(&source.read().await.unwrap());
    assert!(samples.iter().any(|(id, value, _)| id == "temperature" && *value == 20.0), "{samples:?}");
}

#[tokio::test]
async fn of_two_of_the_same_name_the_place_tells() {
    let root = tempfile::tempdir().unwrap();
    let files = |celsius| [("name", "sht3x\n"), ("in_temp_input", celsius)];
    plug_in(root.path(), "i2c-1/1-0044", "iio:device0", &files("20000\n"));
    plug_in(root.path(), "i2c-1/1-0045", "iio:device1", &files("30000\n"));
    let problem = iio(root.path(), chip("sht3x", None)).read().await.unwrap_err().to_string();
    assert!(problem.contains("at = \"1-0044\""), "{problem}");
    let mut second = iio(root.path(), chip("sht3x", Some("1-0045")));
    assert_eq!(said(&second.read().await.unwrap())[0].1, 30.0);
}

#[tokio::test]
async fn an_hwmon_device_gives_what_people_read() {
    let root = tempfile::tempdir().unwrap();
    let directory = "class/hwmon/hwmon2";
    for (file, text) in [
        ("name", "ina219\n"),
        ("in0_input", "2\n"),
        ("in1_input", "12148\n"),
        ("in1_label", "bus\n"),
        ("curr1_input", "-250\n"),
        ("power1_average", "1\n"),
        ("power1_input", "3037000\n"),
        ("temp1_input", "85000\n"),
        ("temp1_fault", "1\n"),
        ("fan1_input", "1200\n"),
        ("update_interval", "4\n"),
    ] {
        write(root.path(), &format!("{directory}/{file}"), text);
    }
    let root = root.path().join("class/hwmon");
    let mut source = KernelSource::new(Subsystem::Hwmon, root, chip("ina219", None), Pause::Skipped);
    let expected =
        [("current", -0.25), ("fan", 1200.0), ("power", 3.037), ("voltage-0", 0.002), ("voltage-1", 12.148)];
    let samples: Vec<(String, f64)> =
        said(&source.read().await.unwrap()).into_iter().map(|(id, value, _)| (id, value)).collect();
    assert_eq!(samples, expected.map(|(id, value)| (id.to_owned(), value)), "a broken sensor is absent");
    assert!(units(&source).contains(&("voltage-1".to_owned(), "bus".to_owned(), "V".to_owned())));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    /// A driver may name and fill its files as it likes.
    #[test]
    fn no_tree_panics_or_gives_a_number_that_is_none(
        files in proptest::collection::vec(("(in|temp|power|curr|in_temp|in_voltage)[0-9]?(-voltage1)?(_x)?_(input|raw|scale|label)", "(\\PC){0,12}|-?[0-9]{1,9}"), 0..12),
    ) {
        let root = tempfile::tempdir().unwrap();
        for directory in ["iio:device0", "hwmon0"] {
            write(root.path(), &format!("{directory}/name"), "chip\n");
            for (file, text) in &files {
                write(root.path(), &format!("{directory}/{file}"), text);
            }
        }
        for subsystem in [Subsystem::Iio, Subsystem::Hwmon] {
            let found = super::chip::list(subsystem, root.path());
            proptest::prop_assert_eq!(found.len(), 2);
            for chip in found {
                for channel in super::chip::channels(subsystem, &chip) {
                    if let Ok(value) = channel.read() {
                        proptest::prop_assert!(value.as_number().is_some_and(f64::is_finite));
                    }
                }
            }
        }
    }
}
