//! Expanders that lose their supply, vanish and come back.

use super::*;
use crate::bridge::lines::Lines;
use crate::catalogue::{Bus, Settings, find};
use crate::config::{ActiveLevel, ChipConfig, ChipPlace, I2cBusName, LineNumber, Pin};
use crate::sim::SimulatedBoard;
use crate::sim::chips::Fault;
use crate::traits::{InputLine, Level, LineError, OutputLine, SpiPlace};
use embedded_hal::i2c::Operation;
use gatehouse_model::{ManualClock, Timestamp};

#[path = "expander_boards.rs"]
mod boards;
#[path = "expander_glitches.rs"]
mod glitches;

struct Bench {
    board: SimulatedBoard,
    lines: Lines,
    devices: [DeviceConfig; 1],
}

fn id() -> DeviceId {
    DeviceId::new("porch").unwrap()
}

fn pin(line: u8) -> Pin {
    Pin::Expander { device: id(), line }
}

/// Where the interrupt output is wired to, on a bench that has it.
const INTERRUPT: LineNumber = LineNumber::new(4);

fn bench(word: &str) -> Bench {
    bench_with(word, false)
}

fn bench_with(word: &str, interrupts: bool) -> Bench {
    bench_of(word, interrupts, |_| {})
}

fn bench_of(word: &str, interrupts: bool, set: impl FnOnce(&mut Settings)) -> Bench {
    let entry = find(word).unwrap();
    let place = match entry.bus {
        Bus::I2c { addresses } => ChipPlace::I2c { bus: I2cBusName::Kernel(1), address: addresses[0] },
        Bus::Spi { .. } => ChipPlace::Spi(SpiPlace { bus: 0, select: 0 }),
        Bus::Serial { .. } => panic!(),
    };
    let mut settings = Settings::defaults(entry.settings);
    set(&mut settings);
    let interrupt = interrupts.then_some(Pin::Header(INTERRUPT));
    let chip = ChipConfig { entry, place, settings, every: entry.periods.default, interrupt };
    let devices = [DeviceConfig::new(id(), "Porch", DriverConfig::Chip(chip))];
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let simulated = SimulatedBoard::still(&devices, 1, clock.clone());
    let board: Arc<dyn Board> = Arc::new(simulated.clone());
    let lines = Lines::new(board.clone(), clock);
    lines.follow_expanders(&devices, &Arc::new(Buses::new(board)), &BTreeSet::new());
    Bench { board: simulated, lines, devices }
}

impl Bench {
    fn output(
        &self,
        line: u8,
        active: ActiveLevel,
        initial: Level,
    ) -> Result<Box<dyn OutputLine>, LineError> {
        self.lines.request_output(&pin(line), active, initial, initial)
    }

    async fn input(&self, line: u8) -> Box<dyn InputLine> {
        self.lines.request_input(&pin(line), ActiveLevel::Low, Pull::Up).unwrap()
    }

    fn expander(&self) -> Arc<Expander> {
        self.lines.expander_of(&id()).unwrap()
    }

    /// The voltage at a line.
    fn is_high(&self, line: u8) -> bool {
        self.board.with_chip(&id(), |chip| chip.lines()).flatten().unwrap() >> line & 1 == 1
    }

    /// Another program writes to the chip.
    fn meddle(&self, bytes: &[u8]) {
        let DriverConfig::Chip(ChipConfig { place: ChipPlace::I2c { address, .. }, .. }) =
            self.devices[0].driver
        else {
            panic!()
        };
        let mut bus = self.board.open_i2c(1).unwrap();
        bus.transfer(address, &mut [Operation::Write(bytes)]).unwrap();
    }

    fn cut_power(&self) {
        self.board.with_chip(&id(), |chip| chip.lose_power()).unwrap();
    }
}

const WORDS: [&str; 6] = ["mcp23008", "mcp23017", "mcp23s17", "pca9555", "pcf8574", "pcf8575"];

