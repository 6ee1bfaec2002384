//! The simulated board: lines and sensors joined with the house around them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::{Clock, DeviceId, Moment, PropertyId, PropertyInfo, PropertyKind, Quality, Value};
use rand::RngExt;
use tokio_util::sync::CancellationToken;

use super::chips::{ChipBus, Fault, I2cChip, Surroundings};
use super::edges::EdgeQueue;
use super::house::Climate;
use super::life::Life;
use super::lines::line_error;
use super::plan::{ExpanderInput, Plan, room_of};
use super::probes::ProbeFiles;
use super::pwm::SimulatedPwm;
use super::terminal::Terminal;
use super::warmth::{MOST_WARMTH, Warmth};
use super::wired::{Follow, Wired};
use super::world::{Hold, Shared, World};
use crate::config::{DeviceConfig, DriverConfig};
use crate::traits::{
    Board, BusError, BusInfo, Edge, I2cBackend, InputLine, InputRequest, KernelPlaces, Level, LineError,
    LineInfo, LineNumber, OutputLine, OutputRequest, PwmOutput, PwmRequest, ReadError, Sample, SensorError,
    SensorProperty, SensorSource, SerialBackend, SerialRequest, SpiBackend, SpiRequest,
};

/// Longest nap of the board's own loop, so that a wall clock that was set is noticed in the weather.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// The same while there are thermometers of the kernel, whose files have to be written.
const PROBE_NAP: Duration = Duration::from_secs(2);

/// A board in memory, with a house around it.
#[derive(Clone, Debug)]
pub struct SimulatedBoard {
    pub(super) shared: Arc<Shared>,
    pub(super) wired: Arc<Wired>,
    pub(super) probes: Arc<ProbeFiles>,
}

impl SimulatedBoard {
    /// A house with the rooms, heaters, doors and motion sensors that `devices` speak of, in which people live: doors
    /// open and motion is seen from time to time.
    pub fn new(devices: &[DeviceConfig], seed: u64, clock: Arc<dyn Clock>) -> Self {
        let plan = Plan::of(devices);
        let life = Life::lively(&plan, seed, clock.moment());
        Self::with_life(devices, plan, life, seed, clock)
    }

    /// The same house with nobody in it: nothing changes at a contact unless it is told to.
    pub fn still(devices: &[DeviceConfig], seed: u64, clock: Arc<dyn Clock>) -> Self {
        Self::with_life(devices, Plan::of(devices), Life::still(), seed, clock)
    }

