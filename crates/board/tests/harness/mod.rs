//! A house whose bridge runs in the test's own time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use gatehouse_board::bridge::SignsOfLife;
use gatehouse_board::cdev::CdevBoard;
use gatehouse_board::config::{
    ActiveLevel, DeviceConfig, DriverConfig, LineNumber, OutputConfig, Pull, SimulatedClimateConfig,
};
use gatehouse_board::held::{Holder, ReturnedOutput};
use gatehouse_board::host::HostPlaces;
use gatehouse_board::memory::Memory;
use gatehouse_board::sim::{SimulatedBoard, demo_house};
use gatehouse_board::traits::{
    Board, InputLine, InputRequest, KernelPlaces, Level, LineError, LineInfo, OutputLine, OutputRequest,
    PwmOutput, PwmRequest, ReadError, Sample, SensorError, SensorProperty, SensorSource,
};
use gatehouse_board::{Applied, Bridge, BridgeError, BridgeHandle, BridgeParts};
use gatehouse_model::{
    Clock, CommandResult, DeviceId, Message, Moment, Origin, PropertyId, Qos, Reading, Scheme, Timestamp,
    Value,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Longest simulated time that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

/// Follows tokio's clock, which is paused and runs ahead when nobody has work.
#[derive(Debug)]
struct PausedClock(tokio::time::Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0.elapsed().as_millis()).unwrap())
    }

    fn moment(&self) -> Moment {
        Moment::from_start(self.0.elapsed())
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of these tests follows tokio's, which is paused")]
pub(crate) fn paused_clock() -> Arc<dyn Clock> {
    Arc::new(PausedClock(tokio::time::Instant::now()))
}

pub(crate) fn output(id: &str, line: u32, change: impl FnOnce(&mut OutputConfig)) -> DeviceConfig {
    let mut output = OutputConfig::at(LineNumber::new(line));
    change(&mut output);
    DeviceConfig::new(DeviceId::new(id).unwrap(), id, DriverConfig::Output(output))
}

/// The simulated board, with a driver that panics at its third reading, or with a task of its own that does after a
/// minute.
#[derive(Debug)]
struct Explosive {
    board: SimulatedBoard,
    is_itself: bool,
}

struct Bomb {
    inner: Box<dyn SensorSource>,
    readings: u32,
}

#[async_trait]
impl SensorSource for Bomb {
    fn properties(&self) -> Vec<SensorProperty> {
        self.inner.properties()
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        self.readings += 1;
        assert!(self.readings < 3, "a driver with a bug");
        self.inner.read().await
    }
}

#[async_trait]
impl Board for Explosive {
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
        self.board.request_input(request)
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        self.board.request_output(request)
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        let inner = self.board.open_sensor(device)?;
        Ok(if self.is_itself { inner } else { Box::new(Bomb { inner, readings: 0 }) })
    }

    async fn run(&self, shutdown: CancellationToken) {
        if self.is_itself {
            tokio::time::sleep(MINUTE).await;
            panic!("a board with a bug");
        }
        self.board.run(shutdown).await;
    }
}

/// The simulated board on a machine whose kernel shows its chips below a directory.
#[derive(Debug)]
struct WithKernel(SimulatedBoard, std::path::PathBuf);

#[async_trait]
impl Board for WithKernel {
    fn name(&self) -> String {
        self.0.name()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        self.0.lines()
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        self.0.request_input(request)
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        self.0.request_output(request)
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        self.0.open_sensor(device)
    }

    fn kernel_places(&self) -> Option<KernelPlaces> {
        Some(KernelPlaces::below(&self.1))
    }
}

/// The simulated board, with one line that never does what it is told.
#[derive(Debug)]
struct Hanging(SimulatedBoard, LineNumber);

struct NeverDone;

#[async_trait]
impl OutputLine for NeverDone {
    async fn set(&mut self, _: Level) -> Result<(), LineError> {
        std::future::pending().await
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        std::future::pending().await
    }
}

#[async_trait]
impl Board for Hanging {
    fn name(&self) -> String {
        self.0.name()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        self.0.lines()
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        self.0.request_input(request)
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        if request.line == self.1 { Ok(Box::new(NeverDone)) } else { self.0.request_output(request) }
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        self.0.open_sensor(device)
    }
}

