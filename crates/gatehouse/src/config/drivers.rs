//! What each driver can be told.

use std::time::Duration;

use gatehouse_board::catalogue::{self, Entry};
use gatehouse_board::config::{
    DEFAULT_PERIOD, DriverConfig, HostConfig, KernelDevice, MIN_PERIOD, OutputConfig, SimulatedClimateConfig,
};
use gatehouse_model::PropertyId;

use super::conflicts::Places;
use super::derived;
use super::kernel;
use super::nearest::{listed, nearest};
use super::pins::{ACTIVE_LEVELS, pin};
use super::problems::Findings;
use super::section::Section;
use super::{chips, inputs};

/// The drivers that are no chips of the catalogue.
const DRIVERS: [&str; 8] =
    ["counter", "derived", "encoder", "hc-sr04", "host", "input", "output", "simulated-climate"];

/// All drivers of this version.
fn drivers() -> Vec<&'static str> {
    let of_catalogue = catalogue::entries().iter().map(|entry| entry.word);
    let mut words: Vec<&str> = of_catalogue.chain(DRIVERS).chain(kernel::DRIVERS).collect();
    words.sort_unstable();
    words
}

/// Longest period of a sensor: a value that is older than a day is no reading of now.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// Longest of an output's times.
const LONGEST_OUTPUT_TIME: Duration = Duration::from_secs(366 * 24 * 3600);

/// What is switched; the page draws its symbol after it.
const OUTPUT_CLASSES: [&str; 10] =
    ["fan", "heat", "light", "lock", "outlet", "pump", "siren", "switch", "valve", "water-heater"];

/// The properties that are numbers.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    /// These, and no others.
    Known(&'static [&'static str]),
    /// Those that it derives.
    Derived(Vec<&'static str>),
    /// Those of the catalogue.
    OfEntry(&'static Entry),
    /// It depends on the machine.
    OfThisMachine,
}

/// Which numbers a device gives, so that nobody calibrates what is not there.
pub(super) fn numbers(driver: &DriverConfig) -> Numbers {
    match driver {
        DriverConfig::Host(_) => Numbers::OfThisMachine,
        DriverConfig::SimulatedClimate(_) => Numbers::Known(&["temperature", "humidity"]),
        DriverConfig::Ultrasonic(_) => Numbers::Known(&["distance"]),
        // What is counted is right as it is: its unit is a setting of its own.
        DriverConfig::Counter(_) | DriverConfig::Encoder(_) => Numbers::Known(&[]),
        DriverConfig::Input(_) | DriverConfig::Output(_) => Numbers::Known(&[]),
        DriverConfig::Derived(derived) => {
            Numbers::Derived(derived.gives.iter().map(|quantity| quantity.word()).collect())
        }
        DriverConfig::Chip(chip) => Numbers::OfEntry(chip.entry),
        DriverConfig::Kernel(kernel) => match kernel.device {
            KernelDevice::OneWire(_) => Numbers::Known(&["temperature"]),
            KernelDevice::Iio(_) | KernelDevice::Hwmon(_) => Numbers::OfThisMachine,
        },
    }
}

/// Which numbers others can be derived from; nothing when that is told elsewhere.
pub(super) fn sources(driver: &DriverConfig) -> Option<Numbers> {
    match driver {
        // The names of what they count depend on their settings.
        DriverConfig::Counter(_) | DriverConfig::Encoder(_) => None,
        other => Some(numbers(other)),
    }
}

impl Numbers {
    /// Their words; nothing when they depend on the machine.
    pub(super) fn words(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Known(known) => Some(known.to_vec()),
            Self::Derived(words) => Some(words.clone()),
            Self::OfEntry(entry) => Some(entry.properties.iter().map(|property| property.id).collect()),
            Self::OfThisMachine => None,
        }
    }

    /// What is wrong with settings for this property, and what to do.
    pub(super) fn problem_with(&self, property: &PropertyId, key: &str) -> Option<(String, String)> {
        let known = self.words()?;
        if known.contains(&property.as_str()) {
            return None;
        }
        let hint = match known.as_slice() {
            [] => "remove it: this device has no numbers that can be adjusted".to_owned(),
            known => match nearest(property.as_str(), known.iter().copied()) {
                Some(meant) => format!("did you mean `{key}.{meant}`?"),
                None => format!("its numbers are {}", listed(known)),
            },
        };
        Some((format!("`{key}.{property}`: the device has no number `{property}`"), hint))
    }
}

/// Reads the driver and its settings; the places of those that can be in others' way are noted.
pub(super) fn read(
    section: &mut Section<'_>,
    places: &mut Places,
    findings: &mut Findings,
) -> Option<DriverConfig> {
    let Some(word) = section.text("driver", "output", findings) else {
        if section.item("driver").is_none() {
            let hint = format!("write driver = \"output\"; it can be {}", listed(&drivers()));
            findings.push(section.missing("driver", hint));
        }
        return None;
    };
    match word.value {
        "host" => Some(DriverConfig::Host(HostConfig { every: period(section, findings) })),
        "simulated-climate" => {
            Some(DriverConfig::SimulatedClimate(SimulatedClimateConfig { every: period(section, findings) }))
        }
        "input" => inputs::input(section, places, findings).map(DriverConfig::Input),
        "counter" => inputs::counter(section, places, findings).map(DriverConfig::Counter),
        "encoder" => inputs::encoder(section, places, findings).map(DriverConfig::Encoder),
        "hc-sr04" => inputs::ultrasonic(section, places, findings).map(DriverConfig::Ultrasonic),
        "output" => output(section, places, findings).map(DriverConfig::Output),
        "derived" => derived::read(section, places, findings).map(DriverConfig::Derived),
        other if kernel::DRIVERS.contains(&other) => {
            kernel::read(other, section, places, findings).map(DriverConfig::Kernel)
        }
        other => match catalogue::find(other) {
            Some(entry) => chips::read(entry, section, places, findings).map(DriverConfig::Chip),
            None => {
                findings.push(unknown_driver(section, other, word.span));
                None
            }
        },
    }
}

