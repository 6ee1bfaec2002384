//! 1-Wire thermometers of the simulated house, as the files that the kernel would show.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatehouse_model::{DeviceId, Moment};
use rand::RngExt;
use tempfile::TempDir;

use super::warmth::Warmth;
use super::world::World;
use crate::config::ProbeId;
use crate::traits::KernelPlaces;

/// A room of this name is no room: a thermometer there feels the weather.
const OUTDOORS: [&str; 4] = ["Balcony", "Garden", "Outdoors", "Porch"];

/// One sixteenth of a degree: what the lowest bit of the register stands for (DS18B20 datasheet, figure 4).
const STEPS_OF_A_DEGREE: f64 = 16.0;

/// Thermometers that lie unused on the bus of a house that has one, with the rooms that they lie in: to find out which is
/// which, and to add. Their serial numbers are made up.
const UNUSED: [(&str, &str); 2] = [("28-00000b3f41c2", "Living room"), ("28-0000094d7a16", "Bathroom")];

/// A thermometer and its temperature; one without a device is unused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    device: Option<DeviceId>,
    id: ProbeId,
    celsius: f64,
}

#[derive(Debug, Default)]
struct State {
    directory: Option<TempDir>,
    written: BTreeSet<ProbeId>,
    vanished: BTreeSet<DeviceId>,
    damaged: BTreeSet<DeviceId>,
    known: BTreeSet<DeviceId>,
}

/// The kernel's files below a temporary directory, which goes with the board.
#[derive(Debug)]
pub(super) struct ProbeFiles {
    state: Mutex<State>,
}

impl ProbeFiles {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn are_there(&self) -> bool {
        !self.state().known.is_empty()
    }

    /// Whether the device is one of the thermometers.
    pub(super) fn has(&self, device: &DeviceId) -> bool {
        self.state().known.contains(device)
    }

    /// Where the files are. Without a place for them there is a kernel without sensors.
    pub(super) fn places(&self) -> KernelPlaces {
        match self.state().root() {
            Ok(root) => KernelPlaces::below(&root),
            Err(problem) => {
                tracing::warn!("there is no place for the simulated thermometers: {problem}");
                KernelPlaces::below(Path::new("/nonexistent"))
            }
        }
    }

    /// Takes a thermometer off its bus, or puts it back. Whether the device is one.
    pub(super) fn set_vanished(&self, device: &DeviceId, is_gone: bool) -> bool {
        let mut state = self.state();
        if is_gone {
            state.vanished.insert(device.clone())
        } else {
            state.vanished.remove(device)
        };
        state.known.contains(device)
    }

    /// Lets the checksum of a thermometer be wrong, or right again. Whether the device is one.
    pub(super) fn set_damaged(&self, device: &DeviceId, is_damaged: bool) -> bool {
        let mut state = self.state();
        if is_damaged {
            state.damaged.insert(device.clone())
        } else {
            state.damaged.remove(device)
        };
        state.known.contains(device)
    }

    /// Writes what these thermometers show, and takes all others away.
    pub(super) fn write(&self, probes: Vec<Probe>) {
        let mut state = self.state();
        if let Err(problem) = state.write(probes) {
            tracing::warn!("the files of the simulated thermometers cannot be written: {problem}");
        }
    }
}

impl State {
    /// The directory, which is made with the first question.
    fn root(&mut self) -> std::io::Result<PathBuf> {
        let directory = match self.directory.take() {
            Some(directory) => directory,
            None => TempDir::with_prefix("gatehouse-simulated-")?,
        };
        Ok(self.directory.insert(directory).path().to_owned())
    }

    fn write(&mut self, probes: Vec<Probe>) -> std::io::Result<()> {
        self.known = probes.iter().filter_map(|probe| probe.device.clone()).collect();
        if probes.is_empty() && self.written.is_empty() {
            return Ok(());
        }
        let devices = KernelPlaces::below(&self.root()?).one_wire;
        let mut there = BTreeSet::new();
        for Probe { device, id, celsius } in probes {
            let is_among = |set: &BTreeSet<DeviceId>| device.as_ref().is_some_and(|id| set.contains(id));
            if is_among(&self.vanished) {
                continue;
            }
            let directory = devices.join(id.as_str());
            std::fs::create_dir_all(&directory)?;
            replace(&directory, &report(celsius, !is_among(&self.damaged)))?;
            there.insert(id);
        }
        for gone in self.written.difference(&there) {
            std::fs::remove_dir_all(devices.join(gone.as_str()))?;
        }
        self.written = there;
        Ok(())
    }
}

/// A reader sees the old file or the new one, never a half.
fn replace(directory: &Path, text: &str) -> std::io::Result<()> {
    let new: PathBuf = directory.join(".w1_slave");
    std::fs::write(&new, text)?;
    std::fs::rename(new, directory.join("w1_slave"))
}

/// The file `w1_slave` of the kernel: the nine bytes of the scratchpad (DS18B20 datasheet, figure 9) twice, with the
/// verdict on their checksum and with the temperature.
fn report(celsius: f64, is_right: bool) -> String {
    let register = (celsius * STEPS_OF_A_DEGREE).round().clamp(-880.0, 2_000.0) as i16;
    let [low, high] = register.to_le_bytes();
    // Alarm limits and configuration as they are from the factory, and byte 6 as after a measurement.
    let mut scratchpad = [low, high, 0x4B, 0x46, 0x7F, 0xFF, 0x0C ^ (low & 0x0F), 0x10, 0];
    scratchpad[8] = checksum(&scratchpad[..8]);
    if !is_right {
        scratchpad[8] ^= 0x01;
    }
    let bytes: Vec<String> = scratchpad.iter().map(|byte| format!("{byte:02x}")).collect();
    let bytes = bytes.join(" ");
    let verdict = if is_right { "YES" } else { "NO" };
    let millidegrees = i32::from(register) * 1_000 / 16;
    format!("{bytes} : crc={:02x} {verdict}\n{bytes} t={millidegrees}\n", scratchpad[8])
}

