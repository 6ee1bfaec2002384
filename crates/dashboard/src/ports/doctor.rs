//! Whoever looks at the machine and has it mended.

use async_trait::async_trait;

use crate::wire::{DoctorMended, DoctorReport};

/// Looks at the machine, and passes words on to the helper that may change it.
#[async_trait]
pub trait Doctor: Send + Sync {
    /// What stands in the gateway's way now. It reads small files.
    ///
    /// # Errors
    /// When it cannot look.
    async fn look(&self) -> Result<DoctorReport, DoctorProblem>;

    /// Whether there is such a word.
    fn knows(&self, word: &str) -> bool;

    /// Has this done.
    ///
    /// # Errors
    /// See [`DoctorProblem`].
    async fn mend(&self, word: &str) -> Result<DoctorMended, DoctorProblem>;
}

/// Why the machine was not looked at or mended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DoctorProblem {
    /// There is no such word.
    #[error("There is no mend of this name. `GET /api/v1/doctor` lists those that there are.")]
    UnknownWord,
    /// There is nobody here who may do it: why, and what to type instead.
    #[error("{0}")]
    NoHelper(String),
    /// The helper did not do it: why.
    #[error("{0}")]
    Failed(String),
    /// Something failed inside. What stands in the way is logged, and not shown to people.
    #[error("the machine cannot be looked at: {0}")]
    Inside(String),
}
