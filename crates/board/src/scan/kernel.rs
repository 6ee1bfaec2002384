//! What the kernel knows of: chips with a driver of its own, 1-Wire, IIO, hwmon.

use std::collections::BTreeMap;
use std::path::Path;

use super::result::{Holder, Thing};
use crate::config::{DeviceConfig, DriverConfig, KernelDevice};
use crate::kernel::{KernelChip, ProbeId, Subsystem, is_parasite_powered, list, one_wire_names};
use crate::traits::KernelPlaces;

/// The addresses of a bus that a driver of the kernel has: directories such as `1-0068` with a link to the driver.
pub(super) fn i2c_holders(places: Option<&KernelPlaces>, bus: u8) -> BTreeMap<u8, Holder> {
    let Some(places) = places else { return BTreeMap::new() };
    let entries = std::fs::read_dir(&places.i2c).into_iter().flatten().flatten();
    let holder = |name: &str| {
        let address = name.strip_prefix(&format!("{bus}-"))?;
        let address = u16::from_str_radix(address, 16).ok().and_then(|address| u8::try_from(address).ok())?;
        let driver = std::fs::read_link(places.i2c.join(name).join("driver")).ok()?;
        let driver = driver.file_name()?.to_string_lossy().into_owned();
        Some((address, Holder::Kernel { driver }))
    };
    entries.filter_map(|entry| holder(entry.file_name().to_str()?)).collect()
}

/// What is on the 1-Wire buses; how each is powered is asked there.
pub(super) fn probes(devices: &Path, configured: &[DeviceConfig]) -> Vec<Thing> {
    list_probes(devices, configured, |probe| is_parasite_powered(devices, probe))
}

/// The same without asking anybody.
pub(super) fn probe_numbers(devices: &Path, configured: &[DeviceConfig]) -> Vec<Thing> {
    list_probes(devices, configured, |_| None)
}

fn list_probes(
    devices: &Path,
    configured: &[DeviceConfig],
    is_parasite: impl Fn(&ProbeId) -> Option<bool>,
) -> Vec<Thing> {
    let thing = |name: String| {
        let Some(probe) = ProbeId::new(&name) else {
            return Thing::unknown_probe(&name, note_of_stranger(&name));
        };
        let ours = configured.iter().find(|device| {
            matches!(&device.driver, DriverConfig::Kernel(kernel) if kernel.device == KernelDevice::OneWire(probe.clone()))
        });
        let holder = match ours {
            Some(device) => Holder::Device { id: device.id.to_string() },
            None => Holder::Nobody,
        };
        let mut notes = Vec::new();
        if is_parasite(&probe) == Some(true) {
            notes.push("it takes its power from the data line: with long wires, give it 3.3 V of its own");
        }
        if probe.is_probably_no_original() {
            notes.push("its number is none of the maker's: probably a copy, which may be less exact");
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Thing::probe(probe.as_str(), probe.model().unwrap_or("thermometer"), holder, note)
    };
    one_wire_names(devices).into_iter().map(thing).collect()
}

fn note_of_stranger(name: &str) -> &'static str {
    if name.starts_with("00-") {
        "no real device: data and 3.3 V are not joined by a resistor of 4.7 kΩ"
    } else {
        "no thermometer; Gatehouse does not use it"
    }
}

/// IIO and hwmon devices.
pub(super) fn chips(places: &KernelPlaces, configured: &[DeviceConfig]) -> Vec<Thing> {
    let of = |subsystem, word: &'static str, root: &Path| -> Vec<Thing> {
        let all = list(subsystem, root);
        let thing = |chip: &KernelChip| {
            let is_alone = all.iter().filter(|other| other.name == chip.name).count() == 1;
            let ours = configured.iter().find(|device| is_meant(device, subsystem, chip));
            let holder = match ours {
                Some(device) => Holder::Device { id: device.id.to_string() },
                None => Holder::Nobody,
            };
            Thing { holder, ..Thing::of_kernel(word, chip, is_alone) }
        };
        all.iter().map(thing).collect()
    };
    let mut things = of(Subsystem::Iio, "iio", &places.iio);
    things.extend(of(Subsystem::Hwmon, "hwmon", &places.hwmon));
    things
}

fn is_meant(device: &DeviceConfig, subsystem: Subsystem, chip: &KernelChip) -> bool {
    let DriverConfig::Kernel(kernel) = &device.driver else { return false };
    match (&kernel.device, subsystem) {
        (KernelDevice::Iio(choice), Subsystem::Iio) | (KernelDevice::Hwmon(choice), Subsystem::Hwmon) => {
            chip.is(choice)
        }
        _ => false,
    }
}
