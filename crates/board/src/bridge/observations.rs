//! What the devices say, for the other parts of the bridge: derived values, and safety that depends on a sensor.
//!
//! It holds the latest reading of each value, also of those that were not worth a message: who watches a sensor for its
//! silence must not take a steady one for a silent one. A watcher that is slow misses readings in between, never the
//! latest, so nothing grows and nobody waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatehouse_model::{Clock, DeviceId, Moment, PropertyPath, Quality, Reading};
use tokio::sync::watch;

/// A reading, and when the bridge had it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Observation {
    /// The value after filters and calibration, with its quality.
    pub(super) reading: Reading,
    /// When it came, or when it was marked as stale, in elapsed time.
    pub(super) heard: Moment,
}

type Latest = Option<Arc<Observation>>;

/// The latest reading of every value of the house.
///
/// It holds one entry for each value that exists or is watched, so the configuration bounds it.
#[derive(Debug)]
pub(super) struct Observations {
    clock: Arc<dyn Clock>,
    latest: Mutex<BTreeMap<PropertyPath, watch::Sender<Latest>>>,
}

impl Observations {
    /// Nothing was heard yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, latest: Mutex::default() }
    }

    fn latest(&self) -> MutexGuard<'_, BTreeMap<PropertyPath, watch::Sender<Latest>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a reading, whether it is published or not.
    pub(super) fn note(&self, reading: Reading) {
        let path = PropertyPath::new(reading.device.clone(), reading.property.clone());
        let observation = Observation { reading, heard: self.clock.moment() };
        self.latest().entry(path).or_default().send_replace(Some(Arc::new(observation)));
    }

    /// Nobody vouches for this device's values any more: they are stale from now on, until new ones come.
    pub(super) fn lose(&self, device: &DeviceId) {
        let heard = self.clock.moment();
        for (path, latest) in &*self.latest() {
            if path.device != *device {
                continue;
            }
            latest.send_if_modified(|latest| match latest {
                Some(observation) if observation.reading.quality != Quality::Stale => {
                    let reading = Reading { quality: Quality::Stale, ..observation.reading.clone() };
                    *latest = Some(Arc::new(Observation { reading, heard }));
                    true
                }
                _ => false,
            });
        }
    }

    /// Follows one value, which need not have been heard yet, nor belong to a device that is there.
    pub(super) fn subscribe(&self, path: &PropertyPath) -> Watcher {
        let mut receiver = self.latest().entry(path.clone()).or_default().subscribe();
        // What is known already counts as news for somebody who starts to watch.
        receiver.mark_changed();
        Watcher { receiver }
    }
}

/// Follows one value.
#[derive(Clone, Debug)]
pub(super) struct Watcher {
    receiver: watch::Receiver<Latest>,
}

impl Watcher {
    /// What is known at present; nothing before the first reading.
    pub(super) fn latest(&self) -> Option<Arc<Observation>> {
        self.receiver.borrow().clone()
    }

    /// What is known at present, which this watcher has had then.
    pub(super) fn take(&mut self) -> Option<Arc<Observation>> {
        self.receiver.borrow_and_update().clone()
    }

    /// The next reading that this watcher has not had, at first the one that is known already. It is safe to drop the
    /// future and ask again.
    pub(super) async fn next(&mut self) -> Arc<Observation> {
        loop {
            if self.receiver.changed().await.is_err() {
                // Whoever observes is gone: the bridge ends, and nothing will be heard any more.
                return std::future::pending().await;
            }
            if let Some(observation) = self.receiver.borrow_and_update().clone() {
                return observation;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use gatehouse_model::{ManualClock, Timestamp, Value};

    use super::*;

    const AT: Timestamp = Timestamp::from_millis(5);

    fn reading(path: &PropertyPath, number: f64) -> Reading {
        Reading {
            device: path.device.clone(),
            property: path.property.clone(),
            value: Value::Number(number),
            quality: Quality::Ok,
            at: AT,
            cause: None,
        }
    }

    fn said(observation: &Observation) -> String {
        format!("{} {}", observation.reading.value, observation.reading.quality.as_str())
    }

    #[tokio::test]
    async fn a_watcher_gets_what_is_known_then_what_is_new() {
        let clock = Arc::new(ManualClock::new(AT));
        let observations = Observations::new(clock.clone());
        let path: PropertyPath = "kitchen/temperature".parse().unwrap();
        let mut early = observations.subscribe(&path);
        assert_eq!(early.latest(), None);
        assert!(early.next().now_or_never().is_none());
        observations.note(reading(&path, 20.0));
        clock.advance(Duration::from_secs(7));
        observations.note(reading(&path, 21.0));
        let mut late = observations.subscribe(&path);
        for watcher in [&mut early, &mut late] {
            let observation = watcher.next().await;
            assert_eq!(said(&observation), "21 ok", "the latest is what counts");
            assert_eq!(observation.heard, Moment::from_start(Duration::from_secs(7)));
            assert!(watcher.next().now_or_never().is_none());
        }
    }

    #[tokio::test]
    async fn a_lost_device_is_stale_once_and_others_are_left_alone() {
        let clock = Arc::new(ManualClock::new(AT));
        let observations = Observations::new(clock);
        let lost: PropertyPath = "kitchen/temperature".parse().unwrap();
        let other: PropertyPath = "attic/temperature".parse().unwrap();
        observations.note(reading(&lost, 20.0));
        observations.note(reading(&other, 30.0));
        let mut watcher = observations.subscribe(&lost);
        watcher.next().await;
        observations.lose(&lost.device);
        assert_eq!(said(&*watcher.next().await), "20 stale");
        observations.lose(&lost.device);
        assert!(watcher.next().now_or_never().is_none(), "it is said once");
        assert_eq!(said(&observations.subscribe(&other).latest().unwrap()), "30 ok");
        observations.note(reading(&lost, 22.0));
        assert_eq!(said(&*watcher.next().await), "22 ok");
    }
}
