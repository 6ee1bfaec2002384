//! Outputs driven to their safe level without a bridge: what runs after any end of the daemon, however it ended.
//!
//! Each output is requested with its safe level, read back, and given back. On a kernel that keeps outputs as they are
//! (Raspberry Pi's own) it stays driven; on one that makes it an input again (Debian's) what is left is the pull towards
//! the safe level that came with the request. Both are told apart by the line's direction afterwards, for the report.
//! PWM hardware and expanders go on by themselves with what they were told last.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gatehouse_model::{Clock, DeviceId};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::lines::{CONSUMER, Lines};
use super::wire::{Connection, Wire};
use crate::boards::PlannedOutput;
use crate::buses::Buses;
use crate::config::{DeviceConfig, DriverConfig, Pin};
use crate::traits::{ActiveLevel, Board, Direction, Duty, LineError};

/// How often a line is asked for that the process which just ended has not given back yet.
const BUSY_STEP: Duration = Duration::from_millis(20);

/// One pin of an output, and what is safe there.
#[derive(Clone, Debug)]
pub struct SafePin {
    /// The device.
    pub device: DeviceId,
    /// The pin.
    pub pin: Pin,
    /// Which voltage switches it on.
    pub active: ActiveLevel,
    /// The level that is safe.
    pub safe: Duty,
    connection: Connection,
}

impl SafePin {
    fn new(device: &DeviceConfig, connection: Connection) -> Self {
        Self {
            device: device.id.clone(),
            pin: connection.pin.clone(),
            active: connection.active,
            safe: connection.safe,
            connection,
        }
    }

    /// The safe level for people: `off`, `on`, `30 %`, or the angle of a servo.
    pub fn level_words(&self) -> String {
        match (self.connection.angle(self.safe), self.safe) {
            (Some(angle), _) => format!("{angle:.0}°"),
            (None, Duty::OFF) => "off".to_owned(),
            (None, Duty::FULL) => "on".to_owned(),
            (None, between) => format!("{:.0} %", between.share() * 100.0),
        }
    }
}

/// What became of one pin.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The pin.
    pub pin: SafePin,
    /// What holds it there, or why it could not be driven.
    pub result: Result<Held, String>,
}

/// What holds a pin at its safe level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The kernel keeps it driven although nobody holds it.
    Driven,
    /// It is an input again, with a pull towards the safe level: a resistor of 50 kΩ or so.
    Pulled,
    /// PWM hardware goes on with the signal.
    Signal,
    /// The expander goes on driving it.
    Expander,
    /// This process holds it.
    ByUs,
    /// It is driven; what the board does when it is given back is not known.
    Unknown,
}

/// A pin that is held at its safe level for as long as this is kept.
pub struct HeldPin {
    _wire: Wire,
}

impl std::fmt::Debug for HeldPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldPin").finish_non_exhaustive()
    }
}

/// The pins that a device drives.
pub fn pins(device: &DeviceConfig) -> Vec<SafePin> {
    match &device.driver {
        DriverConfig::Output(output) => vec![SafePin::new(device, Connection::of(output))],
        // It is low but for some microseconds; a process that dies in these leaves it high, which only stops measuring.
        DriverConfig::Ultrasonic(sensor) => {
            vec![SafePin::new(device, Connection::of_relay(&sensor.trigger, ActiveLevel::High))]
        }
        DriverConfig::Cover(cover) => {
            Connection::of_cover(cover).map(|relay| SafePin::new(device, relay)).into()
        }
        DriverConfig::Host(_)
        | DriverConfig::SimulatedClimate(_)
        | DriverConfig::Input(_)
        | DriverConfig::Counter(_)
        | DriverConfig::Encoder(_)
        | DriverConfig::Derived(_)
        | DriverConfig::Chip(_)
        | DriverConfig::Kernel(_)
        | DriverConfig::Stream(_) => Vec::new(),
    }
}

/// Those of them that are at the header.
pub fn header_outputs(device: &DeviceConfig) -> Vec<PlannedOutput> {
    let planned = |pin: SafePin| {
        let line = pin.pin.header_line()?;
        Some(PlannedOutput { line, active: pin.active, safe_on: pin.connection.rests_on() })
    };
    pins(device).into_iter().filter_map(planned).collect()
}