/// The simulated board, on which PWM is opened only when the test lets it, or a line has a driver with a bug.
#[derive(Debug)]
pub(crate) struct Quirky {
    board: SimulatedBoard,
    /// Each opening of PWM waits for a word.
    pwm_gate: Option<Mutex<std::sync::mpsc::Receiver<()>>>,
    /// The line that panics, and how often it is still set until then.
    bug: Option<(LineNumber, Arc<AtomicU32>)>,
}

struct Buggy {
    inner: Box<dyn OutputLine>,
    left: Arc<AtomicU32>,
}

#[async_trait]
impl OutputLine for Buggy {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        assert!(self.left.fetch_sub(1, Ordering::SeqCst) != 1, "a driver with a bug");
        self.inner.set(level).await
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        self.inner.read_back().await
    }
}

#[async_trait]
impl Board for Quirky {
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
        self.board.request_input(request)
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        let inner = self.board.request_output(request)?;
        match &self.bug {
            Some((line, left)) if *line == request.line => Ok(Box::new(Buggy { inner, left: left.clone() })),
            _ => Ok(inner),
        }
    }

    fn open_pwm(&self, request: &PwmRequest) -> Result<Box<dyn PwmOutput>, LineError> {
        if let Some(gate) = &self.pwm_gate {
            let word = gate.lock().unwrap().recv_timeout(Duration::from_secs(20));
            word.expect("the test lets it go on while it waits");
        }
        self.board.open_pwm(request)
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        self.board.open_sensor(device)
    }
}

fn parts_on(board: Arc<dyn Board>, clock: Arc<dyn Clock>, devices: Vec<DeviceConfig>) -> BridgeParts {
    BridgeParts {
        scheme: Scheme::new("home").unwrap(),
        devices,
        board,
        host: HostPlaces::of_this_machine("/".as_ref()),
        memory: Memory::volatile(clock.clone()),
        clock,
    }
}

/// A clock that stands still.
pub(crate) fn manual_clock() -> Arc<dyn Clock> {
    Arc::new(gatehouse_model::ManualClock::new(Timestamp::from_millis(0)))
}

/// Parts on a simulated board that nobody runs.
pub(crate) fn parts(devices: Vec<DeviceConfig>) -> BridgeParts {
    let clock = manual_clock();
    parts_on(Arc::new(SimulatedBoard::still(&devices, 1, clock.clone())), clock, devices)
}

/// The demonstration house whose kitchen has a sensor without a chip, which can fail with any sentence, and whose heater
/// can be served alone.
pub(crate) fn plain_house() -> Vec<DeviceConfig> {
    let mut house = demo_house();
    for device in &mut house {
        if device.id.as_str() == "kitchen" {
            let every = Duration::from_secs(5);
            device.driver = DriverConfig::SimulatedClimate(SimulatedClimateConfig { every });
        }
        if let DriverConfig::Output(output) = &mut device.driver {
            output.effect = None;
        }
    }
    house
}

/// A bridge that runs, with everything it has said so far.
pub(crate) struct House {
    pub(crate) board: SimulatedBoard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) signs: SignsOfLife,
    scheme: Scheme,
    devices: Vec<DeviceConfig>,
    inbox: Option<mpsc::Receiver<Message>>,
    seen: Vec<Message>,
    /// How many of `seen` were asked for; the next question starts behind them, by topic.
    asked: std::collections::HashMap<String, usize>,
    commands: mpsc::Sender<Message>,
    pub(crate) shutdown: CancellationToken,
    running: JoinHandle<Result<(), BridgeError>>,
    pub(crate) handle: BridgeHandle,
}

impl House {
    pub(crate) fn demo() -> Self {
        Self::of(demo_house())
    }

    /// The demonstration house with these devices only, which is quicker to step through hours.
    pub(crate) fn demo_with(ids: &[&str]) -> Self {
        Self::of(plain_house().into_iter().filter(|device| ids.contains(&device.id.as_str())).collect())
    }

    pub(crate) fn of(devices: Vec<DeviceConfig>) -> Self {
        Self::start(devices, |board| Arc::new(board))
    }

