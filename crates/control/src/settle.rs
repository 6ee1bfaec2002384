//! When a change of an input counts: at once and then not for a while, or only after it has lasted.

use std::time::Duration;

use gatehouse_model::Moment;

use crate::Debounce;

/// Lets the first change of a burst through at once, and holds the rest back until the line is quiet: for what must be
/// fast, such as a doorbell. [`Debounce`] waits first, and so takes no notice of spikes; this does not.
#[derive(Clone, Debug)]
pub struct Settle {
    quiet: Duration,
    settled: bool,
    latest: Option<(bool, Moment)>,
}

impl Settle {
    /// An input that is `on`. Zero lets everything through.
    pub fn new(on: bool, quiet: Duration) -> Self {
        Self { quiet, settled: on, latest: None }
    }

    /// Takes a change with its time; what was due before it has to be asked for first. Gives what counts at once.
    pub fn handle_change(&mut self, on: bool, at: Moment) -> Option<(bool, Moment)> {
        let is_quiet = self.latest.is_none_or(|(_, before)| at.saturating_since(before) >= self.quiet);
        self.latest = Some((on, at));
        (is_quiet && on != self.settled).then(|| {
            self.settled = on;
            (on, at)
        })
    }

    /// When the line will have been quiet for long enough, if it is not where it was when the burst began.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.latest.filter(|(on, _)| *on != self.settled).map(|(_, at)| at + self.quiet)
    }

    /// Gives where the burst ended, with the time of its last change.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<(bool, Moment)> {
        if self.next_deadline().is_none_or(|deadline| deadline > now) {
            return None;
        }
        let (on, at) = self.latest?;
        self.settled = on;
        Some((on, at))
    }
}

/// A change counts when it has lasted: so long for on, so long for off.
#[derive(Clone, Debug)]
pub struct Delay {
    on_after: Duration,
    off_after: Duration,
    counts: bool,
    /// The change that waits, and since when.
    waiting: Option<(bool, Moment)>,
}

impl Delay {
    /// An input that is `on`. Zero lets changes through.
    pub fn new(on: bool, on_after: Duration, off_after: Duration) -> Self {
        Self { on_after, off_after, counts: on, waiting: None }
    }

    /// Takes a change with its time; what was due before it has to be asked for first. Gives what counts at once.
    pub fn handle_change(&mut self, on: bool, at: Moment) -> Option<(bool, Moment)> {
        match self.waiting {
            Some((waiting, _)) if waiting == on => {}
            _ => self.waiting = (on != self.counts).then_some((on, at)),
        }
        self.handle_timeout(at)
    }

    /// When the change that waits will count.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.waiting.map(|(on, since)| since + if on { self.on_after } else { self.off_after })
    }

    /// Gives the change that has lasted, with the time from which it counts.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<(bool, Moment)> {
        let deadline = self.next_deadline().filter(|deadline| *deadline <= now)?;
        let (on, _) = self.waiting.take()?;
        self.counts = on;
        Some((on, deadline))
    }
}

/// What an input has to do before its change counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputRules {
    /// How long the line must be quiet: see [`Debounce`].
    pub debounce: Duration,
    /// How long nothing counts behind a change that counted at once: see [`Settle`].
    pub settle: Duration,
    /// How long it must be on: see [`Delay`].
    pub delayed_on: Duration,
    /// How long it must be off.
    pub delayed_off: Duration,
    /// Whether on means off.
    pub invert: bool,
}

/// One input: edges in, in the order of their times; changes that count out.
#[derive(Clone, Debug)]
pub struct Input {
    debounce: Debounce,
    settle: Settle,
    delay: Delay,
    invert: bool,
    on: bool,
    /// When the last change counted.
    changed: Moment,
}

impl Input {
    /// An input whose line is `active`.
    pub fn new(rules: InputRules, active: bool) -> Self {
        let on = active != rules.invert;
        Self {
            debounce: Debounce::new(active, rules.debounce),
            settle: Settle::new(on, rules.settle),
            delay: Delay::new(on, rules.delayed_on, rules.delayed_off),
            invert: rules.invert,
            on,
            changed: Moment::default(),
        }
    }

    /// Whether it is on: the last change that counted.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Takes an edge with its time stamp, and gives every change that counts until then with its time. Edges may be handed
    /// in long after they happened.
    pub fn handle_edge(&mut self, active: bool, at: Moment, changes: &mut Vec<(bool, Moment)>) {
        self.handle_timeout(at, changes);
        if let Some(change) = self.debounce.handle_edge(active, at) {
            self.debounced(change, at, changes);
        }
    }

