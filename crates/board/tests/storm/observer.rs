//! Somebody with a voltmeter at every output's pin and the safety rules on a sheet of paper. Nothing here is shared with
//! the code that decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How late a pin may follow a deadline: the simulated pins need no time, timers have steps of a millisecond.
const TOLERANCE: Duration = Duration::from_millis(50);

/// How long a pin that was sick may take to be found and driven safe after it is well again: the longest time between two
/// attempts, with what an attempt takes.
const CONVALESCENCE: Duration = Duration::from_secs(20);

/// How long after a sudden end of the process its outputs are safe, at the latest: what the product promises.
const AFTER_SUDDEN_END: Duration = Duration::from_secs(2);

/// Shortest time at the safe level between two times away from it.
const SHORTEST_SAFE: Duration = Duration::from_millis(500);

/// Violations that are told; more of them tell nothing more.
const MOST_TOLD: usize = 20;

/// What the sheet says of one output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sheet {
    pub(crate) device: String,
    pub(crate) is_active_low: bool,
    pub(crate) safe_on: bool,
    pub(crate) max_on: Option<Duration>,
    pub(crate) min_on: Duration,
    pub(crate) min_off: Duration,
    pub(crate) group: Option<String>,
    pub(crate) dead_time: Duration,
    /// It is switched in slices of this length; it counts as off when it was off for longer.
    pub(crate) slice: Option<Duration>,
}

/// Why a pin does not do what it is told. It can have both at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Illness {
    /// Driving it or reading it fails.
    Driving,
    /// Its voltage stays where it is.
    Stuck,
}

/// What the voltmeter said of one pin.
#[derive(Clone, Debug)]
struct Pin {
    sheet: Sheet,
    is_on: bool,
    changed: Option<Duration>,
    /// Since when it is switched in slices.
    slices_since: Option<Duration>,
    /// How long it was away from its safe level the last time.
    last_run: Duration,
    illnesses: BTreeSet<Illness>,
    well_since: Duration,
}

impl Pin {
    fn is_away(&self) -> bool {
        self.is_on != self.sheet.safe_on
    }

    fn is_sick(&self) -> bool {
        !self.illnesses.is_empty()
    }
}

/// Watches all pins.
#[derive(Debug, Default)]
pub(crate) struct Observer {
    pins: BTreeMap<u32, Pin>,
    /// When which pin of a group went off last.
    off: BTreeMap<String, Vec<(u32, Duration)>>,
    pub(crate) violations: Vec<String>,
    /// When the bridge started last. An output that comes up as it was does not know that it was off for a moment,
    /// unless a shortest time is asked of it.
    started: Duration,
    /// When it was killed, until it starts again.
    killed: Option<Duration>,
    /// Changes of level that were seen.
    pub(crate) changes: u64,
    pub(crate) went_away: u64,
}

impl Observer {
    /// A pin is an output from now on, or one with other rules.
    pub(crate) fn expect(&mut self, line: u32, sheet: Sheet, is_high: bool) {
        let is_on = is_high != sheet.is_active_low;
        match self.pins.get_mut(&line) {
            Some(pin) => {
                if (pin.sheet.is_active_low, pin.sheet.safe_on) != (sheet.is_active_low, sheet.safe_on) {
                    pin.changed = None;
                }
                pin.is_on = is_on;
                pin.sheet = sheet;
            }
            None => {
                let pin = Pin {
                    sheet,
                    is_on,
                    changed: None,
                    slices_since: None,
                    last_run: Duration::ZERO,
                    illnesses: BTreeSet::new(),
                    well_since: Duration::ZERO,
                };
                self.pins.insert(line, pin);
            }
        }
    }

    /// The bridge starts.
    pub(crate) fn start(&mut self, now: Duration) {
        self.started = now;
        self.killed = None;
        for pin in self.pins.values_mut() {
            // What was driven safe in between is off, and no slice of what it was before, however short that was.
            if pin.sheet.slice.is_some() && !pin.is_away() {
                pin.changed = None;
                pin.slices_since = None;
            }
        }
    }

    /// The bridge is killed.
    pub(crate) fn kill(&mut self, now: Duration) {
        self.killed = Some(now);
    }

    /// A pin is no output any more.
    pub(crate) fn forget(&mut self, line: u32) {
        self.pins.remove(&line);
    }

    pub(crate) fn lines(&self) -> Vec<u32> {
        self.pins.keys().copied().collect()
    }

