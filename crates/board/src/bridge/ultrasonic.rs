//! An ultrasonic distance sensor: a pulse out, the length of its echo in.
//!
//! Its trigger is an output like any other to the board, requested low and left low: a sensor that is not triggered does
//! nothing, so the line is safe whatever happens to the process. It is no output to the world: nobody can command it.

use std::time::Duration;

use async_trait::async_trait;
use gatehouse_control::echo::{self, EchoFault, RANGE};
use gatehouse_model::{PropertyId, PropertyInfo, PropertyKind, Quality, Value};
use tokio::time::timeout;

use super::lines::Lines;
use crate::config::{ActiveLevel, Pull, UltrasonicConfig};
use crate::traits::{
    InputLine, Level, LineError, OutputLine, ReadError, Sample, SensorProperty, SensorSource,
};

/// Longest time from the trigger to the end of an echo: the echo line goes up within a millisecond, and falls after 38 ms
/// when nothing comes back.
const ECHO_LIMIT: Duration = Duration::from_millis(100);

/// How long the trigger must be high, 10 µs (HC-SR04 user guide). Two calls of the kernel take longer on every board;
/// this makes sure of it.
const TRIGGER: Duration = Duration::from_micros(10);

/// The sensor of one device.
pub(super) struct UltrasonicSource {
    config: UltrasonicConfig,
    lines: Lines,
    is_simulated: bool,
    property: SensorProperty,
    /// Its lines, once they are had.
    open: Option<(Box<dyn OutputLine>, Box<dyn InputLine>)>,
}

impl UltrasonicSource {
    /// A sensor whose lines are not touched yet.
    #[expect(clippy::expect_used, reason = "a fixed word")]
    pub(super) fn new(config: UltrasonicConfig, lines: Lines, is_simulated: bool) -> Self {
        let info = PropertyInfo {
            id: PropertyId::new("distance").expect("a fixed word"),
            name: "Distance".to_owned(),
            kind: PropertyKind::Number { unit: "cm".to_owned(), decimals: 1 },
            settable: false,
            class: Some("distance".to_owned()),
            range: None,
        };
        let property = SensorProperty::new(info, Some((RANGE.0 * 100.0, RANGE.1 * 100.0)));
        Self { config, lines, is_simulated, property, open: None }
    }

    fn open(&mut self) -> Result<(&mut dyn OutputLine, &mut dyn InputLine), LineError> {
        if self.open.is_none() {
            let (high, low) = (ActiveLevel::High, Level::Inactive);
            let trigger = self.lines.request_output(&self.config.trigger, high, low, low)?;
            let echo = self.lines.request_input(&self.config.echo, ActiveLevel::High, Pull::Down)?;
            self.open = Some((trigger, echo));
        }
        match &mut self.open {
            Some((trigger, echo)) => Ok((&mut **trigger, &mut **echo)),
            None => Err(LineError::Gone(self.config.echo.clone())),
        }
    }

    async fn echo(&mut self) -> Result<Result<Duration, EchoFault>, LineError> {
        let (trigger, line) = self.open()?;
        // Edges of the last measurement that came late belong to nobody.
        let mut edges = Vec::new();
        tokio::select! {
            biased;
            taken = line.next_edges(&mut edges) => taken?,
            () = std::future::ready(()) => {}
        }
        trigger.set(Level::Active).await?;
        std::thread::park_timeout(TRIGGER);
        trigger.set(Level::Inactive).await?;
        let waited = timeout(ECHO_LIMIT, pulse(line)).await;
        waited.map_or(Ok(Err(EchoFault::Silent)), |pulse| pulse.map(Ok))
    }
}

/// Waits for the line to go up and down again, and gives how long it was up by the kernel's time stamps.
async fn pulse(line: &mut dyn InputLine) -> Result<Duration, LineError> {
    let mut rose = None;
    loop {
        let edge = line.next_edge().await?;
        match (edge.level, rose) {
            (Level::Active, _) => rose = Some(edge.at),
            (Level::Inactive, Some(rose)) => return Ok(edge.at.saturating_since(rose)),
            (Level::Inactive, None) => {}
        }
    }
}

#[async_trait]
impl SensorSource for UltrasonicSource {
    fn properties(&self) -> Vec<SensorProperty> {
        vec![self.property.clone()]
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        let measured = self.echo().await;
        if measured.is_err() {
            // It is requested anew the next time: it may have been held by a program that has ended.
            self.open = None;
        }
        let echo = measured.map_err(|error| ReadError::Silent(error.to_string()))?;
        let metres = echo.and_then(|echo| echo::distance(echo, self.config.air));
        let metres = metres.map_err(|fault| ReadError::Silent(fault.to_string()))?;
        let quality = if self.is_simulated { Quality::Simulated } else { Quality::Ok };
        let property = self.property.info.id.clone();
        Ok(vec![Sample { property, value: Value::Number(metres * 100.0), quality }])
    }
}
