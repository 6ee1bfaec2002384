//! What a scan found, as plain data.

use gatehouse_model::DeviceId;
use serde::Serialize;

use super::identify::{Candidate, Identification};
use crate::traits::BusInfo;

/// Everything that is connected, as far as it can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scan {
    /// I²C buses with the channels of configured multiplexers, SPI, serial ports, 1-Wire.
    pub buses: Vec<ScannedBus>,
    /// Devices of the kernel's IIO and hwmon.
    pub kernel: Vec<Thing>,
}

impl Scan {
    /// Whatever nobody uses yet and Gatehouse could use, in the order of the scan.
    pub fn unused(&self) -> impl Iterator<Item = &Thing> {
        let on_buses = self.buses.iter().flat_map(|bus| &bus.things);
        on_buses.chain(&self.kernel).filter(|thing| thing.holder == Holder::Nobody && thing.is_wired)
    }
}

/// One bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScannedBus {
    /// How the configuration names it.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// Why it could not be looked at, and what to do.
    pub problem: Option<String>,
    /// Whether it was there and failed while it was looked at.
    #[serde(skip)]
    pub has_failed: bool,
    /// What is on it.
    pub things: Vec<Thing>,
}

impl ScannedBus {
    pub(super) fn of(info: &BusInfo) -> Self {
        let BusInfo { name, description, problem, .. } = info.clone();
        Self { name, description, problem, has_failed: false, things: Vec::new() }
    }

    pub(super) fn healthy(info: &BusInfo) -> Self {
        Self { problem: None, ..Self::of(info) }
    }

    pub(super) fn unusable(info: &BusInfo) -> Self {
        let nameless = || "it is no bus that can be looked at".to_owned();
        Self { problem: Some(info.problem.clone().unwrap_or_else(nameless)), ..Self::of(info) }
    }

    /// One that nobody wires things to.
    pub(super) fn aside(info: &BusInfo, owner: &str) -> Self {
        let problem = format!(
            "left alone, as it belongs to {owner}; `gatehouse scan --all` looks at it too, and so does every scan once a device is configured on it"
        );
        Self { problem: Some(problem), ..Self::of(info) }
    }

    pub(super) fn failed(info: &BusInfo, problem: String) -> Self {
        Self { problem: Some(problem), has_failed: true, ..Self::of(info) }
    }

    /// The I²C addresses at which there is something.
    pub(super) fn addresses(&self) -> Vec<u8> {
        self.things.iter().filter_map(|thing| thing.address).collect()
    }
}

/// Who uses a thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Holder {
    /// Nobody.
    Nobody,
    /// A driver of the kernel; it is not asked.
    Kernel {
        /// The kernel's name of the chip.
        driver: String,
    },
    /// A device of the configuration; it is not asked.
    Device {
        /// Its id.
        id: String,
    },
}

/// Something that is connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thing {
    /// The bus, or the kernel's subsystem.
    pub bus: String,
    /// Where on it: `0x76`, a probe's number, a directory of the kernel's.
    pub place: String,
    /// The same for I²C, as a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<u8>,
    /// Who uses it.
    pub holder: Holder,
    /// What it can be, the most likely first; empty when nothing is known.
    pub candidates: Vec<Candidate>,
    /// What people should know, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A device for the configuration that would use it, as TOML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// Whether somebody has wired it to the board: it is no part of the machine itself.
    #[serde(skip)]
    pub is_wired: bool,
}

impl Thing {
    fn at(bus: &str, place: String) -> Self {
        Self {
            bus: bus.to_owned(),
            place,
            address: None,
            holder: Holder::Nobody,
            candidates: Vec::new(),
            note: None,
            configuration: None,
            is_wired: true,
        }
    }

    pub(super) fn held(bus: &str, address: u8, holder: Holder) -> Self {
        Self { address: Some(address), holder, ..Self::at(bus, format!("0x{address:02x}")) }
    }

