//! Expanders: chips whose lines are pins like any other. Each has one thread that owns it.
//!
//! What control wants of each line stands in one place, and the thread makes the chip be so: a chip that lost its supply
//! and came back gets the levels that are wanted now, never those of a request that waited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_model::{DeviceId, Moment};
use tokio::sync::mpsc;

use super::place::{Place, resolve};
use crate::buses::{Buses, Pause};
use crate::catalogue::{Entry, Kind, Open, Opening, Settings};
use crate::config::{DeviceConfig, DriverConfig, Pull};
use crate::drivers::{LineExpander, PwmExpander};
use crate::traits::{Board, Duty, Edge, Level, ReadError};

/// Requests that wait for an expander. Each line has one owner who asks one thing at a time, and the watch asks too.
const MAX_WAITING: usize = 64;

/// Longest time that an expander may take for one request; what is asked later still comes true, as it is wanted.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Changes that wait for the one who follows a line; it takes more than a second of bouncing to fill it.
const EDGE_QUEUE: usize = 64;

/// What a line shall be. Levels are those of the wire: active means high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Output(Level),
    Input(Pull),
    Pwm(Duty),
}

#[derive(Clone, Copy, Debug)]
enum Ask {
    /// Make the lines as they are wanted, and tell their levels.
    Apply,
    /// Look whether the chip still is as it was set, and set it again when not.
    Check,
    /// The levels at the pins.
    Levels,
    /// The duty of a PWM output.
    Duty(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Levels(u32),
    Duty(Duty),
}

type Answer = SyncSender<Result<Said, String>>;

/// Somebody who follows the changes of an input.
struct Watcher {
    line: u8,
    was_high: Option<bool>,
    missed: u32,
    edges: mpsc::Sender<Edge>,
}

/// An expander in use.
pub(super) struct Expander {
    lines: u8,
    wanted: Arc<Mutex<BTreeMap<u8, Wanted>>>,
    jobs: SyncSender<(Ask, Answer)>,
    watchers: Mutex<Vec<Watcher>>,
    is_pwm: bool,
}

impl fmt::Debug for Expander {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expander").field("lines", &self.lines).finish_non_exhaustive()
    }
}

/// All expanders of a house; none is touched before one of its lines is asked for, or its watch begins.
#[derive(Debug, Default)]
pub(super) struct Expanders {
    by_device: Mutex<BTreeMap<DeviceId, Arc<Expander>>>,
}

impl Expanders {
    /// Those among the devices from now on; those that stay are left alone. One whose thread cannot be started is left out,
    /// with a warning.
    pub(super) fn follow(
        &self,
        devices: &[DeviceConfig],
        board: &Arc<dyn Board>,
        buses: &Arc<Buses>,
        stays: &BTreeSet<DeviceId>,
    ) {
        let mut by_device = lock(&self.by_device);
        by_device.retain(|device, _| stays.contains(device));
        for device in devices {
            if by_device.contains_key(&device.id) {
                continue;
            }
            let DriverConfig::Chip(chip) = &device.driver else { continue };
            let (lines, is_pwm) = match chip.entry.kind {
                Kind::LineExpander { lines } => (lines, false),
                Kind::PwmExpander { lines } => (lines, true),
                Kind::Sensor | Kind::Multiplexer { .. } => continue,
            };
            let place = match resolve(&chip.place, devices) {
                Ok(place) => place,
                Err(problem) => {
                    tracing::warn!(device = %device.id, "{problem}");
                    continue;
                }
            };
            let (jobs, asked) = sync_channel(MAX_WAITING);
            let wanted = Arc::<Mutex<BTreeMap<u8, Wanted>>>::default();
            let owner = Owner {
                device: device.id.clone(),
                entry: chip.entry,
                settings: chip.settings.clone(),
                place,
                pause: if board.is_simulated() { Pause::Skipped } else { Pause::Real },
                buses: buses.clone(),
                wanted: wanted.clone(),
                chip: None,
                applied: BTreeMap::new(),
            };
            let started = std::thread::Builder::new()
                .name(format!("expander {}", device.id))
                .spawn(move || owner.run(&asked));
            if let Err(problem) = started {
                tracing::warn!(device = %device.id, "the expander's thread cannot be started: {problem}");
                continue;
            }
            let expander = Expander { lines, wanted, jobs, watchers: Mutex::default(), is_pwm };
            by_device.insert(device.id.clone(), Arc::new(expander));
        }
    }

    pub(super) fn get(&self, device: &DeviceId) -> Option<Arc<Expander>> {
        lock(&self.by_device).get(device).cloned()
    }
}

impl Expander {
    /// Whether it has this line.
    pub(super) const fn has(&self, line: u8) -> bool {
        line < self.lines
    }

    /// Whether its outputs are PWM outputs.
    pub(super) const fn is_pwm(&self) -> bool {
        self.is_pwm
    }

