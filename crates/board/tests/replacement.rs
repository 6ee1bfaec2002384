//! Outputs that are held while one release of the gateway takes the place of another, through the whole bridge. The lines are
//! simulated; that the kernel keeps a real one is shown by `scripts/virtual-pi virt-amd64 hold`.

#[cfg(test)]
#[expect(dead_code, reason = "each test file uses the part of the harness that it needs")]
mod harness;

#[cfg(test)]
mod replacement {
    use std::collections::BTreeSet;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use gatehouse_board::config::{ActiveLevel, DeviceConfig, DriverConfig, InputConfig, LineNumber};
    use gatehouse_board::held::{HeldOutput, Holder, Line, ReturnedOutput};
    use gatehouse_board::memory::Memory;
    use gatehouse_board::sim::SimulatedBoard;
    use gatehouse_board::traits::{
        Board, InputLine, InputRequest, Level, LineError, LineInfo, OutputLine, OutputRequest, SensorError,
        SensorSource,
    };
    use gatehouse_model::DeviceId;

    use crate::harness::{House, output, paused_clock};

    const SECOND: Duration = Duration::from_secs(1);

    /// Who has a line that was held, besides the bridge: it is free once both have let go of it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum User {
        Holder,
        /// The gateway that took it back.
        Gateway,
    }

    /// The lines that were held and are not free.
    type Users = Arc<Mutex<BTreeSet<(u32, User)>>>;

    /// The simulated board, whose outputs can be given away. It notes what it was driven to, and what it took over.
    #[derive(Debug)]
    struct Lending {
        board: SimulatedBoard,
        noted: Arc<Mutex<Vec<String>>>,
        users: Users,
    }

    impl Lending {
        fn free(&self, line: LineNumber) -> Result<(), LineError> {
            let is_used = self.users.lock().unwrap().iter().any(|(used, _)| *used == line.number());
            if is_used {
                Err(LineError::Busy { line: line.into(), owner: "`gatehouse`".to_owned() })
            } else {
                Ok(())
            }
        }
    }

    fn descriptor() -> OwnedFd {
        UnixStream::pair().unwrap().0.into()
    }

    #[async_trait]
    impl Board for Lending {
        fn name(&self) -> String {
            self.board.name()
        }

        fn is_simulated(&self) -> bool {
            true
        }

        fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
            self.board.lines()
        }

        fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
            self.free(request.line)?;
            self.board.request_input(request)
        }

        fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
            self.free(request.line)?;
            let initial = if request.initial.is_on() { "on" } else { "off" };
            self.noted.lock().unwrap().push(format!("{} requested {initial}", request.line.number()));
            self.board.request_output(request)
        }

        fn lend_output(&self, _line: LineNumber) -> Option<OwnedFd> {
            Some(descriptor())
        }

        fn chip_name(&self) -> Option<String> {
            Some("chip".to_owned())
        }

        fn take_over_output(
            &self,
            line: LineNumber,
            _active: ActiveLevel,
            _descriptor: OwnedFd,
        ) -> Result<(), OwnedFd> {
            self.noted.lock().unwrap().push(format!("{} taken over", line.number()));
            self.users.lock().unwrap().retain(|(used, _)| *used != line.number());
            Ok(())
        }

        fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
            self.board.open_sensor(device)
        }
    }

    /// The line that was held, which notes what it is driven to.
    #[derive(Debug)]
    struct Wire {
        board: SimulatedBoard,
        line: LineNumber,
        noted: Arc<Mutex<Vec<String>>>,
        users: Users,
        is_broken: bool,
    }

    impl Drop for Wire {
        fn drop(&mut self) {
            self.users.lock().unwrap().remove(&(self.line.number(), User::Gateway));
        }
    }

    impl Line for Wire {
        fn set(&self, on: bool) -> std::io::Result<()> {
            if self.is_broken {
                return Err(std::io::Error::other("it does not answer"));
            }
            self.noted.lock().unwrap().push(format!("{} let go {on}", self.line.number()));
            let request = OutputRequest {
                line: self.line,
                active: ActiveLevel::High,
                initial: Level::from_on(on),
                safe: Level::Inactive,
                consumer: "the holder".to_owned(),
            };
            drop(self.board.request_output(&request).unwrap());
            Ok(())
        }

        fn is_on(&self) -> std::io::Result<bool> {
            Ok(true)
        }

        fn descriptor(&self) -> std::io::Result<OwnedFd> {
            Ok(descriptor())
        }
    }

    /// Takes what it is given, or refuses it.
    #[derive(Debug, Default)]
    struct Taker {
        is_absent: bool,
        refuses: bool,
        hangs: bool,
        taken: Mutex<Vec<HeldOutput>>,
        was_let_go: AtomicBool,
        users: Users,
    }

    impl Holder for Taker {
        fn is_there(&self) -> bool {
            !self.is_absent
        }

        fn hold(&self, outputs: Vec<(HeldOutput, OwnedFd)>) -> Result<(), String> {
            if self.refuses {
                return Err("it has its hands full".to_owned());
            }
            if self.hangs {
                // Longer than anybody waits for it; it is let go when the test ends.
                let (_never, waiting) = std::sync::mpsc::channel::<()>();
                let _ = waiting.recv_timeout(Duration::from_secs(2));
            }
            self.taken.lock().unwrap().extend(outputs.into_iter().map(|(output, _)| output));
            Ok(())
        }

        fn let_go(&self) {
            self.was_let_go.store(true, Ordering::SeqCst);
            let (_never, waiting) = std::sync::mpsc::channel::<()>();
            let _ = waiting.recv_timeout(Duration::from_millis(50));
            self.users.lock().unwrap().retain(|(_, user)| *user != User::Holder);
        }
    }

    /// What is different when the gateway is back.
    type Change = fn(&mut HeldOutput);

    fn lamp(id: &str, line: u32, holds: bool) -> DeviceConfig {
        output(id, line, |output| output.holds_over_upgrade = holds)
    }

    /// A lamp that is to be held, and a boiler that is not.
    fn devices() -> Vec<DeviceConfig> {
        vec![lamp("lamp", 5, true), lamp("boiler", 6, false)]
    }

    struct Wired {
        board: SimulatedBoard,
        noted: Arc<Mutex<Vec<String>>>,
        memory: Memory,
        users: Users,
    }

    impl Wired {
        fn new() -> Self {
            let clock = paused_clock();
            let board = SimulatedBoard::still(&devices(), 1, clock.clone());
            Self { board, noted: Arc::default(), memory: Memory::volatile(clock), users: Users::default() }
        }

        fn house(
            &self,
            devices: Vec<DeviceConfig>,
            returned: Vec<ReturnedOutput>,
            taker: Arc<Taker>,
        ) -> House {
            let board: Arc<dyn Board> = Arc::new(Lending {
                board: self.board.clone(),
                noted: self.noted.clone(),
                users: self.users.clone(),
            });
            House::replacing(devices, (self.memory.clone(), board), returned, taker)
        }

        fn levels(&self) -> [bool; 2] {
            [5, 6].map(|line| self.board.level(LineNumber::new(line)) == Some(Level::Active))
        }

        /// Both are switched on, and a minute later the gateway ends.
        async fn end_with(&self, taker: Taker) -> Arc<Taker> {
            self.end_after(60 * SECOND, taker).await
        }

        async fn end_after(&self, time: Duration, taker: Taker) -> Arc<Taker> {
            let taker = Arc::new(taker);
            let mut house = self.house(devices(), Vec::new(), taker.clone());
            for device in ["lamp", "boiler"] {
                house.command(device, "power", "ON").await;
                assert!(house.result(device, "power").await.ok);
            }
            tokio::time::sleep(time).await;
            house.stop().await.unwrap();
            // The task of a pin that was aborted gives its line back a moment later.
            while self.board.lines().unwrap().iter().any(|line| line.consumer.is_some()) {
                tokio::task::yield_now().await;
            }
            taker
        }

        /// What comes back of the lamp after so many seconds.
        fn returned(&self, output: HeldOutput, seconds: u32) -> ReturnedOutput {
            let line = Box::new(self.wire(output.line, false));
            ReturnedOutput { output, age: seconds * SECOND, line }
        }

        fn wire(&self, line: u32, is_broken: bool) -> Wire {
            self.users.lock().unwrap().extend([(line, User::Holder), (line, User::Gateway)]);
            let (board, noted, users) = (self.board.clone(), self.noted.clone(), self.users.clone());
            Wire { board, line: LineNumber::new(line), noted, users, is_broken }
        }

        /// Whoever holds what comes back.
        fn holder(&self) -> Arc<Taker> {
            Arc::new(Taker { users: self.users.clone(), ..Taker::default() })
        }

        fn has_noted(&self, what: &str) -> bool {
            self.noted.lock().unwrap().iter().any(|noted| noted == what)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_to_be_held_stays_on_and_the_rest_goes_safe() {
        let wired = Wired::new();
        let taker = wired.end_with(Taker::default()).await;
        assert_eq!(wired.levels(), [true, false]);
        let taken = taker.taken.lock().unwrap().clone();
        let lamp = HeldOutput {
            device: DeviceId::new("lamp").unwrap(),
            chip: "chip".to_owned(),
            line: 5,
            is_active_low: false,
            is_safe_on: false,
            is_on: true,
            at_most_ms: taken[0].at_most_ms,
            timer_ms: None,
            away_ms: taken[0].away_ms,
        };
        assert_eq!(taken, std::slice::from_ref(&lamp));
        // Two hours less what it had already.
        let left = taken[0].at_most_ms.unwrap();
        assert!((7_138_000..=7_140_000).contains(&left), "{left}");

        wired.noted.lock().unwrap().clear();
        let holder = wired.holder();
        let mut house = wired.house(devices(), vec![wired.returned(lamp, 5)], holder.clone());
        house.payload("home/lamp/power", "ON").await;
        house.payload("home/boiler/power", "OFF").await;
        assert_eq!(wired.levels(), [true, false]);
        let mut noted = wired.noted.lock().unwrap().clone();
        noted.sort();
        assert_eq!(noted, ["5 requested on", "5 taken over", "6 requested off"]);
        assert!(holder.was_let_go.load(Ordering::SeqCst), "its work is done");
        // All its time counts: that before the upgrade, and that of the upgrade.
        tokio::time::sleep(Duration::from_millis(left) - 7 * SECOND).await;
        assert_eq!(wired.levels(), [true, false]);
        house.payload("home/lamp/power", "OFF").await;
        assert_eq!(wired.levels(), [false, false]);
        house.stop().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_somebody_who_takes_it_everything_goes_safe() {
        let absent = Taker { is_absent: true, ..Taker::default() };
        let refusing = Taker { refuses: true, ..Taker::default() };
        for taker in [absent, refusing] {
            let wired = Wired::new();
            wired.end_with(taker).await;
            assert_eq!(wired.levels(), [false, false]);
        }
    }

    /// In real time: a thread that hangs keeps the time of the test from being stepped.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_holder_that_does_not_answer_is_not_waited_for() {
        let wired = Wired::new();
        let taker = Arc::new(Taker { hangs: true, ..Taker::default() });
        let mut house = wired.house(devices(), Vec::new(), taker);
        house.command("lamp", "power", "ON").await;
        assert!(house.result("lamp", "power").await.ok);
        house.stop().await.unwrap();
        assert_eq!(wired.levels(), [false, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_changed_meanwhile_starts_safe() {
        let changes: [(&str, Change); 6] = [
            ("its chip is another one", |held| held.chip = "other".to_owned()),
            ("its holder ended it", |held| held.is_on = false),
            ("its other voltage switches it on now", |held| held.is_active_low = true),
            ("it was on another line", |held| held.line = 7),
            ("the time of a command is over", |held| held.timer_ms = Some(4_000)),
            ("its longest on-time is over", |held| held.away_ms = 7_196_000),
        ];
        for (why, change) in changes {
            let wired = Wired::new();
            let taker = wired.end_with(Taker::default()).await;
            let mut held = taker.taken.lock().unwrap()[0].clone();
            change(&mut held);
            let line = held.line;
            let mut house = wired.house(devices(), vec![wired.returned(held, 5)], wired.holder());
            house.payload("home/lamp/power", "OFF").await;
            assert_eq!(wired.levels(), [false, false], "{why}");
            assert!(!wired.has_noted("5 taken over"), "{why}");
            assert!(wired.has_noted(&format!("{line} let go false")), "{why}");
            house.pass(SECOND).await;
            assert_eq!(house.fault("lamp"), None, "{why}");
            assert_eq!(house.latest("home/lamp/availability").as_deref(), Some("online"), "{why}");
            house.command("lamp", "power", "ON").await;
            // What has had its longest on-time rests first.
            let rests = why.starts_with("its longest");
            assert_eq!(house.result("lamp", "power").await.ok, !rests, "{why}");
            house.stop().await.unwrap();
        }
        // The setting was taken away, or the whole device.
        let gone: fn(Vec<DeviceConfig>) -> Vec<DeviceConfig> = |all| all.into_iter().skip(1).collect();
        let unset: fn(Vec<DeviceConfig>) -> Vec<DeviceConfig> = |mut all| {
            if let DriverConfig::Output(output) = &mut all[0].driver {
                output.holds_over_upgrade = false;
            }
            all
        };
        for change in [gone, unset] {
            let wired = Wired::new();
            let taker = wired.end_with(Taker::default()).await;
            let held = taker.taken.lock().unwrap()[0].clone();
            let mut house = wired.house(change(devices()), vec![wired.returned(held, 5)], wired.holder());
            house.payload("home/boiler/power", "OFF").await;
            assert!(!wired.has_noted("5 taken over"));
            assert_eq!(wired.levels(), [false, false]);
            assert!(wired.has_noted("5 let go false"));
            house.stop().await.unwrap();
        }
    }

    /// A holder takes a moment to end. Whoever has the pin by then, the same device or another one, finds it safe and free, and
    /// does not take the holder for a stranger. In real time, with threads: what starts too early is refused.
    #[tokio::test(flavor = "multi_thread")]
    async fn its_pin_is_free_for_whoever_has_it_now() {
        let door = InputConfig::at(LineNumber::new(5));
        let door = DeviceConfig::new(DeviceId::new("door").unwrap(), "Door", DriverConfig::Input(door));
        let porch = output("porch", 5, |output| output.active = ActiveLevel::Low);
        for with_the_pin in [lamp("lamp", 5, true), door, porch] {
            let (wired, id) = (Wired::new(), with_the_pin.id.clone());
            let taker = wired.end_after(Duration::ZERO, Taker::default()).await;
            let mut held = taker.taken.lock().unwrap()[0].clone();
            held.timer_ms = Some(4_000);
            wired.noted.lock().unwrap().clear();
            let devices = vec![with_the_pin, lamp("boiler", 6, false)];
            let mut house = wired.house(devices, vec![wired.returned(held, 5)], wired.holder());
            house.payload(&format!("home/{id}/availability"), "online").await;
            assert_eq!(house.count(&format!("home/{id}/availability")), 1, "{id} was offline at first");
            assert_eq!(house.fault(id.as_str()), None);
            assert_eq!(wired.noted.lock().unwrap()[0], "5 let go false");
            house.stop().await.unwrap();
        }
    }

    /// What could not be driven safe stays with its holder, who ends it in its time.
    #[tokio::test(start_paused = true)]
    async fn a_holder_is_not_let_go_while_something_is_not_safe() {
        let wired = Wired::new();
        let taker = wired.end_with(Taker::default()).await;
        let held = taker.taken.lock().unwrap()[0].clone();
        let line = Box::new(wired.wire(5, true));
        let returned = ReturnedOutput { output: held, age: 5 * SECOND, line };
        let holder = wired.holder();
        let without_lamp = devices().into_iter().skip(1).collect();
        let mut house = wired.house(without_lamp, vec![returned], holder.clone());
        house.payload("home/boiler/power", "OFF").await;
        assert!(!holder.was_let_go.load(Ordering::SeqCst));
        house.stop().await.unwrap();
    }
}