fn unknown_driver(
    section: &Section<'_>,
    word: &str,
    span: std::ops::Range<usize>,
) -> super::problems::Finding {
    let drivers = drivers();
    let drives = format!("this version drives {}", listed(&drivers));
    let hint = match nearest(word, drivers.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"? T{}", &drives[1..]),
        None => drives,
    };
    section.error(span, format!("there is no driver `{word}`"), hint)
}

pub(super) fn period(section: &mut Section<'_>, findings: &mut Findings) -> Duration {
    section.duration_within("every", (MIN_PERIOD, LONGEST_PERIOD), "10s", findings).unwrap_or(DEFAULT_PERIOD)
}

const LEVELS: [(&str, bool); 2] = [("off", false), ("on", true)];

fn output(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<OutputConfig> {
    let pin = pin(section, "pin", places, findings);
    let active = section.choice("active", &ACTIVE_LEVELS, findings);
    let safe_on = safe(section, findings);
    let longest = max_on(section, findings);
    let limits = (Duration::ZERO, LONGEST_OUTPUT_TIME);
    let min_on = section.duration_within("min_on", limits, "1m", findings).unwrap_or_default();
    let min_off = section.duration_within("min_off", limits, "3m", findings).unwrap_or_default();
    // Away from a safe state that is on means off, so the other shortest time is the one that must fit.
    let (key, away_at_least) = if safe_on == Some(true) { ("min_off", min_off) } else { ("min_on", min_on) };
    if let Some(Some(longest)) = longest
        && away_at_least > longest
    {
        let span = section.item(key).map_or_else(|| section.span.clone(), |found| found.span);
        let hint = "make it shorter, or `max_on` longer: both cannot hold";
        findings.push(section.error(span, format!("`{key}` is longer than `max_on`"), hint));
    }
    if safe_on == Some(true) {
        places.safe_on = section.item("safe").map(|found| found.span);
    }
    let interlock = interlock(section, places, findings);
    let class = class(section, "heat", &OUTPUT_CLASSES, findings);
    let default = OutputConfig::at(pin?);
    Some(OutputConfig {
        active: active.unwrap_or(default.active),
        safe_on: safe_on?,
        max_on: longest?,
        min_on,
        min_off,
        interlock,
        class,
        ..default
    })
}

/// `safe` is mandatory: only the owner knows what is safe.
fn safe(section: &mut Section<'_>, findings: &mut Findings) -> Option<bool> {
    if section.item("safe").is_none() {
        let hint = "say which state it takes at start, at stop and when something is wrong: safe = \"off\"";
        findings.push(section.missing("safe", hint));
        return None;
    }
    section.choice("safe", &LEVELS, findings)
}

/// `max_on` is mandatory, so that nobody forgets it. The inner nothing is the owner's `"unlimited"`.
fn max_on(section: &mut Section<'_>, findings: &mut Findings) -> Option<Option<Duration>> {
    let Some(found) = section.item("max_on") else {
        let hint = "say how long it may be on in one go: max_on = \"2h\", or \"unlimited\"";
        findings.push(section.missing("max_on", hint));
        return None;
    };
    if found.value.as_str() == Some("unlimited") {
        let what = "`max_on` is unlimited: whatever switches it on and then goes away leaves it on for ever";
        findings.push(section.warning(
            found.span,
            what,
            "if there is a longest time that makes sense, write it: max_on = \"2h\"",
        ));
        return Some(None);
    }
    let longest = section.duration("max_on", "2h", findings)?;
    if longest.value.is_zero() || longest.value > LONGEST_OUTPUT_TIME {
        let what = if longest.value.is_zero() {
            "`max_on` is zero, so it could never be used"
        } else {
            "`max_on` is longer than a year"
        };
        let hint = "write how long it may be on in one go: max_on = \"2h\", or \"unlimited\"";
        findings.push(section.error(longest.span, what, hint));
        return None;
    }
    Some(Some(longest.value))
}

/// Longest word of an interlock group, in characters.
const MAX_GROUP_CHARACTERS: usize = 32;

fn interlock(section: &mut Section<'_>, places: &mut Places, findings: &mut Findings) -> Option<String> {
    let group = section.text("interlock", "heating", findings)?;
    if group.value.trim().is_empty() || group.value.chars().count() > MAX_GROUP_CHARACTERS {
        let hint = "write one word, the same at each output of the group: interlock = \"heating\"";
        findings.push(section.error(group.span, "`interlock` is not the name of a group", hint));
        return None;
    }
    places.interlock = Some(group.clone().map(str::to_owned));
    Some(group.value.to_owned())
}

pub(super) fn class(
    section: &mut Section<'_>,
    example: &str,
    known: &[&str],
    findings: &mut Findings,
) -> Option<String> {
    let class = section.text("class", example, findings)?;
    if !known.contains(&class.value) {
        let hint = match nearest(class.value, known.iter().copied()) {
            Some(meant) => format!("did you mean \"{meant}\"?"),
            None => format!("the page has symbols for {}", listed(known)),
        };
        findings.push(section.warning(class.span, format!("the class `{}` is not known", class.value), hint));
    }
    Some(class.value.to_owned())
}
