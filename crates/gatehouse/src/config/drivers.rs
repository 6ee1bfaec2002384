//! What each driver can be told.

use std::time::Duration;

use gatehouse_board::catalogue::{self, Entry};
use gatehouse_board::config::{
    DEFAULT_PERIOD, DriverConfig, HostConfig, KernelDevice, MIN_PERIOD, OutputKind, SimulatedClimateConfig,
};
use gatehouse_model::PropertyId;

use super::conflicts::Places;
use super::derived;
use super::kernel;
use super::nearest::{listed, nearest};
use super::problems::Findings;
use super::section::Section;
use super::{chips, covers, inputs, outputs, streams};

/// The drivers that are no chips of the catalogue.
const DRIVERS: [&str; 12] = [
    "counter",
    "cover",
    "derived",
    "encoder",
    "hc-sr04",
    "host",
    "input",
    "output",
    "pwm",
    "serial",
    "servo",
    "simulated-climate",
];

/// All drivers of this version.
fn drivers() -> Vec<&'static str> {
    let of_catalogue = catalogue::entries().iter().map(|entry| entry.word);
    let mut words: Vec<&str> = of_catalogue.chain(DRIVERS).chain(kernel::DRIVERS).collect();
    words.sort_unstable();
    words
}

/// Longest period of a sensor: a value that is older than a day is no reading of now.
const LONGEST_PERIOD: Duration = Duration::from_secs(24 * 3600);

/// The properties that are numbers.
#[derive(Clone, Debug)]
pub(super) enum Numbers {
    /// These, and no others.
    Known(&'static [&'static str]),
    /// The total, and a rate with this name.
    Counted(&'static str),
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
        DriverConfig::Input(_)
        | DriverConfig::Output(_)
        | DriverConfig::Cover(_)
        | DriverConfig::Stream(_) => Numbers::Known(&[]),
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

/// Which numbers others can be derived from, or can watch.
pub(super) fn sources(driver: &DriverConfig) -> Numbers {
    match driver {
        DriverConfig::Counter(counter) => Numbers::Counted(counter.rate_word()),
        DriverConfig::Encoder(_) | DriverConfig::Cover(_) => Numbers::Known(&["position"]),
        DriverConfig::Output(output) => Numbers::Known(match output.kind {
            OutputKind::Switch => &[],
            OutputKind::Pwm { .. } => &["level"],
            OutputKind::Servo { .. } => &["angle"],
        }),
        other => numbers(other),
    }
}

impl Numbers {
    /// Their words; nothing when they depend on the machine.
    pub(super) fn words(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Known(known) => Some(known.to_vec()),
            Self::Counted(rate) => Some(vec!["total", rate]),
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
        "output" => outputs::switch(section, places, findings).map(DriverConfig::Output),
        "pwm" => outputs::pwm(section, places, findings).map(DriverConfig::Output),
        "servo" => outputs::servo(section, places, findings).map(DriverConfig::Output),
        "cover" => covers::read(section, places, findings).map(DriverConfig::Cover),
        "derived" => derived::read(section, places, findings).map(DriverConfig::Derived),
        "serial" => streams::read(section, places, findings).map(DriverConfig::Stream),
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
