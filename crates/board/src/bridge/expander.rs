//! Expanders: chips whose lines are pins like any other. Each has one thread that owns it.
//!
//! What control wants of each line stands in one place, and the thread makes the chip be so: a chip that lost its supply
//! and came back gets the levels that are wanted now, never those of a request that waited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId, Moment};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::expander_owner::Owner;
use super::expander_watchers::Watchers;
use super::place::resolve;
use crate::buses::{Buses, Pause};
use crate::catalogue::Kind;
use crate::config::{DeviceConfig, DriverConfig, Pull};
use crate::traits::{Board, Duty, Edge, Level};

/// Requests that wait for an expander. Each line has one owner who asks one thing at a time, and the watch asks too.
const MAX_WAITING: usize = 64;

/// Longest time that an expander may take for one request; what is asked later still comes true, as it is wanted.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What a line shall be. Levels are those of the wire: active means high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Output(Level),
    Input(Pull),
    Pwm(Duty),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// Make the lines as they are wanted, and tell their levels.
    Apply,
    /// The same, by whoever follows this line: its changes are told from the level that this gives.
    Begin(u8),
    /// Look whether the chip still is as it was set, and set it again when not.
    Check,
    /// The levels at the pins.
    Levels,
    /// The duty of a PWM output.
    Duty(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Levels(u32),
    Duty(Duty),
}

/// A request on its way.
pub(super) struct Job {
    pub(super) ask: Ask,
    /// When what has changed by now began to change, as far as that is known.
    pub(super) at: Moment,
    /// When it was asked.
    pub(super) now: Moment,
    pub(super) answer: oneshot::Sender<Result<Said, String>>,
}

/// An expander in use.
pub(super) struct Expander {
    lines: u8,
    wanted: Arc<Mutex<BTreeMap<u8, Wanted>>>,
    jobs: SyncSender<Job>,
    watchers: Arc<Watchers>,
    is_pwm: bool,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    tenure: Arc<Tenure>,
}

/// For how long a thread may touch its chip. What waits in its queue when its expander is given up is not done any more: an
/// older thread that looks at the chip late finds it other than it knows it, and would set it back over its successor.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    is_over: AtomicBool,
    /// Held by the thread while it works.
    work: Mutex<()>,
}

impl Tenure {
    /// Lets the thread work once, unless its time is over.
    pub(super) fn work(&self) -> Option<MutexGuard<'_, ()>> {
        let work = lock(&self.work);
        (!self.is_over.load(Ordering::SeqCst)).then_some(work)
    }

    /// Waits until the thread has ended what it was about to do when its time was over.
    pub(super) fn outlast(&self) {
        drop(lock(&self.work));
    }
}

