//! Expanders: chips whose lines are pins like any other. Each has one thread that owns it.
//!
//! What control wants of each line stands in one place, and the thread makes the chip be so: a chip that lost its supply
//! and came back gets the levels that are wanted now, never those of a request that waited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gatehouse_model::{Clock, DeviceId, Moment};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::expander_jobs::{Ask, Job, Said, Tenure, Wanted, WantedLines};
use super::expander_owner::Owner;
use super::expander_watchers::Watchers;
use super::place::resolve;
use crate::buses::{Buses, Pause};
use crate::catalogue::Kind;
use crate::config::{DeviceConfig, DriverConfig, Pull};
use crate::traits::{Board, Duty, Edge};

/// Requests that wait for an expander. Each line has one owner who asks one thing at a time, and the watch asks too.
const MAX_WAITING: usize = 64;

/// Longest time that an expander may take for one request; what is asked later still comes true, as it is wanted.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// An expander in use.
pub(super) struct Expander {
    lines: u8,
    wanted: Arc<WantedLines>,
    jobs: SyncSender<Job>,
    watchers: Arc<Watchers>,
    is_pwm: bool,
    is_simulated: bool,
    clock: Arc<dyn Clock>,
    tenure: Arc<Tenure>,
}

impl Drop for Expander {
    fn drop(&mut self) {
        self.tenure.end();
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
        let mut by_device = self.by_device();
        let mut before = Vec::new();
        by_device.retain(|device, expander| {
            let stays = stays.contains(device);
            if !stays {
                expander.tenure.end();
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
            let wanted = Arc::<WantedLines>::default();
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

    fn by_device(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Arc<Expander>>> {
        self.by_device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, device: &DeviceId) -> Option<Arc<Expander>> {
        self.by_device().get(device).cloned()
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
        self.wanted.set(line, wanted);
    }

    /// Makes a line what is wanted, and tells the levels of all lines at their pins then.
    pub(super) async fn make(&self, line: u8, wanted: Wanted) -> Result<u32, String> {
        self.want(line, wanted);
        self.levels_by(Ask::Apply, None).await
    }

    /// Makes a line an input, and tells the levels of all lines at their pins then. Whoever follows the line learns of each
    /// change from there on.
    pub(super) async fn begin(&self, line: u8, pull: Pull) -> Result<u32, String> {
        self.wanted.set(line, Wanted::Input(pull));
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

#[cfg(test)]
#[path = "expander_tests.rs"]
mod tests;
