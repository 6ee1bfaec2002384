//! Outputs driven to their safe level without a bridge: what runs after any end of the daemon, however it ended.
//!
//! Each output is requested with its safe level, read back, and given back. On a kernel that keeps outputs as they are
//! (Raspberry Pi's own) it stays driven; on one that makes it an input again (Debian's) what is left is the pull towards
//! the safe level that came with the request. Both are told apart by the line's direction afterwards, for the report.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gatehouse_model::DeviceId;

use super::lines::Lines;
use crate::boards::PlannedOutput;
use crate::config::{DeviceConfig, DriverConfig, Pin};
use crate::traits::{ActiveLevel, Board, Direction, Level, LineError, OutputLine};

/// How often a line is asked for that the process which just ended has not given back yet.
const BUSY_STEP: Duration = Duration::from_millis(20);

/// One pin of an output, and what is safe there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafePin {
    /// The device.
    pub device: DeviceId,
    /// The pin.
    pub pin: Pin,
    /// Which voltage switches it on.
    pub active: ActiveLevel,
    /// The level that is safe.
    pub safe: Level,
}

/// What became of one pin.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// This process holds it.
    ByUs,
    /// It is driven; what the board does when it is given back is not known.
    Unknown,
}

/// The pins that a device drives.
pub fn pins(device: &DeviceConfig) -> Vec<SafePin> {
    match &device.driver {
        DriverConfig::Output(output) => vec![SafePin {
            device: device.id.clone(),
            pin: output.pin.clone(),
            active: output.active,
            safe: Level::from_on(output.safe.is_on()),
        }],
        // It is low but for some microseconds; a process that dies in these leaves it high, which only stops measuring.
        DriverConfig::Ultrasonic(sensor) => vec![SafePin {
            device: device.id.clone(),
            pin: sensor.trigger.clone(),
            active: ActiveLevel::High,
            safe: Level::Inactive,
        }],
        DriverConfig::Cover(cover) => {
            let relay = |pin: &Pin| SafePin {
                device: device.id.clone(),
                pin: pin.clone(),
                active: cover.active,
                safe: Level::Inactive,
            };
            vec![relay(&cover.open), relay(&cover.close)]
        }
        DriverConfig::Host(_)
        | DriverConfig::SimulatedClimate(_)
        | DriverConfig::Input(_)
        | DriverConfig::Counter(_)
        | DriverConfig::Encoder(_)
        | DriverConfig::Derived(_)
        | DriverConfig::Chip(_)
        | DriverConfig::Kernel(_) => Vec::new(),
    }
}

/// Those of them that are at the header.
pub fn header_outputs(device: &DeviceConfig) -> Vec<PlannedOutput> {
    let planned = |pin: SafePin| {
        let line = pin.pin.header_line()?;
        Some(PlannedOutput { line, active: pin.active, safe_on: pin.safe.is_on() })
    };
    pins(device).into_iter().filter_map(planned).collect()
}

/// Drives every output of these devices to its safe level, all at once, and takes at most `limit` in all. With `hold`
/// the lines are handed back, to be held for as long as they are kept.
pub async fn drive_safe(
    board: &Arc<dyn Board>,
    devices: &[DeviceConfig],
    limit: Duration,
    hold: bool,
) -> (Vec<Outcome>, Vec<Box<dyn OutputLine>>) {
    let lines = Lines::new(board.clone());
    let wanted: Vec<SafePin> = devices.iter().flat_map(pins).collect();
    let tried = join_all(wanted.into_iter().map(|pin| drive(&lines, pin, limit))).await;
    let (mut outcomes, mut held) = (Vec::new(), Vec::new());
    for (pin, driven) in tried {
        let result = match driven {
            Ok(line) if hold => {
                held.push(line);
                Ok(Held::ByUs)
            }
            Ok(line) => {
                drop(line);
                Ok(Held::Unknown)
            }
            Err(problem) => Err(problem),
        };
        outcomes.push(Outcome { pin, result });
    }
    tell_what_holds(board, &mut outcomes);
    (outcomes, held)
}

async fn drive(
    lines: &Lines,
    pin: SafePin,
    limit: Duration,
) -> (SafePin, Result<Box<dyn OutputLine>, String>) {
    let driven = match tokio::time::timeout(limit, request(lines, &pin)).await {
        Ok(driven) => driven.map_err(|error| error.to_string()),
        Err(_) => Err(format!("{}: it did not answer within {} ms", pin.pin, limit.as_millis())),
    };
    (pin, driven)
}