#[tokio::test]
async fn outputs_do_what_they_are_told_and_are_read_at_the_pin() {
    for word in WORDS {
        let bench = bench(word);
        let mut relay = bench.output(3, ActiveLevel::Low, Level::Inactive).unwrap();
        assert_eq!(relay.read_back().await, Ok(Level::Inactive), "{word}");
        assert!(bench.is_high(3), "{word}: an active-low relay is off when its line is high");
        relay.set(Level::Active).await.unwrap();
        assert!(!bench.is_high(3), "{word}");
        assert_eq!(relay.read_back().await, Ok(Level::Active), "{word}");
        let Err(error) = bench.output(16, ActiveLevel::Low, Level::Inactive) else {
            panic!("{word} has a line 16")
        };
        assert_eq!(error.to_string(), "there is no line 16 of `porch` here: choose another pin");
    }
}

#[tokio::test]
async fn an_output_that_is_held_from_outside_does_not_pretend() {
    // A PCF8574's high level is weak: a short to ground wins, and the read-back says so.
    let bench = bench("pcf8574");
    let mut lamp = bench.output(0, ActiveLevel::High, Level::Active).unwrap();
    bench.board.with_chip(&id(), |chip| chip.drive_from_outside(0, Some(false)));
    assert_eq!(lamp.read_back().await, Ok(Level::Inactive));
}

#[tokio::test]
async fn an_expander_that_lost_its_supply_gets_the_levels_that_are_wanted() {
    for word in WORDS {
        let bench = bench(word);
        let mut relay = bench.output(2, ActiveLevel::High, Level::Inactive).unwrap();
        let mut other = bench.output(5, ActiveLevel::High, Level::Active).unwrap();
        relay.read_back().await.unwrap();
        other.read_back().await.unwrap();
        bench.cut_power();
        bench.expander().check().await.unwrap();
        assert!(!bench.is_high(2) && bench.is_high(5), "{word}");
        // A command on one line finds the loss of the others by itself.
        relay.set(Level::Active).await.unwrap();
        bench.cut_power();
        relay.set(Level::Inactive).await.unwrap();
        assert!(!bench.is_high(2) && bench.is_high(5), "{word}");
    }
}

#[tokio::test]
async fn what_was_wanted_before_an_expander_vanished_is_forgotten_when_something_else_is_wanted() {
    for word in WORDS {
        let bench = bench(word);
        let mut heater = bench.output(1, ActiveLevel::High, Level::Inactive).unwrap();
        heater.set(Level::Active).await.unwrap();
        bench.board.set_chip_fault(&id(), Some(Fault::Vanished));
        let error = heater.set(Level::Inactive).await.unwrap_err().to_string();
        assert!(error.contains("line 1 of `porch`") && error.contains("check power and wiring"), "{error}");
        assert!(bench.expander().check().await.is_err());
        bench.cut_power();
        bench.board.set_chip_fault(&id(), None);
        bench.expander().check().await.unwrap();
        assert!(!bench.is_high(1), "{word}: the heater was to be off when its expander came back");
    }
}

#[tokio::test]
async fn one_disturbed_transfer_is_not_worth_a_word() {
    let bench = bench("mcp23017");
    let mut relay = bench.output(0, ActiveLevel::High, Level::Inactive).unwrap();
    relay.read_back().await.unwrap();
    bench.board.set_chip_fault(&id(), Some(Fault::Refuses(1)));
    relay.set(Level::Active).await.unwrap();
    assert!(bench.is_high(0));
}

#[tokio::test]
async fn inputs_have_edges_and_are_gone_with_their_expander() {
    for word in WORDS {
        let bench = bench(word);
        let outside = |is_high| {
            bench.board.with_chip(&id(), |chip| chip.drive_from_outside(4, Some(is_high))).unwrap();
        };
        outside(true);
        let mut contact = bench.input(4).await;
        assert_eq!(contact.level().await, Ok(Level::Inactive), "{word}");
        let at = |milliseconds| Moment::from_start(Duration::from_millis(milliseconds));
        bench.expander().poll(at(1)).await.unwrap();
        outside(false);
        bench.expander().poll(at(2)).await.unwrap();
        assert_eq!(
            contact.next_edge().await,
            Ok(Edge { level: Level::Active, at: at(2), missed: 0 }),
            "{word}"
        );
        bench.board.set_chip_fault(&id(), Some(Fault::Vanished));
        assert!(bench.expander().poll(at(3)).await.is_err());
        assert_eq!(contact.next_edge().await, Err(LineError::Gone(pin(4))), "{word}");
    }
}

