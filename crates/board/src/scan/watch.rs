//! New and vanished things while the gateway runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, Moment};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::identify::Identification;
use super::presence::{Change, Eye, Presence, STEADY_AFTER};
use super::{Reach, Scanner, Silent, Spot, Thing};

/// How often the I²C buses are looked at: people who plug something in wait that long, and 112 addresses take a hundredth
/// of it. When something is new or missing, they are looked at once more [`KERNEL_PERIOD`] later.
pub const I2C_PERIOD: Duration = Duration::from_secs(30);

/// How often the kernel's directories are looked at, which asks nobody on a bus.
pub const KERNEL_PERIOD: Duration = Duration::from_secs(5);

/// Longest pause before a bus that fails is looked at again, in periods: ten minutes.
const MAX_SKIPPED: u32 = 20;

/// A bus that failed when it was looked at.
#[derive(Clone, Copy, Debug)]
struct Failing {
    /// Periods that it is left alone.
    skip: u32,
    /// Periods that are left of that.
    left: u32,
}

/// Looks from time to time what is connected and not configured, and tells of it.
#[derive(Debug)]
pub struct Watch {
    scanner: Scanner,
    clock: Arc<dyn Clock>,
    memory: BTreeMap<Spot, Identification>,
    failing: BTreeMap<String, Failing>,
    presence: Presence,
    /// Whether the I²C buses were looked at once more since it was their turn.
    is_looked_at_again: bool,
}

impl Watch {
    /// Nothing was looked at yet.
    pub fn new(scanner: Scanner, clock: Arc<dyn Clock>) -> Self {
        Self {
            scanner,
            clock,
            memory: BTreeMap::new(),
            failing: BTreeMap::new(),
            presence: Presence::default(),
            is_looked_at_again: false,
        }
    }

