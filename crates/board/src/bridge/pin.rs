//! One output's line: opened once, driven with a time limit, read back after each change.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::config::OutputConfig;
use crate::traits::{Board, Level, LineError, OutputLine, OutputRequest};

/// Longest time that a line may take to be driven or read. A pin of the header takes microseconds and one of an
/// expander milliseconds; a bus that hangs must not hold the other outputs up.
const LINE_LIMIT: Duration = Duration::from_secs(1);

/// The name under which the kernel lists our lines.
pub(super) const CONSUMER: &str = "gatehouse";

/// The line of an output.
pub(super) struct Pin {
    line: Box<dyn OutputLine>,
    config: OutputConfig,
}

impl Pin {
    /// Requests the line with its first level in the same call.
    pub(super) fn open(
        board: &Arc<dyn Board>,
        config: &OutputConfig,
        initial: Level,
    ) -> Result<Self, LineError> {
        let request =
            OutputRequest { line: config.pin, active: config.active, initial, consumer: CONSUMER.to_owned() };
        Ok(Self { line: board.request_output(&request)?, config: config.clone() })
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
        line: config.pin,
        problem: format!("it did not answer within {} s: check its wiring and its bus", LINE_LIMIT.as_secs()),
    }
}