    /// A house in which people live.
    pub(crate) fn lively(devices: Vec<DeviceConfig>) -> Self {
        Self::start_with(SimulatedBoard::new, devices, None, |board| Arc::new(board), |bridge| bridge)
    }

    /// A house on this board, whose memory is given, after a replacement and before the next one.
    pub(crate) fn replacing(
        devices: Vec<DeviceConfig>,
        (memory, board): (Memory, Arc<dyn Board>),
        returned: Vec<ReturnedOutput>,
        holder: Arc<dyn Holder>,
    ) -> Self {
        Self::start_with(
            SimulatedBoard::still,
            devices,
            Some(memory),
            |_| board,
            |bridge| bridge.replacing(returned, holder),
        )
    }

    /// A heater, and a sensor whose driver has a bug.
    pub(crate) fn with_a_sensor_that_panics(sensor: &str) -> Self {
        let devices = plain_house().into_iter();
        let devices = devices.filter(|device| ["heater", sensor].contains(&device.id.as_str()));
        Self::start(devices.collect(), |board| Arc::new(Explosive { board, is_itself: false }))
    }

    /// A heater and a sensor, on a board that does not live long.
    pub(crate) fn whose_board_dies_after_a_minute(sensor: &str) -> Self {
        let devices = plain_house().into_iter();
        let devices = devices.filter(|device| ["heater", sensor].contains(&device.id.as_str()));
        Self::start(devices.collect(), |board| Arc::new(Explosive { board, is_itself: true }))
    }

    /// A house on the machine that the test runs on.
    pub(crate) fn on_this_machine(devices: Vec<DeviceConfig>) -> Self {
        let places = HostPlaces::of_this_machine("/".as_ref());
        Self::start(devices, |_| Arc::new(CdevBoard::new(&places, None, &paused_clock())))
    }

    /// A house whose memory is given, as after a restart.
    pub(crate) fn that_remembers(devices: Vec<DeviceConfig>, memory: Memory) -> Self {
        Self::start_with(
            SimulatedBoard::still,
            devices,
            Some(memory),
            |board| Arc::new(board),
            |bridge| bridge,
        )
    }

    /// A house on a machine whose kernel shows its chips below `sys`.
    pub(crate) fn with_kernel(devices: Vec<DeviceConfig>, sys: &std::path::Path) -> Self {
        Self::start(devices, |board| Arc::new(WithKernel(board, sys.to_owned())))
    }

    /// The board of such a house, for parts that nobody runs.
    pub(crate) fn board_with_kernel(parts: &BridgeParts, sys: &std::path::Path) -> Arc<dyn Board> {
        let board = SimulatedBoard::still(&parts.devices, 1, parts.clock.clone());
        Arc::new(WithKernel(board, sys.to_owned()))
    }

    /// A house in which one line hangs.
    pub(crate) fn with_a_line_that_hangs(devices: Vec<DeviceConfig>, line: u32) -> Self {
        Self::start(devices, |board| Arc::new(Hanging(board, LineNumber::new(line))))
    }

    /// A house in which another program has one line.
    pub(crate) fn with_a_line_that_is_taken(devices: Vec<DeviceConfig>, line: LineNumber) -> Self {
        Self::start(devices, |board| {
            let request = InputRequest {
                line,
                pull: Pull::None,
                active: ActiveLevel::High,
                consumer: "lirc".to_owned(),
            };
            std::mem::forget(board.request_input(&request).unwrap());
            Arc::new(board)
        })
    }

    /// A house whose PWM waits for a word each time that it is opened.
    pub(crate) fn with_slow_pwm(devices: Vec<DeviceConfig>) -> (Self, std::sync::mpsc::Sender<()>) {
        let (go_on, gate) = std::sync::mpsc::channel();
        let pwm_gate = Some(Mutex::new(gate));
        (Self::start(devices, |board| Arc::new(Quirky { board, pwm_gate, bug: None })), go_on)
    }

    /// A house in which the driver of a line panics when it is set for the `nth` time.
    pub(crate) fn with_a_line_that_panics(devices: Vec<DeviceConfig>, line: u32, nth: u32) -> Self {
        let bug = Some((LineNumber::new(line), Arc::new(AtomicU32::new(nth))));
        Self::start(devices, |board| Arc::new(Quirky { board, pwm_gate: None, bug }))
    }

