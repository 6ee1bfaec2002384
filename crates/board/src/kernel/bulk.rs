//! All thermometers of a 1-Wire bus measure at the same time.
//!
//! A conversion takes 0.75 s. Where several configured thermometers share a bus, one `trigger` into the bus master's
//! `therm_bulk_read` lets all of them convert together (kernel documentation, "Kernel driver w1_therm"); the reading of
//! each then only fetches the result. Kernels before 5.9 do not have it, and a gateway without the right to write there
//! cannot use it: then each converts by itself, one after the other. The package gives the group `gpio` that right
//! (`deploy/60-gatehouse.rules`), and the service may write to the directory of the first bus.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use embedded_hal::delay::DelayNs as _;
use gatehouse_model::{Clock, Moment, Quality};

use super::{ProbeId, attribute, one_wire};
use crate::buses::Pause;
use crate::traits::ReadError;

/// How old a conversion may be when its result is fetched: those who measure together ask within moments.
const FRESH: Duration = Duration::from_secs(2);

/// How often a conversion that is under way is looked at, and how often at most: 0.75 s is the longest of a DS18B20, and
/// clones take somewhat longer.
const LOOK_EVERY_MILLIS: u32 = 50;
const MAX_LOOKS: u32 = 40;

/// What is known of the last common conversion of one bus.
#[derive(Debug, Default)]
struct Conversion {
    at: Option<Moment>,
    /// Those whose result was not fetched.
    waiting: BTreeSet<ProbeId>,
}

/// The configured thermometers of all 1-Wire buses.
#[derive(Debug, Default)]
pub struct OneWireProbes {
    /// How many sources read each: while a device changes, the new one is there before the old one goes.
    configured: Mutex<BTreeMap<ProbeId, usize>>,
    buses: Mutex<BTreeMap<PathBuf, Arc<Mutex<Conversion>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OneWireProbes {
    /// A thermometer that will be read from now on.
    pub(super) fn add(&self, probe: &ProbeId) {
        *lock(&self.configured).entry(probe.clone()).or_default() += 1;
    }

    /// A thermometer that will not be read any more.
    pub(super) fn remove(&self, probe: &ProbeId) {
        let mut configured = lock(&self.configured);
        match configured.get_mut(probe) {
            Some(readers) if *readers > 1 => *readers -= 1,
            _ => {
                configured.remove(probe);
            }
        }
    }

    /// Reads a thermometer, on a thread that may wait: one bus has room for one at a time.
    pub(super) fn read(
        &self,
        devices: &Path,
        probe: &ProbeId,
        clock: &dyn Clock,
        mut pause: Pause,
    ) -> Result<(f64, Quality), ReadError> {
        let directory = devices.join(probe.as_str());
        // Devices are links to directories below their bus master.
        let master = directory.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned));
        let Some(master) = master else { return one_wire::read(&directory, probe) };
        let bus = lock(&self.buses).entry(master.clone()).or_default().clone();
        let mut conversion = lock(&bus);
        let is_fresh = conversion.at.is_some_and(|at| clock.moment().saturating_since(at) <= FRESH);
        if !(is_fresh && conversion.waiting.contains(probe)) {
            let together = self.on_bus(&master);
            if together.len() > 1 && convert_together(&master, &mut pause) {
                *conversion = Conversion { at: Some(clock.moment()), waiting: together };
            }
        }
        conversion.waiting.remove(probe);
        one_wire::read(&directory, probe)
    }

    fn on_bus(&self, master: &Path) -> BTreeSet<ProbeId> {
        // The files are looked at while nothing is locked: a bus that hangs there must not hold up others, nor a
        // configuration that is applied.
        let configured: Vec<ProbeId> = lock(&self.configured).keys().cloned().collect();
        configured.into_iter().filter(|probe| master.join(probe.as_str()).is_dir()).collect()
    }
}

/// Lets all thermometers of a bus convert, and waits until they have. Whether that was possible.
pub(super) fn convert_together(master: &Path, pause: &mut Pause) -> bool {
    let file = master.join("therm_bulk_read");
    let begun = std::fs::OpenOptions::new()
        .write(true)
        .open(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"trigger\n"));
    if begun.is_err() {
        return false;
    }
    for _ in 0..MAX_LOOKS {
        match attribute(&file).as_deref() {
            Ok("-1") => pause.delay_ms(LOOK_EVERY_MILLIS),
            other => return other.is_ok(),
        }
    }
    false
}
