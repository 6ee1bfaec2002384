//! How the gateway itself is, what it logged, and how it is started again.

use std::time::Duration;

use async_trait::async_trait;

use crate::wire::{LogLevelWord, LogPage, RestartBegun, SystemReport};

/// Knows the gateway as a whole, in the words of the API.
#[async_trait]
pub trait SystemKeeper: Send + Sync {
    /// How it is now. What cannot be read is left out.
    async fn report(&self) -> SystemReport;

    /// The last lines of the log.
    fn logs(&self, query: LogQuery) -> LogPage;

    /// Ends the gateway in order and lets it come back. `who` is whoever asked for it, `run` the run that is meant.
    /// Nothing is done after this, so it is asked for when everything else about it was written down.
    ///
    /// # Errors
    /// When it is not done.
    fn restart(&self, who: &str, run: &str) -> Result<RestartBegun, RestartRefused>;
}

/// Which lines are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// Those behind the line with this number; nothing for the newest.
    pub after: Option<u64>,
    /// Those that matter at least so much.
    pub level: LogLevelWord,
    /// Most lines of the answer, at least one.
    pub limit: usize,
}

/// Why the gateway does not restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartRefused {
    /// Another run was meant.
    #[error("The gateway was started again already since this page was loaded.")]
    AnotherRun,
    /// It has only just begun, and a service manager that counts starts would leave it down.
    #[error("The gateway was started only just now. It can be restarted again in {} s.", wait.as_secs() + 1)]
    TooSoon {
        /// How long to wait.
        wait: Duration,
    },
    /// It ends already.
    #[error("The gateway is ending already.")]
    Stopping,
}