    /// A house on a board that is made of the simulated one.
    pub(crate) fn start(
        devices: Vec<DeviceConfig>,
        wrap: impl FnOnce(SimulatedBoard) -> Arc<dyn Board>,
    ) -> Self {
        Self::start_with(SimulatedBoard::still, devices, None, wrap, |bridge| bridge)
    }

    fn start_with(
        make: impl FnOnce(&[DeviceConfig], u64, Arc<dyn Clock>) -> SimulatedBoard,
        devices: Vec<DeviceConfig>,
        memory: Option<Memory>,
        wrap: impl FnOnce(SimulatedBoard) -> Arc<dyn Board>,
        finish: impl FnOnce(Bridge) -> Bridge,
    ) -> Self {
        let clock = paused_clock();
        let board = make(&devices, 1, clock.clone());
        let mut parts = parts_on(wrap(board.clone()), clock.clone(), devices.clone());
        parts.memory = memory.unwrap_or(parts.memory);
        let bridge = finish(Bridge::new(parts).unwrap());
        let (handle, signs) = (bridge.handle(), bridge.signs_of_life());
        let (outbox, inbox) = mpsc::channel(16);
        let (commands, taken) = mpsc::channel::<Message>(16);
        let taken =
            stream::unfold(taken, |mut taken| async { taken.recv().await.map(|message| (message, taken)) });
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(bridge.run(outbox, Box::pin(taken), shutdown.clone()));
        Self {
            board,
            clock,
            scheme: Scheme::new("home").unwrap(),
            signs,
            devices,
            inbox: Some(inbox),
            seen: Vec::new(),
            asked: std::collections::HashMap::new(),
            commands,
            shutdown,
            running,
            handle,
        }
    }

    pub(crate) fn command_message(&self, device: &str, property: &str, payload: &str) -> Message {
        let (device, property) = (DeviceId::new(device).unwrap(), PropertyId::new(property).unwrap());
        let topic = self.scheme.set(&device, &property);
        let origin = Origin::Client { client_id: "phone".into(), user: "ana".into() };
        Message::new(topic, payload.to_owned(), Qos::AtLeastOnce, false, origin)
    }

    pub(crate) async fn send(&self, message: Message) {
        self.commands.send(message).await.unwrap();
    }

    pub(crate) async fn command(&self, device: &str, property: &str, payload: &str) {
        self.send(self.command_message(device, property, payload)).await;
    }

    /// Takes what was said so far, without waiting for more.
    pub(crate) fn catch_up(&mut self) {
        while let Some(Ok(message)) = self.inbox.as_mut().map(mpsc::Receiver::try_recv) {
            self.seen.push(message);
        }
    }

    async fn take(&mut self) -> Option<()> {
        let message = self.inbox.as_mut().unwrap().recv().await?;
        self.seen.push(message);
        Some(())
    }

    /// The next message on a topic that was not asked for yet.
    pub(crate) async fn message(&mut self, topic: &str) -> Message {
        self.matching(topic, |_| true).await
    }

    pub(crate) async fn matching(&mut self, topic: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        let found = tokio::time::timeout(PATIENCE, async {
            let mut from = self.asked.get(topic).copied().unwrap_or(0);
            loop {
                while let Some(message) = self.seen.get(from) {
                    from += 1;
                    if message.topic.as_str() == topic && is_it(message) {
                        let message = message.clone();
                        self.asked.insert(topic.to_owned(), from);
                        return Some(message);
                    }
                }
                self.take().await?;
            }
        });
        match found.await {
            Ok(Some(message)) => message,
            Ok(None) => {
                panic!("the bridge ended without the expected message on {topic}; said: {:#?}", self.said())
            }
            Err(_) => panic!("no message on {topic}; said: {:#?}", self.said()),
        }
    }

    fn said(&self) -> Vec<String> {
        let line =
            |message: &Message| format!("{} = {}", message.topic, String::from_utf8_lossy(&message.payload));
        self.seen.iter().rev().take(30).rev().map(line).collect()
    }

