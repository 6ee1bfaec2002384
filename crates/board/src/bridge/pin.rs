//! One output's line: opened once, driven with a time limit, read back after each change.

use std::time::Duration;

use tokio::time::timeout;

use super::lines::Lines;
use crate::config::OutputConfig;
use crate::traits::{Level, LineError, OutputLine};

/// Longest time that a line may take to be driven or read. A pin of the header takes microseconds and one of an
/// expander milliseconds; a bus that hangs must not hold the other outputs up.
const LINE_LIMIT: Duration = Duration::from_secs(1);

/// The line of an output.
pub(super) struct OutputPin {
    line: Box<dyn OutputLine>,
    config: OutputConfig,
}

impl OutputPin {
    /// Requests the line with its first level in the same call.
    pub(super) fn open(lines: &Lines, config: &OutputConfig, initial: Level) -> Result<Self, LineError> {
        let line =
            lines.request_output(&config.pin, config.active, initial, Level::from_on(config.safe_on))?;
        Ok(Self { line, config: config.clone() })
    }

    /// Drives the line and tells what level it has then.
    pub(super) async fn drive(&mut self, level: Level) -> Result<Level, LineError> {
        let line = &mut self.line;
        let driven = timeout(LINE_LIMIT, line.set(level)).await;
        driven.unwrap_or_else(|_| Err(too_slow(&self.config)))?;
        self.read_back().await
    }

    /// The level that the line really has.
    pub(super) async fn read_back(&mut self) -> Result<Level, LineError> {
        let read = timeout(LINE_LIMIT, self.line.read_back()).await;
        read.unwrap_or_else(|_| Err(too_slow(&self.config)))
    }
}

fn too_slow(config: &OutputConfig) -> LineError {
    LineError::Failed {
        line: config.pin.clone(),
        problem: format!("it did not answer within {} s: check its wiring and its bus", LINE_LIMIT.as_secs()),
    }
}
