//! The inventory of buses: what there is, whether it can be opened, and what to do when it cannot.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::boards::owner_of_bus;
use crate::host::HostPlaces;
use crate::traits::{BusInfo, BusKind};

/// Most devices of one directory that are looked at: a machine with more has something else there.
const MAX_ENTRIES: usize = 4_096;

/// Why a device could not be opened, and what to do: `switch_on` when it is not there.
pub(super) fn not_opened(path: &Path, error: &std::io::Error, group: &str, switch_on: &str) -> String {
    let belongs_to_root_alone = std::fs::metadata(path).is_ok_and(|node| node.gid() == 0);
    let path = path.display();
    match error.kind() {
        ErrorKind::NotFound => format!("there is no {path}: {switch_on}"),
        ErrorKind::PermissionDenied if belongs_to_root_alone => format!(
            "{path} may not be opened, because it belongs to root alone: install the package, whose udev rule gives it to the group `{group}`, or write such a rule, then restart the machine"
        ),
        ErrorKind::PermissionDenied => {
            format!("{path} may not be opened: add the user to the group `{group}`, then start again")
        }
        _ => format!("{path}: {error}"),
    }
}

/// All buses of this machine. On a Raspberry Pi those that are switched off are listed too, with what to do.
pub(super) fn inventory(places: &HostPlaces, is_pi: bool) -> Vec<BusInfo> {
    let mut names: Vec<String> = std::fs::read_dir(&places.dev)
        .into_iter()
        .flatten()
        .flatten()
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort_by_key(|name| {
        (name.trim_end_matches(|digit: char| digit.is_ascii_digit()).to_owned(), number(name))
    });
    let mut buses: Vec<BusInfo> = names.iter().filter_map(|name| device(places, name)).collect();
    if is_pi {
        add_switched_off(&mut buses);
    }
    buses.extend(one_wire(places));
    buses
}

/// The number at the end of a name.
fn number(name: &str) -> u32 {
    let digits = name.len() - name.trim_end_matches(|character: char| character.is_ascii_digit()).len();
    name[name.len() - digits..].parse().unwrap_or(0)
}

fn device(places: &HostPlaces, name: &str) -> Option<BusInfo> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let path = places.dev.join(name);
    if let Some(bus) = name.strip_prefix("i2c-").filter(|rest| is_number(rest)) {
        let adapter = std::fs::read_to_string(places.sys.join(format!("bus/i2c/devices/i2c-{bus}/name")));
        let adapter = adapter.map(|text| text.trim().to_owned()).unwrap_or_default();
        let description = match (bus, adapter.as_str()) {
            (_, adapter) if owner_of_bus(adapter).is_some() => format!("I²C, not on the header ({adapter})"),
            ("1", "") => "I²C on header pins 3 and 5".to_owned(),
            ("1", adapter) => format!("I²C on header pins 3 and 5 ({adapter})"),
            (_, "") => "I²C".to_owned(),
            (_, adapter) => format!("I²C ({adapter})"),
        };
        let problem = problem(&path, "i2c");
        let belongs_to = owner_of_bus(&adapter);
        return Some(BusInfo { kind: BusKind::I2c, name: name.to_owned(), description, problem, belongs_to });
    }
    if let Some(place) = name.strip_prefix("spidev") {
        let (bus, select) = place.split_once('.')?;
        let description = format!("SPI bus {bus}, chip select {select}");
        let name = format!("spi-{bus}.{select}");
        let problem = problem(&path, "spi");
        return Some(BusInfo { kind: BusKind::Spi, name, description, problem, belongs_to: None });
    }
    let description = match name {
        "serial0" => "serial port on header pins 8 and 10",
        _ if name.starts_with("ttyUSB") || name.starts_with("ttyACM") => "serial port of a USB device",
        _ => return None,
    };
    Some(BusInfo {
        kind: BusKind::Serial,
        name: path.display().to_string(),
        description: description.to_owned(),
        problem: problem(&path, "dialout"),
        belongs_to: None,
    })
}

/// Why this user may not read and write a device, if so, and what to do: `switch_on` when it is not there. Nothing is opened.
pub(crate) fn may_not_open(path: &Path, group: &str, switch_on: &str) -> Option<String> {
    let refusal = access(path, Access::READ_OK | Access::WRITE_OK).err()?;
    Some(not_opened(path, &refusal.into(), group, switch_on))
}