/// The line at its safe level. One that is in use is asked for again: the kernel takes a moment to take back what a
/// process that was killed had.
async fn request(lines: &Lines, pin: &SafePin) -> Result<Box<dyn OutputLine>, LineError> {
    let mut line = loop {
        match lines.request_output(&pin.pin, pin.active, pin.safe, pin.safe) {
            Err(LineError::Busy { owner, .. }) if owner.contains(super::lines::CONSUMER) => {
                tokio::time::sleep(BUSY_STEP).await;
            }
            other => break other?,
        }
    };
    // An expander may have been asked for its line without being told the level.
    line.set(pin.safe).await?;
    if line.read_back().await? == pin.safe {
        return Ok(line);
    }
    let problem = "it was driven to its safe level and does not follow: check the wiring".to_owned();
    Err(LineError::Failed { line: pin.pin.clone(), problem })
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
mod tests {
    use super::*;
    use crate::config::{HostConfig, LineNumber, OutputConfig};
    use crate::sim::SimulatedBoard;
    use gatehouse_model::{ManualClock, Timestamp};

    const LIMIT: Duration = Duration::from_secs(1);

    fn output(id: &str, line: u32, change: impl FnOnce(&mut OutputConfig)) -> DeviceConfig {
        let mut output = OutputConfig::at(LineNumber::new(line));
        change(&mut output);
        DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Output(output))
    }

    fn house() -> Vec<DeviceConfig> {
        vec![
            output("heater", 17, |_| ()),
            output("pump", 22, |output| output.active = ActiveLevel::Low),
            output("fan", 23, |output| output.safe = crate::config::Duty::FULL),
            DeviceConfig::new(
                DeviceId::new("host").unwrap(),
                "Host",
                DriverConfig::Host(HostConfig::default()),
            ),
        ]
    }

    fn board(devices: &[DeviceConfig]) -> (SimulatedBoard, Arc<dyn Board>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
        let board = SimulatedBoard::still(devices, 1, clock);
        (board.clone(), Arc::new(board))
    }

    #[tokio::test]
    async fn every_output_is_at_its_safe_voltage_afterwards() {
        let devices = house();
        let (world, board) = board(&devices);
        let lines = Lines::new(board.clone());
        for pin in devices.iter().flat_map(pins) {
            // As a daemon leaves them that was killed.
            let away = Level::from_on(!pin.safe.is_on());
            drop(lines.request_output(&pin.pin, pin.active, away, pin.safe).unwrap());
        }
        let (outcomes, held) = drive_safe(&board, &devices, LIMIT, false).await;
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
        assert!(held.is_empty());
        // A free line is shown as if high were active.
        let high = |line: u32| world.level(LineNumber::new(line)).unwrap().is_on();
        assert_eq!([high(17), high(22), high(23)], [false, true, true]);
    }

    /// One output that cannot be had does not keep the others from being safe.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_driven_is_told_and_the_rest_is_safe() {
        let devices = house();
        let (world, board) = board(&devices);
        world.set_stuck(&DeviceId::new("fan").unwrap(), true);
        let other = crate::traits::OutputRequest {
            line: LineNumber::new(17),
            active: ActiveLevel::High,
            initial: Level::Active,
            safe: Level::Inactive,
            consumer: "another program".to_owned(),
        };
        let _theirs = board.request_output(&other).unwrap();
        let (outcomes, _) = drive_safe(&board, &devices, LIMIT, false).await;
        let told: Vec<(&str, Option<&str>)> = outcomes
            .iter()
            .map(|outcome| (outcome.pin.device.as_str(), outcome.result.as_ref().err().map(String::as_str)))
            .collect();
        assert!(
            matches!(&told[..], [
            ("heater", Some(busy)), ("pump", None), ("fan", Some(stuck))
        ] if busy.contains("another program") && stuck.contains("does not follow")),
            "{told:?}"
        );
    }

    /// The kernel takes a moment to take back the lines of a process that was killed: they are asked for again.
    #[tokio::test(start_paused = true)]
    async fn lines_of_a_daemon_that_is_dying_are_waited_for() {
        let devices = vec![output("heater", 17, |_| ())];
        let (_, board) = board(&devices);
        let lines = Lines::new(board.clone());
        let pin = pins(&devices[0]).remove(0);
        let dying = lines.request_output(&pin.pin, pin.active, Level::Active, pin.safe).unwrap();
        let releasing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(dying);
        });
        let (outcomes, held) = drive_safe(&board, &devices, LIMIT, true).await;
        releasing.await.unwrap();
        assert_eq!(outcomes[0].result, Ok(Held::ByUs));
        assert_eq!(held.len(), 1);
    }

    /// A daemon that does not let go is told, and not waited for without an end.
    #[tokio::test(start_paused = true)]
    async fn a_line_that_stays_in_use_is_given_up() {
        let devices = vec![output("heater", 17, |_| ())];
        let (_, board) = board(&devices);
        let pin = pins(&devices[0]).remove(0);
        let lines = Lines::new(board.clone());
        let _alive = lines.request_output(&pin.pin, pin.active, Level::Active, pin.safe).unwrap();
        let (outcomes, _) = drive_safe(&board, &devices, LIMIT, false).await;
        assert!(outcomes[0].result.as_ref().is_err_and(|problem| problem.contains("within 1000 ms")));
    }
}
