//! What is believed to be connected, from looks of which each may be wrong: a loose wire, a chip that is busy, a search on
//! 1-Wire that missed somebody.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use gatehouse_model::Moment;

use super::{Holder, Thing};

/// Looks in a row that must agree before a thing is found, or gone.
pub(super) const LOOKS_TO_BELIEVE: u8 = 2;

/// Times within [`FLIP_WINDOW`] that a thing may appear or disappear from one look to the next. Somebody who builds at a
/// bench plugs a thing in and out three or four times; what flips more often has a loose wire.
pub(super) const MAX_FLIPS: usize = 8;

/// The time for which those are counted.
pub(super) const FLIP_WINDOW: Duration = Duration::from_secs(3_600);

/// So long must a restless thing stay as it is until it is believed again.
pub(super) const STEADY_AFTER: Duration = Duration::from_secs(600);

/// Things that are kept in mind. All addresses of nine full buses; only noise on 1-Wire makes more.
const MAX_THINGS: usize = 1_024;

/// What people are told of a thing that comes and goes.
const RESTLESS: &str = "it comes and goes: check its wires and its supply";

/// Who looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Eye {
    /// The scan of I²C.
    I2c,
    /// The kernel's directories.
    Kernel,
}

/// What is to be told after a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Things that are there now.
    pub(super) new: Vec<Thing>,
    /// Things that are there no more.
    pub(super) gone: Vec<Thing>,
    /// Things that come and go, of which nothing more is told until they stay as they are.
    pub(super) restless: Vec<Thing>,
    /// Whether the list of what is connected is another one.
    pub(super) is_other_list: bool,
}

impl Change {
    /// This and another one, of another eye.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.new.extend(other.new);
        self.gone.extend(other.gone);
        self.restless.extend(other.restless);
        self.is_other_list |= other.is_other_list;
        self
    }
}

#[derive(Debug)]
struct Known {
    thing: Thing,
    /// Whether the last look saw it.
    is_seen: bool,
    /// How many looks in a row said so, as far as that matters.
    looks: u8,
    /// Whether it counts as connected.
    is_there: bool,
    flips: VecDeque<Moment>,
    /// It comes and goes.
    is_restless: bool,
}

/// A bus, and a place on it.
type Place = (Eye, String, String);

/// What is believed to be connected and used by nobody.
#[derive(Debug, Default)]
pub(super) struct Presence {
    known: BTreeMap<Place, Known>,
    /// Whether it was said that there are too many.
    is_full: bool,
}

impl Presence {
    /// What is connected and not used.
    pub(super) fn found(&self) -> Vec<Thing> {
        let there = self.known.values().filter(|known| known.is_there);
        there.map(Known::shown).collect()
    }

    /// Whether another look at I²C soon would tell whether something is there.
    pub(super) fn is_unsure(&self) -> bool {
        self.known.iter().any(|((eye, ..), known)| {
            *eye == Eye::I2c && !known.is_restless && known.is_seen != known.is_there
        })
    }

    /// Takes a look in: everything that was seen on the buses for which `was_looked_at` holds, used or not.
    pub(super) fn look(
        &mut self,
        eye: Eye,
        seen: Vec<Thing>,
        was_looked_at: impl Fn(&str) -> bool,
        now: Moment,
    ) -> Change {
        let mut change = Change::default();
        let (unused, used): (Vec<Thing>, Vec<Thing>) =
            seen.into_iter().partition(|thing| thing.holder == Holder::Nobody);
        for thing in used {
            // Somebody took it into use: it did not go, there is only nothing to tell of it any more.
            let known = self.known.remove(&(eye, thing.bus, thing.place));
            change.is_other_list |= known.is_some_and(|known| known.is_there);
        }
        let mut places = BTreeSet::new();
        for thing in unused {
            let place = (eye, thing.bus.clone(), thing.place.clone());
            places.insert(place.clone());
            if !self.known.contains_key(&place) && self.known.len() >= MAX_THINGS {
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::warn!(
                        "more than {MAX_THINGS} things were seen on the buses: those that come now are left out; a wire of {} picks up noise",
                        thing.bus
                    );
                }
                continue;
            }
            let known = self.known.entry(place).or_insert_with(|| Known::new(thing.clone()));
            let is_other = known.thing != thing;
            known.thing = thing;
            change.is_other_list |= is_other && known.is_there;
            known.was(true, now, &mut change);
        }
        for (place, known) in &mut self.known {
            if place.0 == eye && was_looked_at(&place.1) && !places.contains(place) {
                known.was(false, now, &mut change);
            }
        }
        self.known.retain(|_, known| known.is_there || known.is_seen || !known.flips.is_empty());
        self.is_full &= self.known.len() >= MAX_THINGS;
        change
    }
}