    /// Makes a line what is wanted, and tells the levels of all lines at their pins then.
    pub(super) async fn make(&self, line: u8, wanted: Wanted) -> Result<u32, String> {
        let wanted = match wanted {
            Wanted::Output(level) if self.is_pwm => {
                Wanted::Pwm(if level.is_on() { Duty::FULL } else { Duty::OFF })
            }
            other => other,
        };
        // From here on it is wanted, whether the chip can be had now or not.
        lock(&self.wanted).insert(line, wanted);
        self.levels_by(Ask::Apply).await
    }

    /// The levels of all lines at their pins, line 0 in the lowest bit.
    pub(super) async fn levels(&self) -> Result<u32, String> {
        self.levels_by(Ask::Levels).await
    }

    /// Looks whether the chip still is as it was set, and sets it again when it lost that.
    pub(super) async fn check(&self) -> Result<u32, String> {
        self.levels_by(Ask::Check).await
    }

    /// The duty of a PWM output.
    pub(super) async fn duty(&self, line: u8) -> Result<Duty, String> {
        match self.ask(Ask::Duty(line)).await? {
            Said::Duty(duty) => Ok(duty),
            Said::Levels(_) => Err("it has no PWM".to_owned()),
        }
    }

    async fn levels_by(&self, ask: Ask) -> Result<u32, String> {
        match self.ask(ask).await? {
            Said::Levels(levels) => Ok(levels),
            Said::Duty(_) => Err("it has no levels".to_owned()),
        }
    }

    async fn ask(&self, ask: Ask) -> Result<Said, String> {
        let (answer, said) = sync_channel(1);
        self.jobs.try_send((ask, answer)).map_err(|error| match error {
            TrySendError::Full(_) => "its bus is busy: a device holds it up".to_owned(),
            TrySendError::Disconnected(_) => "its driver has ended; please report this".to_owned(),
        })?;
        let late = || format!("it did not answer within {} s", ANSWER_LIMIT.as_secs());
        let waited = tokio::task::spawn_blocking(move || said.recv_timeout(ANSWER_LIMIT)).await;
        waited.map_err(|error| error.to_string())?.map_err(|_| late())?
    }

    /// Follows the changes of a line, as [`Expander::poll`] sees them.
    pub(super) fn watch(&self, line: u8) -> mpsc::Receiver<Edge> {
        let (edges, followed) = mpsc::channel(EDGE_QUEUE);
        lock(&self.watchers).push(Watcher { line, was_high: None, missed: 0, edges });
        followed
    }

    /// Whoever follows this line was told this level: the next change is one from there, also when it comes before the first
    /// poll.
    pub(super) fn note(&self, line: u8, is_high: bool) {
        for watcher in lock(&self.watchers).iter_mut().filter(|watcher| watcher.line == line) {
            watcher.was_high = Some(is_high);
        }
    }

    /// Whether anybody follows a line.
    pub(super) fn is_watched(&self) -> bool {
        let mut watchers = lock(&self.watchers);
        watchers.retain(|watcher| !watcher.edges.is_closed());
        !watchers.is_empty()
    }

