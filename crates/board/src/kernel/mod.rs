//! Sensors that the kernel drives: 1-Wire thermometers, IIO and hwmon.
//!
//! Purpose: whatever the kernel has a driver for appears as files below `/sys`, and is read from there; nothing is done
//! twice. The directories come from [`Board::kernel_places`](crate::traits::Board::kernel_places), so tests give trees of
//! their own.
//!
//! Reading such a file can take long (a DS18B20 converts for 0.75 s) and can hang with its bus, so it happens on a thread
//! for such work. A device whose reading hangs holds one such thread, never two.

mod bulk;
mod channel;
mod chip;
mod config;
mod hwmon;
mod iio;
mod one_wire;
mod source;
mod survey;

#[cfg(test)]
mod tests;

pub use bulk::OneWireProbes;
pub(crate) use chip::{KernelChip, Subsystem, list};
pub use config::{ChipChoice, KernelConfig, KernelDevice, ProbeId};
pub use survey::{MAX_SURVEYED, ProbeSurvey, SurveyedProbe};

pub(crate) use one_wire::{is_parasite_powered, names_on_bus as one_wire_names};
pub(crate) use source::{KernelSource, ProbeSource};

use std::path::Path;

/// Largest file that is read: attributes of sysfs are at most one page long.
const MAX_ATTRIBUTE_BYTES: usize = 4_096;

/// The text of an attribute, without the space around it; an error says what the kernel said.
fn attribute(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_ATTRIBUTE_BYTES).unwrap_or(u64::MAX);
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// The number in an attribute; nothing when there is none, or no finite one.
fn number(path: &Path) -> Option<f64> {
    attribute(path).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// The names in a directory, sorted; none when it is not there. At most so many that a damaged directory costs nothing.
fn names(directory: &Path) -> Vec<String> {
    /// Far more than a machine has devices of one kind, or a device attributes.
    const MAX_ENTRIES: usize = 1_024;
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.take(MAX_ENTRIES).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}