#[tokio::test]
async fn a_change_between_the_first_level_and_the_first_poll_is_not_lost() {
    let bench = bench("mcp23017");
    let mut contact = bench.input(4).await;
    assert_eq!(contact.level().await, Ok(Level::Inactive), "its pull-up holds it high");
    bench.board.with_chip(&id(), |chip| chip.drive_from_outside(4, Some(false))).unwrap();
    let at = Moment::from_start(Duration::from_millis(1));
    bench.expander().poll(at).await.unwrap();
    let edge = tokio::time::timeout(Duration::from_secs(5), contact.next_edge()).await.unwrap();
    assert_eq!(edge, Ok(Edge { level: Level::Active, at, missed: 0 }));
}

#[tokio::test]
async fn a_pull_that_a_chip_does_not_have_is_refused_and_disturbs_nobody() {
    let bench = bench("mcp23017");
    let mut relay = bench.output(0, ActiveLevel::High, Level::Active).unwrap();
    let mut input = bench.lines.request_input(&pin(1), ActiveLevel::Low, Pull::Down).unwrap();
    let error = input.level().await.unwrap_err().to_string();
    assert!(error.contains("no pull-down"), "{error}");
    assert_eq!(relay.read_back().await, Ok(Level::Active));
}

#[tokio::test]
async fn pwm_outputs_have_a_duty_and_can_be_switched() {
    let bench = bench("pca9685");
    let half = Duty::from_ten_thousandths(5_000);
    let mut lamp = bench.lines.open_pwm(&pin(15), ActiveLevel::High, Duration::from_millis(5), half).unwrap();
    assert_eq!(lamp.read_back().await, Ok(half));
    for share in [0, 1, 2_500, 9_999, 10_000] {
        let duty = Duty::from_ten_thousandths(share);
        lamp.set(duty).await.unwrap();
        let read = lamp.read_back().await.unwrap();
        assert!(read.ten_thousandths().abs_diff(share) <= 2, "{share}: {read:?}");
    }
    let mut relay = bench.output(0, ActiveLevel::High, Level::Active).unwrap();
    assert_eq!(relay.read_back().await, Ok(Level::Active));
    bench.cut_power();
    bench.expander().check().await.unwrap();
    assert_eq!(relay.read_back().await, Ok(Level::Active));
    assert_eq!(lamp.read_back().await, Ok(Duty::FULL));
}

/// The interrupt line as the header sees it.
fn is_told(bench: &Bench) -> bool {
    !bench.board.level(INTERRUPT).unwrap().is_on()
}

#[tokio::test]
async fn an_input_that_changes_pulls_the_interrupt_line_until_it_is_read() {
    for word in WORDS {
        let bench = bench_with(word, true);
        let outside = |line, is_high| {
            bench.board.with_chip(&id(), |chip| chip.drive_from_outside(line, Some(is_high))).unwrap();
        };
        let last = if word.ends_with("08") || word.ends_with("74") { 7 } else { 15 };
        outside(0, true);
        outside(last, true);
        let (mut first, mut other) = (bench.input(0).await, bench.input(last).await);
        assert_eq!((first.level().await, other.level().await), (Ok(Level::Inactive), Ok(Level::Inactive)));
        assert!(!is_told(&bench), "{word}: nothing has changed since");
        // The line is wired to the interrupt output of the first port, and hears of the second one as well.
        outside(last, false);
        assert!(is_told(&bench), "{word}");
        let at = Moment::from_start(Duration::from_millis(7));
        bench.expander().poll(at).await.unwrap();
        assert!(!is_told(&bench), "{word}: it was read");
        assert_eq!(other.next_edge().await, Ok(Edge { level: Level::Active, at, missed: 0 }), "{word}");
        outside(0, false);
        assert!(is_told(&bench), "{word}: the next change is told again");
    }
}