    /// Waits for this payload on a topic.
    pub(crate) async fn payload(&mut self, topic: &str, payload: &str) {
        self.matching(topic, |message| message.payload == payload.as_bytes()).await;
    }

    /// The next reading of a property that was not asked for yet.
    pub(crate) async fn reading(&mut self, device: &str, property: &str) -> Reading {
        let message = self.message(&format!("home/{device}/{property}")).await;
        assert!(message.retain);
        message.to_reading(&self.scheme, Timestamp::from_millis(0)).unwrap()
    }

    pub(crate) async fn number(&mut self, device: &str, property: &str) -> f64 {
        self.reading(device, property).await.value.as_number().unwrap()
    }

    pub(crate) async fn result(&mut self, device: &str, property: &str) -> CommandResult {
        let message = self.message(&format!("home/{device}/{property}/result")).await;
        assert!(!message.retain);
        serde_json::from_slice(&message.payload).unwrap()
    }

    /// The simulated time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How many messages there were on a topic.
    pub(crate) fn count(&self, topic: &str) -> usize {
        self.on(topic).count()
    }

    /// Lets time pass while messages are taken; those that come count as asked for.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let taking = async { while self.take().await.is_some() {} };
        assert!(tokio::time::timeout(time, taking).await.is_err(), "the bridge ended");
        for message in &self.seen {
            self.asked.insert(message.topic.to_string(), self.seen.len());
        }
    }

    /// Lets time pass while the outbox is full.
    pub(crate) async fn pass_without_taking(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn on<'a>(&'a self, topic: &'a str) -> impl DoubleEndedIterator<Item = &'a Message> {
        self.seen.iter().filter(move |message| message.topic.as_str() == topic)
    }

    pub(crate) fn latest(&self, topic: &str) -> Option<String> {
        self.on(topic).next_back().map(|message| String::from_utf8_lossy(&message.payload).into_owned())
    }

    /// The fault in the device's latest report.
    pub(crate) fn fault(&self, device: &str) -> Option<String> {
        let report: serde_json::Value =
            serde_json::from_str(&self.latest(&format!("home/{device}/json"))?).unwrap();
        report.get("fault").and_then(|fault| fault.as_str()).map(str::to_owned)
    }

    pub(crate) fn readings_so_far(&self, device: &str, property: &str) -> Vec<Value> {
        let topic = format!("home/{device}/{property}");
        self.on(&topic).map(|message| Value::from_payload(&message.payload).unwrap()).collect()
    }

    pub(crate) fn count_good_readings_after(&self, device: &str, property: &str, first: usize) -> usize {
        let topic = format!("home/{device}/{property}");
        let is_good = |message: &&Message| message.properties.user_property("quality") != Some("stale");
        self.on(&topic).skip(first).filter(is_good).count()
    }

    /// Serves these devices from now on.
    pub(crate) async fn apply(&mut self, devices: Vec<DeviceConfig>) -> Result<Applied, BridgeError> {
        let handle = self.handle.clone();
        self.devices = devices.clone();
        let mut applying = Box::pin(handle.apply(devices));
        loop {
            tokio::select! {
                outcome = &mut applying => return outcome,
                _ = self.take() => {}
            }
        }
    }

    pub(crate) fn level(&self, device: &str) -> Level {
        let config = self.devices.iter().find(|config| config.id.as_str() == device).unwrap();
        self.board.level(config.driver.pins()[0].header_line().unwrap()).unwrap()
    }

    /// Shuts the bridge down and takes its last words.
    pub(crate) async fn stop(&mut self) -> Result<(), BridgeError> {
        self.shutdown.cancel();
        self.ended().await
    }

    /// Takes messages until the bridge ends.
    pub(crate) async fn ended(&mut self) -> Result<(), BridgeError> {
        let taking = async { while self.take().await.is_some() {} };
        tokio::time::timeout(PATIENCE, taking).await.unwrap();
        (&mut self.running).await.unwrap()
    }

    /// Goes away without a word.
    pub(crate) async fn stop_taking(&mut self) -> Result<(), BridgeError> {
        self.inbox = None;
        tokio::time::timeout(PATIENCE, &mut self.running).await.unwrap().unwrap()
    }
}
