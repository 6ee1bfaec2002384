//! The people of the simulated house: now and then a door opens and somebody walks through the hall.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use gatehouse_model::{DeviceId, Moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::plan::Plan;

/// Seconds between two openings of a door, and how long it stays open.
const DOOR_PAUSE: Range<u64> = 90..400;
const DOOR_OPEN: Range<u64> = 4..25;

/// Seconds between two movements, and how long the sensor sees somebody.
const MOTION_PAUSE: Range<u64> = 30..150;
const MOTION_SEEN: Range<u64> = 5..20;

/// Seconds until the first happening: soon enough for somebody who has just opened the page.
const FIRST: Range<u64> = 8..40;

/// An input changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) device: DeviceId,
    pub(super) on: bool,
}

#[derive(Debug)]
struct Habit {
    pause: Range<u64>,
    lasts: Range<u64>,
    is_on: bool,
    next: Moment,
}

/// What happens by itself.
#[derive(Debug)]
pub(super) struct Life {
    habits: BTreeMap<DeviceId, Habit>,
    random: StdRng,
}

impl Life {
    /// Doors open and motion is seen.
    pub(super) fn lively(plan: &Plan, seed: u64, now: Moment) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut habits = BTreeMap::new();
        for (class, pause, lasts) in [("door", DOOR_PAUSE, DOOR_OPEN), ("motion", MOTION_PAUSE, MOTION_SEEN)]
        {
            for device in plan.inputs_of_class(class) {
                let next = now + Duration::from_secs(random.random_range(FIRST));
                let habit = Habit { pause: pause.clone(), lasts: lasts.clone(), is_on: false, next };
                habits.insert(device.clone(), habit);
            }
        }
        Self { habits, random }
    }

    /// Nothing happens by itself.
    pub(super) fn still() -> Self {
        Self { habits: BTreeMap::new(), random: StdRng::seed_from_u64(0) }
    }

    /// When something happens next.
    pub(super) fn next(&self) -> Option<Moment> {
        self.habits.values().map(|habit| habit.next).min()
    }

    /// What happens until `now`; each device at most once, so that a long pause is not followed by a burst.
    pub(super) fn due(&mut self, now: Moment) -> Vec<Happening> {
        let mut happenings = Vec::new();
        for (device, habit) in &mut self.habits {
            if habit.next > now {
                continue;
            }
            habit.is_on = !habit.is_on;
            let seconds = if habit.is_on { habit.lasts.clone() } else { habit.pause.clone() };
            habit.next = now + Duration::from_secs(self.random.random_range(seconds));
            happenings.push(Happening { device: device.clone(), on: habit.is_on });
        }
        happenings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn an_hour(seed: u64) -> Vec<Happening> {
        let plan = Plan::of(&crate::sim::demo_house());
        let mut life = Life::lively(&plan, seed, Moment::default());
        let end = Moment::from_start(Duration::from_secs(3_600));
        let mut happenings = Vec::new();
        while let Some(next) = life.next().filter(|next| *next <= end) {
            happenings.extend(life.due(next));
        }
        happenings
    }

    #[test]
    fn the_door_and_the_motion_sensor_come_and_go_and_a_seed_repeats_them() {
        let happenings = an_hour(5);
        for device in ["front-door", "hall-motion"] {
            let of_device = happenings.iter().filter(|happening| happening.device.as_str() == device);
            let changes: Vec<bool> = of_device.map(|happening| happening.on).collect();
            assert!(changes.len() >= 10, "{device} changed {} times", changes.len());
            assert!(changes[0] && changes.windows(2).all(|pair| pair[0] != pair[1]));
        }
        assert_eq!(happenings, an_hour(5));
        assert_ne!(happenings, an_hour(6));
    }
}
