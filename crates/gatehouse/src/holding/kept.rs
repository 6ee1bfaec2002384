//! What is held, until when, and what becomes of it: decisions without a socket or a clock.

use std::io;
use std::time::Duration;

use gatehouse_board::held::{HeldLine, HeldOutput};
use gatehouse_model::Moment;

use super::HOLD_LIMIT;

/// How long after a line could not be driven safe it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A line that can be driven.
pub(super) trait Line {
    fn set(&self, on: bool) -> io::Result<()>;

    fn is_on(&self) -> io::Result<bool>;
}

impl Line for HeldLine {
    fn set(&self, on: bool) -> io::Result<()> {
        Self::set(self, on)
    }

    fn is_on(&self) -> io::Result<bool> {
        Self::is_on(self)
    }
}

/// One output.
#[derive(Debug)]
struct Keeping<L> {
    output: HeldOutput,
    line: L,
    since: Moment,
    /// When it is driven safe, or when that is tried again; nothing once it is.
    until: Option<Moment>,
}

impl<L: Line> Keeping<L> {
    fn make_safe(&mut self, why: &str, now: Moment) {
        let device = &self.output.device;
        match self.line.set(self.output.is_safe_on) {
            Ok(()) => {
                tracing::warn!(%device, "driven to its safe level: {why}");
                self.until = None;
            }
            Err(problem) => {
                tracing::error!(%device, "it cannot be driven to its safe level and is tried again: {problem}");
                self.until = Some(now + RETRY);
            }
        }
    }
}

/// All that is held.
#[derive(Debug)]
pub(super) struct Kept<L>(Vec<Keeping<L>>);

impl<L: Line> Kept<L> {
    pub(super) const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Holds these from now on, each for the time that it has, and at most for [`HOLD_LIMIT`].
    pub(super) fn hold(&mut self, outputs: Vec<(HeldOutput, L)>, now: Moment) {
        for (output, line) in outputs {
            let own = output.at_most_ms.map_or(HOLD_LIMIT, Duration::from_millis);
            let until = Some(now + own.min(HOLD_LIMIT));
            self.0.push(Keeping { output, line, since: now, until });
        }
    }

    /// When the next one is driven safe.
    pub(super) fn next(&self) -> Option<Moment> {
        self.0.iter().filter_map(|keeping| keeping.until).min()
    }

    /// Drives safe whose time is over.
    pub(super) fn end_due(&mut self, now: Moment) {
        for keeping in self.0.iter_mut().filter(|keeping| keeping.until.is_some_and(|until| until <= now)) {
            keeping.make_safe("its time is over, or the gateway did not come back in time", now);
        }
    }

    /// Drives everything safe.
    pub(super) fn end_all(&mut self, why: &str, now: Moment) {
        for keeping in self.0.iter_mut().filter(|keeping| keeping.until.is_some()) {
            keeping.make_safe(why, now);
        }
    }

    /// Whether there is nothing more to do: something was held, and all of it is safe.
    pub(super) fn is_over(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|keeping| keeping.until.is_none())
    }

    /// The numbers of the lines that are held away from their safe level.
    pub(super) fn lines(&self) -> Vec<u32> {
        let held = self.0.iter().filter(|keeping| keeping.until.is_some());
        held.map(|keeping| keeping.output.line).collect()
    }

    /// What is held, as its lines are now, with how long it was held and the lines themselves. It is held on.
    pub(super) fn shown(&self, now: Moment) -> Vec<(HeldOutput, Duration, &L)> {
        let shown = |keeping: &'_ Keeping<L>| {
            // What cannot be read is not gone on with.
            let is_on = keeping.line.is_on().unwrap_or(keeping.output.is_safe_on);
            (HeldOutput { is_on, ..keeping.output.clone() }, now.saturating_since(keeping.since))
        };
        let with_line = |keeping| {
            let (output, age) = shown(keeping);
            (output, age, &keeping.line)
        };
        self.0.iter().map(with_line).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use gatehouse_model::DeviceId;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A line in memory, which may refuse.
    #[derive(Clone, Debug, Default)]
    struct Wire {
        is_on: Rc<Cell<bool>>,
        is_broken: Rc<Cell<bool>>,
    }

    impl Line for Wire {
        fn set(&self, on: bool) -> io::Result<()> {
            if self.is_broken.get() {
                return Err(io::Error::other("it does not answer"));
            }
            self.is_on.set(on);
            Ok(())
        }

        fn is_on(&self) -> io::Result<bool> {
            if self.is_broken.get() {
                Err(io::Error::other("it does not answer"))
            } else {
                Ok(self.is_on.get())
            }
        }
    }

    fn held(line: u32, at_most: Option<Duration>) -> (HeldOutput, Wire) {
        let output = HeldOutput {
            device: DeviceId::new("lamp").unwrap(),
            line,
            is_active_low: false,
            is_safe_on: false,
            is_on: true,
            at_most_ms: at_most.map(|time| u64::try_from(time.as_millis()).unwrap()),
            timer_ms: None,
        };
        let wire = Wire::default();
        wire.is_on.set(true);
        (output, wire)
    }

    fn at(seconds: u32) -> Moment {
        Moment::default() + seconds * SECOND
    }

    #[test]
    fn each_is_held_for_its_time_and_none_for_longer_than_the_limit() {
        let (short, long) = (held(5, Some(10 * SECOND)), held(6, None));
        let wires = [short.1.clone(), long.1.clone()];
        let on = || wires.clone().map(|wire| wire.is_on.get());
        let mut kept = Kept::nothing();
        assert!(!kept.is_over(), "nothing was given yet");
        kept.hold(vec![short, long], at(100));
        assert_eq!(kept.next(), Some(at(110)));
        kept.end_due(at(109));
        assert_eq!((on(), kept.lines()), ([true, true], vec![5, 6]));
        kept.end_due(at(110));
        assert_eq!((on(), kept.lines()), ([false, true], vec![6]));
        assert!(!kept.is_over());
        assert_eq!(kept.next(), Some(at(160)), "a minute after it was given");
        kept.end_due(at(160));
        assert_eq!((on(), kept.next()), ([false, false], None));
        assert!(kept.is_over());
    }

    #[test]
    fn a_line_that_refuses_is_tried_again() {
        let (output, wire) = held(5, Some(SECOND));
        let mut kept = Kept::nothing();
        kept.hold(vec![(output, wire.clone())], at(0));
        wire.is_broken.set(true);
        kept.end_due(at(1));
        assert_eq!((kept.next(), kept.is_over()), (Some(at(2)), false));
        assert!(!kept.shown(at(1))[0].0.is_on, "what cannot be read is not gone on with");
        wire.is_broken.set(false);
        kept.end_due(at(2));
        assert!(!wire.is_on.get() && kept.is_over());
    }

    #[test]
    fn it_is_told_as_it_is_and_for_how_long() {
        let (output, wire) = held(5, None);
        let mut kept = Kept::nothing();
        kept.hold(vec![(output, wire.clone())], at(0));
        let told =
            |kept: &Kept<Wire>, now| kept.shown(now).first().map(|(output, age, _)| (output.is_on, *age));
        assert_eq!(told(&kept, at(3)), Some((true, 3 * SECOND)));
        kept.end_all("the machine stops", at(4));
        assert_eq!(told(&kept, at(4)), Some((false, 4 * SECOND)));
    }
}