    /// Looks at the lines once and tells changes to those who follow them. When it fails they learn that the line is gone.
    pub(super) async fn poll(&self, at: Moment) -> Result<(), String> {
        let levels = match self.levels().await {
            Ok(levels) => levels,
            Err(problem) => {
                lock(&self.watchers).clear();
                return Err(problem);
            }
        };
        for watcher in lock(&self.watchers).iter_mut() {
            let is_high = levels >> watcher.line & 1 == 1;
            let has_changed = watcher.was_high.replace(is_high).is_some_and(|was_high| was_high != is_high);
            if has_changed {
                let edge = Edge { level: Level::from_on(is_high), at, missed: watcher.missed };
                let is_taken = watcher.edges.try_send(edge).is_ok();
                watcher.missed = if is_taken { 0 } else { watcher.missed.saturating_add(1) };
            }
        }
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Chip {
    Lines(Box<dyn LineExpander>),
    Pwm(Box<dyn PwmExpander>),
}

/// Owns the chip, on its thread.
struct Owner {
    device: DeviceId,
    entry: &'static Entry,
    settings: Settings,
    place: Place,
    pause: Pause,
    buses: Arc<Buses>,
    wanted: Arc<Mutex<BTreeMap<u8, Wanted>>>,
    chip: Option<Chip>,
    /// What the chip was told since it was opened.
    applied: BTreeMap<u8, Wanted>,
}

impl Owner {
    fn run(mut self, asked: &Receiver<(Ask, Answer)>) {
        while let Ok((ask, answer)) = asked.recv() {
            // What is wanted stays wanted, so a request that nobody waits for any more does no harm.
            let _ = answer.try_send(self.serve(ask).map_err(|error| error.to_string()));
        }
    }

    /// Once more, from the beginning, when it fails: a disturbed transfer is nothing that people should hear of.
    fn serve(&mut self, ask: Ask) -> Result<Said, ReadError> {
        match self.attempt(ask) {
            Err(ReadError::Cannot(problem)) => Err(ReadError::Cannot(problem)),
            Err(_) => {
                self.chip = None;
                self.attempt(ask).inspect_err(|_| self.chip = None)
            }
            said => said,
        }
    }

    fn attempt(&mut self, ask: Ask) -> Result<Said, ReadError> {
        self.settle()?;
        if let Ask::Duty(line) = ask {
            return match &mut self.chip {
                Some(Chip::Pwm(chip)) => chip.duty(line).map(Said::Duty),
                _ => Err(ReadError::Cannot("it has no PWM".to_owned())),
            };
        }
        let mut levels = self.levels()?;
        let is_suspect = matches!(ask, Ask::Check) || !self.is_obeyed(levels);
        if is_suspect && !self.is_as_set()? {
            tracing::warn!(device = %self.device, "the expander lost its settings, as after a cut of its supply; it is set again");
            self.chip = None;
            self.settle()?;
            levels = self.levels()?;
        }
        Ok(Said::Levels(levels))
    }

    /// Opens the chip if it is not, and tells it what is wanted and it was not told yet.
    fn settle(&mut self) -> Result<(), ReadError> {
        if self.chip.is_none() {
            self.applied.clear();
            self.chip = Some(self.open()?);
        }
        let wanted = lock(&self.wanted).clone();
        let Some(chip) = &mut self.chip else { return Ok(()) };
        for (line, wanted) in wanted {
            let before = self.applied.get(&line).copied();
            if before == Some(wanted) {
                continue;
            }
            let outcome = match (&mut *chip, wanted, before) {
                (Chip::Lines(chip), Wanted::Output(level), Some(Wanted::Output(_))) => {
                    chip.drive(line, level)
                }
                (Chip::Lines(chip), Wanted::Output(level), _) => chip.make_output(line, level),
                (Chip::Lines(chip), Wanted::Input(pull), _) => chip.make_input(line, pull),
                (Chip::Pwm(chip), Wanted::Pwm(duty), _) => chip.set(line, duty),
                (Chip::Lines(_), Wanted::Pwm(_), _) => {
                    Err(ReadError::Cannot("its lines have no PWM".to_owned()))
                }
                (Chip::Pwm(_), _, _) => Err(ReadError::Cannot("its lines are outputs only".to_owned())),
            };
            if matches!(outcome, Err(ReadError::Cannot(_))) {
                // It is not asked again; the other lines are not to suffer from it.
                lock(&self.wanted).remove(&line);
            }
            outcome?;
            self.applied.insert(line, wanted);
        }
        Ok(())
    }

    fn open(&self) -> Result<Chip, ReadError> {
        let Place::I2c { bus, through, address } = &self.place else {
            return Err(ReadError::Cannot(format!("a {} is not connected like that", self.entry.name)));
        };
        let bus = self.buses.i2c(*bus).map_err(|error| ReadError::Silent(error.to_string()))?;
        let port = bus.urgent_port(*through);
        let opening =
            Opening { settings: &self.settings, pause: self.pause, every: self.entry.periods.default };
        match self.entry.open {
            Open::Lines(open) => Ok(Chip::Lines(open(port, *address, &opening)?)),
            Open::Pwm(open) => Ok(Chip::Pwm(open(port, *address, &opening)?)),
            _ => Err(ReadError::Cannot(format!("a {} has no lines", self.entry.name))),
        }
    }

    fn levels(&mut self) -> Result<u32, ReadError> {
        match &mut self.chip {
            Some(Chip::Lines(chip)) => chip.levels(),
            Some(Chip::Pwm(chip)) => {
                let mut levels = 0;
                for line in self.applied.keys() {
                    levels |= u32::from(chip.duty(*line)? != Duty::OFF) << line;
                }
                Ok(levels)
            }
            None => Err(ReadError::Silent("it is not open".to_owned())),
        }
    }

    fn is_as_set(&mut self) -> Result<bool, ReadError> {
        match &mut self.chip {
            Some(Chip::Lines(chip)) => chip.is_as_set(),
            Some(Chip::Pwm(chip)) => chip.is_as_set(),
            None => Ok(false),
        }
    }

    /// Whether the outputs have the levels that they were told.
    fn is_obeyed(&self, levels: u32) -> bool {
        self.applied.iter().all(|(line, wanted)| match wanted {
            Wanted::Output(level) => (levels >> line & 1 == 1) == level.is_on(),
            Wanted::Pwm(duty) => (levels >> line & 1 == 1) == (*duty != Duty::OFF),
            Wanted::Input(_) => true,
        })
    }
}

#[cfg(test)]
#[path = "expander_tests.rs"]
mod tests;
