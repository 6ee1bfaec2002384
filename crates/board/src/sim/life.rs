//! The people of the simulated house: now and then a door opens, somebody walks through the hall, rings, draws water.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use gatehouse_model::{DeviceId, Moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::plan::{Plan, Role};

/// Seconds until the first happening: soon enough for somebody who has just opened the page.
const FIRST: Range<u64> = 8..40;

/// How often something happens, and for how long, in milliseconds.
#[derive(Clone, Debug)]
struct Custom {
    pause: Range<u64>,
    lasts: Range<u64>,
    act: Act,
}

/// A door that is opened.
const DOOR: Custom = Custom { pause: 90_000..400_000, lasts: 4_000..25_000, act: Act::Hold };

/// Somebody before a motion sensor.
const MOTION: Custom = Custom { pause: 30_000..150_000, lasts: 5_000..20_000, act: Act::Hold };

/// Somebody at the bell.
const BUTTON: Custom = Custom { pause: 120_000..600_000, lasts: 120..350, act: Act::Hold };

/// Water that is drawn: a pulse each second, which is what a meter of a litre a pulse gives at a bath's tap.
const METER: Custom = Custom { pause: 40_000..240_000, lasts: 6_000..60_000, act: Act::Pulses };

/// Somebody who brings letters.
const FLAP: Custom = Custom { pause: 150_000..700_000, lasts: 900..3_000, act: Act::Hold };

/// Somebody who turns a knob, by some detents at a time.
const KNOB: Custom = Custom { pause: 60_000..300_000, lasts: 1_000..2_000, act: Act::Turns };

/// Most detents of one turn of a knob.
const MOST_DETENTS: i32 = 8;

/// Half of a meter's pulse.
pub(super) const HALF_A_PULSE: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Hold,
    Pulses,
    Turns,
}

/// What happens to an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Happening {
    pub(super) device: DeviceId,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// It goes on or off.
    Set(bool),
    /// So many pulses begin, with [`HALF_A_PULSE`] from edge to edge.
    Pulses(u64),
    /// It is turned by so many detents, backwards when negative.
    Turn(i32),
}

#[derive(Debug)]
struct Habit {
    custom: Custom,
    is_on: bool,
    next: Moment,
}

/// What happens by itself.
#[derive(Debug)]
pub(super) struct Life {
    habits: BTreeMap<DeviceId, Habit>,
    /// Whether nobody lives here.
    is_still: bool,
    random: StdRng,
}

impl Life {
    /// Doors open, motion is seen, somebody rings, water flows.
    pub(super) fn lively(plan: &Plan, seed: u64, now: Moment) -> Self {
        let mut life = Self { is_still: false, random: StdRng::seed_from_u64(seed), ..Self::still() };
        life.expect(plan, now);
        life
    }

    /// Other inputs are there from now on: those that stay keep their habits.
    pub(super) fn expect(&mut self, plan: &Plan, now: Moment) {
        if self.is_still {
            return;
        }
        let doors = plan.inputs_of_class("door").map(|device| (device, DOOR));
        let motion = plan.inputs_of_class("motion").map(|device| (device, MOTION));
        let buttons = plan.inputs_that_are(&Role::Button).map(|device| (device, BUTTON));
        let meters = plan.inputs_that_are(&Role::Meter).map(|device| (device, METER));
        let flaps = plan.inputs_of_class("opening").map(|device| (device, FLAP));
        let knobs = plan.encoders().map(|device| (device, KNOB));
        let wanted: BTreeMap<&DeviceId, Custom> =
            doors.chain(motion).chain(buttons).chain(meters).chain(flaps).chain(knobs).collect();
        self.habits.retain(|device, _| wanted.contains_key(device));
        for (device, custom) in wanted {
            if !self.habits.contains_key(device) {
                let next = now + Duration::from_secs(self.random.random_range(FIRST));
                self.habits.insert(device.clone(), Habit { custom, is_on: false, next });
            }
        }
    }

    /// Nothing happens by itself.
    pub(super) fn still() -> Self {
        Self { habits: BTreeMap::new(), is_still: true, random: StdRng::seed_from_u64(0) }
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
            let millis = if habit.is_on { habit.custom.lasts.clone() } else { habit.custom.pause.clone() };
            let time = Duration::from_millis(self.random.random_range(millis));
            habit.next = now + time;
            let what = match (habit.custom.act, habit.is_on) {
                (Act::Hold, on) => What::Set(on),
                (Act::Pulses, true) => What::Pulses(pulses_in(time)),
                (Act::Turns, true) => {
                    let detents = self.random.random_range(1..=MOST_DETENTS);
                    What::Turn(if self.random.random() { detents } else { -detents })
                }
                (Act::Pulses | Act::Turns, false) => continue,
            };
            happenings.push(Happening { device: device.clone(), what });
        }
        happenings
    }
}

fn pulses_in(time: Duration) -> u64 {
    let pulse = HALF_A_PULSE.as_millis() * 2;
    u64::try_from(time.as_millis() / pulse).unwrap_or(0)
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
        for (device, often) in [("front-door", 10), ("hall-motion", 10), ("letter-box", 6)] {
            let of_device = happenings.iter().filter(|happening| happening.device.as_str() == device);
            let changes: Vec<bool> = of_device.map(|happening| happening.what == What::Set(true)).collect();
            assert!(changes.len() >= often, "{device} changed {} times", changes.len());
            assert!(changes[0] && changes.windows(2).all(|pair| pair[0] != pair[1]));
        }
        let pulses = happenings.iter().filter_map(|happening| match happening.what {
            What::Pulses(count) => Some(count),
            What::Set(_) | What::Turn(_) => None,
        });
        assert!(pulses.sum::<u64>() >= 50, "hardly anybody draws water in an hour");
        let turns: Vec<i32> = happenings
            .iter()
            .filter_map(|happening| match happening.what {
                What::Turn(detents) => Some(detents),
                What::Set(_) | What::Pulses(_) => None,
            })
            .collect();
        assert!(turns.len() >= 8, "{turns:?}");
        assert!(turns.iter().any(|detents| *detents > 0) && turns.iter().any(|detents| *detents < 0));
        assert!(turns.iter().all(|detents| *detents != 0), "{turns:?}");
        assert_eq!(happenings, an_hour(5));
        assert_ne!(happenings, an_hour(6));
    }
}
