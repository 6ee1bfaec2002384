//! One sick device never delays another bus, an output or the loop: here transfers, ports and files of the kernel block for
//! real, on threads of the operating system. Simulated time stands still meanwhile unless the test moves it, so "in time"
//! means: before the test moved it any further.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use embedded_hal::i2c::Operation;
use gatehouse_board::bridge::BridgeLoop;
use gatehouse_board::catalogue::{Settings, find};
use gatehouse_board::config::{
    ChipChoice, ChipConfig, ChipPlace, DeadMan, DeviceConfig, DriverConfig, I2cBusName, KernelConfig,
    KernelDevice, Source, StreamConfig,
};
use gatehouse_board::sim::SimulatedBoard;
use gatehouse_board::traits::{
    Board, BusError, BusFault, I2cBackend, InputLine, InputRequest, KernelPlaces, Level, LineError, LineInfo,
    OutputLine, OutputRequest, SensorError, SensorSource, SerialBackend, SerialRequest,
};
use gatehouse_model::{DeviceId, Origin, Value};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio_util::sync::CancellationToken;

use crate::harness::{House, MINUTE, output, plain_house};

/// Of the sensor beside those that hang.
const WELL: &str = "home/well/temperature";

/// Longest time, of real time, that anything hangs: a test that fails ends all the same.
const LONGEST_HANG: Duration = Duration::from_secs(60);

/// What hangs until this opens.
#[derive(Debug, Default)]
struct Gate {
    /// Whether it is open, and how many wait.
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    fn wait(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        let (mut state, waited) =
            self.changed.wait_timeout_while(state, LONGEST_HANG, |(is_open, _)| !*is_open).unwrap();
        state.1 -= 1;
        if waited.timed_out() {
            state.0 = true;
            self.changed.notify_all();
        }
    }

    fn open(&self) {
        self.state.lock().unwrap().0 = true;
        self.changed.notify_all();
    }

    fn is_open(&self) -> bool {
        self.state.lock().unwrap().0
    }

    fn waiting(&self) -> usize {
        self.state.lock().unwrap().1
    }
}

/// A bus or a port whose calls do not end.
struct Hangs(Arc<Gate>);

impl I2cBackend for Hangs {
    fn transfer(&mut self, _: u8, _: &mut [Operation<'_>]) -> Result<(), BusFault> {
        self.0.wait();
        Err(BusFault::NoAcknowledge)
    }
}

impl SerialBackend for Hangs {
    fn write(&mut self, _: &[u8]) -> Result<(), BusFault> {
        self.0.wait();
        Err(BusFault::Gone)
    }

    fn read(&mut self, _: &mut [u8], _: Duration) -> Result<usize, BusFault> {
        self.0.wait();
        Err(BusFault::Gone)
    }

    fn discard(&mut self) -> Result<(), BusFault> {
        self.0.wait();
        Err(BusFault::Gone)
    }
}

/// The simulated board, with bus 1 and all serial ports sick, a bus 3 that hangs while it is opened, and a kernel of its own.
#[derive(Debug)]
struct Sick {
    board: SimulatedBoard,
    gate: Arc<Gate>,
    sys: PathBuf,
}

#[async_trait]
impl Board for Sick {
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
        self.board.open_sensor(device)
    }

    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        match bus {
            1 => Ok(Box::new(Hangs(self.gate.clone()))),
            3 => {
                self.gate.wait();
                Err(BusError { what: "I²C bus 3".to_owned(), problem: "it hangs".to_owned() })
            }
            _ => self.board.open_i2c(bus),
        }
    }

    fn open_serial(&self, _: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
        Ok(Box::new(Hangs(self.gate.clone())))
    }

    fn kernel_places(&self) -> Option<KernelPlaces> {
        Some(KernelPlaces::below(&self.sys))
    }
}

fn id(word: &str) -> DeviceId {
    DeviceId::new(word).unwrap()
}

fn chip(name: &str, word: &'static str, place: ChipPlace) -> DeviceConfig {
    let entry = find(word).unwrap();
    let settings = Settings::defaults(entry.settings);
    let chip = ChipConfig { entry, place, settings, every: Duration::from_secs(10), interrupt: None };
    DeviceConfig::new(id(name), name, DriverConfig::Chip(chip)).in_room("Living room")
}

fn thermometer(name: &str, bus: u8) -> DeviceConfig {
    chip(name, "lm75", ChipPlace::I2c { bus: I2cBusName::Kernel(bus), address: 0x48 })
}

fn of_kernel(name: &str, chip: &str) -> DeviceConfig {
    let device = KernelDevice::Hwmon(ChipChoice { chip: chip.to_owned(), at: None });
    let kernel = KernelConfig { word: "hwmon", device, every: Duration::from_secs(10) };
    DeviceConfig::new(id(name), name, DriverConfig::Kernel(kernel))
}