    /// When it has to be asked again.
    pub fn next_deadline(&self) -> Option<Moment> {
        [self.debounce.next_deadline(), self.settle.next_deadline(), self.delay.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Gives every change that counts until `now`, in their order.
    pub fn handle_timeout(&mut self, now: Moment, changes: &mut Vec<(bool, Moment)>) {
        while let Some(deadline) = self.next_deadline().filter(|deadline| *deadline <= now) {
            if let Some(change) = self.delay.handle_timeout(deadline) {
                self.counts(change, changes);
            }
            if let Some(change) = self.settle.handle_timeout(deadline) {
                self.settled(change, deadline, changes);
            }
            if let Some(change) = self.debounce.handle_timeout(deadline) {
                self.debounced(change, deadline, changes);
            }
        }
    }

    fn debounced(&mut self, (active, began): (bool, Moment), now: Moment, changes: &mut Vec<(bool, Moment)>) {
        if let Some(change) = self.settle.handle_change(active != self.invert, began) {
            self.settled(change, now, changes);
        }
    }

    fn settled(&mut self, (on, at): (bool, Moment), now: Moment, changes: &mut Vec<(bool, Moment)>) {
        let at_once = self.delay.handle_change(on, at);
        // A change that began a while ago may have lasted for long enough already.
        for change in [at_once, self.delay.handle_timeout(now)].into_iter().flatten() {
            self.counts(change, changes);
        }
    }

    fn counts(&mut self, (on, at): (bool, Moment), changes: &mut Vec<(bool, Moment)>) {
        if on != self.on {
            self.on = on;
            // A change that counts from its first edge is known late; one that counted meanwhile is not overtaken.
            self.changed = at.max(self.changed);
            changes.push((on, self.changed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn run(rules: InputRules, edges: &[(bool, u64)], until: u64) -> Vec<(bool, Moment)> {
        let mut input = Input::new(rules, false);
        let mut changes = Vec::new();
        for (active, time) in edges {
            input.handle_edge(*active, at(*time), &mut changes);
        }
        input.handle_timeout(at(until), &mut changes);
        changes
    }

    #[test]
    fn a_doorbell_rings_at_its_first_edge_and_once() {
        let rules = InputRules { settle: millis(50), ..InputRules::default() };
        let edges = [(true, 100), (false, 103), (true, 105), (false, 300), (true, 302), (false, 303)];
        assert_eq!(run(rules, &edges, 1_000), [(true, at(100)), (false, at(300))]);
    }

    #[test]
    fn a_burst_that_ends_elsewhere_is_told_when_it_is_over() {
        let rules = InputRules { settle: millis(50), ..InputRules::default() };
        assert_eq!(run(rules, &[(true, 100), (false, 120)], 1_000), [(true, at(100)), (false, at(120))]);
    }

    #[test]
    fn motion_counts_when_it_lasts_and_its_end_when_nobody_moves_for_long() {
        let rules =
            InputRules { delayed_on: millis(200), delayed_off: millis(5_000), ..InputRules::default() };
        // A twitch; then motion with a pause that is too short to count.
        let edges = [(true, 0), (false, 100), (true, 1_000), (false, 2_000), (true, 6_900), (false, 8_000)];
        assert_eq!(run(rules, &edges, 60_000), [(true, at(1_200)), (false, at(13_000))]);
    }

    #[test]
    fn the_time_in_which_it_was_debounced_counts_for_the_delay() {
        let rules = InputRules { debounce: millis(20), delayed_on: millis(100), ..InputRules::default() };
        assert_eq!(run(rules, &[(true, 0), (false, 1), (true, 2)], 1_000), [(true, at(100))]);
        let rules = InputRules { debounce: millis(20), delayed_on: millis(10), ..InputRules::default() };
        assert_eq!(run(rules, &[(true, 0)], 1_000), [(true, at(10))]);
    }

    #[test]
    fn an_inverted_input_is_on_when_its_line_is_not() {
        let mut input = Input::new(InputRules { invert: true, ..InputRules::default() }, false);
        assert!(input.is_on());
        let mut changes = Vec::new();
        input.handle_edge(true, at(5), &mut changes);
        assert_eq!(changes, [(false, at(5))]);
    }

    proptest! {
        /// Whatever the edges are, and whether they are handed in one by one or all at the end.
        #[test]
        fn changes_alternate_in_time_and_do_not_depend_on_when_edges_are_handed_in(
            edges in proptest::collection::vec((any::<bool>(), 1u64..80), 0..40),
            (debounce, settle, on, off) in (0u64..40, 0u64..40, 0u64..100, 0u64..100),
            invert in any::<bool>(),
        ) {
            let rules = InputRules {
                debounce: millis(debounce), settle: millis(settle),
                delayed_on: millis(on), delayed_off: millis(off), invert,
            };
            let mut time = 0;
            let edges: Vec<_> = edges.into_iter().map(|(active, pause)| { time += pause; (active, time) }).collect();
            let at_the_end = run(rules, &edges, time + 1_000);

            let mut input = Input::new(rules, false);
            let mut in_time = Vec::new();
            for (active, when) in &edges {
                while let Some(deadline) = input.next_deadline().filter(|deadline| *deadline <= at(*when)) {
                    input.handle_timeout(deadline, &mut in_time);
                }
                input.handle_edge(*active, at(*when), &mut in_time);
            }
            input.handle_timeout(at(time + 1_000), &mut in_time);
            prop_assert_eq!(&at_the_end, &in_time);

            let mut level = invert;
            for (on, _) in &in_time {
                prop_assert_ne!(*on, level);
                level = *on;
            }
            prop_assert!(in_time.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{in_time:?}");
            // In the end it is where its line is.
            let line = edges.last().is_some_and(|(active, _)| *active);
            prop_assert_eq!(level, line != invert);
            prop_assert_eq!(input.next_deadline(), None);
        }

        /// A change that counts has lasted: nothing shorter than its delay is seen.
        #[test]
        fn nothing_shorter_than_the_delay_is_on(pulses in proptest::collection::vec((1u64..200, 1u64..200), 1..20)) {
            let rules = InputRules { delayed_on: millis(100), ..InputRules::default() };
            let (mut time, mut edges, mut expected) = (0, Vec::new(), Vec::new());
            for (pause, length) in pulses {
                edges.push((true, time + pause));
                edges.push((false, time + pause + length));
                if length >= 100 {
                    expected.push((true, at(time + pause + 100)));
                    expected.push((false, at(time + pause + length)));
                }
                time += pause + length;
            }
            prop_assert_eq!(run(rules, &edges, time + 1_000), expected);
        }
    }
}
