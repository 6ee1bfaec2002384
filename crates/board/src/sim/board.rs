//! The simulated board: lines and sensors joined with the house around them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatehouse_model::{Clock, DeviceId, Moment, PropertyId, PropertyInfo, PropertyKind, Quality, Value};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::chips::{ChipBus, Fault, I2cChip, Surroundings};
use super::edges::EdgeQueue;
use super::house::{Climate, House};
use super::life::{HALF_A_PULSE, Happening, Life, What};
use super::lines::{Lines, Unavailable, is_high};
use super::plan::{ExpanderInput, Plan, Role, room_of};
use super::probes::{HOLDER, ProbeFiles, Warmth};
use super::pwm::SimulatedPwm;
use super::script::{Train, USUAL_QUARTER};
use super::terminal::Terminal;
use super::wired::{Follow, Wired};
use crate::config::{DeviceConfig, DriverConfig, ProbeId};
use crate::traits::{
    Board, BusError, BusInfo, Duty, Edge, I2cBackend, InputLine, InputRequest, KernelPlaces, Level,
    LineError, LineInfo, LineNumber, OutputLine, OutputRequest, PwmOutput, PwmRequest, ReadError, Sample,
    SensorError, SensorProperty, SensorSource, SerialBackend, SerialRequest, SpiBackend, SpiRequest,
};

/// Longest nap of the board's own loop, so that a wall clock that was set is noticed in the weather.
const LONGEST_NAP: Duration = Duration::from_secs(60);

/// The same while there are thermometers of the kernel, whose files have to be written.
const PROBE_NAP: Duration = Duration::from_secs(2);

/// The line of the 1-Wire bus, unless its overlay names another.
const ONE_WIRE: LineNumber = LineNumber::new(4);

/// Offsets in microseconds of the edges of a contact that bounces, after the first one: even many, so that it ends
/// where it was going. Mechanical contacts settle within about 5 ms.
const BOUNCE_MICROSECONDS: [std::ops::Range<u64>; 4] = [200..600, 700..1_400, 1_500..2_800, 3_000..5_000];

/// Most changes that can be scheduled at once; a script that schedules more is wrong.
const MAX_AGENDA: usize = 4_096;

/// Most trains of edges at once, two for each line.
const MAX_TRAINS: usize = 64;

/// How long after its trigger an ultrasonic sensor raises its echo line: it sends eight cycles of 40 kHz first.
const BURST: Duration = Duration::from_micros(450);

/// How long its echo line stays up when no echo comes back.
const NO_ECHO: Duration = Duration::from_millis(38);

#[derive(Debug)]
pub(super) struct World {
    pub(super) house: House,
    pub(super) lines: Lines,
    pub(super) plan: Plan,
    life: Life,
    /// Sensors that fail, with what they say.
    pub(super) failing: BTreeMap<DeviceId, String>,
    /// Voltage changes to come, in their order: the number keeps equal moments apart.
    agenda: BTreeMap<(Moment, u64), (LineNumber, bool)>,
    agenda_count: u64,
    /// Lines that change again and again.
    trains: Vec<Train>,
    /// Lines of expanders that people have moved, with their voltages: the chips hear of it while this is not locked.
    moved: Vec<(ExpanderInput, bool)>,
    /// What stands before ultrasonic sensors, in metres.
    pub(super) distances: BTreeMap<DeviceId, f64>,
    /// What PWM outputs have, by their lines.
    pub(super) duties: BTreeMap<LineNumber, Duty>,
    /// Thermometers that somebody holds, or has held.
    pub(super) warmth: BTreeMap<ProbeId, Warmth>,
    pub(super) random: StdRng,
}

#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    pub(super) clock: Arc<dyn Clock>,
    /// Wakes the board's loop when the agenda changes.
    agenda_changed: Notify,
}

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
        let mut lines = Lines::new();
        for (line, active) in plan.inputs() {
            lines.wire(line, is_high(Level::Inactive, active));
        }
        if plan.probes().next().is_some() {
            lines.hold_by_kernel(ONE_WIRE, HOLDER);
        }
        let house = House::new(plan.rooms(), seed, clock.moment(), clock.now());
        let world = World {
            house,
            lines,
            plan,
            life,
            failing: BTreeMap::new(),
            agenda: BTreeMap::new(),
            agenda_count: 0,
            trains: Vec::new(),
            moved: Vec::new(),
            distances: BTreeMap::new(),
            duties: BTreeMap::new(),
            warmth: BTreeMap::new(),
            random: StdRng::seed_from_u64(seed),
        };
        let shared = Arc::new(Shared { world: Mutex::new(world), clock, agenda_changed: Notify::new() });
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

impl Shared {
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as it is now.
    pub(super) fn caught_up(&self) -> MutexGuard<'_, World> {
        let mut world = self.world();
        let now = self.clock.moment();
        world.house.advance(now, self.clock.now());
        world.let_happen(now);
        world
    }
}

impl World {
    fn set_input(&mut self, device: &DeviceId, on: bool, now: Moment) -> bool {
        if let Some(input) = self.plan.expander_input(device).cloned() {
            let is_high = is_high(Level::from_on(on), input.active);
            self.moved.push((input, is_high));
            return true;
        }
        let Some((line, active, role)) = self.plan.input(device) else { return false };
        if matches!(role, Role::Encoder { .. } | Role::Echo { .. }) {
            return false;
        }
        let target = is_high(Level::from_on(on), active);
        self.schedule(now, line, target);
        if let Role::Door { room } = role {
            self.house.set_aired(&room, on);
            for (bounce, offsets) in BOUNCE_MICROSECONDS.iter().enumerate() {
                let offset = Duration::from_micros(self.random.random_range(offsets.clone()));
                self.schedule(now + offset, line, if bounce % 2 == 0 { !target } else { target });
            }
        }
        true
    }

