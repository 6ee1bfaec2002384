//! What stands in the way of the configured devices on this machine, told before anything moves: lines that are not there or
//! in use, buses that are switched off, device files that this user may not open.
//!
//! Nothing is requested and nothing is opened for it. None of it is an error of the configuration: an adapter may be plugged
//! in later, and a house of which one device is missing serves all the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::cdev::may_not_open;
use crate::config::{ChipPlace, DeviceConfig, DriverConfig, I2cBusName, KernelDevice, Pin};
use crate::traits::{Board, BusInfo, BusKind, LineInfo, LineNumber};

/// The name under which the gateway itself holds lines: one that runs already is in nobody's way.
const OURS: &str = "gatehouse";

/// What a device needs of the machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    Line(LineNumber),
    /// A bus of the inventory, by its name there.
    Bus(String),
    /// A serial port, by its path.
    Serial(String),
    OneWire,
}

/// What is in the way, one sentence each, with what mends it and which devices wait for it. A simulated board has
/// everything.
pub fn obstacles(board: &dyn Board, devices: &[DeviceConfig]) -> Vec<String> {
    if board.is_simulated() {
        return Vec::new();
    }
    let mut needs: BTreeMap<Need, Vec<&str>> = BTreeMap::new();
    for device in devices {
        for need in needs_of(&device.driver) {
            needs.entry(need).or_default().push(device.id.as_str());
        }
    }
    let mut problems: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let lines = needs.keys().any(|need| matches!(need, Need::Line(_))).then(|| board.lines());
    let buses = board.buses();
    for (need, waiting) in needs {
        let problem = match &need {
            Need::Line(line) => match &lines {
                Some(Ok(listed)) => line_problem(*line, listed),
                Some(Err(error)) => Some(error.to_string()),
                None => None,
            },
            Need::Bus(name) => bus_problem(name, &buses),
            Need::Serial(path) => may_not_open(Path::new(path), "dialout", "plug it in, or correct `port`"),
            Need::OneWire => one_wire_problem(&buses),
        };
        if let Some(problem) = problem {
            problems.entry(problem).or_default().extend(waiting);
        }
    }
    let sentence = |(problem, waiting): (String, BTreeSet<&str>)| {
        let waiting: Vec<String> = waiting.into_iter().map(|id| format!("`{id}`")).collect();
        format!("{}: {problem}", waiting.join(", "))
    };
    problems.into_iter().map(sentence).collect()
}

fn needs_of(driver: &DriverConfig) -> Vec<Need> {
    match driver {
        DriverConfig::Chip(chip) => {
            let place = match &chip.place {
                ChipPlace::I2c { bus: I2cBusName::Kernel(bus), .. } => Some(Need::Bus(format!("i2c-{bus}"))),
                // Its multiplexer is a device itself.
                ChipPlace::I2c { bus: I2cBusName::Channel { .. }, .. } => None,
                ChipPlace::Spi(place) => Some(Need::Bus(place.to_string())),
                ChipPlace::Serial(path) => Some(Need::Serial(path.clone())),
            };
            let interrupt = chip.interrupt.as_ref().and_then(Pin::header_line).map(Need::Line);
            place.into_iter().chain(interrupt).collect()
        }
        DriverConfig::Kernel(kernel) => match kernel.device {
            KernelDevice::OneWire(_) => vec![Need::OneWire],
            KernelDevice::Iio(_) | KernelDevice::Hwmon(_) => Vec::new(),
        },
        DriverConfig::Stream(stream) => vec![Need::Serial(stream.port.path.clone())],
        other => other.pins().into_iter().filter_map(Pin::header_line).map(Need::Line).collect(),
    }
}

fn line_problem(line: LineNumber, listed: &[LineInfo]) -> Option<String> {
    let Some(info) = listed.iter().find(|info| info.line == line) else {
        let highest = listed.iter().map(|info| info.line.number()).max().unwrap_or(0);
        return Some(format!(
            "the chip has no line {}: choose one from 0 to {highest}, or name another chip with [board] chip",
            line.number()
        ));
    };
    let owner = info.consumer.as_ref().filter(|owner| !owner.contains(OURS))?;
    Some(format!(
        "{line} is in use by `{owner}`: stop that program, remove its dtoverlay, or choose another pin"
    ))
}

