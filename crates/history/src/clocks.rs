//! Remarks about clocks, when readings are not recorded because of their time. It decides, and does nothing else.

use gatehouse_model::Timestamp;

use crate::intake::{EARLIEST, Verdict};

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remark {
    /// The gateway's own clock is not set.
    NotSet,
    /// It is set now.
    Set,
    /// The gateway's clock is set, and a reading does not fit to it.
    Apart,
}

/// What was remarked already.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    not_set: bool,
    apart: bool,
}

impl Clocks {
    /// Looks at what became of a message that was received at `now`. Each change of the gateway's clock is remarked
    /// once; a device that does not fit to it only the first time, since it goes on beside others that do.
    pub(crate) fn remark(&mut self, verdict: Verdict, now: Timestamp) -> Option<Remark> {
        if now < EARLIEST {
            let first = verdict == Verdict::WrongTime && !std::mem::replace(&mut self.not_set, true);
            return first.then_some(Remark::NotSet);
        }
        if std::mem::take(&mut self.not_set) {
            return Some(Remark::Set);
        }
        let first = verdict == Verdict::WrongTime && !std::mem::replace(&mut self.apart, true);
        first.then_some(Remark::Apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_remarked_once() {
        let taken = Verdict::Taken { state: false, dropped: 0 };
        let (unset, set) = (Timestamp::from_millis(0), Timestamp::from_millis(1_795_252_440_000));
        let mut clocks = Clocks::default();
        let steps = [
            (Verdict::Other, unset, None),
            (Verdict::WrongTime, unset, Some(Remark::NotSet)),
            (Verdict::WrongTime, unset, None),
            (taken, unset, None),
            (taken, set, Some(Remark::Set)),
            (taken, set, None),
            (Verdict::WrongTime, set, Some(Remark::Apart)),
            (taken, set, None),
            (Verdict::WrongTime, set, None),
            (Verdict::WrongTime, unset, Some(Remark::NotSet)),
            (Verdict::WrongTime, set, Some(Remark::Set)),
        ];
        for (number, (verdict, now, remark)) in steps.into_iter().enumerate() {
            assert_eq!(clocks.remark(verdict, now), remark, "step {number}");
        }
    }
}