/// A file of the kernel that blocks whoever reads it: a pipe that somebody holds open and writes nothing to.
#[derive(Clone)]
struct BlockingFile {
    path: PathBuf,
    writer: Arc<Mutex<Option<File>>>,
}

impl BlockingFile {
    fn at(path: PathBuf) -> Self {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let writer = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, writer: Arc::new(Mutex::new(Some(writer))) }
    }

    /// Who waits reads this text, and so does everybody who comes later.
    fn says(&self, text: &str) {
        let Some(mut writer) = self.writer.lock().unwrap().take() else { return };
        let ready = self.path.with_extension("ready");
        // Its directory may have gone with the test.
        if std::fs::write(&ready, text).is_ok() {
            let _ = std::fs::rename(&ready, &self.path);
        }
        writer.write_all(text.as_bytes()).unwrap();
    }

    /// Ends the wait also of a test that fails.
    fn ends_with(&self, gate: &Arc<Gate>) {
        let (file, gate) = (self.clone(), gate.clone());
        std::thread::spawn(move || {
            gate.wait();
            file.says("0");
        });
    }
}

fn sick_house(devices: Vec<DeviceConfig>, sys: &Path) -> (House, Arc<Gate>) {
    let gate = Arc::<Gate>::default();
    let (sick, sys) = (gate.clone(), sys.to_owned());
    let house = House::start(devices, move |board| Arc::new(Sick { board, gate: sick, sys }));
    (house, gate)
}

