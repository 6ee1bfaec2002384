//! Lines of expanders in the shape of all lines, and the task that watches over an expander.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::Clock;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::expander::{Expander, Wanted};
use super::publication::Publication;
use crate::config::{ActiveLevel, Pin, Pull};
use crate::traits::{Duty, Edge, InputLine, Level, LineError, OutputLine, PwmOutput};

/// How often it is looked whether an expander still is as it was set: a supply that was cut must not leave a heater to
/// chance for longer than people take to notice.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How often the inputs of an expander are looked at. Twice within the default debounce, and a few percent of a bus of
/// 100 kHz.
const POLL_EVERY: Duration = Duration::from_millis(10);

fn applied(level: Level, active: ActiveLevel) -> Level {
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
        let made = self.expander.make(self.line, Wanted::Input(self.pull)).await;
        let levels = made.map_err(|problem| failed(&self.pin, problem))?;
        let is_high = levels >> self.line & 1 == 1;
        self.expander.note(self.line, is_high);
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

/// Watches over one expander: whether it is there and as it was set, and what its inputs do.
pub(super) struct ExpanderTask {
    pub(super) expander: Arc<Expander>,
    pub(super) publication: Publication,
    pub(super) clock: Arc<dyn Clock>,
}

impl ExpanderTask {
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
    }

    async fn work(&mut self) {
        let (mut checks, mut polls) = (interval(CHECK_EVERY), interval(POLL_EVERY));
        for ticks in [&mut checks, &mut polls] {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        loop {
            let outcome = tokio::select! {
                _ = checks.tick() => self.expander.check().await.map(drop),
                _ = polls.tick(), if self.expander.is_watched() => {
                    self.expander.poll(self.clock.moment()).await
                }
            };
            match outcome {
                Ok(()) => self.publication.works(),
                Err(problem) => self.publication.fails(&problem),
            }
        }
    }
}
