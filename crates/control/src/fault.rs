//! A sensor that does not answer is a state that shows, after it had a few chances.

/// Failed reads in a row after which the device counts as faulty. One lost answer on a long wire is everyday.
pub const FAILURES_BEFORE_FAULT: u32 = 3;

/// A change between working and faulty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultChange {
    /// It is faulty now, for this reason in a sentence for people.
    Broke(String),
    /// It works again.
    Recovered,
}

/// Counts failures of one device.
#[derive(Clone, Debug, Default)]
pub struct FaultWatch {
    failures: u32,
    sentence: Option<String>,
}

impl FaultWatch {
    /// Takes a failed read. Gives the change when this one makes the device faulty, or when a faulty device fails for
    /// another reason than before.
    pub fn handle_failure(&mut self, sentence: &str) -> Option<FaultChange> {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES_BEFORE_FAULT || self.sentence.as_deref() == Some(sentence) {
            return None;
        }
        self.sentence = Some(sentence.to_owned());
        Some(FaultChange::Broke(sentence.to_owned()))
    }

    /// Takes a good read. Gives the change when the device was faulty, and whether the read needed more than one try.
    pub fn handle_success(&mut self) -> (Option<FaultChange>, bool) {
        let was_retried = self.failures > 0;
        self.failures = 0;
        (self.sentence.take().map(|_| FaultChange::Recovered), was_retried)
    }

    /// Whether the last read failed.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// What is wrong, in a sentence for people; nothing while it works.
    pub fn sentence(&self) -> Option<&str> {
        self.sentence.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_lost_answer_is_a_retry_and_three_are_a_fault() {
        let mut watch = FaultWatch::default();
        assert_eq!(watch.handle_failure("no answer"), None);
        assert_eq!(watch.handle_success(), (None, true));
        assert_eq!(watch.handle_failure("no answer"), None);
        assert_eq!(watch.handle_failure("no answer"), None);
        assert_eq!(watch.handle_failure("no answer"), Some(FaultChange::Broke("no answer".to_owned())));
        assert_eq!(watch.handle_failure("no answer"), None, "it is said once");
        assert_eq!(
            watch.handle_failure("wrong checksum"),
            Some(FaultChange::Broke("wrong checksum".to_owned()))
        );
        assert_eq!(watch.handle_success(), (Some(FaultChange::Recovered), true));
        assert_eq!(watch.handle_success(), (None, false));
    }
}
