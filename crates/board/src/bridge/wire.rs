//! What an output's level goes out through: a line, PWM hardware, or a line that software switches quickly.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_control::Duty;
use gatehouse_model::{Clock, Moment};

use super::lines::Lines;
use super::time;
use crate::config::{
    ActiveLevel, CoverConfig, MIN_SOFTWARE_PERIOD, OutputConfig, OutputKind, Pin, SERVO_PERIOD,
};
use crate::traits::{Level, LineError, OutputLine, PwmOutput};

/// Where an output is connected, and how its level goes out there.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) pin: Pin,
    pub(super) active: ActiveLevel,
    kind: OutputKind,
    pub(super) safe: Duty,
}

impl Connection {
    pub(super) fn of(output: &OutputConfig) -> Self {
        Self { pin: output.pin.clone(), active: output.active, kind: output.kind, safe: output.safe }
    }

    /// The two relays of a cover, first the one that opens it.
    pub(super) fn of_cover(cover: &CoverConfig) -> [Self; 2] {
        [&cover.open, &cover.close].map(|pin| Self::of_relay(pin, cover.active))
    }

    /// Something that is safe when it is off.
    pub(super) fn of_relay(pin: &Pin, active: ActiveLevel) -> Self {
        Self { pin: pin.clone(), active, kind: OutputKind::Switch, safe: Duty::OFF }
    }

    /// Whether its line is on while nobody switches it. Between off and full it needs somebody who does, so off is safer.
    pub(super) fn rests_on(&self) -> bool {
        self.safe == Duty::FULL
    }

    /// The angle in degrees of a servo's level.
    pub(super) fn angle(&self, level: Duty) -> Option<f64> {
        let OutputKind::Servo { angles: (least, most), .. } = self.kind else { return None };
        Some(least + level.share() * (most - least))
    }

    /// Requests the line at its safe level, for a process that ends then, and makes sure that it is there.
    pub(super) async fn make_safe(&self, lines: &Lines, clock: &Arc<dyn Clock>) -> Result<Wire, LineError> {
        let mut wire = self.open(lines, self.safe, clock)?;
        let lasting = match &wire {
            Wire::Software(_) => Duty::from_on(self.rests_on()),
            Wire::Line(_) | Wire::Hardware { .. } => self.safe,
        };
        // An expander may have been asked for its line without being told the level.
        let seen = wire.drive(lasting).await?;
        if lasting.is_shown_by(seen) {
            return Ok(wire);
        }
        let problem = "it was driven to its safe level and does not follow: check the wiring".to_owned();
        Err(LineError::Failed { line: self.pin.clone(), problem })
    }

    /// Whether its line may take a while to be had: the files of hardware PWM are given to their group by udev.
    pub(super) fn may_wait(&self) -> bool {
        !matches!(self.kind, OutputKind::Switch) && matches!(self.pin, Pin::Header(_))
    }

    /// Requests the line with its first level in the same call.
    pub(super) fn open(&self, lines: &Lines, level: Duty, clock: &Arc<dyn Clock>) -> Result<Wire, LineError> {
        let period = match self.kind {
            OutputKind::Switch => {
                return Ok(Wire::Line(self.line(lines, level.is_on())?));
            }
            OutputKind::Pwm { period } => period,
            OutputKind::Servo { .. } => SERVO_PERIOD,
        };
        let pulse = Pulse { kind: self.kind, period };
        match lines.open_pwm(&self.pin, self.active, period, pulse.duty(level)) {
            Ok(output) => Ok(Wire::Hardware { output, pulse }),
            Err(LineError::NoPwm(pin)) if matches!(self.kind, OutputKind::Servo { .. }) => {
                // A servo follows every uncertainty of its pulse: it would tremble.
                let problem = "a servo needs hardware PWM, and this line has none: use GPIO 12, 13, 18 or 19, or a PCA9685";
                Err(LineError::Failed { line: pin, problem: problem.to_owned() })
            }
            Err(LineError::NoPwm(_)) => {
                let is_on_first = level == Duty::FULL;
                let line = self.line(lines, is_on_first)?;
                let period = period.max(MIN_SOFTWARE_PERIOD);
                Ok(Wire::Software(Software {
                    line,
                    period,
                    duty: level,
                    is_on: is_on_first,
                    next: clock.moment(),
                    clock: clock.clone(),
                }))
            }
            Err(error) => Err(error),
        }
    }
}

impl Connection {
    fn line(&self, lines: &Lines, on: bool) -> Result<Box<dyn OutputLine>, LineError> {
        let (initial, safe) = (Level::from_on(on), Level::from_on(self.rests_on()));
        lines.request_output(&self.pin, self.active, initial, safe)
    }
}

/// How a level becomes a duty, and back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    kind: OutputKind,
    period: Duration,
}

