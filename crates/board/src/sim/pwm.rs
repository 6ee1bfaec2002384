//! Hardware PWM of the simulated board, at the lines that have it on a Raspberry Pi.

use std::sync::Arc;

use async_trait::async_trait;

use super::lines::line_error;
use super::world::{Hold, Shared, World};
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

impl World {
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
        let (line, world) = (self.hold.line, self.hold.shared.world());
        // One that was stuck already when it was requested never took a duty: it is as its pin is.
        let at_pin =
            || world.lines.level(line).filter(|level| level.is_on()).map_or(Duty::OFF, |_| Duty::FULL);
        Ok(world.duties.get(&line).copied().unwrap_or_else(at_pin))
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{ManualClock, Timestamp};

    use super::*;
    use crate::sim::SimulatedBoard;
    use crate::traits::{ActiveLevel, Board as _};

    /// Storm schedules 13 and 15 of a day: a dimmer was stuck while the gateway restarted, read as off, and so was never
    /// driven off again when it could be.
    #[tokio::test]
    async fn what_is_stuck_reads_as_it_is_for_whoever_requests_it_anew() {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let board = SimulatedBoard::still(&[], 1, clock);
        let line = LineNumber::new(18);
        let period = std::time::Duration::from_millis(1);
        let request = PwmRequest { line, active: ActiveLevel::High, period, initial: Duty::OFF };
        let mut first = board.open_pwm(&request).unwrap();
        first.set(Duty::FULL).await.unwrap();
        board.set_line_stuck(line, true);
        drop(first);
        let mut second = board.open_pwm(&request).unwrap();
        assert_eq!(second.read_back().await, Ok(Duty::FULL));
        second.set(Duty::OFF).await.unwrap();
        assert_eq!(second.read_back().await, Ok(Duty::FULL));
        board.set_line_stuck(line, false);
        second.set(Duty::OFF).await.unwrap();
        assert_eq!(second.read_back().await, Ok(Duty::OFF));
    }
}