#[tokio::test]
async fn an_output_does_not_interrupt() {
    for word in WORDS {
        let bench = bench_with(word, true);
        let mut relay = bench.output(3, ActiveLevel::Low, Level::Inactive).unwrap();
        for level in [Level::Inactive, Level::Active, Level::Inactive] {
            relay.set(level).await.unwrap();
            assert!(!is_told(&bench), "{word}");
        }
    }
}

/// A command reads the chip back, which takes its interrupt back, and writing a PCF8574 does that as well: what an input
/// did meanwhile must not be lost with it.
#[tokio::test]
async fn a_change_that_is_seen_by_the_reading_of_a_command_is_told() {
    for word in WORDS {
        let bench = bench_with(word, true);
        let mut relay = bench.output(1, ActiveLevel::High, Level::Inactive).unwrap();
        relay.read_back().await.unwrap();
        bench.board.with_chip(&id(), |chip| chip.drive_from_outside(6, Some(true))).unwrap();
        let mut contact = bench.input(6).await;
        assert_eq!(contact.level().await, Ok(Level::Inactive), "{word}");
        bench.board.with_chip(&id(), |chip| chip.drive_from_outside(6, Some(false))).unwrap();
        relay.set(Level::Active).await.unwrap();
        assert!(!is_told(&bench), "{word}: the interrupt is gone");
        let edge = tokio::time::timeout(Duration::from_secs(5), contact.next_edge()).await.unwrap();
        assert_eq!(edge.map(|edge| edge.level), Ok(Level::Active), "{word}");
    }
}

/// An MCP23017 keeps what a line was when it told of it: a pulse that was over before the chip was read is seen.
#[tokio::test]
async fn a_short_pulse_is_seen_where_the_chip_keeps_it() {
    for word in ["mcp23008", "mcp23017", "mcp23s17"] {
        let bench = bench_with(word, true);
        bench.board.with_chip(&id(), |chip| chip.drive_from_outside(5, Some(true))).unwrap();
        let mut contact = bench.input(5).await;
        contact.level().await.unwrap();
        for is_high in [false, true] {
            bench.board.with_chip(&id(), |chip| chip.drive_from_outside(5, Some(is_high))).unwrap();
        }
        let at = Moment::from_start(Duration::from_millis(3));
        bench.expander().poll(at).await.unwrap();
        assert_eq!(contact.next_edge().await, Ok(Edge { level: Level::Active, at, missed: 0 }), "{word}");
        assert_eq!(contact.next_edge().await.map(|edge| edge.level), Ok(Level::Inactive), "{word}");
    }
}

/// The supply was cut: the chip has forgotten that it is to tell its changes.
#[tokio::test]
async fn an_expander_that_lost_its_supply_tells_its_changes_again() {
    for word in WORDS {
        let bench = bench_with(word, true);
        bench.board.with_chip(&id(), |chip| chip.drive_from_outside(5, Some(true))).unwrap();
        let mut contact = bench.input(5).await;
        contact.level().await.unwrap();
        bench.cut_power();
        bench.expander().check().await.unwrap();
        bench.board.with_chip(&id(), |chip| chip.drive_from_outside(5, Some(false))).unwrap();
        assert!(is_told(&bench), "{word}");
    }
}

/// An expander whose owner does what the test does with the requests.
fn expander_served_by(
    is_simulated: bool,
    serve: impl FnOnce(std::sync::mpsc::Receiver<Job>) + Send + 'static,
) -> Expander {
    let (jobs, asked) = sync_channel(MAX_WAITING);
    std::thread::spawn(move || serve(asked));
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(0)));
    let (wanted, watchers) = (Arc::default(), Arc::default());
    Expander { lines: 8, wanted, jobs, watchers, is_pwm: false, is_simulated, clock, tenure: Arc::default() }
}

