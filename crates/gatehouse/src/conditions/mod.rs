//! What the gateway has to live with for a while: a disk without room, a clock that is wrong, a network that is gone, a run
//! before this one that ended badly. Each is looked for here, told to people (`wiring/warnings.rs`, `/metrics`), and survived
//! where it strikes; docs/alone.md says how.

mod clock;
mod disk;
pub(crate) mod failed_start;
pub(crate) mod last_run;
mod network;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatehouse_dashboard::{Warning, WarningWord};
use gatehouse_model::{Clock, Moment, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use clock::ClockLook;
use disk::DiskLook;
pub(crate) use disk::{Room, has_room_to_start, is_nearly_full};
use last_run::Ending;
use network::Network;

use crate::releases::{self, Unkept};

/// How often it is looked. A person who makes room sees the page say so within this time.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How often it is looked whether the copy of before an upgrade is old enough to go.
const LOOK_AT_COPY_EVERY: Duration = Duration::from_secs(3_600);

/// How long it is told that the run before this one ended badly.
const TOLD_OF_LAST_RUN: Duration = Duration::from_secs(12 * 3_600);

/// What is looked at.
pub(crate) struct Conditions {
    directory: PathBuf,
    clock: Arc<dyn Clock>,
    began: Moment,
    ticks: Option<Interval>,
    /// The look at the machine that is under way: a disk that hangs holds one thread, and nothing else.
    looking: Option<JoinHandle<Seen>>,
    room: Option<Room>,
    /// Nothing where the data is on no disk.
    disk: Option<DiskLook>,
    wall: ClockLook,
    /// Nothing for a demonstration, whose machine is none of its business.
    own: Option<OwnMachine>,
}

/// Whether others can reach this machine at all.
pub(crate) fn has_network() -> bool {
    network::is_there()
}

/// What a look at the machine shows, as far as it takes the kernel's time.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    room: Option<Room>,
    /// Nothing where nobody asks.
    has_network: Option<bool>,
}

impl Seen {
    fn of(directory: &Path, is_own: bool) -> Self {
        Self { room: Room::of(directory), has_network: is_own.then(network::is_there) }
    }
}

/// What is looked at on a machine that is the gateway's.
struct OwnMachine {
    network: Network,
    is_clock_set: Box<dyn Fn() -> bool + Send + Sync>,
    last_run: Option<Ending>,
    unkept: Option<Unkept>,
    /// When the copy of before an upgrade was looked at last.
    copy_seen: Option<Moment>,
}

impl Conditions {
    /// Of a gateway with this data directory. `is_clock_set` tells whether the clock is right, or nobody is there who could
    /// set it. A demonstration (`own` is false) looks at its disk only. To be made before the run [begins](last_run::begins).
    pub(crate) fn new(
        directory: &Path,
        clock: Arc<dyn Clock>,
        is_clock_set: impl Fn() -> bool + Send + Sync + 'static,
        own: bool,
    ) -> Self {
        let own = own.then(|| OwnMachine {
            network: Network::default(),
            is_clock_set: Box::new(is_clock_set),
            last_run: last_run::before(directory),
            unkept: Unkept::of_this_release(directory),
            copy_seen: None,
        });
        let (began, directory) = (clock.moment(), directory.to_owned());
        let (disk, wall) = (Some(DiskLook::default()), ClockLook::default());
        Self { directory, clock, began, ticks: None, looking: None, room: None, disk, wall, own }
    }

    /// Says nothing of the disk when `looks` is false.
    pub(crate) fn looking_at_disk(self, looks: bool) -> Self {
        Self { disk: self.disk.filter(|_| looks), ..self }
    }

    /// Waits until it is time to look again, looks, and gives what holds now. At once the first time. May be dropped while
    /// it waits.
    pub(crate) async fn next(&mut self) -> Vec<Warning> {
        let ticks = self.ticks.get_or_insert_with(|| {
            let mut ticks = tokio::time::interval(LOOK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        ticks.tick().await;
        let under_way = self.looking.take().unwrap_or_else(|| self.begin_look());
        let looking = self.looking.insert(under_way);
        // Where it hangs, what was seen last holds, and the same look is waited for the next time.
        if let Ok(seen) = tokio::time::timeout(LOOK_EVERY / 2, &mut *looking).await {
            self.looking = None;
            let seen = seen.unwrap_or_default();
            self.room = seen.room;
            if let (Some(own), Some(has_network)) = (&mut self.own, seen.has_network) {
                own.network.look(has_network, self.clock.moment());
            }
        }
        self.forget_last_run();
        self.forget_upgrade();
        self.judge()
    }

    fn begin_look(&mut self) -> JoinHandle<Seen> {
        let (directory, is_own, copy_is_due) =
            (self.directory.clone(), self.own.is_some(), self.is_time_for_copy());
        tokio::task::spawn_blocking(move || {
            if let Some(now) = copy_is_due {
                releases::forget_old_copy(&directory, now);
            }
            Seen::of(&directory, is_own)
        })
    }

    /// The time of day when it is time to see whether the copy of before an upgrade may go: not by a clock that is wrong.
    fn is_time_for_copy(&mut self) -> Option<Timestamp> {
        let moment = self.clock.moment();
        let own = self.own.as_mut()?;
        let is_soon = own.copy_seen.is_some_and(|seen| moment.saturating_since(seen) < LOOK_AT_COPY_EVERY);
        if is_soon || !(own.is_clock_set)() {
            return None;
        }
        own.copy_seen = Some(moment);
        Some(self.clock.now())
    }

    /// What happened half a day ago is no news any more, here and in the check-up.
    fn forget_last_run(&mut self) {
        let is_news = self.clock.moment().saturating_since(self.began) < TOLD_OF_LAST_RUN;
        if let Some(own) = self.own.as_mut().filter(|own| !is_news && own.last_run.is_some()) {
            own.last_run = None;
            last_run::is_no_news(&self.directory);
        }
    }

    /// By now everybody has seen that the upgrade was good: the copy that it did not keep would be gone as well.
    fn forget_upgrade(&mut self) {
        let now = self.clock.now();
        if let Some(own) = &mut self.own
            && (own.is_clock_set)()
            && own.unkept.take_if(|unkept| !unkept.is_news(now)).is_some()
        {
            releases::forget_unkept(&self.directory);
        }
    }

    fn judge(&mut self) -> Vec<Warning> {
        let (look, directory) = (self.disk.as_mut(), &self.directory);
        let disk = self.room.zip(look).and_then(|(room, look)| look.judge(room, directory));
        let mut found: Vec<Warning> = disk.into_iter().collect();
        let Some(own) = &self.own else { return found };
        found.extend(self.wall.judge(&*self.clock, (own.is_clock_set)()));
        found.extend(own.network.is_gone().then(|| warning(WarningWord::NetworkGone, "")));
        found.extend(own.last_run.map(|ending| warning(ending.word(), "")));
        let unkept = own.unkept.iter().map(|Unkept { version, reason, .. }| format!("{version} {reason}"));
        found.extend(unkept.map(|detail| warning(WarningWord::NoWayBack, detail)));
        found
    }
}

fn warning(kind: WarningWord, detail: impl Into<String>) -> Warning {
    Warning { kind, detail: detail.into() }
}

#[cfg(test)]
mod tests;