    fn with_life(devices: &[DeviceConfig], plan: Plan, life: Life, seed: u64, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared::new(World::new(plan, life, seed, clock.as_ref()), clock));
        let wired = Arc::new(Wired::of(devices, |device| feeling(&shared, device), following(&shared)));
        let board = Self { shared, wired, probes: Arc::new(ProbeFiles::new()) };
        board.write_probes();
        board
    }

    /// Lets the thermometers' files say what the house is like now.
    pub(super) fn write_probes(&self) {
        let now = self.now();
        let values = self.shared.caught_up().probes(now);
        self.probes.write(values);
    }

    /// The far end of the serial line at this port (`/dev/ttyUSB0`), where the house has a device that speaks in lines.
    pub fn terminal(&self, path: &str) -> Option<Terminal> {
        self.wired.terminal(path)
    }

    /// An I²C bus with the chips of the house, to look at and to make mischief; nothing when there is no such bus.
    pub fn chips(&self, bus: u8) -> Option<ChipBus> {
        self.wired.i2c(bus)
    }

    /// Gives the chip of a device a fault, or heals it. Whether the device has a chip on I²C or SPI that can have it.
    pub fn set_chip_fault(&self, device: &DeviceId, fault: Option<Fault>) -> bool {
        self.wired.set_fault(device, fault)
    }

    /// Does something with the chip of a device: cuts its power, drives its lines. Nothing when it has none on I²C, nor one on SPI
    /// that exists on I²C as well.
    pub fn with_chip<T>(&self, device: &DeviceId, act: impl FnOnce(&mut dyn I2cChip) -> T) -> Option<T> {
        self.wired.with_chip(device, act)
    }

    /// Opens or closes a contact, or lets a motion sensor see or lose somebody. Contacts bounce. A device that is no
    /// input with two states is left alone. Whether it is one.
    pub fn set_input(&self, device: &DeviceId, on: bool) -> bool {
        let is_there = self.shared.world().set_input(device, on, self.shared.clock.moment());
        self.move_expander_lines();
        self.shared.agenda_changed.notify_one();
        is_there
    }

    /// Lets the chips of expanders know which of their lines people have moved.
    fn move_expander_lines(&self) {
        let moved = std::mem::take(&mut self.shared.world().moved);
        for (ExpanderInput { expander, line, .. }, is_high) in moved {
            self.wired.with_chip(&expander, |chip| chip.drive_from_outside(line, Some(is_high)));
        }
    }

    /// Changes the world, and wakes the board's loop.
    pub(super) fn with_world(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.shared.world());
        self.shared.agenda_changed.notify_one();
    }

    pub(super) fn now(&self) -> Moment {
        self.shared.clock.moment()
    }

    /// Lets a sensor fail with this sentence, or work again. A chip or a thermometer of the kernel does not answer any
    /// more, without a sentence.
    pub fn set_failure(&self, device: &DeviceId, problem: Option<&str>) {
        self.wired.set_fault(device, problem.map(|_| Fault::Vanished));
        self.probes.set_vanished(device, problem.is_some());
        self.write_probes();
        let mut world = self.shared.world();
        match problem {
            Some(problem) => world.failing.insert(device.clone(), problem.to_owned()),
            None => world.failing.remove(device),
        };
    }

    /// Makes the pin of a device ignore what it is told, or obey again; of an expander, its interrupt line. Whether the
    /// device has a pin of the header.
    pub fn set_stuck(&self, device: &DeviceId, is_stuck: bool) -> bool {
        let mut world = self.shared.world();
        let line = world.plan.line_of(device);
        if let Some(line) = line {
            world.lines.set_stuck(line, is_stuck);
        }
        line.is_some()
    }

    /// Makes a line ignore what it is told, or obey again, whoever it belongs to.
    pub fn set_line_stuck(&self, line: LineNumber, is_stuck: bool) {
        self.shared.world().lines.set_stuck(line, is_stuck);
    }

    /// Pulls a line to ground, whatever else is wired to it, or lets go of it. It is high then, until something pulls it
    /// down again.
    pub fn short(&self, line: LineNumber, is_shorted: bool) {
        let now = self.now();
        self.with_world(|world| {
            world.lines.set_stuck(line, false);
            world.lines.change(line, !is_shorted, now);
            world.lines.set_stuck(line, is_shorted);
        });
    }

    /// Lets somebody hold a thermometer of 1-Wire in a hand for a while, which warms it by about so many degrees, or cools
    /// it. It is named by its device or by its number. Whether there is such a thermometer, and the degrees are at most
    /// [`MOST_WARMTH`].
    pub fn warm(&self, thermometer: &str, degrees: f64) -> bool {
        if !(degrees.is_finite() && degrees.abs() <= MOST_WARMTH) {
            return false;
        }
        let since = self.now();
        let is_there = self.shared.caught_up().warm(thermometer, Warmth { since, degrees });
        if is_there {
            self.shared.agenda_changed.notify_one();
        }
        is_there
    }

    /// The level that a line really has; nothing when there is no such line.
    pub fn level(&self, line: LineNumber) -> Option<Level> {
        self.shared.world().lines.level(line)
    }

    /// The outdoor temperature in °C.
    pub fn outdoor_temperature(&self) -> f64 {
        self.shared.caught_up().house.outdoor_temperature()
    }
}

