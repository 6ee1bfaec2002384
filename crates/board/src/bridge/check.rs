//! Whether the configured devices go together, checked whole before anything is touched.

mod outputs;

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_model::{DeviceId, DeviceInfo, PropertyId, PropertyKind};

use crate::catalogue::Kind;
use crate::config::{
    ChipConfig, DeviceConfig, DriverConfig, FilterRule, MAX_DEVICES, MAX_FILTERS, MIN_PERIOD, Pin,
};

/// Every problem, as sentences.
pub(super) fn problems(devices: &[DeviceConfig]) -> Vec<String> {
    let mut problems = Vec::new();
    if devices.len() > MAX_DEVICES {
        problems
            .push(format!("there are {} devices, but at most {MAX_DEVICES} can be served", devices.len()));
    }
    ids_and_lines(devices, &mut problems);
    for device in devices {
        expander_lines(device, devices, &mut problems);
    }
    for device in devices {
        one_device(device, &mut problems);
    }
    outputs::problems(devices, &mut problems);
    problems
}

fn ids_and_lines(devices: &[DeviceConfig], problems: &mut Vec<String>) {
    let mut ids: BTreeMap<&DeviceId, ()> = BTreeMap::new();
    let mut lines: BTreeMap<&Pin, &DeviceId> = BTreeMap::new();
    for device in devices {
        if ids.insert(&device.id, ()).is_some() {
            problems.push(format!("two devices have the id `{}`: give one of them another", device.id));
        }
        for line in device.driver.pins() {
            if let Some(other) = lines.insert(line, &device.id) {
                problems
                    .push(format!("`{other}` and `{}` both use {line}: move one to another pin", device.id));
            }
        }
    }
}

/// Whether each line of an expander is there: an output without its expander would never be switched, nor be driven safe.
fn expander_lines(device: &DeviceConfig, devices: &[DeviceConfig], problems: &mut Vec<String>) {
    // Interrupt lines of expanders are lines of the header.
    if matches!(device.driver, DriverConfig::Chip(_)) {
        return;
    }
    for pin in device.driver.pins() {
        let Pin::Expander { device: expander, line } = pin else { continue };
        let kind = devices.iter().find(|other| other.id == *expander).map(|other| match &other.driver {
            DriverConfig::Chip(chip) => chip.entry.kind,
            _ => Kind::Sensor,
        });
        let problem = match kind {
            None => format!("there is no device `{expander}`: add this expander, or choose another pin"),
            Some(kind) if kind.lines() == 0 => {
                format!("`{expander}` is no expander: choose a pin of the header, or a line of an expander")
            }
            Some(kind) if *line >= kind.lines() => {
                format!("its lines are 0 to {}: choose one of them", kind.lines() - 1)
            }
            Some(Kind::PwmExpander { .. }) if device.driver.reads_lines() => {
                "its lines are outputs only: choose another pin".to_owned()
            }
            Some(_) => continue,
        };
        problems.push(format!("`{}` uses {pin}, but {problem}", device.id));
    }
}

