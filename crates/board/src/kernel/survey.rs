//! All thermometers of the 1-Wire buses, read for somebody who wants to know which is which.
//!
//! The thermometers of a bus convert together where the kernel can do that; else each takes 0.75 s. Whoever asks more
//! often than the buses can be read gets what was read last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, TryLockError};
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId, Moment, Quality, Timestamp};

use super::bulk::convert_together;
use super::{KernelDevice, ProbeId, one_wire, one_wire_names};
use crate::buses::Pause;
use crate::config::{DeviceConfig, DriverConfig};
use crate::traits::{Board, ReadError};

/// Shortest time between two looks. A conversion takes 0.75 s, and configured thermometers want to be read as well.
const PERIOD: Duration = Duration::from_secs(2);

/// Longest time that a look goes on to the next thermometer; those that are left come first the next time.
const BUDGET: Duration = Duration::from_secs(4);

/// Most thermometers that are read: more than a bus of a house can supply.
pub const MAX_SURVEYED: usize = 32;

/// A thermometer and what it showed last.
#[derive(Clone, Debug, PartialEq)]
pub struct SurveyedProbe {
    /// Its number.
    pub id: ProbeId,
    /// The configured device that reads it.
    pub device: Option<DeviceId>,
    /// Its temperature in °C with its quality, or why there is none.
    pub outcome: Result<(f64, Quality), ReadError>,
    /// When it was read.
    pub at: Timestamp,
}

/// A temperature in °C with its quality, or why there is none.
type Outcome = Result<(f64, Quality), ReadError>;

#[derive(Debug, Default)]
struct Kept {
    looked_at: Option<Moment>,
    last: BTreeMap<ProbeId, (Timestamp, Outcome)>,
}

/// Reads all thermometers, whether they are configured or not.
#[derive(Debug, Default)]
pub struct ProbeSurvey {
    /// Held by who reads; a bus may hang for long.
    turn: Mutex<()>,
    kept: Mutex<Kept>,
}

impl ProbeSurvey {
    /// What the thermometers of a board show. It blocks for some seconds, unless they were read just now or somebody else is
    /// reading them: then it gives what was read last.
    pub fn look(&self, board: &dyn Board, devices: &[DeviceConfig], clock: &dyn Clock) -> Vec<SurveyedProbe> {
        let now = clock.moment();
        let is_due = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.looked_at.is_none_or(|at| now.saturating_since(at) >= PERIOD)
        };
        if is_due {
            let turn = match self.turn.try_lock() {
                Ok(turn) => Some(turn),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if turn.is_some()
                && let Some(places) = board.kernel_places()
            {
                let pause = if board.is_simulated() { Pause::Skipped } else { Pause::Real };
                self.read_all(&places.one_wire, clock, pause);
            }
        }
        self.told(devices)
    }

