//! The lines that devices are wired to, wherever they are: at the header, or at an expander.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{ActiveLevel, Pin, Pull};
use crate::traits::{
    Board, Duty, InputLine, InputRequest, Level, LineError, OutputLine, OutputRequest, PwmOutput, PwmRequest,
};

/// The name under which the kernel lists our lines.
pub(super) const CONSUMER: &str = "gatehouse";

/// Requests lines.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    board: Arc<dyn Board>,
}

impl Lines {
    pub(super) fn new(board: Arc<dyn Board>) -> Self {
        Self { board }
    }

    /// Makes a line an input.
    pub(super) fn request_input(
        &self,
        pin: &Pin,
        active: ActiveLevel,
        pull: Pull,
    ) -> Result<Box<dyn InputLine>, LineError> {
        match pin {
            Pin::Header(line) => self.board.request_input(&InputRequest {
                line: *line,
                pull,
                active,
                consumer: CONSUMER.to_owned(),
            }),
            Pin::Expander { .. } => Err(LineError::NoSuchLine(pin.clone())),
        }
    }

    /// Makes a line a PWM output that has its initial duty at once.
    pub(super) fn open_pwm(
        &self,
        pin: &Pin,
        active: ActiveLevel,
        period: Duration,
        initial: Duty,
    ) -> Result<Box<dyn PwmOutput>, LineError> {
        match pin {
            Pin::Header(line) => self.board.open_pwm(&PwmRequest { line: *line, active, period, initial }),
            Pin::Expander { .. } => Err(LineError::NoPwm(pin.clone())),
        }
    }

    /// Makes a line an output that has its initial level at once.
    pub(super) fn request_output(
        &self,
        pin: &Pin,
        active: ActiveLevel,
        initial: Level,
        safe: Level,
    ) -> Result<Box<dyn OutputLine>, LineError> {
        match pin {
            Pin::Header(line) => self.board.request_output(&OutputRequest {
                line: *line,
                active,
                initial,
                safe,
                consumer: CONSUMER.to_owned(),
            }),
            Pin::Expander { .. } => Err(LineError::NoSuchLine(pin.clone())),
        }
    }
}
