//! What is worth a line in the log, once. It decides, and does nothing else.

use crate::intake::Verdict;

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// A reading does not fit to the gateway's clock, which is set.
    Apart,
}

/// What was remarked already.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    apart: bool,
    holds: bool,
    drops: bool,
}

impl Remarks {
    /// Looks at what became of a value. A device whose clock is wrong is remarked the first time only, since it goes on
    /// beside others that are right.
    pub(crate) fn of(&mut self, verdict: Verdict) -> Option<Remark> {
        let first = verdict == Verdict::WrongTime && !std::mem::replace(&mut self.apart, true);
        first.then_some(Remark::Apart)
    }

    /// A message is held since the clock is not set, and so many had to go for it. Whether that is news.
    pub(crate) fn is_held(&mut self, dropped: u64) -> bool {
        let first = !std::mem::replace(&mut self.holds, true);
        first || (dropped > 0 && !std::mem::replace(&mut self.drops, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_remarked_once() {
        let mut remarks = Remarks::default();
        assert_eq!(remarks.of(Verdict::TakenBack), None);
        assert_eq!(remarks.of(Verdict::WrongTime), Some(Remark::Apart));
        assert_eq!(remarks.of(Verdict::WrongTime), None);
        assert_eq!([0, 0, 1, 1].map(|dropped| remarks.is_held(dropped)), [true, false, true, false]);
    }
}