impl Known {
    const fn new(thing: Thing) -> Self {
        Self { thing, is_seen: false, looks: 0, is_there: false, flips: VecDeque::new(), is_restless: false }
    }

    /// The thing with what is to be said of it.
    fn shown(&self) -> Thing {
        let mut thing = self.thing.clone();
        if self.is_restless {
            thing.note = Some(match thing.note {
                Some(note) => format!("{note}; {RESTLESS}"),
                None => RESTLESS.to_owned(),
            });
        }
        thing
    }

    /// A look saw it, or not.
    fn was(&mut self, is_seen: bool, now: Moment, change: &mut Change) {
        while self.flips.front().is_some_and(|flip| now.saturating_since(*flip) >= FLIP_WINDOW) {
            self.flips.pop_front();
        }
        if self.is_seen == is_seen {
            self.looks = self.looks.saturating_add(1);
        } else {
            self.is_seen = is_seen;
            self.looks = 1;
            self.flips.push_back(now);
            if self.flips.len() > MAX_FLIPS {
                // No more are needed to know that there are too many.
                self.flips.pop_front();
                if !self.is_restless {
                    self.is_restless = true;
                    self.is_there = true;
                    change.is_other_list = true;
                    change.restless.push(self.thing.clone());
                }
            }
        }
        if self.is_restless {
            let is_steady = self.flips.back().is_none_or(|flip| now.saturating_since(*flip) >= STEADY_AFTER);
            if !is_steady || self.looks < LOOKS_TO_BELIEVE {
                return;
            }
            self.is_restless = false;
            self.flips.clear();
            self.is_there = is_seen;
            self.tell(change);
        } else if self.is_there != is_seen && self.looks >= LOOKS_TO_BELIEVE {
            self.is_there = is_seen;
            self.tell(change);
        }
    }