/// What the chip of a device feels, whenever it is asked.
fn feeling(shared: &Arc<Shared>, device: &DeviceId) -> impl Fn() -> Surroundings + Send + Sync + use<> {
    let (shared, device) = (shared.clone(), device.clone());
    move || {
        let (now, wall) = (shared.clock.moment(), shared.clock.now());
        shared.caught_up().surroundings(&device, now, wall)
    }
}

/// Lets a line of the header be what the interrupt output does that is wired to it. It only pulls down.
fn following(shared: &Arc<Shared>) -> Follow {
    let shared = shared.clone();
    Arc::new(move |line, pulls_down| {
        let now = shared.clock.moment();
        let mut world = shared.caught_up();
        world.lines.change(line, !pulls_down(), now);
        drop(world);
        shared.agenda_changed.notify_one();
    })
}

#[async_trait]
impl Board for SimulatedBoard {
    fn name(&self) -> String {
        "Simulated board".to_owned()
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn lines(&self) -> Result<Vec<LineInfo>, LineError> {
        Ok(self.shared.world().lines.inventory())
    }

    fn request_input(&self, request: &InputRequest) -> Result<Box<dyn InputLine>, LineError> {
        let edges = self
            .shared
            .caught_up()
            .lines
            .hold_input(request.line, request.active, request.pull, &request.consumer)
            .map_err(|unavailable| line_error(request.line, unavailable))?;
        Ok(Box::new(SimulatedInput { hold: Hold { line: request.line, shared: self.shared.clone() }, edges }))
    }

    fn request_output(&self, request: &OutputRequest) -> Result<Box<dyn OutputLine>, LineError> {
        let mut world = self.shared.caught_up();
        world
            .lines
            .hold_output(request.line, request.active, request.initial, &request.consumer)
            .map_err(|unavailable| line_error(request.line, unavailable))?;
        world.drive(request.line, request.initial, self.shared.clock.moment());
        Ok(Box::new(SimulatedOutput { hold: Hold { line: request.line, shared: self.shared.clone() } }))
    }

    fn open_sensor(&self, device: &DeviceConfig) -> Result<Box<dyn SensorSource>, SensorError> {
        match &device.driver {
            DriverConfig::SimulatedClimate(_) => Ok(Box::new(SimulatedClimate {
                device: device.id.clone(),
                room: room_of(device),
                properties: climate_properties(),
                shared: self.shared.clone(),
            })),
            other => {
                Err(SensorError::NotOnThisBoard { driver: other.word(), needs: "another kind of board" })
            }
        }
    }

    fn open_i2c(&self, bus: u8) -> Result<Box<dyn I2cBackend>, BusError> {
        let missing = || BusError::missing(format!("I²C bus {bus}"), &self.name());
        Ok(Box::new(self.wired.i2c(bus).ok_or_else(missing)?))
    }

    fn open_spi(&self, request: &SpiRequest) -> Result<Box<dyn SpiBackend>, BusError> {
        let missing = || BusError::missing(request.place.to_string(), &self.name());
        Ok(Box::new(self.wired.spi(request.place).ok_or_else(missing)?))
    }

    fn open_serial(&self, request: &SerialRequest) -> Result<Box<dyn SerialBackend>, BusError> {
        let missing = || BusError::missing(request.path.clone(), &self.name());
        if let Some(terminal) = self.wired.terminal(&request.path) {
            return Ok(Box::new(terminal.open().ok_or_else(missing)?));
        }
        Ok(Box::new(self.wired.serial(&request.path).ok_or_else(missing)?))
    }

    fn open_pwm(&self, request: &PwmRequest) -> Result<Box<dyn PwmOutput>, LineError> {
        Ok(Box::new(SimulatedPwm::open(self.shared.clone(), request)?))
    }

    fn buses(&self) -> Vec<BusInfo> {
        self.wired.inventory()
    }

    fn kernel_places(&self) -> Option<KernelPlaces> {
        Some(self.probes.places())
    }

    fn expect_devices(&self, devices: &[DeviceConfig]) {
        // A chip asks the world while its bus waits, so the world is let go first.
        self.shared.caught_up().expect(devices, self.now());
        self.wired.expect(devices, |device| feeling(&self.shared, device));
        self.write_probes();
    }

    async fn run(&self, shutdown: CancellationToken) {
        loop {
            self.write_probes();
            let longest = if self.probes.are_there() { PROBE_NAP } else { LONGEST_NAP };
            let next = self.shared.caught_up().next_happening();
            self.move_expander_lines();
            let now = self.shared.clock.moment();
            let nap = next.map_or(longest, |at| at.saturating_since(now)).min(longest);
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.shared.agenda_changed.notified() => {}
                () = tokio::time::sleep(nap) => {}
            }
        }
    }
}