    /// A pin has an illness.
    pub(crate) fn falls_sick(&mut self, line: u32, illness: Illness, now: Duration) {
        if let Some(pin) = self.pins.get_mut(&line) {
            pin.illnesses.insert(illness);
            pin.well_since = now;
        }
    }

    /// A pin has an illness no more. It may have another one.
    pub(crate) fn gets_well(&mut self, line: u32, illness: Illness, now: Duration) {
        if let Some(pin) = self.pins.get_mut(&line) {
            pin.illnesses.remove(&illness);
            pin.well_since = now;
        }
    }

    pub(crate) fn is_on(&self, line: u32) -> Option<bool> {
        self.pins.get(&line).map(|pin| pin.is_on)
    }

    /// Those of these pins that are well and away from their safe level.
    pub(crate) fn away(&self, lines: &[u32]) -> Vec<String> {
        let pins = lines.iter().filter_map(|line| self.pins.get(line));
        pins.filter(|pin| pin.is_away() && !pin.is_sick()).map(|pin| pin.sheet.device.clone()).collect()
    }

    fn accuse(&mut self, now: Duration, what: &str) {
        if self.violations.len() < MOST_TOLD {
            self.violations.push(format!("at {:.3} s: {what}", now.as_secs_f64()));
        }
    }

    /// Looks at one pin.
    pub(crate) fn look(&mut self, line: u32, is_high: bool, now: Duration) {
        self.check_longest(line, now);
        let Some(pin) = self.pins.get(&line) else { return };
        let is_on = is_high != pin.sheet.is_active_low;
        if is_on == pin.is_on {
            return;
        }
        self.changes += 1;
        let (sheet, before, last_run) = (pin.sheet.clone(), pin.changed, pin.last_run);
        let goes_away = is_on != sheet.safe_on;
        if goes_away {
            self.went_away += 1;
            let configured = if sheet.safe_on { sheet.min_on } else { sheet.min_off };
            let is_of_this_run = before.is_some_and(|before| before >= self.started);
            let shortest = if is_of_this_run { configured.max(SHORTEST_SAFE) } else { configured };
            // A slice has its time on and its time off; whoever was off for longer was switched off.
            let is_next_slice = sheet
                .slice
                .zip(before)
                .is_some_and(|(slice, before)| now + last_run <= before + slice + TOLERANCE);
            if sheet.slice.is_some() {
                if let Some(pin) = self.pins.get_mut(&line).filter(|_| !is_next_slice) {
                    pin.slices_since = Some(now);
                }
            } else if let Some(before) = before.filter(|before| now + TOLERANCE < *before + shortest) {
                let device = &sheet.device;
                self.accuse(
                    now,
                    &format!("{device} left its safe level {:?} after it got there", now - before),
                );
            }
        }
        if let Some(group) = &sheet.group {
            if is_on {
                self.check_interlock(line, &sheet, group, now);
            } else {
                let off = self.off.entry(group.clone()).or_default();
                off.retain(|(other, _)| *other != line);
                off.push((line, now));
            }
        }
        if let Some(pin) = self.pins.get_mut(&line) {
            if !goes_away {
                pin.last_run = before.map_or(Duration::ZERO, |before| now - before);
            }
            pin.is_on = is_on;
            pin.changed = Some(now);
        }
    }

    fn check_interlock(&mut self, line: u32, sheet: &Sheet, group: &str, now: Duration) {
        let is_member = |pin: &Pin| pin.sheet.group.as_deref() == Some(group);
        let together = self.pins.iter().find(|(other, pin)| **other != line && is_member(pin) && pin.is_on);
        if let Some((_, other)) = together {
            let what =
                format!("{} went on while {} was on (interlock {group})", sheet.device, other.sheet.device);
            self.accuse(now, &what);
        }
        let off = self.off.get(group).into_iter().flatten().filter(|(other, _)| *other != line);
        let latest = off.map(|(_, at)| *at).max();
        if let Some(at) = latest.filter(|at| now + TOLERANCE < *at + sheet.dead_time) {
            let what = format!("{} went on {:?} after another of {group} went off", sheet.device, now - at);
            self.accuse(now, &what);
        }
    }

