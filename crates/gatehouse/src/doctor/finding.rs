//! What a check finds.

use gatehouse_dashboard::wire::{DoctorKind, DoctorLevel};

use super::mend::Mend;

/// Something that stands in the gateway's way, or is good to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: DoctorKind,
    pub(crate) level: DoctorLevel,
    /// In the order that the kind names.
    pub(crate) facts: Vec<String>,
    /// What is.
    pub(crate) what: String,
    /// Why it matters.
    pub(crate) why: String,
    /// What to do.
    pub(crate) remedy: String,
    /// What can be done about it here.
    pub(crate) mend: Option<Mend>,
}

impl Finding {
    /// A problem: something does not work.
    pub(super) fn problem(kind: DoctorKind, what: impl Into<String>) -> Self {
        Self::new(kind, DoctorLevel::Problem, what)
    }

    /// Something that will not work one day, or works badly.
    pub(super) fn warning(kind: DoctorKind, what: impl Into<String>) -> Self {
        Self::new(kind, DoctorLevel::Warning, what)
    }

    /// Something that is good to know.
    pub(super) fn note(kind: DoctorKind, what: impl Into<String>) -> Self {
        Self::new(kind, DoctorLevel::Note, what)
    }

    fn new(kind: DoctorKind, level: DoctorLevel, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { kind, level, facts: Vec::new(), what, why: String::new(), remedy: String::new(), mend: None }
    }

    pub(super) fn about(mut self, fact: &impl ToString) -> Self {
        self.facts.push(fact.to_string());
        self
    }

    pub(super) fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    pub(super) fn so(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    pub(super) fn mended_by(self, mend: impl Into<Option<Mend>>) -> Self {
        Self { mend: mend.into(), ..self }
    }
}

/// Names, separated by commas.
pub(super) fn list(names: &[String]) -> String {
    names.join(", ")
}