/// Each request held a thread of the pool for as long as the chip took: a bus that hung, with an expander's 16 outputs on
/// it, kept threads from those who had work for them.
#[test]
fn a_request_takes_no_thread_of_the_pool() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).max_blocking_threads(1).enable_all().build().unwrap();
    let (end, ended) = sync_channel::<()>(0);
    runtime.spawn_blocking(move || ended.recv());
    let expander = expander_served_by(false, |asked| {
        for job in asked {
            let _ = job.answer.send(Ok(Said::Levels(0x5A)));
        }
    });
    let levels = runtime.block_on(async { timeout(Duration::from_secs(30), expander.levels()).await });
    assert_eq!(levels, Ok(Ok(0x5A)), "the only thread of the pool is taken, and not needed");
    drop(end);
}

/// A simulated chip takes no time, however long the machine takes for it.
#[tokio::test(start_paused = true)]
async fn simulated_time_waits_for_a_chips_thread() {
    let (_never, busy) = sync_channel::<()>(0);
    let expander = expander_served_by(true, move |asked| {
        for job in asked {
            // What a chip's thread takes in real time; nobody ends it sooner.
            let _ = busy.recv_timeout(Duration::from_millis(50));
            let _ = job.answer.send(Ok(Said::Levels(0x5A)));
        }
    });
    assert_eq!(expander.levels().await, Ok(0x5A), "its limit of three seconds did not pass");
}

#[tokio::test(start_paused = true)]
async fn an_expander_that_does_not_answer_is_late_and_one_that_ended_says_so() {
    let (end, ended) = sync_channel::<()>(0);
    let silent = expander_served_by(false, move |asked| {
        let _waiting = asked;
        let _ = ended.recv();
    });
    assert_eq!(silent.levels().await, Err("it did not answer within 3 s".to_owned()));
    drop(end);
    let dead = expander_served_by(true, |asked| drop(asked.recv()));
    assert!(dead.levels().await.unwrap_err().contains("has ended"));
}

/// Nothing ever wrote the second mode register of a PCA9685: with what another program had left there, each output that
/// was off was on, and the read-back saw nothing of it.
#[tokio::test]
async fn outputs_that_another_program_inverted_are_as_they_are_wanted() {
    const MODE2: u8 = 0x01;
    // INVRT; INVRT with push-pull outputs; open drains.
    for left in [0x10, 0x14, 0x00] {
        let bench = bench("pca9685");
        bench.meddle(&[MODE2, left]);
        let mut heater = bench.output(3, ActiveLevel::High, Level::Inactive).unwrap();
        let mut pump = bench.output(9, ActiveLevel::High, Level::Active).unwrap();
        heater.read_back().await.unwrap();
        pump.read_back().await.unwrap();
        assert!(!bench.is_high(3) && bench.is_high(9), "0x{left:02x} at the start");
        bench.meddle(&[MODE2, left]);
        bench.expander().check().await.unwrap();
        assert!(!bench.is_high(3) && bench.is_high(9), "0x{left:02x} while it runs");
    }
}

/// An expander's settings changed while the gateway ran, and the thread that had owned it still had to look at it. It found
/// a relay off that it knew as on, took that for a cut of the supply and switched the relay on again.
#[tokio::test]
async fn who_owned_an_expander_before_sets_nothing_back_over_its_successor() {
    let bench = bench("mcp23017");
    let mut heater = bench.output(1, ActiveLevel::High, Level::Active).unwrap();
    assert_eq!(heater.read_back().await, Ok(Level::Active));
    let old = bench.expander();
    // Nobody waits for the answers any more when the tasks are gone that asked for them.
    let looks: Vec<_> = (0..MAX_WAITING).map(|_| old.look_later()).collect();
    drop((heater, old));
    let buses = Arc::new(Buses::new(Arc::new(bench.board.clone())));
    bench.lines.follow_expanders(&bench.devices, &buses, &BTreeSet::new());
    let mut heater = bench.output(1, ActiveLevel::High, Level::Inactive).unwrap();
    assert_eq!(heater.read_back().await, Ok(Level::Inactive));
    for look in looks {
        // Done or not: after this it does nothing any more.
        let _ = look.await;
    }
    assert!(!bench.is_high(1), "the heater was switched on again by the past");
}
