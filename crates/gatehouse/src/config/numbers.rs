//! Which numbers a device gives: what can be calibrated, derived from and watched.

use gatehouse_board::catalogue::Entry;
use gatehouse_board::config::{DriverConfig, KernelDevice, OutputKind};
use gatehouse_model::PropertyId;

use super::nearest::{listed, nearest};

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