/// The checksum of 1-Wire: x⁸ + x⁵ + x⁴ + 1, the lowest bit first (DS18B20 datasheet, "CRC generation").
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ byte, |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0x8C } else { sum >> 1 })
    })
}

impl World {
    /// The thermometers with what they feel.
    pub(super) fn probes(&mut self, now: Moment) -> Vec<Probe> {
        let outdoors = self.house.outdoor_temperature();
        let felt = |room: &str| {
            let indoors = self.house.climate(room).filter(|_| !OUTDOORS.contains(&room));
            indoors.map_or(outdoors, |climate| climate.temperature)
        };
        let configured = self.plan.probes().map(|(device, id, room)| Probe {
            device: Some(device.clone()),
            id: id.clone(),
            celsius: felt(room),
        });
        let mut probes: Vec<Probe> = configured.collect();
        if !probes.is_empty() {
            let unused = UNUSED.into_iter().filter_map(|(id, room)| {
                let id = ProbeId::new(id)?;
                let is_free = probes.iter().all(|probe| probe.id != id);
                is_free.then(|| Probe { device: None, id, celsius: felt(room) })
            });
            let unused: Vec<Probe> = unused.collect();
            probes.extend(unused);
        }
        for Probe { device, id, celsius } in &mut probes {
            *celsius += self.warmth.get(id).map_or(0.0, |warmth| warmth.at(now));
            if device.is_none() {
                // Its last bit is never quite still.
                *celsius += self.random.random_range(-0.04..0.04);
            }
        }
        probes
    }

    /// Puts a hand around the thermometer of this device or of this number. Whether there is such a thermometer.
    pub(super) fn warm(&mut self, thermometer: &str, warmth: Warmth) -> bool {
        let found = self.probes(warmth.since).into_iter().find(|probe| {
            probe.id.as_str() == thermometer
                || probe.device.as_ref().is_some_and(|id| id.as_str() == thermometer)
        });
        let Some(probe) = found else { return false };
        self.warmth.insert(probe.id, warmth);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::SimulatedBoard;

    /// The datasheet's table of temperatures: 25.0625 °C is 0191h, -10.125 °C is FF5Eh.
    #[test]
    fn a_report_is_that_of_the_kernel() {
        assert!(report(25.0625, true).starts_with("91 01 4b 46 7f ff"), "{}", report(25.0625, true));
        assert!(report(25.0625, true).trim_end().ends_with("t=25062"));
        assert!(report(-10.125, true).starts_with("5e ff"));
        assert!(report(20.0, false).contains(" NO\n"));
    }

    /// Maxim's application note 27: the ROM code 02 1C B8 01 00 00 00 has the checksum A2.
    #[test]
    fn the_checksum_of_the_application_note() {
        assert_eq!(checksum(&[0x02, 0x1C, 0xB8, 0x01, 0x00, 0x00, 0x00]), 0xA2);
    }

    #[test]
    fn files_come_and_go_with_their_thermometers() {
        let files = ProbeFiles::new();
        let device = DeviceId::new("outdoors").unwrap();
        let id = ProbeId::new("28-0000055e2f3b").unwrap();
        let probe = Probe { device: Some(device.clone()), id, celsius: 9.0 };
        files.write(vec![probe.clone()]);
        let file = files.places().one_wire.join("28-0000055e2f3b/w1_slave");
        assert!(std::fs::read_to_string(&file).unwrap().contains("t=9000"));
        assert!(files.set_vanished(&device, true));
        files.write(vec![probe.clone()]);
        assert!(!file.exists());
        files.set_vanished(&device, false);
        files.set_damaged(&device, true);
        files.write(vec![probe]);
        assert!(std::fs::read_to_string(&file).unwrap().contains(" NO\n"));
    }

    /// A house without 1-Wire has no bus for them to lie on.
    #[test]
    fn unused_probes_lie_where_there_is_a_bus_and_become_used() {
        let clock: std::sync::Arc<dyn gatehouse_model::Clock> =
            std::sync::Arc::new(gatehouse_model::SystemClock::new());
        let bare = SimulatedBoard::still(&[], 7, clock.clone());
        assert!(bare.shared.caught_up().probes(bare.now()).is_empty());
        let board = SimulatedBoard::still(&crate::sim::demo_house(), 7, clock);
        let unused = |board: &SimulatedBoard| {
            let probes = board.shared.caught_up().probes(board.now());
            probes.into_iter().filter(|probe| probe.device.is_none()).count()
        };
        assert_eq!(unused(&board), UNUSED.len());
        assert!(board.warm(UNUSED[0].0, 6.0) && board.warm("outdoors", 6.0));
        assert!(!board.warm("28-000000000000", 6.0) && !board.warm("outdoors", 1_000.0));
        let mut devices = crate::sim::demo_house();
        let mut outdoors = devices.iter().find(|device| device.id.as_str() == "outdoors").cloned().unwrap();
        outdoors.id = DeviceId::new("found").unwrap();
        if let crate::config::DriverConfig::Kernel(kernel) = &mut outdoors.driver {
            kernel.device = crate::config::KernelDevice::OneWire(ProbeId::new(UNUSED[0].0).unwrap());
        }
        devices.push(outdoors);
        crate::traits::Board::expect_devices(&board, &devices);
        assert_eq!(unused(&board), UNUSED.len() - 1);
        let file = board.probes.places().one_wire.join(UNUSED[0].0).join("w1_slave");
        assert!(std::fs::read_to_string(file).unwrap().contains("YES"));
    }
}
