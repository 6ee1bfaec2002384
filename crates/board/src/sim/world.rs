//! The world of the simulated board: its lines and the house around them, and what is about to happen there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId, Moment};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Notify;

use super::house::House;
use super::life::{HALF_A_PULSE, Happening, Life, What};
use super::lines::{Lines, is_high};
use super::plan::{ExpanderInput, Plan, Role};
use super::train::{Train, USUAL_QUARTER};
use super::warmth::Warmth;
use crate::config::{DeviceConfig, ProbeId};
use crate::traits::{Duty, Level, LineError, LineNumber};

/// The line of the 1-Wire bus, unless its overlay names another.
const ONE_WIRE: LineNumber = LineNumber::new(4);

/// Who holds the line of the bus: what the kernel's driver `w1-gpio` calls itself when its overlay names no other line.
const ONE_WIRE_HOLDER: &str = "onewire@4";

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
    pub(super) moved: Vec<(ExpanderInput, bool)>,
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
    pub(super) agenda_changed: Notify,
}

impl Shared {
    pub(super) fn new(world: World, clock: Arc<dyn Clock>) -> Self {
        Self { world: Mutex::new(world), clock, agenda_changed: Notify::new() }
    }

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
    pub(super) fn new(plan: Plan, life: Life, seed: u64, clock: &dyn Clock) -> Self {
        let house = House::new(plan.rooms(), seed, clock.moment(), clock.now());
        let mut world = Self {
            house,
            lines: Lines::new(),
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
        world.wire();
        world
    }

    /// Other devices from now on.
    pub(super) fn expect(&mut self, devices: &[DeviceConfig], now: Moment) {
        self.plan = Plan::of(devices);
        self.life.expect(&self.plan, now);
        self.wire();
        self.house.add_rooms(self.plan.rooms());
    }

    /// Wires what is planned to lines that nothing is wired to yet.
    fn wire(&mut self) {
        for (line, active) in self.plan.inputs() {
            if !self.lines.is_wired(line) {
                self.lines.wire(line, is_high(Level::Inactive, active));
            }
        }
        if self.plan.probes().next().is_some() {
            self.lines.hold_by_kernel(ONE_WIRE, ONE_WIRE_HOLDER);
        }
    }

    pub(super) fn set_input(&mut self, device: &DeviceId, on: bool, now: Moment) -> bool {
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

    pub(super) fn next_happening(&self) -> Option<Moment> {
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

    pub(super) fn turn(&mut self, device: &DeviceId, detents: i32, quarter: Duration, now: Moment) -> bool {
        let Some((first, second)) = self.plan.encoder(device) else { return false };
        let (leads, follows) = if detents < 0 { (second, first) } else { (first, second) };
        let (edges, pause) = (u64::from(detents.unsigned_abs()) * 2, quarter * 2);
        let from = self.quiet_from(&[first, second]).map_or(now, |quiet| quiet.max(now));
        self.start_train(Train::even_from(leads, from + quarter, edges, pause));
        self.start_train(Train::even_from(follows, from + pause, edges, pause));
        true
    }

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
    pub(super) fn level(&self) -> Result<Level, LineError> {
        self.shared.caught_up().lines.level(self.line).ok_or(LineError::Gone(self.line.into()))
    }
}