    /// Whether a pin has been away from its safe level for too long.
    fn check_longest(&mut self, line: u32, now: Duration) {
        let Some(pin) = self.pins.get(&line).filter(|pin| pin.is_away() && !pin.is_sick()) else { return };
        let (Some(longest), Some(left)) = (pin.sheet.max_on, pin.slices_since.or(pin.changed)) else {
            return;
        };
        let mut until = left + longest + TOLERANCE + pin.sheet.slice.unwrap_or_default();
        if pin.well_since > left {
            until = until.max(pin.well_since + CONVALESCENCE);
        }
        if let Some(killed) = self.killed {
            until = until.max(killed + AFTER_SUDDEN_END);
        }
        if now > until {
            let what = format!("{} is away from its safe level for {:?}", pin.sheet.device, now - left);
            self.accuse(now, &what);
            // Said once for each time.
            if let Some(pin) = self.pins.get_mut(&line) {
                pin.changed = None;
                pin.slices_since = None;
            }
        }
    }

    /// Nobody serves the outputs any more: all that are well must be safe.
    pub(crate) fn check_all_safe(&mut self, now: Duration, why: &str) {
        let away = self.pins.values().filter(|pin| pin.is_away() && !pin.is_sick());
        let away: Vec<String> = away.map(|pin| pin.sheet.device.clone()).collect();
        for device in away {
            self.accuse(now, &format!("{device} is not safe after {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: u32 = 26;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn observer(slice: Option<Duration>) -> Observer {
        let sheet = Sheet {
            device: "floor".to_owned(),
            is_active_low: false,
            safe_on: false,
            max_on: Some(at(900)),
            min_on: Duration::ZERO,
            min_off: Duration::ZERO,
            group: None,
            dead_time: Duration::ZERO,
            slice,
        };
        let mut observer = Observer::default();
        observer.expect(LINE, sheet, false);
        observer
    }

    /// Schedules 0, 1, 3 and 4 of a day: a pin that was stuck could not be driven either for a while, counted as well when
    /// that was over, and was accused of what it could not help.
    #[test]
    fn a_pin_with_two_illnesses_is_well_when_both_are_over() {
        let mut observer = observer(None);
        observer.look(LINE, true, at(10));
        observer.falls_sick(LINE, Illness::Stuck, at(100));
        observer.falls_sick(LINE, Illness::Driving, at(110));
        observer.gets_well(LINE, Illness::Driving, at(200));
        observer.look(LINE, true, at(1_000));
        assert!(observer.violations.is_empty(), "{:?}", observer.violations);
        observer.gets_well(LINE, Illness::Stuck, at(1_010));
        observer.look(LINE, true, at(1_025));
        assert!(observer.violations.is_empty(), "{:?}", observer.violations);
        observer.look(LINE, true, at(1_031));
        assert_eq!(observer.violations.len(), 1, "it had its time to get safe");
    }

    /// Schedules 6 and 13 of a day: an output in slices was driven safe by a restart and commanded on again within the length
    /// of a slice, and its time from before was counted on.
    #[test]
    fn a_restart_ends_what_is_switched_in_slices() {
        let slices = |observer: &mut Observer, from: u64, until: u64| {
            for second in (from..until).step_by(20) {
                observer.look(LINE, true, at(second));
                observer.look(LINE, false, at(second + 10));
            }
        };
        let mut restarted = observer(Some(at(20)));
        slices(&mut restarted, 0, 600);
        restarted.start(at(605));
        slices(&mut restarted, 606, 1_400);
        assert!(restarted.violations.is_empty(), "{:?}", restarted.violations);
        let mut going_on = observer(Some(at(20)));
        slices(&mut going_on, 0, 1_000);
        assert_eq!(going_on.violations.len(), 1, "slices that go on are one time");
        // Schedule 21 of a day: it was commanded off, and on again twenty seconds later.
        let mut commanded = observer(Some(at(20)));
        commanded.look(LINE, true, at(0));
        commanded.look(LINE, false, at(700));
        commanded.look(LINE, true, at(719));
        commanded.look(LINE, true, at(1_600));
        assert!(commanded.violations.is_empty(), "{:?}", commanded.violations);
        commanded.look(LINE, true, at(1_650));
        assert_eq!(commanded.violations.len(), 1);
    }

    /// Schedule 25 of a day: the process was killed half a second before a shutter's motor had to stop.
    #[test]
    fn after_a_kill_outputs_are_safe_within_two_seconds() {
        let mut killed = observer(None);
        killed.look(LINE, true, at(10));
        killed.kill(at(909));
        killed.look(LINE, true, at(911));
        assert!(killed.violations.is_empty(), "{:?}", killed.violations);
        killed.look(LINE, true, at(912));
        assert_eq!(killed.violations.len(), 1);
    }
}