    fn read_all(&self, directory: &Path, clock: &dyn Clock, mut pause: Pause) {
        let begun = clock.moment();
        let found = one_wire_names(directory).into_iter().filter_map(|name| ProbeId::new(&name));
        let mut probes: Vec<ProbeId> = found.take(MAX_SURVEYED).collect();
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.looked_at = Some(begun);
            kept.last.retain(|probe, _| probes.contains(probe));
            // Those that were read longest ago come first.
            probes.sort_by_key(|probe| kept.last.get(probe).map(|(at, _)| *at));
        }
        let mut converted: BTreeSet<PathBuf> = BTreeSet::new();
        for probe in &probes {
            if clock.moment().saturating_since(begun) >= BUDGET {
                return;
            }
            let place = directory.join(probe.as_str());
            let master = place.canonicalize().ok().and_then(|real| real.parent().map(Path::to_owned));
            if let Some(master) = master.filter(|_| probes.len() > 1)
                && converted.insert(master.clone())
            {
                // Where it is not possible, each reading converts by itself.
                convert_together(&master, &mut pause);
            }
            let outcome = one_wire::read(&place, probe);
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.last.insert(probe.clone(), (clock.now(), outcome));
            kept.looked_at = Some(clock.moment());
        }
    }

    fn told(&self, devices: &[DeviceConfig]) -> Vec<SurveyedProbe> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let device_of = |probe: &ProbeId| {
            let reads = |device: &&DeviceConfig| {
                matches!(&device.driver, DriverConfig::Kernel(kernel)
                    if matches!(&kernel.device, KernelDevice::OneWire(of) if of == probe))
            };
            devices.iter().find(reads).map(|device| device.id.clone())
        };
        let told = kept.last.iter().map(|(id, (at, outcome))| SurveyedProbe {
            id: id.clone(),
            device: device_of(id),
            outcome: outcome.clone(),
            at: *at,
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::sim::{SimulatedBoard, demo_house};

    #[derive(Debug, Default)]
    struct Hand(AtomicU64);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(i64::try_from(self.0.load(Ordering::SeqCst)).unwrap())
        }

        fn moment(&self) -> Moment {
            Moment::from_start(Duration::from_millis(self.0.load(Ordering::SeqCst)))
        }
    }

    #[test]
    fn all_probes_are_read_and_not_more_often_than_the_bus_can() {
        let clock = Arc::new(Hand::default());
        let devices = demo_house();
        let board = SimulatedBoard::still(&devices, 3, clock.clone());
        let survey = ProbeSurvey::default();
        let first = survey.look(&board, &devices, &*clock);
        assert_eq!(first.len(), 3);
        let used: Vec<&str> =
            first.iter().filter_map(|probe| probe.device.as_ref()).map(DeviceId::as_str).collect();
        assert_eq!(used, ["outdoors"]);
        assert!(first.iter().all(|probe| probe.outcome.is_ok()), "{first:?}");
        clock.0.store(1_999, Ordering::SeqCst);
        assert_eq!(survey.look(&board, &devices, &*clock), first, "too soon to ask the bus again");
        clock.0.store(2_000, Ordering::SeqCst);
        let second = survey.look(&board, &devices, &*clock);
        assert!(second.iter().all(|probe| probe.at == Timestamp::from_millis(2_000)));
    }

    /// A bus that hangs keeps whoever reads it, and nobody else.
    #[test]
    fn who_comes_while_somebody_reads_gets_the_last_values() {
        let clock = Arc::new(Hand::default());
        let devices = demo_house();
        let board = SimulatedBoard::still(&devices, 3, clock.clone());
        let survey = ProbeSurvey::default();
        let first = survey.look(&board, &devices, &*clock);
        clock.0.store(60_000, Ordering::SeqCst);
        let turn = survey.turn.lock().unwrap();
        assert_eq!(survey.look(&board, &devices, &*clock), first);
        drop(turn);
        assert_ne!(survey.look(&board, &devices, &*clock), first);
    }

    #[test]
    fn a_probe_that_fails_says_why_and_one_that_goes_is_gone() {
        let clock = Arc::new(Hand::default());
        let devices = demo_house();
        let board = SimulatedBoard::still(&devices, 3, clock.clone());
        let outdoors = DeviceId::new("outdoors").unwrap();
        board.set_mischief(&outdoors, Some(crate::sim::Mischief::Damaged)).unwrap();
        let survey = ProbeSurvey::default();
        let found = survey.look(&board, &devices, &*clock);
        let failed = found.iter().find(|probe| probe.device.as_ref() == Some(&outdoors)).unwrap();
        assert!(failed.outcome.as_ref().unwrap_err().to_string().contains("checksum"));
        board.set_mischief(&outdoors, Some(crate::sim::Mischief::Vanished)).unwrap();
        clock.0.store(10_000, Ordering::SeqCst);
        assert_eq!(survey.look(&board, &devices, &*clock).len(), 2);
    }
}