/// Lets everybody work, without any time passing, until this is so.
async fn until(gate: &Gate, what: &str, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        assert!(!gate.is_open(), "{what}: it did not happen while others hung");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_hangs_delays_nobody_else() {
    let root = tempfile::tempdir().unwrap();
    let hwmon = root.path().join("class/hwmon/hwmon0");
    let blocking = BlockingFile::at(hwmon.join("temp1_input"));
    std::fs::write(hwmon.join("name"), "lm75\n").unwrap();
    let dust = chip("dust", "pms5003", ChipPlace::Serial("/dev/ttyUSB0".to_owned()));
    let meter = DriverConfig::Stream(StreamConfig::at("/dev/ttyUSB1"));
    let (mut house, gate) = sick_house(
        vec![
            thermometer("sick", 1),
            thermometer("unopened", 3),
            dust,
            DeviceConfig::new(id("meter"), "meter", meter),
            of_kernel("kernel", "lm75"),
            thermometer("well", 2),
            output("heater", 5, |heater| heater.max_on = Some(MINUTE)),
        ],
        root.path(),
    );
    blocking.ends_with(&gate);
    let began = house.now();
    // The two ports, both buses, and the one who ends it.
    until(&gate, "everybody hangs", || gate.waiting() == 5).await;

    // Commands and other buses first: nothing has passed of any time.
    house.command("heater", "power", "ON").await;
    assert!(house.result("heater", "power").await.ok);
    assert!(house.reading("well", "temperature").await.value.as_number().is_some());
    for which in [BridgeLoop::Outputs, BridgeLoop::Devices, BridgeLoop::Messages] {
        house.handle.alive(which).await.unwrap();
    }
    assert_eq!(house.now(), began);
    assert_eq!(house.level("heater"), Level::Active);

    // Then a minute, second by second: the other bus keeps its period, and the safety timer its second.
    for second in 1..=60 {
        house.catch_up();
        let before = house.count(WELL);
        tokio::time::advance(Duration::from_secs(1)).await;
        if second % 10 == 0 {
            // What the bus answered has to arrive as well, before more time passes: a machine that was busy with other things
            // let the next second begin, and the bus was asked a second later from then on.
            let has_come = || {
                house.catch_up();
                house.count(WELL) > before
            };
            until(&gate, "the well bus is asked every ten seconds", has_come).await;
        }
        if second == 59 {
            assert_eq!(house.level("heater"), Level::Active);
        }
    }
    until(&gate, "the heater goes off after its minute", || house.level("heater") == Level::Inactive).await;
    assert_eq!(house.now().saturating_since(began), MINUTE);

    // Those that hang have told so meanwhile, each for itself.
    for device in ["sick", "unopened", "dust", "meter", "kernel"] {
        house.payload(&format!("home/{device}/availability"), "offline").await;
        let fault = house.fault(device).unwrap();
        assert!(fault.len() > 20, "{device}: {fault}");
    }
    assert!(house.fault("meter").unwrap().contains("hangs"), "{:?}", house.fault("meter"));
    assert_eq!(house.latest("home/well/availability").as_deref(), Some("online"));
    assert!(!gate.is_open(), "they still hang");

    // And the stop waits for none of them.
    house.shutdown.cancel();
    let stepping = async {
        loop {
            tokio::time::advance(Duration::from_millis(100)).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = house.ended() => ended.unwrap(),
        () = stepping => {}
    }
    assert!(!gate.is_open(), "it ended while they hung");
    gate.open();
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_whose_chip_hangs_in_the_kernel_keeps_no_command_waiting() {
    let root = tempfile::tempdir().unwrap();
    let blocking = BlockingFile::at(root.path().join("class/hwmon/hwmon0/name"));
    let heater = output("heater", 5, |_| {});
    let (mut house, gate) = sick_house(vec![heater.clone()], root.path());
    blocking.ends_with(&gate);
    house.payload("home/heater/availability", "online").await;
    let handle = house.handle.clone();
    let applying = tokio::spawn(async move { handle.apply(vec![heater, of_kernel("kernel", "lm75")]).await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    house.command("heater", "power", "ON").await;
    assert!(house.result("heater", "power").await.ok);
    house.handle.alive(BridgeLoop::Devices).await.unwrap();
    assert!(!applying.is_finished() && !gate.is_open(), "the kernel still hangs");
    blocking.says("lm75\n");
    let applied = applying.await.unwrap().unwrap();
    assert_eq!(applied.added, [id("kernel")]);
    assert_eq!(house.level("heater"), Level::Active);
    gate.open();
    house.stop().await.unwrap();
}

/// Who is heard without end keeps neither a command nor a deadline from its turn.
#[tokio::test(start_paused = true)]
async fn a_flood_of_signs_of_life_holds_back_no_command_and_no_deadline() {
    let source = Source::Client("phone".into());
    let pump = output("pump", 6, |pump| {
        pump.dead_man = Some(DeadMan { source: source.clone(), within: MINUTE });
        pump.command_every = Duration::from_millis(1);
    });
    let heater = output("heater", 5, |heater| heater.max_on = Some(MINUTE));
    let mut house = House::of(vec![pump, heater]);
    house.payload("home/heater/availability", "online").await;
    let (signs, stop) = (house.signs.clone(), CancellationToken::new());
    let (stopped, stop) = (stop.clone(), stop.drop_guard());
    // While such a thread is at work, simulated time only moves where the test moves it.
    let flood = tokio::task::spawn_blocking(move || {
        while !stopped.is_cancelled() {
            signs.tell(source.clone());
        }
    });
    house.command("heater", "power", "ON").await;
    assert!(house.result("heater", "power").await.ok);
    // Whoever was never heard keeps the pump off; from the first word on it takes commands.
    loop {
        house.command("pump", "power", "ON").await;
        if house.result("pump", "power").await.ok {
            break;
        }
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    for second in 1..60 {
        let payload = if second % 2 == 0 { "ON" } else { "OFF" };
        house.command("pump", "power", payload).await;
        assert!(house.result("pump", "power").await.ok, "{second}");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    house.payload("home/heater/power", "ON").await;
    let off = house.reading("heater", "power").await;
    assert_eq!(off.value, Value::Switch(false));
    assert!(matches!(off.cause.unwrap().origin, Origin::FailSafe { .. }));
    drop(stop);
    flood.await.unwrap();
    house.stop().await.unwrap();
}

/// A bug in what serves one sensor costs nobody else anything: the device is offline with a sentence, is tried again, less
/// and less often, and is left alone in the end.
#[tokio::test(start_paused = true)]
async fn a_sensor_whose_software_fails_is_offline_and_started_again_and_outputs_stay_served() {
    let mut house = House::with_a_sensor_that_panics("kitchen");
    house.payload("home/kitchen/availability", "online").await;
    house.payload("home/kitchen/availability", "offline").await;
    let fault = house.fault("kitchen").unwrap();
    assert!(fault.contains("a driver with a bug") && fault.contains("again after 1 s"), "{fault}");
    // It measures again, twice, until its bug comes again.
    house.payload("home/kitchen/availability", "online").await;
    house.payload("home/kitchen/availability", "offline").await;
    house.command("heater", "power", "ON").await;
    assert!(house.result("heater", "power").await.ok);
    assert_eq!(house.level("heater"), Level::Active);
    house.pass(30 * MINUTE).await;
    let fault = house.fault("kitchen").unwrap();
    assert!(fault.contains("not started again"), "{fault}");
    assert_eq!(house.latest("home/kitchen/availability").as_deref(), Some("offline"));
    let changes = house.count("home/kitchen/availability");
    house.pass(180 * MINUTE).await;
    assert_eq!(house.count("home/kitchen/availability"), changes, "it is left alone");
    // With other settings it is a new device, which is tried again; the heater is still served.
    let mut devices = plain_house();
    devices.retain(|device| ["heater", "kitchen"].contains(&device.id.as_str()));
    for device in &mut devices {
        if let DriverConfig::SimulatedClimate(climate) = &mut device.driver {
            climate.every = Duration::from_secs(7);
        }
    }
    house.apply(devices).await.unwrap();
    house.payload("home/kitchen/availability", "online").await;
    house.command("heater", "power", "ON").await;
    assert!(house.result("heater", "power").await.ok);
    house.stop().await.unwrap();
}