struct SimulatedInput {
    hold: Hold,
    edges: Arc<EdgeQueue>,
}

#[async_trait]
impl InputLine for SimulatedInput {
    async fn level(&mut self) -> Result<Level, LineError> {
        self.hold.level()
    }

    async fn next_edge(&mut self) -> Result<Edge, LineError> {
        let mut edges = Vec::with_capacity(1);
        self.edges.take(1, &mut edges).await;
        edges.pop().ok_or(LineError::Gone(self.hold.line.into()))
    }

    async fn next_edges(&mut self, edges: &mut Vec<Edge>) -> Result<(), LineError> {
        self.edges.take(usize::MAX, edges).await;
        Ok(())
    }
}

struct SimulatedOutput {
    hold: Hold,
}

#[async_trait]
impl OutputLine for SimulatedOutput {
    async fn set(&mut self, level: Level) -> Result<(), LineError> {
        let now = self.hold.shared.clock.moment();
        self.hold.shared.caught_up().drive(self.hold.line, level, now);
        self.hold.shared.agenda_changed.notify_one();
        Ok(())
    }

    async fn read_back(&mut self) -> Result<Level, LineError> {
        self.hold.level()
    }
}

struct SimulatedClimate {
    device: DeviceId,
    room: String,
    properties: [SensorProperty; 2],
    shared: Arc<Shared>,
}

#[expect(clippy::expect_used, reason = "the ids are fixed words, and every test of the board makes them")]
fn climate_properties() -> [SensorProperty; 2] {
    let number = |word: &str, name: &str, unit: &str| PropertyInfo {
        id: PropertyId::new(word).expect("a fixed word"),
        name: name.to_owned(),
        kind: PropertyKind::Number { unit: unit.to_owned(), decimals: 1 },
        settable: false,
        class: Some(word.to_owned()),
        range: None,
    };
    [
        SensorProperty::new(number("temperature", "Temperature", "°C"), Some((-40.0, 85.0))),
        SensorProperty::new(number("humidity", "Humidity", "%"), Some((0.0, 100.0))),
    ]
}

#[async_trait]
impl SensorSource for SimulatedClimate {
    fn properties(&self) -> Vec<SensorProperty> {
        self.properties.to_vec()
    }

    async fn read(&mut self) -> Result<Vec<Sample>, ReadError> {
        let mut world = self.shared.caught_up();
        if let Some(problem) = world.failing.get(&self.device) {
            return Err(ReadError::Silent(problem.clone()));
        }
        let Some(Climate { temperature, humidity }) = world.house.climate(&self.room) else {
            return Err(ReadError::Silent(format!("the simulated house has no room `{}`", self.room)));
        };
        // Real sensors have noise in their last digit.
        let measured = [
            temperature + world.random.random_range(-0.02..0.02),
            (humidity + world.random.random_range(-0.1..0.1)).clamp(0.0, 100.0),
        ];
        let samples = self.properties.iter().zip(measured).filter_map(|(property, number)| {
            let value = Value::number(number)?;
            Some(Sample { property: property.info.id.clone(), value, quality: Quality::Simulated })
        });
        Ok(samples.collect())
    }
}
