//! The lines that devices are wired to, wherever they are: at the header, or at an expander.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId};

use super::expander::{Expander, Expanders};
use super::expander_jobs::Wanted;
use super::expander_lines::{ExpanderInput, ExpanderOutput, ExpanderPwm, applied};
use crate::buses::Buses;
use crate::config::{ActiveLevel, DeviceConfig, Pin, Pull};
use crate::traits::{
    Board, Duty, InputLine, InputRequest, Level, LineError, OutputLine, OutputRequest, PwmOutput, PwmRequest,
};

/// The name under which the kernel lists our lines.
pub(super) const CONSUMER: &str = "gatehouse";

/// Requests lines.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    board: Arc<dyn Board>,
    clock: Arc<dyn Clock>,
    expanders: Arc<Expanders>,
}

impl Lines {
    /// Lines of the header, and of expanders once they are known.
    pub(super) fn new(board: Arc<dyn Board>, clock: Arc<dyn Clock>) -> Self {
        Self { board, clock, expanders: Arc::default() }
    }

    /// The board itself.
    pub(super) fn board(&self) -> &dyn Board {
        &*self.board
    }

    /// From now on the expanders are those among the devices. Of those that stay nothing is touched; the lines of the
    /// others must have been given back.
    pub(super) fn follow_expanders(
        &self,
        devices: &[DeviceConfig],
        buses: &Arc<Buses>,
        stays: &BTreeSet<DeviceId>,
    ) {
        self.expanders.follow(devices, &self.board, &self.clock, buses, stays);
    }

    /// The expander that this device is.
    pub(super) fn expander_of(&self, device: &DeviceId) -> Option<Arc<Expander>> {
        self.expanders.get(device)
    }

    fn expander(&self, pin: &Pin, device: &DeviceId, line: u8) -> Result<Arc<Expander>, LineError> {
        let expander = self.expanders.get(device).filter(|expander| expander.has(line));
        expander.ok_or_else(|| LineError::NoSuchLine(pin.clone()))
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
            Pin::Expander { device, line } => {
                let expander = self.expander(pin, device, *line)?;
                let edges = expander.watch(*line);
                Ok(Box::new(ExpanderInput { expander, pin: pin.clone(), line: *line, active, pull, edges }))
            }
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
            // The chip is asked when the line is driven or read first: nobody waits here. What is wanted is known at once,
            // so that a neighbour that is asked first writes this line's level too, and not what it reads of it.
            Pin::Expander { device, line } => {
                let expander = self.expander(pin, device, *line)?;
                expander.want(*line, Wanted::Output(applied(initial, active)));
                let (pin, line) = (pin.clone(), *line);
                Ok(Box::new(ExpanderOutput { expander, pin, line, active, initial: Some(initial) }))
            }
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
            // The period of an expander is one for all its lines, and a setting of it.
            Pin::Expander { device, line } => {
                let expander = self.expander(pin, device, *line)?;
                if !expander.is_pwm() {
                    return Err(LineError::NoPwm(pin.clone()));
                }
                let (pin, initial) = (pin.clone(), Some(initial));
                Ok(Box::new(ExpanderPwm { expander, pin, line: *line, active, initial }))
            }
        }
    }
}
