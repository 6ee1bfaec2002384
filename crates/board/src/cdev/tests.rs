//! The board above a kernel in memory. The board on a real one is shown by `examples/board_contract.rs` on a machine
//! with gpio-sim.

#[path = "../../tests/contract/rules.rs"]
mod rules;

use std::path::Path;

use gatehouse_model::SystemClock;

use super::fake::{FAKE_EDGES, FakeKernel};
use super::*;
use crate::traits::{Duty, Pin};

const CHIP: &str = "/dev/gpiochip0";

fn places(root: &Path) -> HostPlaces {
    HostPlaces {
        dev: root.join("dev"),
        proc: root.join("proc"),
        sys: root.join("sys"),
        data: root.to_owned(),
    }
}

/// A Pi 4 with its header's chip and one more.
fn pi(kernel: &FakeKernel, chip: Option<&str>) -> CdevBoard {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("proc/device-tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("model"), "Raspberry Pi 4 Model B Rev 1.4\0").unwrap();
    board(root.path(), kernel, chip)
}

fn board(root: &Path, kernel: &FakeKernel, chip: Option<&str>) -> CdevBoard {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    CdevBoard::with_kernel(&places(root), chip, &clock, Box::new(kernel.clone()))
}

fn kernel() -> FakeKernel {
    FakeKernel::new(&[("/dev/gpiochip2", "raspberrypi-exp-gpio", 8), (CHIP, "pinctrl-bcm2711", 58)])
}

fn output(line: u32, active: ActiveLevel, initial: Level, safe: Level) -> OutputRequest {
    OutputRequest { line: LineNumber::new(line), active, initial, safe, consumer: "gatehouse".to_owned() }
}

fn input(line: u32) -> InputRequest {
    InputRequest {
        line: LineNumber::new(line),
        pull: Pull::Up,
        active: ActiveLevel::Low,
        consumer: "gatehouse".to_owned(),
    }
}

#[test]
fn the_headers_chip_is_found_by_its_label_and_another_by_any_of_its_names() {
    let kernel = kernel();
    assert_eq!(pi(&kernel, None).chip().unwrap().label, "pinctrl-bcm2711");
    for name in ["raspberrypi-exp-gpio", "gpiochip2", "/dev/gpiochip2"] {
        assert_eq!(pi(&kernel, Some(name)).chip().unwrap().lines, 8, "{name}");
    }
    let missing = pi(&kernel, Some("gpiochip9")).chip().unwrap_err().to_string();
    assert!(missing.contains("no chip is called `gpiochip9`; there is raspberrypi-exp-gpio"), "{missing}");
}

/// A laptop has no header; a board that nobody knows has chips, and is told how to name one.
#[test]
fn a_machine_without_a_header_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let none = board(root.path(), &FakeKernel::new(&[]), None);
    let problem = none.lines().unwrap_err();
    assert!(
        matches!(&problem, LineError::NoLines(text) if text.contains("shows no line chips")),
        "{problem}"
    );
    let other = board(root.path(), &FakeKernel::new(&[(CHIP, "INT34C5:00", 300)]), None);
    let problem = other.request_input(&input(4)).err().unwrap().to_string();
    assert!(problem.contains("[board] chip") && problem.contains("INT34C5:00"), "{problem}");
    let forbidden = FakeKernel::new(&[]);
    forbidden.machine().refusal =
        Some(KernelError { kind: Refusal::Forbidden, words: "Permission denied".to_owned() });
    let problem = board(root.path(), &forbidden, None).lines().unwrap_err().to_string();
    assert!(problem.contains("group `gpio`"), "{problem}");
}

#[tokio::test]
async fn a_line_of_somebody_else_is_never_requested() {
    let kernel = kernel();
    let board = pi(&kernel, None);
    kernel.occupy(CHIP, 17, "lirc");
    kernel.occupy(CHIP, 4, "");
    let busy = |line: u32, owner: &str| LineError::Busy {
        line: Pin::from(LineNumber::new(line)),
        owner: owner.to_owned(),
    };
    assert_eq!(board.request_input(&input(17)).err(), Some(busy(17, "`lirc`")));
    let wish = output(4, ActiveLevel::High, Level::Inactive, Level::Inactive);
    assert_eq!(board.request_output(&wish).err(), Some(busy(4, "the kernel")));
    let far = output(58, ActiveLevel::High, Level::Inactive, Level::Inactive);
    assert_eq!(board.request_output(&far).err(), Some(LineError::NoSuchLine(LineNumber::new(58).into())));
    assert_eq!(kernel.machine().log, Vec::<String>::new(), "the kernel was asked for no line");
    let listed = board.lines().unwrap();
    assert_eq!(listed[17].consumer.as_deref(), Some("lirc"));
    assert_eq!(listed[4].consumer.as_deref(), Some("the kernel"));
    assert_eq!(listed[5].consumer, None);
}

