//! What is held, until when, and what becomes of it: decisions without a socket or a clock.

use std::time::Duration;

use gatehouse_board::held::{HeldOutput, Line};
use gatehouse_model::Moment;

use super::HOLD_LIMIT;

/// How long after a line could not be driven safe it is tried again.
const RETRY: Duration = Duration::from_secs(1);

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

    /// The chips and numbers of the lines that are held away from their safe level.
    pub(super) fn lines(&self) -> Vec<(String, u32)> {
        let held = self.0.iter().filter(|keeping| keeping.until.is_some());
        held.map(|keeping| (keeping.output.chip.clone(), keeping.output.line)).collect()
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
    use std::io;
    use std::os::fd::OwnedFd;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use gatehouse_model::DeviceId;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A line in memory, which may refuse.
    #[derive(Clone, Debug, Default)]
    struct Wire {
        is_on: Arc<AtomicBool>,
        is_broken: Arc<AtomicBool>,
    }

    impl Wire {
        fn works(&self) -> io::Result<()> {
            let is_broken = self.is_broken.load(Ordering::SeqCst);
            if is_broken { Err(io::Error::other("it does not answer")) } else { Ok(()) }
        }
    }

    impl Line for Wire {
        fn set(&self, on: bool) -> io::Result<()> {
            self.works()?;
            self.is_on.store(on, Ordering::SeqCst);
            Ok(())
        }

        fn is_on(&self) -> io::Result<bool> {
            self.works()?;
            Ok(self.is_on.load(Ordering::SeqCst))
        }

        fn descriptor(&self) -> io::Result<OwnedFd> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn held(line: u32, at_most: Option<Duration>) -> (HeldOutput, Wire) {
        let output = HeldOutput {
            device: DeviceId::new("lamp").unwrap(),
            chip: "chip".to_owned(),
            line,
            is_active_low: false,
            is_safe_on: false,
            is_on: true,
            at_most_ms: at_most.map(|time| u64::try_from(time.as_millis()).unwrap()),
            timer_ms: None,
            away_ms: 0,
        };
        let wire = Wire::default();
        wire.is_on.store(true, Ordering::SeqCst);
        (output, wire)
    }

    fn at(seconds: u32) -> Moment {
        Moment::default() + seconds * SECOND
    }

    #[test]
    fn each_is_held_for_its_time_and_none_for_longer_than_the_limit() {
        let (short, long) = (held(5, Some(10 * SECOND)), held(6, None));
        let wires = [short.1.clone(), long.1.clone()];
        let on = || wires.each_ref().map(|wire| wire.is_on.load(Ordering::SeqCst));
        let mut kept = Kept::nothing();
        assert!(!kept.is_over(), "nothing was given yet");
        kept.hold(vec![short, long], at(100));
        assert_eq!(kept.next(), Some(at(110)));
        kept.end_due(at(109));
        let lines = |kept: &Kept<Wire>| kept.lines().into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        assert_eq!((on(), lines(&kept)), ([true, true], vec![5, 6]));
        kept.end_due(at(110));
        assert_eq!((on(), lines(&kept)), ([false, true], vec![6]));
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
        wire.is_broken.store(true, Ordering::SeqCst);
        kept.end_due(at(1));
        assert_eq!((kept.next(), kept.is_over()), (Some(at(2)), false));
        assert!(!kept.shown(at(1))[0].0.is_on, "what cannot be read is not gone on with");
        wire.is_broken.store(false, Ordering::SeqCst);
        kept.end_due(at(2));
        assert!(!wire.is_on.load(Ordering::SeqCst) && kept.is_over());
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
