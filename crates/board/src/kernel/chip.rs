//! Finding an IIO or hwmon device among the kernel's, and its values.

use std::path::{Path, PathBuf};

use gatehouse_model::{PropertyId, PropertyInfo, PropertyKind, Value};

use super::{ChipChoice, attribute, hwmon, iio, names, number};
use crate::traits::{ReadError, SensorProperty};

/// Most values of one device: more than any chip has, and little enough for the inventory.
const MAX_CHANNELS: usize = 32;

/// Which of the kernel's two subsystems for sensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subsystem {
    /// Industrial I/O.
    Iio,
    /// Hardware monitoring.
    Hwmon,
}

/// A device as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KernelChip {
    /// Its directory.
    pub(crate) path: PathBuf,
    /// The last part of that: `iio:device0`, `hwmon2`.
    pub(crate) directory: String,
    /// The name that its driver gives it.
    pub(crate) name: String,
    /// What it hangs on, as the kernel calls that: `1-0048` on I²C, the name of a node of the device tree.
    pub(crate) at: Option<String>,
    /// Whether it hangs on a bus that people wire something to.
    pub(crate) is_wired: bool,
}

impl KernelChip {
    /// Whether a configuration means this one.
    pub(crate) fn is(&self, choice: &ChipChoice) -> bool {
        let word = choice.chip.as_str();
        // The name of a device of the device tree has its place behind it: `dht11@4`.
        let plain = self.name.split('@').next().unwrap_or_default();
        let is_named = [self.name.as_str(), self.directory.as_str(), plain].contains(&word);
        is_named && choice.at.as_ref().is_none_or(|at| self.at.as_ref() == Some(at))
    }
}

/// All devices of a subsystem, in the order of their directories.
pub(crate) fn list(subsystem: Subsystem, root: &Path) -> Vec<KernelChip> {
    names(root).into_iter().filter_map(|directory| look_at(subsystem, root, directory)).collect()
}

fn look_at(subsystem: Subsystem, root: &Path, directory: String) -> Option<KernelChip> {
    let path = root.join(&directory);
    let name = attribute(&path.join("name")).ok().filter(|name| !name.is_empty())?;
    let parent = match subsystem {
        // An IIO device's directory lies in that of what it hangs on.
        Subsystem::Iio => path.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned)),
        Subsystem::Hwmon => path.join("device").canonicalize().ok(),
    };
    let at = parent.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let is_wired = parent.as_deref().is_some_and(|parent| is_on_a_bus(&parent.to_string_lossy()))
        // What hangs on a line, as a DHT22 does, is a platform device.
        || subsystem == Subsystem::Iio;
    Some(KernelChip { path, directory, name, at, is_wired })
}

fn is_on_a_bus(path: &str) -> bool {
    path.split('/').any(|part| {
        let is_numbered = |prefix: &str| {
            part.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        is_numbered("i2c-") || is_numbered("spi") || part.starts_with("w1_bus_master")
    })
}

/// The device that is meant.
///
/// # Errors
/// When there is none, or more than one.
pub(super) fn find(subsystem: Subsystem, root: &Path, choice: &ChipChoice) -> Result<KernelChip, ReadError> {
    let all = list(subsystem, root);
    let mut fitting = all.iter().filter(|chip| chip.is(choice));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only.clone()),
        (Some(first), Some(second)) => {
            let at = |chip: &KernelChip| chip.at.clone().unwrap_or_else(|| chip.directory.clone());
            Err(ReadError::Silent(format!(
                "there are several `{}` ({}, {}): say which with at = \"{}\"",
                choice.chip,
                at(first),
                at(second),
                at(first)
            )))
        }
        (None, _) => {
            let there: Vec<&str> = all.iter().map(|chip| chip.name.as_str()).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            Err(ReadError::Silent(format!(
                "the kernel shows no {choice} (there is {there}): check its wires, and that its driver is switched on in /boot/firmware/config.txt"
            )))
        }
    }
}

/// One value of a device, and how its file becomes that.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Channel {
    pub(super) property: SensorProperty,
    /// The file with the number.
    pub(super) file: PathBuf,
    /// The files with a number to add first, and one to multiply with then; 0 and 1 where there are none.
    pub(super) offset: Option<PathBuf>,
    pub(super) scale: Option<PathBuf>,
    /// From the kernel's unit to the property's.
    pub(super) factor: f64,
    /// A file that says `1` while the value means nothing.
    pub(super) fault: Option<PathBuf>,
}

impl Channel {
    /// The value, in the property's unit.
    pub(super) fn read(&self) -> std::io::Result<Value> {
        let other = |what: &str| std::io::Error::other(what.to_owned());
        if self.fault.as_ref().is_some_and(|file| number(file) == Some(1.0)) {
            return Err(other("the chip says that nothing is connected there"));
        }
        let text = attribute(&self.file)?;
        let raw: f64 = text.parse().map_err(|_| other("the kernel shows no number"))?;
        let optional = |file: &Option<PathBuf>, default: f64| match file {
            Some(file) => number(file).ok_or_else(|| other("its scale cannot be read")),
            None => Ok(default),
        };
        let value = (raw + optional(&self.offset, 0.0)?) * optional(&self.scale, 1.0)? * self.factor;
        Value::number(value).ok_or_else(|| other("it is no finite number"))
    }
}

/// What a kind of value is to people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) word: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) decimals: u8,
    pub(super) class: Option<&'static str>,
    /// What is believable, in the unit.
    pub(super) range: (f64, f64),
    /// From the kernel's unit.
    pub(super) factor: f64,
}

impl Shape {
    /// The property of this kind. `number` tells it from others of its kind, `label` is what the kernel calls it.
    pub(super) fn property(&self, number: &str, label: Option<&str>) -> Option<SensorProperty> {
        let id = if number.is_empty() { self.word.to_owned() } else { format!("{}-{number}", self.word) };
        let name = match label {
            Some(label) => label.to_owned(),
            None if number.is_empty() => self.name.to_owned(),
            None => format!("{} {number}", self.name),
        };
        let kind = PropertyKind::Number { unit: self.unit.to_owned(), decimals: self.decimals };
        let class = self.class.map(str::to_owned);
        let info =
            PropertyInfo { id: PropertyId::new(&id).ok()?, name, kind, settable: false, class, range: None };
        Some(SensorProperty::new(info, Some(self.range)))
    }
}

/// The values of a device.
pub(super) fn channels(subsystem: Subsystem, chip: &KernelChip) -> Vec<Channel> {
    let files = names(&chip.path);
    let mut channels = match subsystem {
        Subsystem::Iio => iio::channels(&chip.path, &files),
        Subsystem::Hwmon => hwmon::channels(&chip.path, &files),
    };
    channels.truncate(MAX_CHANNELS);
    channels
}