impl Drop for Expander {
    fn drop(&mut self) {
        self.tenure.is_over.store(true, Ordering::SeqCst);
    }
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
        clock: &Arc<dyn Clock>,
        buses: &Arc<Buses>,
        stays: &BTreeSet<DeviceId>,
    ) {
        let mut by_device = lock(&self.by_device);
        let mut before = Vec::new();
        by_device.retain(|device, expander| {
            let stays = stays.contains(device);
            if !stays {
                expander.tenure.is_over.store(true, Ordering::SeqCst);
                before.push(expander.tenure.clone());
            }
            stays
        });
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
            let watchers = Arc::<Watchers>::default();
            let tenure = Arc::<Tenure>::default();
            let owner = Owner {
                device: device.id.clone(),
                entry: chip.entry,
                settings: chip.settings.clone(),
                interrupts: chip.interrupt.is_some(),
                place,
                pause: if board.is_simulated() { Pause::Skipped } else { Pause::Real },
                buses: buses.clone(),
                wanted: wanted.clone(),
                watchers: watchers.clone(),
                chip: None,
                applied: BTreeMap::new(),
                tenure: tenure.clone(),
                before: before.clone(),
            };
            let started = std::thread::Builder::new()
                .name(format!("expander {}", device.id))
                .spawn(move || owner.run(&asked));
            if let Err(problem) = started {
                tracing::warn!(device = %device.id, "the expander's thread cannot be started: {problem}");
                continue;
            }
            let (is_simulated, clock) = (board.is_simulated(), clock.clone());
            let expander = Expander { lines, wanted, jobs, watchers, is_pwm, is_simulated, clock, tenure };
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

    /// From here on it is wanted, whether the chip can be had now or not. Nobody waits: it comes true with the next request
    /// for any line.
    pub(super) fn want(&self, line: u8, wanted: Wanted) {
        let wanted = match wanted {
            Wanted::Output(level) if self.is_pwm => {
                Wanted::Pwm(if level.is_on() { Duty::FULL } else { Duty::OFF })
            }
            other => other,
        };
        lock(&self.wanted).insert(line, wanted);
    }

    /// Makes a line what is wanted, and tells the levels of all lines at their pins then.
    pub(super) async fn make(&self, line: u8, wanted: Wanted) -> Result<u32, String> {
        self.want(line, wanted);
        self.levels_by(Ask::Apply, None).await
    }

    /// Makes a line an input, and tells the levels of all lines at their pins then. Whoever follows the line learns of each
    /// change from there on.
    pub(super) async fn begin(&self, line: u8, pull: Pull) -> Result<u32, String> {
        lock(&self.wanted).insert(line, Wanted::Input(pull));
        self.levels_by(Ask::Begin(line), None).await
    }

    /// The levels of all lines at their pins, line 0 in the lowest bit.
    pub(super) async fn levels(&self) -> Result<u32, String> {
        self.levels_by(Ask::Levels, None).await
    }

    /// Looks whether the chip still is as it was set, and sets it again when it lost that.
    pub(super) async fn check(&self) -> Result<u32, String> {
        self.heard(self.levels_by(Ask::Check, None).await)
    }

    /// The duty of a PWM output.
    pub(super) async fn duty(&self, line: u8) -> Result<Duty, String> {
        match self.ask(Ask::Duty(line), None).await? {
            Said::Duty(duty) => Ok(duty),
            Said::Levels(_) => Err("it has no PWM".to_owned()),
        }
    }

    async fn levels_by(&self, ask: Ask, at: Option<Moment>) -> Result<u32, String> {
        match self.ask(ask, at).await? {
            Said::Levels(levels) => Ok(levels),
            Said::Duty(_) => Err("it has no levels".to_owned()),
        }
    }

    async fn ask(&self, ask: Ask, at: Option<Moment>) -> Result<Said, String> {
        let (answer, said) = oneshot::channel();
        let now = self.clock.moment();
        self.jobs.try_send(Job { ask, at: at.unwrap_or(now), now, answer }).map_err(|error| match error {
            TrySendError::Full(_) => "its bus is busy: a device holds it up".to_owned(),
            TrySendError::Disconnected(_) => "its driver has ended; please report this".to_owned(),
        })?;
        let _time = self.is_simulated.then(StandingTime::hold);
        match timeout(ANSWER_LIMIT, said).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err("its driver has ended; please report this".to_owned()),
            Err(_) => Err(format!("it did not answer within {} s", ANSWER_LIMIT.as_secs())),
        }
    }

    /// Asks for a look at the chip without waiting for it.
    #[cfg(test)]
    fn look_later(&self) -> oneshot::Receiver<Result<Said, String>> {
        let (answer, said) = oneshot::channel();
        let now = self.clock.moment();
        let _ = self.jobs.try_send(Job { ask: Ask::Check, at: now, now, answer });
        said
    }

    /// Follows the changes of a line, as any reading of the chip sees them, from [`Expander::begin`] on.
    pub(super) fn watch(&self, line: u8) -> mpsc::Receiver<Edge> {
        self.watchers.follow(line)
    }

    /// Whether anybody follows a line.
    pub(super) fn is_watched(&self) -> bool {
        self.watchers.are_there()
    }

    /// Looks at the lines once, so that changes are told to those who follow them, dated to `at`. When it fails they learn
    /// that the line is gone.
    pub(super) async fn poll(&self, at: Moment) -> Result<(), String> {
        self.heard(self.levels_by(Ask::Levels, Some(at)).await).map(drop)
    }

    /// Those who follow lines learn of it when the chip is gone.
    fn heard<T>(&self, outcome: Result<T, String>) -> Result<T, String> {
        outcome.inspect_err(|_| self.watchers.lose())
    }
}

/// Keeps simulated time where it is while a chip's thread works, which takes real time and no simulated time at all: tokio
/// lets paused time run on when every task waits, but not while blocking work is done. A thread of the pool is what that
/// costs, so it is for simulated boards only.
struct StandingTime {
    /// Closed when this is dropped.
    _work: SyncSender<()>,
}

impl StandingTime {
    fn hold() -> Self {
        let (work, done) = sync_channel::<()>(1);
        // A chip that hangs shall be found out: after that much real time simulated time goes on.
        tokio::task::spawn_blocking(move || done.recv_timeout(ANSWER_LIMIT));
        Self { _work: work }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "expander_tests.rs"]
mod tests;
