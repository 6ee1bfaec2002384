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
        | DriverConfig::Kernel(_) => Vec::new(),
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
    let lines = Lines::new(board.clone());
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
mod tests {
    use super::*;
    use crate::config::{HostConfig, LineNumber, OutputConfig, OutputKind};
    use crate::sim::SimulatedBoard;
    use crate::traits::{
        InputLine, InputRequest, Level, LineInfo, OutputLine, OutputRequest, SensorError, SensorSource,
    };
    use gatehouse_model::{ManualClock, Timestamp};
    use std::sync::{Condvar, Mutex, PoisonError};

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

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::new(Timestamp::from_millis(0)))
    }

    fn board(devices: &[DeviceConfig]) -> (SimulatedBoard, Arc<dyn Board>) {
        let board = SimulatedBoard::still(devices, 1, clock());
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
            drop(lines.request_output(&pin.pin, pin.active, away, Level::from_on(pin.safe.is_on())).unwrap());
        }
        let (outcomes, held) = drive_safe(&board, &devices, &clock(), LIMIT, false).await;
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
        let (outcomes, _) = drive_safe(&board, &devices, &clock(), LIMIT, false).await;
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
        let dying = lines.request_output(&pin.pin, pin.active, Level::Active, Level::Inactive).unwrap();
        let releasing = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(dying);
        });
        let (outcomes, held) = drive_safe(&board, &devices, &clock(), LIMIT, true).await;
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
        let _alive = lines.request_output(&pin.pin, pin.active, Level::Active, Level::Inactive).unwrap();
        let (outcomes, _) = drive_safe(&board, &devices, &clock(), LIMIT, false).await;
        assert!(outcomes[0].result.as_ref().is_err_and(|problem| problem.contains("within 1000 ms")));
    }

    /// What needs somebody who switches it is off when nobody does, and the pull is that way, too.
    #[tokio::test]
    async fn software_pwm_between_off_and_full_goes_off() {
        let dimmed = |output: &mut OutputConfig| {
            output.kind = OutputKind::Pwm { period: Duration::from_millis(20) };
            output.safe = Duty::from_share(0.3);
        };
        let devices = vec![output("heater", 17, dimmed)];
        let (world, board) = board(&devices);
        let lines = Lines::new(board.clone());
        drop(lines.request_output(
            &pins(&devices[0])[0].pin,
            ActiveLevel::High,
            Level::Active,
            Level::Inactive,
        ));
        let (outcomes, _) = drive_safe(&board, &devices, &clock(), LIMIT, false).await;
        assert!(outcomes[0].result.is_ok(), "{outcomes:?}");
        assert_eq!(outcomes[0].pin.level_words(), "off");
        assert_eq!(world.level(LineNumber::new(17)), Some(Level::Inactive));
        assert!(!header_outputs(&devices[0])[0].safe_on);
    }

    /// A board one of whose pins hangs in the kernel until it is let go.
    #[derive(Debug)]
    struct HangingPin {
        inner: SimulatedBoard,
        line: LineNumber,
        is_free: Arc<(Mutex<bool>, Condvar)>,
    }

    #[async_trait::async_trait]
    impl Board for HangingPin {
        fn name(&self) -> String {
            self.inner.name()
        }

        fn is_simulated(&self) -> bool {
            true
        }

        fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
            self.inner.lines()
        }

        fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
            self.inner.request_input(request)
        }

        fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
            if request.line == self.line {
                let (is_free, changed) = &*self.is_free;
                let held = is_free.lock().unwrap_or_else(PoisonError::into_inner);
                drop(changed.wait_while(held, |is_free| !*is_free));
            }
            self.inner.request_output(request)
        }

        fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
            self.inner.open_sensor(device)
        }
    }

    #[tokio::test]
    async fn a_pin_that_hangs_in_the_kernel_keeps_no_other_one_from_being_safe() {
        let devices = house();
        let (world, _) = board(&devices);
        let is_free = Arc::new((Mutex::new(false), Condvar::new()));
        let hanging =
            HangingPin { inner: world.clone(), line: LineNumber::new(17), is_free: is_free.clone() };
        let board: Arc<dyn Board> = Arc::new(hanging);
        let limit = Duration::from_millis(300);
        let (outcomes, _) = drive_safe(&board, &devices, &clock(), limit, false).await;
        // It is let go before anything is expected: the runtime waits for its thread.
        *is_free.0.lock().unwrap() = true;
        is_free.1.notify_all();
        let told: Vec<bool> = outcomes.iter().map(|outcome| outcome.result.is_ok()).collect();
        assert_eq!(told, [false, true, true], "{outcomes:?}");
        assert!(outcomes[0].result.as_ref().is_err_and(|problem| problem.contains("within 300 ms")));
        let high = |line: u32| world.level(LineNumber::new(line)).unwrap().is_on();
        assert_eq!([high(22), high(23)], [true, true]);
    }
}