fn one_device(device: &DeviceConfig, problems: &mut Vec<String>) {
    match &device.driver {
        DriverConfig::Host(host) => period(device, host.every, problems),
        DriverConfig::SimulatedClimate(climate) => period(device, climate.every, problems),
        DriverConfig::Input(_) | DriverConfig::Encoder(_) => {}
        DriverConfig::Counter(counter) => {
            period(device, counter.every, problems);
            if !(counter.per_pulse.is_finite() && counter.per_pulse > 0.0) {
                problems.push(format!("`{}`: per_pulse must be a number greater than zero", device.id));
            }
        }
        DriverConfig::Ultrasonic(sensor) => period(device, sensor.every, problems),
        DriverConfig::Derived(derived) => {
            problems.extend(derived.problem().map(|problem| format!("`{}`: {problem}", device.id)));
        }
        DriverConfig::Kernel(kernel) => period(device, kernel.every, problems),
        // Only sensors are read from time to time.
        DriverConfig::Chip(chip) if chip.entry.kind == Kind::Sensor => period(device, chip.every, problems),
        DriverConfig::Chip(ChipConfig { interrupt: Some(pin @ Pin::Expander { .. }), .. }) => problems.push(
            format!("`{}`: its interrupt line is {pin}, and such a line goes to the header", device.id),
        ),
        DriverConfig::Chip(_)
        | DriverConfig::Output(_)
        | DriverConfig::Cover(_)
        | DriverConfig::Stream(_) => {}
    }
    for (property, calibrate) in &device.calibrate {
        if let Some(problem) = calibrate.problem() {
            problems.push(format!("`{}`: calibrate.{property} {problem}", device.id));
        }
    }
    for (property, filters) in &device.filter {
        if filters.iter().map(FilterRule::count).sum::<usize>() > MAX_FILTERS {
            problems.push(format!("`{}`: filter.{property} has more than {MAX_FILTERS} filters", device.id));
        }
        for problem in filters.iter().filter_map(FilterRule::problem) {
            problems.push(format!("`{}`: filter.{property}: {problem}", device.id));
        }
    }
    for (property, report) in &device.report {
        if !report.delta.is_finite() || report.delta < 0.0 {
            problems.push(format!("`{}`: report.{property}.delta is less than zero", device.id));
        }
    }
}

fn period(device: &DeviceConfig, every: Duration, problems: &mut Vec<String>) {
    if every < MIN_PERIOD {
        problems.push(format!(
            "`{}`: every is shorter than {} ms, the shortest period",
            device.id,
            MIN_PERIOD.as_millis()
        ));
    }
}

/// Whether what is calibrated and reported exists and is a number. Needs to know what the sensors offer.
pub(super) fn unknown_properties(device: &DeviceConfig, info: &DeviceInfo) -> Vec<String> {
    let named = device.calibrate.keys().map(|id| ("calibrate", id));
    let named = named.chain(device.plausible.keys().map(|id| ("plausible", id)));
    let named = named.chain(device.filter.keys().map(|id| ("filter", id)));
    let named = named.chain(device.report.keys().map(|id| ("report", id)));
    let is_number = |kind: &PropertyKind| matches!(kind, PropertyKind::Number { .. });
    named
        .filter_map(|(table, id)| match info.properties.iter().find(|property| property.id == *id) {
            Some(property) if is_number(&property.kind) => None,
            Some(_) => Some(format!("`{}`: {table}.{id} is for numbers, and `{id}` is not one", device.id)),
            // A machine without this sensor ignores what is said about it, so that one file serves several machines.
            // What the kernel drives may appear later, and only then shows what it measures.
            None if matches!(device.driver, DriverConfig::Host(_) | DriverConfig::Kernel(_)) => None,
            // So does what is derived from it, but that is known to give what it was told to.
            None if info.properties.is_empty() && gives(&device.driver, id) => None,
            None => Some(format!("`{}` has no property `{id}`, which {table} names", device.id)),
        })
        .collect()
}