    fn tell(&self, change: &mut Change) {
        change.is_other_list = true;
        let of = if self.is_there { &mut change.new } else { &mut change.gone };
        of.push(self.thing.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds between the looks of these tests.
    const PERIOD: u64 = 30;

    fn thing() -> Thing {
        Thing::held("i2c-1", 0x76, Holder::Nobody)
    }

    struct Bench {
        presence: Presence,
        looks: u64,
    }

    impl Bench {
        fn new() -> Self {
            Self { presence: Presence::default(), looks: 0 }
        }

        fn now(&self) -> Moment {
            Moment::from_start(Duration::from_secs(self.looks * PERIOD))
        }

        fn see(&mut self, things: &[Thing]) -> Change {
            self.looks += 1;
            let now = self.now();
            self.presence.look(Eye::I2c, things.to_vec(), |_| true, now)
        }

        fn look(&mut self, is_seen: bool) -> Change {
            if is_seen { self.see(&[thing()]) } else { self.see(&[]) }
        }

        /// What was told in some looks: found, gone, restless.
        fn told(&mut self, looks: &[bool]) -> (usize, usize, usize) {
            let changes: Vec<Change> = looks.iter().map(|is_seen| self.look(*is_seen)).collect();
            let sum = |of: fn(&Change) -> usize| changes.iter().map(of).sum();
            (
                sum(|change| change.new.len()),
                sum(|change| change.gone.len()),
                sum(|change| change.restless.len()),
            )
        }
    }

    #[test]
    fn twice_seen_is_found_and_twice_missing_is_gone() {
        let mut bench = Bench::new();
        assert_eq!(bench.look(true), Change::default(), "once is nothing");
        assert!(bench.presence.is_unsure());
        assert_eq!(bench.look(true).new, [thing()]);
        assert!(!bench.presence.is_unsure());
        assert_eq!(bench.told(&[true, false, true, true]), (0, 0, 0), "a look that missed it");
        assert_eq!(bench.look(false), Change::default());
        assert_eq!(bench.look(false).gone, [thing()]);
        assert!(bench.presence.found().is_empty());
        assert_eq!(bench.told(&[true, false, false]), (0, 0, 0), "a look that saw somebody who is not there");
    }

    #[test]
    fn what_comes_and_goes_is_told_once_until_it_is_steady() {
        let mut bench = Bench::new();
        let flapping: Vec<bool> = (0..200).map(|look| look % 6 < 3).collect();
        let (found, gone, restless) = bench.told(&flapping);
        assert_eq!(restless, 1);
        assert!(found + gone <= MAX_FLIPS, "{found} {gone}");
        let shown = bench.presence.found();
        assert_eq!(shown.len(), 1, "it stays in the list, with what is wrong");
        assert_eq!(shown[0].note.as_deref(), Some(RESTLESS));
        assert!(!bench.presence.is_unsure(), "nobody looks more often because of it");
        // It holds still, and is a thing like any other.
        let looks = usize::try_from(STEADY_AFTER.as_secs() / PERIOD).unwrap() + 1;
        assert_eq!(bench.told(&vec![true; looks]), (1, 0, 0));
        assert_eq!(bench.presence.found(), [thing()]);
        assert_eq!(bench.told(&[false, false]), (0, 1, 0));
    }

    #[test]
    fn what_answers_every_other_time_is_told_too() {
        let mut bench = Bench::new();
        let every_other: Vec<bool> = (0..40).map(|look| look % 2 == 0).collect();
        assert_eq!(bench.told(&every_other), (0, 0, 1));
        // It is taken out for good.
        let looks = usize::try_from(STEADY_AFTER.as_secs() / PERIOD).unwrap() + 1;
        assert_eq!(bench.told(&vec![false; looks]), (0, 1, 0));
        assert!(bench.presence.known.is_empty(), "and forgotten");
    }

    #[test]
    fn what_is_taken_into_use_did_not_go() {
        let mut bench = Bench::new();
        bench.told(&[true, true]);
        let used = Thing::held("i2c-1", 0x76, Holder::Device { id: "climate".to_owned() });
        let change = bench.see(&[used]);
        assert_eq!((change.gone.len(), change.is_other_list), (0, true));
        assert!(bench.presence.found().is_empty());
    }

    #[test]
    fn a_bus_at_which_nobody_looked_keeps_its_things() {
        let mut bench = Bench::new();
        bench.told(&[true, true]);
        for _ in 0..3 {
            let now = bench.now();
            assert_eq!(
                bench.presence.look(Eye::I2c, Vec::new(), |bus| bus != "i2c-1", now),
                Change::default()
            );
        }
        assert_eq!(bench.presence.found().len(), 1);
    }

    #[test]
    fn noise_is_bounded_and_forgotten() {
        let mut bench = Bench::new();
        let noise = |from: usize, to: usize| -> Vec<Thing> {
            (from..to).map(|number| Thing::unknown_probe(&format!("28-{number:012x}"), "noise")).collect()
        };
        bench.see(&noise(0, MAX_THINGS + 10));
        assert_eq!(bench.presence.known.len(), MAX_THINGS);
        bench.see(&[]);
        bench.looks += FLIP_WINDOW.as_secs() / PERIOD;
        bench.see(&[]);
        assert!(bench.presence.known.is_empty());
        bench.see(&noise(0, 10));
        assert_eq!(bench.presence.known.len(), 10, "there is room again");
    }

    proptest! {
        /// Whatever the looks say, no more is told in an hour than the limit allows, and what was told is what is listed.
        #[test]
        fn little_is_told_and_the_list_agrees(looks in prop::collection::vec(any::<bool>(), 0..240)) {
            let mut bench = Bench::new();
            let mut told = VecDeque::new();
            let mut is_listed = false;
            for is_seen in looks {
                let change = bench.look(is_seen);
                for _ in change.new.iter().chain(&change.gone).chain(&change.restless) {
                    told.push_back(bench.looks);
                }
                if !change.new.is_empty() || !change.restless.is_empty() {
                    is_listed = true;
                } else if !change.gone.is_empty() {
                    is_listed = false;
                }
                prop_assert_eq!(bench.presence.found().len(), usize::from(is_listed));
                told.retain(|look| (bench.looks - look) * PERIOD < FLIP_WINDOW.as_secs());
                // What became steady starts to count anew: after ten minutes at the soonest.
                let rounds = usize::try_from(FLIP_WINDOW.as_secs() / STEADY_AFTER.as_secs()).unwrap();
                prop_assert!(told.len() <= (MAX_FLIPS + 2) * rounds, "{told:?}");
            }
        }
    }
}
