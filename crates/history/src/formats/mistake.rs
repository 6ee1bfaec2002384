//! A mistake in what is read.

/// What is wrong with what comes next in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// With a row; others may follow.
    Row(String),
    /// With all that follows.
    File(String),
}

/// What is said of a row is about that row.
impl From<String> for Mistake {
    fn from(reason: String) -> Self {
        Self::Row(reason)
    }
}