impl Pulse {
    fn duty(self, level: Duty) -> Duty {
        match self.kind {
            OutputKind::Switch | OutputKind::Pwm { .. } => level,
            OutputKind::Servo { pulses: (least, most), .. } => {
                let pulse = least.as_secs_f64() + level.share() * (most.as_secs_f64() - least.as_secs_f64());
                Duty::from_share(pulse / self.period.as_secs_f64())
            }
        }
    }

    fn level(self, duty: Duty) -> Duty {
        match self.kind {
            OutputKind::Switch | OutputKind::Pwm { .. } => duty,
            OutputKind::Servo { pulses: (least, most), .. } => {
                let pulse = duty.share() * self.period.as_secs_f64();
                let reach = most.as_secs_f64() - least.as_secs_f64();
                Duty::from_share((pulse - least.as_secs_f64()) / reach)
            }
        }
    }
}

/// An output that was requested.
pub(super) enum Wire {
    Line(Box<dyn OutputLine>),
    Hardware { output: Box<dyn PwmOutput>, pulse: Pulse },
    Software(Software),
}

/// PWM by software: the line is switched by a timer. Its uncertainty is that of the timer, some milliseconds on a busy
/// machine, so it is for slow periods.
pub(super) struct Software {
    line: Box<dyn OutputLine>,
    period: Duration,
    duty: Duty,
    /// What the line was last set to.
    is_on: bool,
    /// When it is set to the other.
    next: Moment,
    clock: Arc<dyn Clock>,
}

impl Wire {
    /// Drives it and tells what level it has then.
    pub(super) async fn drive(&mut self, level: Duty) -> Result<Duty, LineError> {
        match self {
            Self::Line(line) => line.set(Level::from_on(level.is_on())).await?,
            Self::Hardware { output, pulse } => output.set(pulse.duty(level)).await?,
            Self::Software(software) => software.set(level).await?,
        }
        self.read_back().await
    }

    /// The level that it really has.
    pub(super) async fn read_back(&mut self) -> Result<Duty, LineError> {
        match self {
            Self::Line(line) => Ok(Duty::from_on(line.read_back().await?.is_on())),
            Self::Hardware { output, pulse } => {
                let duty = output.read_back().await?;
                // What is at most one step of the hardware beside the wish is the wish: `control` allows for it.
                Ok(pulse.level(duty))
            }
            Self::Software(software) => software.read_back().await,
        }
    }

    /// Whatever it has to do by itself; never comes back where there is nothing. It is safe to drop the future between
    /// two changes of the line, and a change of a line is not waited for.
    pub(super) async fn work(&mut self) -> LineError {
        match self {
            Self::Line(_) | Self::Hardware { .. } => std::future::pending().await,
            Self::Software(software) => software.work().await,
        }
    }
}

impl Software {
    async fn set(&mut self, duty: Duty) -> Result<(), LineError> {
        self.duty = duty;
        if duty == Duty::OFF || duty == Duty::FULL {
            return self.switch(duty.is_on()).await;
        }
        // The new share counts from the next change on, which is soon.
        let latest = self.clock.moment() + self.period;
        self.next = self.next.min(latest);
        Ok(())
    }

    async fn switch(&mut self, on: bool) -> Result<(), LineError> {
        self.line.set(Level::from_on(on)).await?;
        self.is_on = on;
        Ok(())
    }

    /// Between off and full only the line's obedience can be seen, not its share of time.
    async fn read_back(&mut self) -> Result<Duty, LineError> {
        let seen = self.line.read_back().await?.is_on();
        Ok(if seen == self.is_on { self.duty } else { Duty::from_on(seen) })
    }

    async fn work(&mut self) -> LineError {
        loop {
            if self.duty == Duty::OFF || self.duty == Duty::FULL {
                return std::future::pending().await;
            }
            time::until(Some(self.next), &*self.clock).await;
            let on = !self.is_on;
            if let Err(error) = self.switch(on).await {
                return error;
            }
            let on_time = self.duty.of(self.period);
            let lasts = if on { on_time } else { self.period.saturating_sub(on_time) };
            // Late by more than a period, it begins anew instead of catching up.
            let now = self.clock.moment();
            self.next = (self.next + lasts).max(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_SERVO_PULSES;

    #[test]
    fn a_servo_gets_the_pulses_of_its_angles() {
        let kind = OutputKind::Servo { angles: (0.0, 180.0), pulses: DEFAULT_SERVO_PULSES };
        let pulse = Pulse { kind, period: SERVO_PERIOD };
        assert_eq!(pulse.duty(Duty::OFF), Duty::from_share(0.05), "1 ms of 20");
        assert_eq!(pulse.duty(Duty::FULL), Duty::from_share(0.1), "2 ms of 20");
        for share in [0.0, 0.25, 0.5, 1.0] {
            let level = Duty::from_share(share);
            assert!(level.is_shown_by(pulse.level(pulse.duty(level))), "{share}");
        }
    }
}