    /// Tells `found` what is connected and not used, whenever that changes, until `stop`.
    pub async fn run(self, found: watch::Sender<Vec<Thing>>, stop: CancellationToken) {
        let mut ticks = interval(KERNEL_PERIOD);
        // A look that took long is not made up for by a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let looks = u32::try_from(I2C_PERIOD.as_secs() / KERNEL_PERIOD.as_secs().max(1)).unwrap_or(1).max(1);
        let (mut watch, mut count) = (self, 0_u32);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let is_turn_of_i2c = count.is_multiple_of(looks);
            count = count.wrapping_add(1);
            let looked = tokio::task::spawn_blocking(move || {
                let now = watch.clock.moment();
                let change = watch.look(is_turn_of_i2c, now);
                (watch, change)
            });
            let change;
            (watch, change) = tokio::select! {
                // A bus that hangs must not hold up the end.
                () = stop.cancelled() => return,
                looked = looked => match looked {
                    Ok(looked) => looked,
                    Err(error) => {
                        tracing::warn!("nobody looks for new devices any more: {error}; please report this");
                        return;
                    }
                },
            };
            for thing in &change.new {
                tracing::info!("found {}", thing.sentence());
            }
            for thing in &change.gone {
                tracing::info!("no longer there: {}", thing.sentence());
            }
            for thing in &change.restless {
                tracing::warn!(
                    "comes and goes: {}; check its wires and its supply. Nothing more is said of it until it has stayed as it is for {} minutes",
                    thing.sentence(),
                    STEADY_AFTER.as_secs() / 60
                );
            }
            if change.is_other_list {
                found.send_replace(watch.presence.found());
            }
        }
    }

    /// Looks once, at the I²C buses only when it is their turn, or when one look more would tell whether something is there.
    fn look(&mut self, is_turn_of_i2c: bool, now: Moment) -> Change {
        let again = !is_turn_of_i2c && !self.is_looked_at_again && self.presence.is_unsure();
        self.is_looked_at_again = again || (self.is_looked_at_again && !is_turn_of_i2c);
        let on_i2c =
            if is_turn_of_i2c || again { self.look_at_i2c(is_turn_of_i2c, now) } else { Change::default() };
        // The machine's own sensors are nothing that anybody has plugged in.
        let in_kernel = self.scanner.kernel_only().into_iter().filter(|thing| thing.is_wired).collect();
        on_i2c.and(self.presence.look(Eye::Kernel, in_kernel, |_| true, now))
    }

    fn look_at_i2c(&mut self, is_turn: bool, now: Moment) -> Change {
        if is_turn {
            for failing in self.failing.values_mut() {
                failing.left = failing.left.saturating_sub(1);
            }
        }
        let failing = &self.failing;
        let wanted = |bus: &str| failing.get(bus).is_none_or(|failing| failing.left == 0);
        let (mut left_alone, mut seen): (BTreeSet<String>, Vec<Thing>) = (BTreeSet::new(), Vec::new());
        left_alone.extend(failing.iter().filter(|(_, failing)| failing.left > 0).map(|(bus, _)| bus.clone()));
        for bus in self.scanner.i2c(&mut self.memory, Silent::LeftAlone, Reach::Header, wanted) {
            if bus.has_failed {
                let skip = self.failing.get(&bus.name).map_or(1, |failing| failing.skip * 2).min(MAX_SKIPPED);
                left_alone.insert(bus.name.clone());
                self.failing.insert(bus.name, Failing { skip, left: skip });
                continue;
            }
            self.failing.remove(&bus.name);
            seen.extend(bus.things);
        }
        // What was on a bus that fails is still believed to be there, and behind its multiplexers too: nobody has seen it go.
        let behind: BTreeSet<String> =
            left_alone.iter().flat_map(|bus| self.scanner.channels_of(bus)).collect();
        self.presence.look(Eye::I2c, seen, |bus| !left_alone.contains(bus) && !behind.contains(bus), now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ADDRESSES;
    use super::super::tests::{Machine, chip_that_keeps_silent, chip_with};
    use super::*;

    use gatehouse_model::{ManualClock, Timestamp};

    fn watching(machine: &Machine) -> Watch {
        let clock = ManualClock::new(Timestamp::from_millis(0));
        Watch::new(machine.scanner(Vec::new()), Arc::new(clock))
    }

    /// Looks at everything, and once more.
    fn twice(watch: &mut Watch) -> Change {
        let now = watch.clock.moment();
        watch.look(true, now).and(watch.look(false, now))
    }

    fn places(things: &[Thing]) -> Vec<String> {
        things.iter().map(|thing| format!("{} {}", thing.bus, thing.place)).collect()
    }

    #[test]
    fn what_is_plugged_in_is_told_once_and_what_is_pulled_out_too() {
        let machine = Machine::new();
        let mut watch = watching(&machine);
        assert_eq!(twice(&mut watch), Change::default());
        machine.put(0x77, chip_with(0x00, 0x50));
        assert_eq!(places(&twice(&mut watch).new), ["i2c-1 0x77"]);
        assert_eq!(twice(&mut watch), Change::default(), "once");
        assert_eq!(watch.presence.found()[0].candidates[0].name, "Bosch BMP388");
        machine.take(0x77);
        assert_eq!(places(&twice(&mut watch).gone), ["i2c-1 0x77"]);
        assert!(watch.presence.found().is_empty());
    }

    #[test]
    fn only_when_it_is_their_turn_or_something_is_new_are_the_buses_asked() {
        let machine = Machine::new();
        let mut watch = watching(&machine);
        let now = watch.clock.moment();
        watch.look(false, now);
        assert_eq!(machine.transfers(), 0);
        machine.put(0x77, chip_with(0x00, 0x50));
        assert_eq!(watch.look(true, now), Change::default(), "seen once is nothing yet");
        let first = machine.transfers();
        assert_eq!(places(&watch.look(false, now).new), ["i2c-1 0x77"]);
        // What is known is not identified again.
        let second = machine.transfers();
        assert!(second - first <= first && second > first);
        watch.look(false, now);
        assert_eq!(machine.transfers(), second, "all is clear");
        let asked = machine.questions(0x77);
        watch.look(true, now);
        assert_eq!(machine.questions(0x77), asked, "a plain read, and no question");
        // One that comes and goes makes one look more in a period, not one every five seconds.
        machine.take(0x77);
        watch.look(true, now);
        machine.put(0x77, chip_with(0x00, 0x50));
        watch.look(false, now);
        machine.take(0x77);
        let before = machine.transfers();
        watch.look(false, now);
        watch.look(false, now);
        assert_eq!(machine.transfers(), before);
    }

    /// A byte at an address where nobody is known to be may mean anything to whoever wakes up there.
    #[test]
    fn only_what_answers_is_asked() {
        let machine = Machine::new();
        machine.put(0x77, chip_with(0x00, 0x50));
        machine.put(0x52, chip_that_keeps_silent());
        let mut watch = watching(&machine);
        assert_eq!(places(&twice(&mut watch).new), ["i2c-1 0x77"]);
        twice(&mut watch);
        let asked: Vec<u8> = ADDRESSES.filter(|address| machine.questions(*address) > 0).collect();
        assert_eq!(asked, [0x77]);
        machine.scanner(Vec::new()).scan(Reach::Header);
        assert!(machine.questions(0x52) > 0, "people who scan want to know");
    }

    #[test]
    fn a_bus_that_fails_is_left_alone_longer_and_longer_and_forgets_nothing() {
        let machine = Machine::new();
        machine.put(0x77, chip_with(0x00, 0x50));
        let mut watch = watching(&machine);
        twice(&mut watch);
        machine.hang(true);
        let mut transfers = Vec::new();
        for _ in 0..8 {
            let before = machine.transfers();
            assert_eq!(twice(&mut watch), Change::default());
            transfers.push(machine.transfers() - before);
        }
        assert_eq!(transfers, [1, 1, 0, 1, 0, 0, 0, 1], "one try each, in growing distance");
        assert_eq!(places(&watch.presence.found()), ["i2c-1 0x77"]);
        machine.hang(false);
        machine.take(0x77);
        let gone = (0..MAX_SKIPPED).map(|_| twice(&mut watch)).find(|change| *change != Change::default());
        assert_eq!(places(&gone.unwrap().gone), ["i2c-1 0x77"]);
    }
}
