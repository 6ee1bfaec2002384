//! Devices whose task died: a bug in what serves one device must not cost the others their service.
//!
//! Such a device is offline with a sentence, and is started anew after a pause that doubles. One that dies again and
//! again is left offline in the end: it would only fill the log.

use std::collections::BTreeMap;
use std::time::Duration;

use gatehouse_model::{DeviceId, Moment};

/// Pause before the first new start.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Longest pause. It is reached after nine deaths in a row.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// New starts in a row until the device is left offline: a quarter of an hour of trying.
pub(super) const MAX_RESTARTS: u32 = 10;

/// So long must a device have been served until earlier deaths are forgotten.
const FORGIVEN_AFTER: Duration = Duration::from_secs(3_600);

/// The deaths of one device.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// In a row.
    deaths: u32,
    last: Moment,
    /// When it is started anew; nothing while it is served, and when it is given up.
    due: Option<Moment>,
}

/// Which devices wait to be started anew.
#[derive(Clone, Debug, Default)]
pub(super) struct Restarts {
    records: BTreeMap<DeviceId, Record>,
}

impl Restarts {
    /// A device's task died. Gives the sentence for people.
    pub(super) fn handle_death(&mut self, device: &DeviceId, problem: &str, now: Moment) -> String {
        let before = self.records.get(device);
        let before = before.filter(|record| now.saturating_since(record.last) < FORGIVEN_AFTER);
        let deaths = before.map_or(1, |record| record.deaths.saturating_add(1));
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(deaths - 1)).min(LONGEST_PAUSE);
        let is_given_up = deaths > MAX_RESTARTS;
        let due = (!is_given_up).then(|| now + pause);
        self.records.insert(device.clone(), Record { deaths, last: now, due });
        if is_given_up {
            format!(
                "the software that serves it failed {deaths} times in a row ({problem}) and is not started again: please report this; restart the gateway to try once more"
            )
        } else {
            format!(
                "the software that serves it failed ({problem}), {deaths} times in a row; it is started again after {} s; please report this",
                pause.as_secs()
            )
        }
    }

    /// When the next device is to be started.
    pub(super) fn next(&self) -> Option<Moment> {
        self.records.values().filter_map(|record| record.due).min()
    }

    /// A device that is to be started now. It is not given again until it died again.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<DeviceId> {
        let is_due = |record: &Record| record.due.is_some_and(|due| due <= now);
        let (device, record) = self.records.iter_mut().find(|(_, record)| is_due(record))?;
        record.due = None;
        Some(device.clone())
    }

    /// A device is served no more, or with other settings.
    pub(super) fn forget(&mut self, device: &DeviceId) {
        self.records.remove(device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_it_is_given_up_in_the_end() {
        let device = DeviceId::new("kitchen").unwrap();
        let mut restarts = Restarts::default();
        let (mut now, mut pauses) = (at(0), Vec::new());
        for _ in 0..MAX_RESTARTS {
            restarts.handle_death(&device, "a bug", now);
            let due = restarts.next().unwrap();
            assert_eq!(restarts.take_due(now), None, "not before its time");
            pauses.push(due.saturating_since(now).as_secs());
            now = due;
            assert_eq!(restarts.take_due(now), Some(device.clone()));
            assert_eq!((restarts.take_due(now), restarts.next()), (None, None), "once");
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        let sentence = restarts.handle_death(&device, "a bug", now);
        assert!(sentence.contains("11 times in a row (a bug) and is not started again"), "{sentence}");
        assert_eq!(restarts.next(), None);
        // With other settings it begins anew.
        restarts.forget(&device);
        restarts.handle_death(&device, "a bug", now);
        assert_eq!(restarts.next(), Some(now + FIRST_PAUSE));
    }

    #[test]
    fn an_hour_of_service_is_forgiveness() {
        let device = DeviceId::new("kitchen").unwrap();
        let mut restarts = Restarts::default();
        for (now, pause) in [(0, 1), (10, 2), (3_609, 4), (7_209, 1)] {
            restarts.handle_death(&device, "a bug", at(now));
            assert_eq!(restarts.next(), Some(at(now + pause)), "{now}");
        }
    }
}