/// Drives every output of these devices to its safe level, all at once, and takes at most `limit` in all: a pin or a bus
/// that hangs keeps no other one from it. What only a process that lives could keep up, PWM by software between off and
/// full, goes off. With `hold` the pins are handed back, to be held for as long as they are kept.
pub async fn drive_safe(
    board: &Arc<dyn Board>,
    devices: &[DeviceConfig],
    clock: &Arc<dyn Clock>,
    limit: Duration,
    hold: bool,
) -> (Vec<Outcome>, Vec<HeldPin>) {
    let lines = Lines::new(board.clone(), clock.clone());
    lines.follow_expanders(devices, &Arc::new(Buses::new(board.clone())), &BTreeSet::new());
    let mut wanted: Vec<SafePin> = devices.iter().flat_map(pins).collect();
    // Those that need no bus begin, so that a bus that hangs cannot take the last thread from them.
    wanted.sort_by_key(|pin| pin.pin.header_line().is_none());
    let tried = join_all(wanted.into_iter().map(|pin| drive(&lines, pin, clock, limit))).await;
    let (mut outcomes, mut held) = (Vec::new(), Vec::new());
    for (mut pin, driven) in tried {
        if matches!(driven, Ok(Wire::Software(_))) {
            pin.safe = Duty::from_on(pin.connection.rests_on());
        }
        let result = driven.map(|wire| match (hold, &wire, &pin.pin) {
            (true, ..) => {
                held.push(HeldPin { _wire: wire });
                Held::ByUs
            }
            (false, _, Pin::Expander { .. }) => Held::Expander,
            (false, Wire::Hardware { .. }, _) => Held::Signal,
            (false, ..) => Held::Unknown,
        });
        outcomes.push(Outcome { pin, result });
    }
    tell_what_holds(board, &mut outcomes);
    (outcomes, held)
}

async fn drive(
    lines: &Lines,
    pin: SafePin,
    clock: &Arc<dyn Clock>,
    limit: Duration,
) -> (SafePin, Result<Wire, String>) {
    let driven = match timeout(limit, request(lines, &pin, clock)).await {
        Ok(driven) => driven.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{}: it did not answer within {} ms", pin.pin, limit.as_millis())),
    };
    (pin, driven)
}

/// The pin at its safe level. One that is in use is asked for again: the kernel takes a moment to take back what a
/// process that was killed had.
async fn request(lines: &Lines, pin: &SafePin, clock: &Arc<dyn Clock>) -> Result<Wire, LineError> {
    loop {
        let (connection, lines, clock) = (pin.connection.clone(), lines.clone(), clock.clone());
        let attempt = async move { connection.make_safe(&lines, &clock).await };
        let outcome = match pin.pin {
            // A call to the kernel may hang, so each has a thread of its own.
            Pin::Header(_) => {
                let runtime = Handle::current();
                spawn_blocking(move || runtime.block_on(attempt)).await.unwrap_or_else(|_| {
                    let problem = "its driver failed; please report this".to_owned();
                    Err(LineError::Failed { line: pin.pin.clone(), problem })
                })
            }
            // An expander has a thread already.
            Pin::Expander { .. } => attempt.await,
        };
        match outcome {
            Err(LineError::Busy { owner, .. }) if owner.contains(CONSUMER) => sleep(BUSY_STEP).await,
            other => return other,
        }
    }
}

/// Looks at what the kernel did with the lines that were given back, without requesting them.
fn tell_what_holds(board: &Arc<dyn Board>, outcomes: &mut [Outcome]) {
    let Ok(listed) = board.lines() else { return };
    for outcome in outcomes {
        let Some(line) = outcome.pin.pin.header_line() else { continue };
        let info = listed.iter().find(|info| info.line == line);
        if let (Ok(held @ Held::Unknown), Some(info)) = (&mut outcome.result, info) {
            *held = match info.direction {
                Direction::Output => Held::Driven,
                Direction::Input => Held::Pulled,
            };
        }
    }
}

#[cfg(test)]
#[path = "safe_tests.rs"]
mod tests;
