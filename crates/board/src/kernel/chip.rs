//! Finding an IIO or hwmon device among the kernel's, and its values.

use std::path::{Path, PathBuf};

use super::channel::Channel;
use super::{ChipChoice, attribute, hwmon, iio, names};
use crate::traits::ReadError;

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
