//! Outputs driven safe without a bridge: what is left of a daemon that was killed.

use super::*;
use crate::catalogue::{Settings, find};
use crate::config::{ChipConfig, ChipPlace, HostConfig, I2cBusName, LineNumber, OutputConfig, OutputKind};
use crate::sim::SimulatedBoard;
use crate::sim::chips::Fault;
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
        DeviceConfig::new(DeviceId::new("host").unwrap(), "Host", DriverConfig::Host(HostConfig::default())),
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
    let lines = Lines::new(board.clone(), clock());
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
    let lines = Lines::new(board.clone(), clock());
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
    let lines = Lines::new(board.clone(), clock());
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
    let lines = Lines::new(board.clone(), clock());
    drop(lines.request_output(&pins(&devices[0])[0].pin, ActiveLevel::High, Level::Active, Level::Inactive));
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
    let hanging = HangingPin { inner: world.clone(), line: LineNumber::new(17), is_free: is_free.clone() };
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

fn expander(id: &str, word: &str, bus: u8) -> DeviceConfig {
    let entry = find(word).unwrap();
    let crate::catalogue::Bus::I2c { addresses } = entry.bus else { panic!("{word}") };
    let place = ChipPlace::I2c { bus: I2cBusName::Kernel(bus), address: addresses[0] };
    let settings = Settings::defaults(entry.settings);
    let chip = ChipConfig { entry, place, settings, every: entry.periods.default, interrupt: None };
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Chip(chip))
}

/// Relays at expanders are like any others, and a bus that hangs keeps neither the header nor another bus from being safe.
#[tokio::test]
async fn expanders_are_driven_safe_and_a_bus_that_hangs_keeps_nobody() {
    for word in ["mcp23017", "pcf8574", "pca9555", "pca9685"] {
        let (porch, cellar) = (DeviceId::new("porch").unwrap(), DeviceId::new("cellar").unwrap());
        let at = |device: &DeviceId, line| Pin::Expander { device: device.clone(), line };
        let devices = vec![
            expander("cellar", "mcp23017", 3),
            output("boiler", 1, |output| output.pin = at(&cellar, 1)),
            expander("porch", word, 1),
            output("lamp", 1, |output| output.pin = at(&porch, 1)),
            output("pump", 1, |output| {
                output.pin = at(&porch, 2);
                output.active = ActiveLevel::Low;
            }),
            output("heater", 17, |_| ()),
        ];
        let (world, board) = board(&devices);
        // As a daemon leaves them that was killed: everything is on, and an expander knows nothing of processes.
        let lines = Lines::new(board.clone(), clock());
        lines.follow_expanders(&devices, &Arc::new(Buses::new(board.clone())), &BTreeSet::new());
        for pin in devices.iter().flat_map(pins) {
            let asked = lines.request_output(&pin.pin, pin.active, Level::Active, Level::Inactive);
            asked.unwrap().set(Level::Active).await.unwrap();
        }
        drop(lines);
        let levels = |world: &SimulatedBoard| world.with_chip(&porch, |chip| chip.lines()).flatten();
        if word != "pca9685" {
            assert_eq!(levels(&world).unwrap() >> 1 & 0b11, 0b01, "{word}: both are on");
        }
        world.set_chip_fault(&cellar, Some(Fault::Hangs));
        // What the command gives them, so that a busy machine is no fault of theirs.
        let limit = Duration::from_secs(2);
        let (outcomes, _) = drive_safe(&board, &devices, &clock(), limit, false).await;
        world.set_chip_fault(&cellar, None);
        let told: Vec<(&str, Result<Held, ()>)> = outcomes
            .iter()
            .map(|outcome| (outcome.pin.device.as_str(), outcome.result.clone().map_err(drop)))
            .collect();
        assert_eq!(
            told,
            [
                ("heater", Ok(Held::Pulled)),
                ("boiler", Err(())),
                ("lamp", Ok(Held::Expander)),
                ("pump", Ok(Held::Expander))
            ],
            "{word}: {outcomes:?}"
        );
        if word != "pca9685" {
            assert_eq!(levels(&world).unwrap() >> 1 & 0b11, 0b10, "{word}: both are off");
        }
    }
}