fn gives(driver: &DriverConfig, id: &PropertyId) -> bool {
    match driver {
        DriverConfig::Derived(derived) => derived.gives.iter().any(|quantity| quantity.word() == id.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Duty, HostConfig, InputConfig, LineNumber, OutputConfig};

    fn output(id: &str, line: u32, change: impl FnOnce(&mut OutputConfig)) -> DeviceConfig {
        let mut output = OutputConfig::at(LineNumber::new(line));
        change(&mut output);
        DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Output(output))
    }

    #[test]
    fn the_demonstration_house_has_no_problem() {
        assert_eq!(problems(&crate::sim::demo_house()), Vec::<String>::new());
    }

    #[test]
    fn an_interrupt_line_is_a_line_of_the_header_that_nobody_else_has() {
        let expander = |interrupt| {
            let entry = crate::catalogue::find("pcf8574").unwrap();
            let bus = crate::config::I2cBusName::Kernel(1);
            let place = crate::config::ChipPlace::I2c { bus, address: 0x20 };
            let settings = crate::catalogue::Settings::default();
            let chip =
                ChipConfig { entry, place, settings, every: Duration::ZERO, interrupt: Some(interrupt) };
            DeviceConfig::new(DeviceId::new("porch").unwrap(), "Porch", DriverConfig::Chip(chip))
        };
        let taken = expander(LineNumber::new(5).into());
        let found = problems(&[taken.clone(), output("pump", 5, |_| ())]).join("\n");
        assert!(found.contains("`porch` and `pump` both use GPIO 5"), "{found}");
        assert_eq!(problems(&[taken]), Vec::<String>::new());
        let elsewhere = expander(Pin::Expander { device: DeviceId::new("attic").unwrap(), line: 3 });
        assert!(
            problems(&[elsewhere]).join("\n").contains("`porch`: its interrupt line is line 3 of `attic`")
        );
    }

    #[test]
    fn a_line_of_an_expander_that_is_not_there_is_refused() {
        // A heater whose expander was taken out of the configuration was accepted, and nothing could drive it safe.
        let id = |word: &str| DeviceId::new(word).unwrap();
        let chip = |word: &str, name: &str| {
            let entry = crate::catalogue::find(name).unwrap();
            let bus = crate::config::I2cBusName::Kernel(1);
            let place = crate::config::ChipPlace::I2c { bus, address: 0x20 };
            let settings = crate::catalogue::Settings::default();
            let every = Duration::from_secs(1);
            let chip = ChipConfig { entry, place, settings, every, interrupt: None };
            DeviceConfig::new(id(word), word, DriverConfig::Chip(chip))
        };
        let at = |device: &str, line| Pin::Expander { device: id(device), line };
        let heater = |device: &str, line| output("heater", 0, |output| output.pin = at(device, line));
        let porch = chip("porch", "mcp23008");
        assert_eq!(problems(&[heater("porch", 7), porch.clone()]), Vec::<String>::new());
        let button = DriverConfig::Input(InputConfig::at(at("lamps", 2)));
        let button = DeviceConfig::new(id("button"), "Button", button);
        for (devices, words) in [
            (vec![heater("porch", 3)], "`heater` uses line 3 of `porch`, but there is no device `porch`"),
            (vec![porch, heater("porch", 8)], "but its lines are 0 to 7"),
            (vec![chip("air", "bme280"), heater("air", 0)], "but `air` is no expander"),
            (vec![heater("pump", 0), output("pump", 4, |_| ())], "but `pump` is no expander"),
            (vec![chip("lamps", "pca9685"), button], "but its lines are outputs only"),
        ] {
            let found = problems(&devices);
            assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        }
    }

    #[test]
    fn every_problem_is_found_at_once() {
        let input = DriverConfig::Input(InputConfig::at(LineNumber::new(5)));
        let host = DriverConfig::Host(HostConfig { every: Duration::ZERO });
        let devices = [
            output("a", 5, |output| output.max_on = Some(Duration::ZERO)),
            DeviceConfig::new(DeviceId::new("a").unwrap(), "A", input),
            output("c", 7, |output| {
                output.interlock = Some("pair".to_owned());
                output.safe = Duty::FULL;
            }),
            output("d", 8, |output| output.interlock = Some("pair".to_owned())),
            output("e", 9, |output| output.min_on = Duration::from_secs(86_400)),
            DeviceConfig::new(DeviceId::new("host").unwrap(), "Host", host),
        ];
        let found = problems(&devices).join("\n");
        for words in [
            "two devices have the id `a`",
            "both use GPIO 5, header pin 29",
            "max_on is zero",
            "`c` is in the interlock `pair` but",
            "min_on is longer",
            "every is shorter",
        ] {
            assert!(found.contains(words), "{words} is missing in:\n{found}");
        }
    }
}