/// Whatever the kernel does with an output that is let go: the pin is at its safe level then, with nobody holding it.
#[tokio::test]
async fn an_output_that_is_let_go_while_safe_stays_safe_on_both_kinds_of_kernel() {
    for keeps_outputs in [true, false] {
        for active in [ActiveLevel::High, ActiveLevel::Low] {
            for safe in [Level::Inactive, Level::Active] {
                let kernel = kernel();
                kernel.machine().keeps_outputs = keeps_outputs;
                let board = pi(&kernel, None);
                let away = Level::from_on(!safe.is_on());
                let mut line = board.request_output(&output(17, active, away, safe)).unwrap();
                let safe_high = safe.is_on() == (active == ActiveLevel::High);
                assert_eq!(kernel.is_high(CHIP, 17), !safe_high);
                if keeps_outputs {
                    line.set(safe).await.unwrap();
                }
                // Where the kernel makes it an input again, the pull alone takes it to its safe level: nobody set it.
                drop(line);
                assert_eq!(kernel.is_high(CHIP, 17), safe_high, "{keeps_outputs} {active:?} {safe:?}");
            }
        }
    }
}

#[tokio::test]
async fn edges_that_the_kernel_dropped_are_counted() {
    let kernel = kernel();
    let board = pi(&kernel, None);
    let mut line = board.request_input(&input(4)).unwrap();
    assert_eq!(line.level().await, Ok(Level::Inactive), "held up, and on when low");
    let count = FAKE_EDGES as u32 + 10;
    for number in 0..count {
        kernel.drive(CHIP, 4, number % 2 == 1);
    }
    let first = line.next_edge().await.unwrap();
    assert_eq!(first.missed, 10);
    let mut edges = vec![first];
    for _ in 1..FAKE_EDGES {
        edges.push(line.next_edge().await.unwrap());
    }
    assert!(edges[1..].iter().all(|edge| edge.missed == 0));
    for pair in edges.windows(2) {
        assert_eq!(pair[1].at.saturating_since(pair[0].at), std::time::Duration::from_millis(1));
        assert_ne!(pair[1].level, pair[0].level);
    }
}

#[tokio::test]
async fn an_input_that_is_given_back_begins_anew() {
    let kernel = kernel();
    let board = pi(&kernel, None);
    let mut line = board.request_input(&input(4)).unwrap();
    kernel.drive(CHIP, 4, false);
    assert_eq!(line.next_edge().await.unwrap().level, Level::Active);
    drop(line);
    let mut again = board.request_input(&input(4)).unwrap();
    kernel.drive(CHIP, 4, true);
    assert_eq!(again.next_edge().await.unwrap().missed, 0);
}

#[test]
fn a_long_name_is_cut_where_the_kernel_would_cut_it() {
    assert_eq!(consumer("gatehouse"), "gatehouse");
    assert_eq!(consumer(&"ñ".repeat(31)).len(), 30, "a character is not cut in two");
}