/// Whether this user may read and write a device.
fn problem(path: &Path, group: &str) -> Option<String> {
    may_not_open(path, group, "its device went away")
}

fn add_switched_off(buses: &mut Vec<BusInfo>) {
    let has = |buses: &[BusInfo], kind| buses.iter().any(|bus| bus.kind == kind);
    let off = |kind, name: &str, description: &str, parameter: &str| BusInfo {
        kind,
        name: name.to_owned(),
        description: description.to_owned(),
        problem: Some(format!(
            "it is switched off: write the line {parameter} into /boot/firmware/config.txt and restart the machine"
        )),
        belongs_to: None,
    };
    if !buses.iter().any(|bus| bus.name == "i2c-1") {
        buses.push(off(BusKind::I2c, "i2c-1", "I²C on header pins 3 and 5", "dtparam=i2c_arm=on"));
    }
    if !has(buses, BusKind::Spi) {
        buses.push(off(BusKind::Spi, "spi-0.0", "SPI on header pins 19, 21, 23 and 24", "dtparam=spi=on"));
    }
    if !buses.iter().any(|bus| bus.name.ends_with("/serial0")) {
        buses.push(off(
            BusKind::Serial,
            "/dev/serial0",
            "serial port on header pins 8 and 10",
            "enable_uart=1",
        ));
    }
}

fn one_wire(places: &HostPlaces) -> Vec<BusInfo> {
    let masters = std::fs::read_dir(places.sys.join("bus/w1/devices")).into_iter().flatten().flatten();
    let mut names: Vec<String> = masters
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("w1_bus_master"))
        .collect();
    names.sort_by_key(|name| number(name));
    let info = |name: String| BusInfo {
        kind: BusKind::OneWire,
        description: "1-Wire, read through the kernel".to_owned(),
        name,
        problem: None,
        belongs_to: None,
    };
    names.into_iter().map(info).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path) -> HostPlaces {
        HostPlaces {
            dev: root.join("dev"),
            proc: root.join("proc"),
            sys: root.join("sys"),
            data: root.to_owned(),
        }
    }

    fn put(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_is_there_is_listed_in_order_and_the_rest_left_out() {
        let root = tempfile::tempdir().unwrap();
        let places = places(root.path());
        for name in ["i2c-10", "i2c-1", "spidev0.1", "spidev0.0", "ttyUSB0", "null", "i2c-x", "spidev"] {
            put(&places.dev.join(name), "");
        }
        put(&places.sys.join("bus/i2c/devices/i2c-1/name"), "bcm2835 (i2c@7e804000)\n");
        put(&places.sys.join("bus/i2c/devices/i2c-10/name"), "fef04500.i2c\n");
        std::fs::create_dir_all(places.sys.join("bus/w1/devices/w1_bus_master1")).unwrap();
        std::fs::create_dir_all(places.sys.join("bus/w1/devices/28-000001")).unwrap();
        let listed = inventory(&places, false);
        let names: Vec<&str> = listed.iter().map(|bus| bus.name.rsplit('/').next().unwrap()).collect();
        assert_eq!(names, ["i2c-1", "i2c-10", "spi-0.0", "spi-0.1", "ttyUSB0", "w1_bus_master1"]);
        assert_eq!(listed[0].description, "I²C on header pins 3 and 5 (bcm2835 (i2c@7e804000))");
        assert_eq!(listed[1].description, "I²C, not on the header (fef04500.i2c)");
        let aside: Vec<bool> = listed.iter().map(|bus| bus.belongs_to.is_some()).collect();
        assert_eq!(aside, [false, true, false, false, false, false], "a screen's connector");
        assert!(listed.iter().all(|bus| bus.problem.is_none()));
    }

    #[test]
    fn a_pi_is_told_how_to_switch_its_buses_on() {
        let root = tempfile::tempdir().unwrap();
        let listed = inventory(&places(root.path()), true);
        let problems: Vec<&str> = listed.iter().filter_map(|bus| bus.problem.as_deref()).collect();
        for words in ["dtparam=i2c_arm=on", "dtparam=spi=on", "enable_uart=1"] {
            assert!(problems.iter().any(|problem| problem.contains(words)), "{words} in {problems:?}");
        }
        assert_eq!(inventory(&places(root.path()), false), [], "a laptop has none to switch on");
    }
}