fn bus_problem(name: &str, buses: &[BusInfo]) -> Option<String> {
    match buses.iter().find(|bus| bus.name == *name) {
        Some(BusInfo { problem: Some(problem), .. }) => Some(format!("{name}: {problem}")),
        Some(_) => None,
        None => Some(format!(
            "this machine has no {name}: switch the bus on, or choose one that `gatehouse scan` lists"
        )),
    }
}

fn one_wire_problem(buses: &[BusInfo]) -> Option<String> {
    let is_there = buses.iter().any(|bus| bus.kind == BusKind::OneWire);
    (!is_there).then(|| {
        "this machine has no 1-Wire bus: write the line dtoverlay=w1-gpio into /boot/firmware/config.txt and restart the machine, or plug the adapter in".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdev::CdevBoard;
    use crate::config::{LineNumber, OutputConfig};
    use crate::host::HostPlaces;
    use crate::traits::Direction;
    use gatehouse_model::{DeviceId, SystemClock};
    use std::sync::Arc;

    fn device(id: &str, driver: DriverConfig) -> DeviceConfig {
        DeviceConfig::new(DeviceId::new(id).unwrap(), id, driver)
    }

    fn chip(place: ChipPlace) -> DriverConfig {
        let word = match &place {
            ChipPlace::I2c { .. } => "bme280",
            ChipPlace::Spi(_) => "mcp3008",
            ChipPlace::Serial(_) => "pms5003",
        };
        let entry = crate::catalogue::find(word).unwrap();
        DriverConfig::Chip(crate::config::ChipConfig {
            entry,
            place,
            settings: crate::catalogue::Settings::default(),
            every: std::time::Duration::from_secs(10),
            interrupt: None,
        })
    }

    #[test]
    fn what_is_missing_is_told_with_its_mend_and_who_waits_for_it() {
        let root = tempfile::tempdir().unwrap();
        let places = HostPlaces {
            dev: root.path().join("dev"),
            proc: root.path().join("proc"),
            sys: root.path().join("sys"),
            data: root.path().to_owned(),
        };
        std::fs::create_dir_all(root.path().join("proc/device-tree")).unwrap();
        std::fs::write(root.path().join("proc/device-tree/model"), "Raspberry Pi 4 Model B Rev 1.4\0")
            .unwrap();
        std::fs::create_dir_all(&places.dev).unwrap();
        std::fs::write(places.dev.join("spidev0.0"), "").unwrap();
        let clock: Arc<dyn gatehouse_model::Clock> = Arc::new(SystemClock::new());
        let board = CdevBoard::new(&places, None, &clock);
        let relay = |id, line| device(id, DriverConfig::Output(OutputConfig::at(LineNumber::new(line))));
        let port = root.path().join("dev/ttyUSB0").to_string_lossy().into_owned();
        let devices = [
            relay("heater", 17),
            relay("pump", 22),
            device("air", chip(ChipPlace::I2c { bus: I2cBusName::Kernel(1), address: 0x76 })),
            device("far", chip(ChipPlace::I2c { bus: I2cBusName::Kernel(7), address: 0x76 })),
            device("dust", chip(ChipPlace::Serial(port.clone()))),
            device("tank", chip(ChipPlace::Spi(crate::config::SpiPlace { bus: 0, select: 0 }))),
        ];
        let found = obstacles(&board, &devices);
        let has = |words: &[&str]| found.iter().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(has(&["`heater`, `pump`: ", "the kernel shows no line chips"]), "{found:?}");
        assert!(has(&["`air`: i2c-1: it is switched off", "dtparam=i2c_arm=on"]), "{found:?}");
        assert!(has(&["`far`: this machine has no i2c-7"]), "{found:?}");
        assert!(has(&["`dust`: ", &port, "correct `port`"]), "{found:?}");
        assert!(!has(&["`tank`"]), "it may be opened: {found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_line_is_in_the_way_when_it_is_not_there_or_somebody_elses() {
        let info = |number, consumer: Option<&str>| LineInfo {
            pull: None,
            is_high: None,
            line: LineNumber::new(number),
            name: String::new(),
            consumer: consumer.map(str::to_owned),
            direction: Direction::Input,
        };
        let listed = [info(0, None), info(1, Some("gatehouse")), info(2, Some("lirc"))];
        let problem = |number| line_problem(LineNumber::new(number), &listed);
        assert_eq!((problem(0), problem(1)), (None, None));
        assert!(problem(2).unwrap().contains("in use by `lirc`"));
        assert!(problem(3).unwrap().contains("no line 3: choose one from 0 to 2"));
    }
}