/// What `gatehouse safe-outputs` does with PWM: the hardware keeps its pin, at the duty that is safe, instead of losing it to
/// a plain output, which would leave the lamp dead until the machine starts again.
#[tokio::test]
async fn pwm_hardware_is_made_safe_by_its_duty_and_keeps_its_pin() {
    use crate::bridge::safe::{Held, drive_safe};
    use crate::config::{DEFAULT_SERVO_PULSES, DriverConfig, OutputConfig, OutputKind};
    use std::time::Duration;

    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("proc/device-tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("model"), "Raspberry Pi 4 Model B Rev 1.4\0").unwrap();
    let device = root.path().join("devices/fe20c000.pwm");
    std::fs::create_dir_all(&device).unwrap();
    let chip = root.path().join("sys/class/pwm/pwmchip0");
    for channel in 0..2 {
        let channel = chip.join(format!("pwm{channel}"));
        std::fs::create_dir_all(&channel).unwrap();
        // As a daemon leaves them that was killed.
        for (file, text) in [("enable", "1"), ("period", "20000000"), ("duty_cycle", "19000000")] {
            std::fs::write(channel.join(file), text).unwrap();
        }
    }
    std::os::unix::fs::symlink(&device, chip.join("device")).unwrap();
    let output = |id: &str, line, kind, safe| {
        let output = OutputConfig { kind, safe, ..OutputConfig::at(LineNumber::new(line)) };
        DeviceConfig::new(gatehouse_model::DeviceId::new(id).unwrap(), id, DriverConfig::Output(output))
    };
    let servo = OutputKind::Servo { angles: (0.0, 180.0), pulses: DEFAULT_SERVO_PULSES };
    let devices = [
        output("lamp", 12, OutputKind::Pwm { period: Duration::from_millis(2) }, Duty::from_share(0.25)),
        output("valve", 13, servo, Duty::from_share(0.5)),
    ];
    let kernel = kernel();
    let board: Arc<dyn Board> = Arc::new(board(root.path(), &kernel, None));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (outcomes, _) = drive_safe(&board, &devices, &clock, Duration::from_secs(10), false).await;
    let told: Vec<_> =
        outcomes.iter().map(|outcome| (outcome.pin.level_words(), outcome.result.clone())).collect();
    assert_eq!(told, [("25 %".to_owned(), Ok(Held::Signal)), ("90°".to_owned(), Ok(Held::Signal))]);
    let value = |file: &str| std::fs::read_to_string(chip.join(file)).unwrap();
    assert_eq!([value("pwm0/period"), value("pwm0/duty_cycle")], ["2000000", "500000"]);
    assert_eq!([value("pwm1/period"), value("pwm1/duty_cycle")], ["20000000", "1500000"]);
    assert_eq!(kernel.machine().log, Vec::<String>::new(), "no plain line was asked for");
}

/// The rules of every backend, on both kinds of kernel.
#[tokio::test]
async fn the_board_keeps_the_contract() {
    for keeps_outputs in [true, false] {
        let kernel = kernel();
        kernel.machine().keeps_outputs = keeps_outputs;
        let (world, outside) = (kernel.clone(), kernel.clone());
        let bench = rules::Bench {
            board: Arc::new(pi(&kernel, None)),
            input: LineNumber::new(4),
            output: LineNumber::new(5),
            missing: LineNumber::new(58),
            drive: Box::new(move |is_high| world.drive(CHIP, 4, is_high)),
            seen: Some(Box::new(move || outside.is_high(CHIP, 5))),
        };
        rules::all(&bench, |_| ()).await;
    }
}

/// The voltage is known of what is held here, follows its edges, and is forgotten with it.
#[tokio::test]
async fn the_voltage_of_our_own_lines_is_known_and_of_no_other() {
    let kernel = kernel();
    let board = pi(&kernel, None);
    let seen = |line: usize| board.lines().unwrap()[line].is_high;
    assert_eq!((seen(17), seen(22)), (None, None));
    let mut door = board.request_input(&input(17)).unwrap();
    let mut relay =
        board.request_output(&output(22, ActiveLevel::Low, Level::Inactive, Level::Inactive)).unwrap();
    assert_eq!((seen(17), seen(22), seen(4)), (Some(true), Some(true), None), "pulled up; off is high");
    assert_eq!(board.lines().unwrap()[17].pull, Some(Pull::Up));
    kernel.drive(CHIP, 17, false);
    door.next_edge().await.unwrap();
    relay.set(Level::Active).await.unwrap();
    assert_eq!((seen(17), seen(22)), (Some(false), Some(false)));
    drop((door, relay));
    assert_eq!((seen(17), seen(22)), (None, None));
}

/// Between two processes somebody else has the descriptor: the line is driven all the while, and requested once.
#[tokio::test]
async fn an_output_that_is_given_away_stays_driven_until_the_next_process_has_it() {
    let kernel = kernel();
    kernel.machine().keeps_outputs = false;
    let before = pi(&kernel, None);
    let line = LineNumber::new(17);
    let relay = output(17, ActiveLevel::Low, Level::Active, Level::Inactive);
    let driven = before.request_output(&relay).unwrap();
    let descriptor = before.lend_output(line).unwrap();
    assert!(before.lend_output(LineNumber::new(18)).is_none(), "nobody drives it");
    drop(driven);
    drop(before);
    assert!(!kernel.is_high(CHIP, 17), "it is on, with a kernel that makes free outputs inputs");
    let after = pi(&kernel, None);
    assert!(after.request_output(&relay).is_err(), "somebody has it");
    let requests = kernel.machine().log.len();
    after.take_over_output(line, ActiveLevel::Low, descriptor).unwrap();
    let mut driven = after.request_output(&relay).unwrap();
    assert_eq!(kernel.machine().log[requests..], ["taken over 17"]);
    assert_eq!(driven.read_back().await, Ok(Level::Active));
    driven.set(Level::Inactive).await.unwrap();
    assert!(kernel.is_high(CHIP, 17));
    drop(driven);
    assert!(after.lend_output(line).is_none(), "nobody drives it any more");
    assert!(after.request_output(&relay).is_ok(), "and it can be had again");
}

/// A board without the chip takes nothing over: whoever asked has the descriptor, and can drive it safe.
#[test]
fn what_belongs_to_another_chip_is_not_taken_over() {
    let kernel = kernel();
    let before = pi(&kernel, None);
    let driven =
        before.request_output(&output(17, ActiveLevel::High, Level::Active, Level::Inactive)).unwrap();
    let descriptor = before.lend_output(LineNumber::new(17)).unwrap();
    drop(driven);
    let mistyped = pi(&kernel, Some("pinctrl-bcm2712"));
    assert!(mistyped.take_over_output(LineNumber::new(17), ActiveLevel::High, descriptor).is_err());
    let other = pi(&kernel, Some("raspberrypi-exp-gpio"));
    assert_eq!(mistyped.chip_name(), None);
    assert_ne!(other.chip_name(), before.chip_name());
    assert_eq!(pi(&kernel, None).chip_name(), before.chip_name(), "it is told the same each time");
}