    pub(super) fn schedule(&mut self, at: Moment, line: LineNumber, is_high: bool) {
        if self.agenda.len() >= MAX_AGENDA {
            tracing::warn!(%line, "too many changes are scheduled on the simulated board; one was left out");
            return;
        }
        self.agenda_count += 1;
        self.agenda.insert((at, self.agenda_count), (line, is_high));
    }

    /// Does everything that is due.
    fn let_happen(&mut self, now: Moment) {
        for Happening { device, what } in self.life.due(now) {
            match what {
                What::Set(on) => drop(self.set_input(&device, on, now)),
                What::Turn(detents) => drop(self.turn(&device, detents, USUAL_QUARTER, now)),
                What::Pulses(count) => {
                    if let Some((line, ..)) = self.plan.input(&device) {
                        self.start_train(Train::even(line, now, count * 2, HALF_A_PULSE));
                    }
                }
            }
        }
        loop {
            let scheduled = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let train = self.trains.iter_mut().min_by_key(|train| train.next());
            match (scheduled, train) {
                (scheduled, Some(train))
                    if train.next() <= now && scheduled.is_none_or(|at| train.next() < at) =>
                {
                    let at = train.next();
                    if let Some(line) = train.step(&mut self.random) {
                        let is_high = self.lines.is_high(line);
                        self.lines.change(line, !is_high, at);
                    }
                    self.trains.retain(|train| !train.is_over());
                }
                (Some(at), _) if at <= now => {
                    if let Some((_, (line, is_high))) = self.agenda.pop_first() {
                        self.lines.change(line, is_high, at);
                    }
                }
                _ => return,
            }
        }
    }

    /// Starts a train of edges; one without edges never begins.
    pub(super) fn start_train(&mut self, train: Train) {
        if self.trains.len() >= MAX_TRAINS {
            tracing::warn!("too many trains of edges on the simulated board; one was left out");
        } else if !train.is_over() {
            self.trains.push(train);
        }
    }

    /// When the last train of edges on these lines is over.
    pub(super) fn quiet_from(&self, lines: &[LineNumber]) -> Option<Moment> {
        let last = self.trains.iter().map(Train::last);
        last.filter(|(line, _)| lines.contains(line)).map(|(_, at)| at).max()
    }

    fn next_happening(&self) -> Option<Moment> {
        let scheduled = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let train = self.trains.iter().map(Train::next).min();
        [scheduled, train, self.life.next()].into_iter().flatten().min()
    }

    pub(super) fn drive(&mut self, line: LineNumber, level: Level, now: Moment) {
        let was_high = self.lines.is_high(line);
        self.lines.drive(line, level);
        if was_high && !self.lines.is_high(line) {
            self.send_ultrasound(line, now);
        }
        let really_on = self.lines.level(line).is_some_and(Level::is_on);
        if let Some(room) = self.plan.heated_by(line) {
            self.house.set_heated(&room, really_on);
        }
    }
}

impl World {
    /// The trigger of an ultrasonic sensor fell: its echo line goes up for as long as sound is on its way.
    fn send_ultrasound(&mut self, trigger: LineNumber, now: Moment) {
        let Some((device, echo)) = self.plan.triggered_by(trigger) else { return };
        let on_its_way = match self.distances.get(&device) {
            Some(metres) => {
                let seconds = 2.0 * metres
                    / gatehouse_control::echo::speed_of_sound(gatehouse_control::echo::DEFAULT_AIR);
                Duration::try_from_secs_f64(seconds).unwrap_or(NO_ECHO).min(NO_ECHO)
            }
            None => NO_ECHO,
        };
        self.schedule(now + BURST, echo, true);
        self.schedule(now + BURST + on_its_way, echo, false);
    }
}

pub(super) fn line_error(line: LineNumber, unavailable: Unavailable) -> LineError {
    match unavailable {
        Unavailable::Missing => LineError::NoSuchLine(line.into()),
        Unavailable::Held(owner) => LineError::Busy { line: line.into(), owner },
    }
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
        let now = self.shared.clock.moment();
        let mut guard = self.shared.caught_up();
        let world = &mut *guard;
        world.plan = Plan::of(devices);
        world.life.expect(&world.plan, now);
        let inputs: Vec<_> = world.plan.inputs().collect();
        for (line, active) in inputs {
            if !world.lines.is_wired(line) {
                world.lines.wire(line, is_high(Level::Inactive, active));
            }
        }
        if world.plan.probes().next().is_some() {
            world.lines.hold_by_kernel(ONE_WIRE, HOLDER);
        }
        let rooms = world.plan.rooms();
        world.house.add_rooms(rooms);
        // A chip asks the world while its bus waits, so the world is let go first.
        drop(guard);
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

/// A held line; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) line: LineNumber,
    pub(super) shared: Arc<Shared>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.world().lines.release(self.line);
    }
}

impl Hold {
    fn level(&self) -> Result<Level, LineError> {
        self.shared.caught_up().lines.level(self.line).ok_or(LineError::Gone(self.line.into()))
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
