//! Hardware PWM of the simulated board, at the lines that have it on a Raspberry Pi.

use std::sync::Arc;

use async_trait::async_trait;

use super::board::{Hold, Shared, line_error};
use crate::traits::{Duty, Level, LineError, LineNumber, PwmOutput, PwmRequest};

/// The lines with hardware PWM (BCM2835 ARM Peripherals, section 9.5).
const LINES: [u32; 4] = [12, 13, 18, 19];

/// A PWM output that was requested; it is given back when this is dropped.
pub(super) struct SimulatedPwm {
    hold: Hold,
}

impl SimulatedPwm {
    pub(super) fn open(shared: Arc<Shared>, request: &PwmRequest) -> Result<Self, LineError> {
        let line = request.line;
        if !LINES.contains(&line.number()) {
            return Err(LineError::NoPwm(line.into()));
        }
        let initial = Level::from_on(request.initial.is_on());
        let mut world = shared.caught_up();
        world
            .lines
            .hold_output(line, request.active, initial, "gatehouse")
            .map_err(|unavailable| line_error(line, unavailable))?;
        world.set_duty(line, request.initial, shared.clock.moment());
        drop(world);
        Ok(Self { hold: Hold { line, shared } })
    }
}

impl Drop for SimulatedPwm {
    fn drop(&mut self) {
        self.hold.shared.world().duties.remove(&self.hold.line);
    }
}

impl super::board::World {
    /// A stuck line keeps the duty that it has.
    fn set_duty(&mut self, line: LineNumber, duty: Duty, now: gatehouse_model::Moment) {
        self.drive(line, Level::from_on(duty.is_on()), now);
        if !self.lines.is_stuck(line) {
            self.duties.insert(line, duty);
        }
    }
}

#[async_trait]
impl PwmOutput for SimulatedPwm {
    async fn set(&mut self, duty: Duty) -> Result<(), LineError> {
        let now = self.hold.shared.clock.moment();
        self.hold.shared.caught_up().set_duty(self.hold.line, duty, now);
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Duty, LineError> {
        Ok(self.hold.shared.world().duties.get(&self.hold.line).copied().unwrap_or(Duty::OFF))
    }
}
