//! When the file is looked after: sealing and retention come after a commit, when they are due. It decides, and does
//! nothing else.

use std::time::Duration;

use gatehouse_model::{Moment, Timestamp};

use crate::seal::{self, Progress};

/// The wait after sealing failed: what it did not do costs room and not readings.
const RETRY: Duration = Duration::from_secs(600);

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    /// The end of the last hour that this run sealed.
    sealed_until: Option<i64>,
    not_before: Moment,
    failing: bool,
}

impl Upkeep {
    /// Whether something is due.
    pub(crate) fn is_due(&self, now: Timestamp, moment: Moment) -> bool {
        moment >= self.not_before && self.sealed_until != Some(seal::due_until(now.as_millis()))
    }

    /// Takes what sealing did when it was started at `now`.
    pub(crate) fn sealed(&mut self, result: &Result<Progress, sqlx::Error>, now: Timestamp, moment: Moment) {
        match result {
            Ok(progress) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("history is being sealed again");
                }
                self.sealed_until = (!progress.more).then_some(seal::due_until(now.as_millis()));
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "older rows of history could not be compressed; recording goes on, and it is tried again every ten minutes");
                }
                self.not_before = moment + RETRY;
            }
        }
    }
}
