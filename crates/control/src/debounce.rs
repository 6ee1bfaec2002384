//! Contacts bounce: a change counts when the line has been quiet for a while, on both edges alike.

use std::time::Duration;

use gatehouse_model::Moment;

/// Watches one line.
#[derive(Clone, Debug)]
pub struct Debounce {
    quiet: Duration,
    settled: bool,
    /// The level after the latest edge, when the burst began and when its latest edge came.
    burst: Option<Burst>,
}

#[derive(Clone, Copy, Debug)]
struct Burst {
    level: bool,
    began: Moment,
    latest: Moment,
}

impl Debounce {
    /// A line that is at `level` and must be quiet for `quiet` before a change counts. Zero lets every edge count.
    pub fn new(level: bool, quiet: Duration) -> Self {
        Self { quiet, settled: level, burst: None }
    }

    /// The level that counts.
    pub fn level(&self) -> bool {
        self.settled
    }

    /// Takes an edge with its time stamp. Gives the change, with the time it began, when it counts at once, or when the
    /// line had been quiet for long enough before this edge: edges may be handed in long after they happened.
    pub fn handle_edge(&mut self, level: bool, at: Moment) -> Option<(bool, Moment)> {
        let settled_before = self.handle_timeout(at);
        let began = self.burst.map_or(at, |burst| burst.began);
        self.burst = Some(Burst { level, began, latest: at });
        if self.quiet.is_zero() { self.settle() } else { settled_before }
    }

    /// When the line will have been quiet long enough.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.burst.map(|burst| burst.latest + self.quiet)
    }

    /// Gives the change, with the time of the first edge of its burst, when the line has been quiet long enough and is
    /// not back where it was.
    pub fn handle_timeout(&mut self, now: Moment) -> Option<(bool, Moment)> {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) { self.settle() } else { None }
    }

    fn settle(&mut self) -> Option<(bool, Moment)> {
        let burst = self.burst.take()?;
        if burst.level == self.settled {
            return None;
        }
        self.settled = burst.level;
        Some((burst.level, burst.began))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Moment {
        Moment::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn a_bouncing_contact_changes_once_and_since_its_first_edge() {
        let mut line = Debounce::new(false, Duration::from_millis(20));
        for (level, millis) in [(true, 100), (false, 102), (true, 103), (false, 110), (true, 111)] {
            assert_eq!(line.handle_edge(level, at(millis)), None);
        }
        assert_eq!(line.handle_timeout(at(130)), None, "the last edge was 19 ms ago");
        assert_eq!(line.next_deadline(), Some(at(131)));
        assert_eq!(line.handle_timeout(at(131)), Some((true, at(100))));
        assert_eq!(line.next_deadline(), None);
    }

    #[test]
    fn a_spike_that_falls_back_is_no_change() {
        let mut line = Debounce::new(true, Duration::from_millis(20));
        line.handle_edge(false, at(5));
        line.handle_edge(true, at(6));
        assert_eq!(line.handle_timeout(at(26)), None);
        assert!(line.level());
    }

    /// A busy machine hands in the edges of a tenth of a second at once. A door that was open in between was lost.
    #[test]
    fn edges_that_come_late_are_judged_by_their_time_stamps() {
        let mut line = Debounce::new(false, Duration::from_millis(20));
        assert_eq!(line.handle_edge(true, at(0)), None);
        assert_eq!(line.handle_edge(false, at(100)), Some((true, at(0))));
        assert_eq!(line.handle_timeout(at(900)), Some((false, at(100))));
    }

    proptest! {
        #[test]
        fn changes_alternate_and_are_never_closer_than_the_quiet_time(
            edges in proptest::collection::vec((any::<bool>(), 1u64..60), 0..60)
        ) {
            let quiet = Duration::from_millis(20);
            let mut line = Debounce::new(false, quiet);
            let (mut now, mut level, mut settled_at) = (0, false, None::<Moment>);
            for (edge, pause) in edges {
                let next = now + pause;
                while let Some(deadline) = line.next_deadline().filter(|deadline| *deadline <= at(next)) {
                    if let Some((new, _)) = line.handle_timeout(deadline) {
                        prop_assert_ne!(new, level);
                        if let Some(before) = settled_at {
                            prop_assert!(deadline.saturating_since(before) >= quiet);
                        }
                        (level, settled_at) = (new, Some(deadline));
                    }
                }
                now = next;
                line.handle_edge(edge, at(now));
            }
        }
    }
}
