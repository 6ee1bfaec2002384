//! New and vanished things while the gateway runs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::identify::Identification;
use super::{Holder, Scanner, Silent, Spot, Thing};

/// How often the I²C buses are looked at: people who plug something in wait that long, and 112 addresses take a hundredth
/// of it.
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

/// What changed between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Change {
    new: Vec<Thing>,
    gone: Vec<Thing>,
}

/// Looks from time to time what is connected and not configured, and tells of it.
#[derive(Debug)]
pub struct Watch {
    scanner: Scanner,
    memory: BTreeMap<Spot, Identification>,
    failing: BTreeMap<String, Failing>,
    on_i2c: BTreeMap<String, Vec<Thing>>,
    in_kernel: Vec<Thing>,
}

impl Watch {
    /// Nothing was looked at yet.
    pub const fn new(scanner: Scanner) -> Self {
        Self {
            scanner,
            memory: BTreeMap::new(),
            failing: BTreeMap::new(),
            on_i2c: BTreeMap::new(),
            in_kernel: Vec::new(),
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
                let change = watch.look(is_turn_of_i2c);
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
            if change == Change::default() {
                continue;
            }
            for thing in &change.new {
                tracing::info!("found {}", thing.sentence());
            }
            for thing in &change.gone {
                tracing::info!("no longer there: {}", thing.sentence());
            }
            found.send_replace(watch.found());
        }
    }

    /// What is connected and not used, as of the last look.
    fn found(&self) -> Vec<Thing> {
        self.on_i2c.values().flatten().chain(&self.in_kernel).cloned().collect()
    }

    /// Looks once, at the I²C buses only when it is their turn.
    fn look(&mut self, is_turn_of_i2c: bool) -> Change {
        let before = self.found();
        if is_turn_of_i2c {
            self.look_at_i2c();
        }
        let is_unused = |thing: &Thing| thing.holder == Holder::Nobody && thing.is_wired;
        let others = self.scanner.kernel_only();
        self.in_kernel = others.into_iter().filter(is_unused).collect();
        let now = self.found();
        let missing_in = |one: &[Thing], other: &[Thing]| -> Vec<Thing> {
            let known: BTreeSet<(&str, &str)> =
                other.iter().map(|thing| (thing.bus.as_str(), thing.place.as_str())).collect();
            let is_missing = |thing: &&Thing| !known.contains(&(thing.bus.as_str(), thing.place.as_str()));
            one.iter().filter(is_missing).cloned().collect()
        };
        Change { new: missing_in(&now, &before), gone: missing_in(&before, &now) }
    }

    fn look_at_i2c(&mut self) {
        for failing in self.failing.values_mut() {
            failing.left = failing.left.saturating_sub(1);
        }
        let failing = &self.failing;
        let wanted = |bus: &str| failing.get(bus).is_none_or(|failing| failing.left == 0);
        for bus in self.scanner.i2c(&mut self.memory, Silent::LeftAlone, wanted) {
            if bus.has_failed {
                // What was there is still believed to be: nobody has seen it go.
                let skip = self.failing.get(&bus.name).map_or(1, |failing| failing.skip * 2).min(MAX_SKIPPED);
                self.failing.insert(bus.name, Failing { skip, left: skip });
                continue;
            }
            self.failing.remove(&bus.name);
            let unused = bus.things.into_iter().filter(|thing| thing.holder == Holder::Nobody);
            self.on_i2c.insert(bus.name, unused.collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ADDRESSES;
    use super::super::tests::{Machine, chip_that_keeps_silent, chip_with};
    use super::*;

    fn places(things: &[Thing]) -> Vec<String> {
        things.iter().map(|thing| format!("{} {}", thing.bus, thing.place)).collect()
    }

    #[test]
    fn what_is_plugged_in_is_told_once_and_what_is_pulled_out_too() {
        let machine = Machine::new();
        let mut watch = Watch::new(machine.scanner(Vec::new()));
        assert_eq!(watch.look(true), Change::default());
        machine.put(0x77, chip_with(0x00, 0x50));
        assert_eq!(places(&watch.look(true).new), ["i2c-1 0x77"]);
        assert_eq!(watch.look(true), Change::default(), "once");
        assert_eq!(watch.found()[0].candidates[0].name, "Bosch BMP388");
        machine.take(0x77);
        assert_eq!(places(&watch.look(true).gone), ["i2c-1 0x77"]);
        assert!(watch.found().is_empty());
    }

    #[test]
    fn only_when_it_is_their_turn_are_the_buses_asked() {
        let machine = Machine::new();
        let mut watch = Watch::new(machine.scanner(Vec::new()));
        watch.look(false);
        assert_eq!(machine.transfers(), 0);
        machine.put(0x77, chip_with(0x00, 0x50));
        watch.look(true);
        let first = machine.transfers();
        watch.look(true);
        // What is known is not identified again.
        assert!(machine.transfers() - first <= first);
        assert!(machine.asked(0x77) >= 2);
        let asked = machine.questions(0x77);
        watch.look(true);
        assert_eq!(machine.questions(0x77), asked, "a plain read, and no question");
    }

    /// A byte at an address where nobody is known to be may mean anything to whoever wakes up there.
    #[test]
    fn only_what_answers_is_asked() {
        let machine = Machine::new();
        machine.put(0x77, chip_with(0x00, 0x50));
        machine.put(0x52, chip_that_keeps_silent());
        let mut watch = Watch::new(machine.scanner(Vec::new()));
        assert_eq!(places(&watch.look(true).new), ["i2c-1 0x77"]);
        watch.look(true);
        let asked: Vec<u8> = ADDRESSES.filter(|address| machine.questions(*address) > 0).collect();
        assert_eq!(asked, [0x77]);
        machine.scanner(Vec::new()).scan();
        assert!(machine.questions(0x52) > 0, "people who scan want to know");
    }

    #[test]
    fn a_bus_that_fails_is_left_alone_longer_and_longer_and_forgets_nothing() {
        let machine = Machine::new();
        machine.put(0x77, chip_with(0x00, 0x50));
        let mut watch = Watch::new(machine.scanner(Vec::new()));
        watch.look(true);
        machine.hang(true);
        let mut transfers = Vec::new();
        for _ in 0..8 {
            let before = machine.transfers();
            assert_eq!(watch.look(true), Change::default());
            transfers.push(machine.transfers() - before);
        }
        assert_eq!(transfers, [1, 1, 0, 1, 0, 0, 0, 1], "one try each, in growing distance");
        assert_eq!(places(&watch.found()), ["i2c-1 0x77"]);
        machine.hang(false);
        machine.take(0x77);
        let gone = (0..MAX_SKIPPED).map(|_| watch.look(true)).find(|change| *change != Change::default());
        assert_eq!(places(&gone.unwrap().gone), ["i2c-1 0x77"]);
    }
}