    pub(super) fn device(place: &str, id: &DeviceId) -> Self {
        Self { holder: Holder::Device { id: id.to_string() }, ..Self::at(place, place.to_owned()) }
    }

    pub(super) fn chip(bus: &str, address: u8, found: &Identification) -> Self {
        let configuration = found.candidates.first().and_then(|best| {
            let driver = best.driver.as_deref()?;
            Some(suggested_chip(driver, bus, address))
        });
        Self {
            address: Some(address),
            candidates: found.candidates.clone(),
            note: found.note.map(str::to_owned),
            configuration,
            ..Self::at(bus, format!("0x{address:02x}"))
        }
    }

    pub(super) fn probe(id: &str, model: &str, holder: Holder, note: Option<String>) -> Self {
        let candidate = Candidate {
            driver: Some("ds18b20".to_owned()),
            name: model.to_owned(),
            certainty: 95,
            or_else: Vec::new(),
        };
        Self {
            holder,
            candidates: vec![candidate],
            note,
            configuration: Some(suggested_probe(id)),
            ..Self::at("w1", id.to_owned())
        }
    }

    /// A 1-Wire device that is no thermometer.
    pub(super) fn unknown_probe(id: &str, note: &str) -> Self {
        Self { note: Some(note.to_owned()), ..Self::at("w1", id.to_owned()) }
    }

    /// A device of IIO or hwmon, by its directory.
    pub(super) fn of_kernel(subsystem: &str, chip: &crate::kernel::KernelChip, is_alone: bool) -> Self {
        let candidate = Candidate {
            driver: Some(subsystem.to_owned()),
            name: chip.name.clone(),
            certainty: 100,
            or_else: Vec::new(),
        };
        let at = chip.at.as_deref().filter(|_| !is_alone);
        Self {
            candidates: vec![candidate],
            note: chip.at.as_ref().map(|at| format!("connected at {at}")),
            configuration: Some(suggested_kernel(subsystem, &chip.name, at)),
            is_wired: chip.is_wired,
            ..Self::at(subsystem, chip.directory.clone())
        }
    }
}

/// A device for the configuration that would use a chip on I²C, as TOML.
pub fn suggested_chip(driver: &str, bus: &str, address: u8) -> String {
    let lines = format!("bus = \"{bus}\"\naddress = 0x{address:02x}\n");
    device(driver, &format!("{driver}-{address:02x}"), &lines)
}

/// The same for a thermometer on 1-Wire, by its number.
pub fn suggested_probe(id: &str) -> String {
    let last = id.get(id.len().saturating_sub(4)..).unwrap_or(id);
    device("ds18b20", &format!("probe-{last}"), &format!("probe = \"{id}\"\n"))
}

/// The same for what the kernel drives: `iio` or `hwmon`, its name, and where it is when its name is not enough.
pub fn suggested_kernel(subsystem: &str, name: &str, at: Option<&str>) -> String {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let id = if plain.is_empty() { subsystem.to_owned() } else { plain.to_ascii_lowercase() };
    let at = at.map(|at| format!("at = \"{at}\"\n")).unwrap_or_default();
    device(subsystem, &id, &format!("chip = \"{name}\"\n{at}"))
}

fn device(driver: &str, id: &str, lines: &str) -> String {
    format!("[[device]]\nid = \"{id}\"\ndriver = \"{driver}\"\n{lines}")
}

impl Thing {
    /// What it is and where, for a line of a log.
    pub fn sentence(&self) -> String {
        let what = match self.candidates.as_slice() {
            [] => "something that is not known".to_owned(),
            [best, rest @ ..] if best.certainty < 90 && !rest.is_empty() => {
                let others: Vec<&str> = rest.iter().map(|candidate| candidate.name.as_str()).collect();
                format!("{}, or {}", best.name, others.join(", or "))
            }
            [best, ..] => best.name.clone(),
        };
        format!("{what} at {}, {}", self.bus, self.place)
    }
}
