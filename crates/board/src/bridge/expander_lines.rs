//! Lines of expanders in the shape of all lines.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::expander::Expander;
use super::expander_jobs::Wanted;
use crate::config::{ActiveLevel, Pin, Pull};
use crate::traits::{Duty, Edge, InputLine, Level, LineError, OutputLine, PwmOutput};

pub(super) fn applied(level: Level, active: ActiveLevel) -> Level {
    Level::from_on(level.is_on() == (active == ActiveLevel::High))
}

fn failed(pin: &Pin, problem: String) -> LineError {
    LineError::Failed { line: pin.clone(), problem }
}

/// A line of an expander that is driven.
pub(super) struct ExpanderOutput {
    pub(super) expander: Arc<Expander>,
    pub(super) pin: Pin,
    pub(super) line: u8,
    pub(super) active: ActiveLevel,
    /// The level that it shall have first, until it was told.
    pub(super) initial: Option<Level>,
}

impl ExpanderOutput {
    fn level(&self, levels: u32) -> Level {
        applied(Level::from_on(levels >> self.line & 1 == 1), self.active)
    }
}

#[async_trait]
impl OutputLine for ExpanderOutput {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        self.initial = None;
        let wanted = Wanted::Output(applied(level, self.active));
        self.expander.make(self.line, wanted).await.map_err(|problem| failed(&self.pin, problem))?;
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        if let Some(initial) = self.initial {
            self.set(initial).await?;
        }
        let levels = self.expander.levels().await.map_err(|problem| failed(&self.pin, problem))?;
        Ok(self.level(levels))
    }
}

/// A line of an expander that is read.
pub(super) struct ExpanderInput {
    pub(super) expander: Arc<Expander>,
    pub(super) pin: Pin,
    pub(super) line: u8,
    pub(super) active: ActiveLevel,
    pub(super) pull: Pull,
    pub(super) edges: mpsc::Receiver<Edge>,
}

#[async_trait]
impl InputLine for ExpanderInput {
    async fn level(&mut self) -> Result<Level, LineError> {
        let begun = self.expander.begin(self.line, self.pull).await;
        let levels = begun.map_err(|problem| failed(&self.pin, problem))?;
        let is_high = levels >> self.line & 1 == 1;
        Ok(applied(Level::from_on(is_high), self.active))
    }

    async fn next_edge(&mut self) -> Result<Edge, LineError> {
        let edge = self.edges.recv().await.ok_or_else(|| LineError::Gone(self.pin.clone()))?;
        Ok(Edge { level: applied(edge.level, self.active), ..edge })
    }
}

/// A PWM output of an expander.
pub(super) struct ExpanderPwm {
    pub(super) expander: Arc<Expander>,
    pub(super) pin: Pin,
    pub(super) line: u8,
    pub(super) active: ActiveLevel,
    pub(super) initial: Option<Duty>,
}

impl ExpanderPwm {
    fn applied(&self, duty: Duty) -> Duty {
        match self.active {
            ActiveLevel::High => duty,
            ActiveLevel::Low => {
                Duty::from_ten_thousandths(Duty::FULL.ten_thousandths() - duty.ten_thousandths())
            }
        }
    }
}

#[async_trait]
impl PwmOutput for ExpanderPwm {
    async fn set(&mut self, duty: Duty) -> Result<(), LineError> {
        self.initial = None;
        let wanted = Wanted::Pwm(self.applied(duty));
        self.expander.make(self.line, wanted).await.map_err(|problem| failed(&self.pin, problem))?;
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Duty, LineError> {
        if let Some(initial) = self.initial {
            self.set(initial).await?;
        }
        let duty = self.expander.duty(self.line).await.map_err(|problem| failed(&self.pin, problem))?;
        Ok(self.applied(duty))
    }
}
