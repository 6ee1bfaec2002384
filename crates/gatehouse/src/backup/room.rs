//! Backups of a running gateway: for the page, and by themselves.
//!
//! One is made or restored at a time. The work is done on a thread of its own, since it reads and writes files for minutes.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use gatehouse_dashboard::accounts::By;
use gatehouse_dashboard::wire::{
    ApiErrorDetail, BackupFile, BackupSchedule, BackupState, PlacedFile, RestoreState, RestoreStep,
};
use gatehouse_dashboard::{BackupProblem, BackupRoom, BackupUpload};
use gatehouse_model::{Clock, Moment, Timestamp};
use jiff::tz::TimeZone;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::container::{Archive, Closed, Lock};
use super::disk::{Disks, NoRoom};
use super::make::{Made, Order, back_up, sweep};
use super::names::default_name;
use super::schedule::{Schedule, kept, last, make_way, rest_after, thin_out, zone_of};
use super::sealed::MAX_WORK_IN_DAEMON;
use super::{check_passphrase, passphrase_of, restore, tls_files};
use crate::config::{Config, Source};
use crate::paths;
use crate::progress::Progress;
use crate::restart::RestartBell;
use crate::stand_in::Home;
use crate::system::SystemRandomness;

/// Where a backup waits to be loaded down, below the data directory.
const MADE: &str = "backup-made";

/// Where the file of a backup is brought.
const BROUGHT: &str = "restore-upload";

/// The file there.
const ARCHIVE: &str = "archive";

/// How long a backup waits to be loaded down, or to be restored: it takes as much room as the history.
const WAITS: Duration = Duration::from_secs(3_600);

/// How often it is looked whether a backup is due.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// After so many bytes that were brought it is looked again whether there is room for as many.
const LOOK_AT_ROOM_EVERY: u64 = 4 * 1024 * 1024;

/// Says whether the clock is set, as far as that can be known.
type IsClockSet = Box<dyn Fn() -> bool + Send + Sync>;

/// What lets the gateway end and come back, for whoever asked for it.
type Restart = Box<dyn Fn(&str) + Send + Sync>;

/// The backups of this gateway.
#[derive(Clone)]
pub(crate) struct Backups(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    source: Source,
    schedule: Option<Schedule>,
    zone: TimeZone,
    clock: Arc<dyn Clock>,
    is_clock_set: IsClockSet,
    disks: Disks,
    /// When it began to be looked whether a backup is due.
    since: Timestamp,
    restart: Restart,
    is_busy: AtomicBool,
    state: Mutex<State>,
    /// Why the last look made no backup that was due, or found no place for one.
    trouble: watch::Sender<Option<Arc<str>>>,
}

#[derive(Default)]
struct State {
    running: bool,
    made: Option<(PathBuf, BackupFile, Moment)>,
    /// When the last one was made for the page.
    made_at: Option<Timestamp>,
    /// Since when a file that was brought waits.
    brought: Option<Moment>,
    failure: Option<String>,
    /// What is not in the last one.
    left_out: Vec<String>,
    /// What a restore before this run gave another place.
    placed: Vec<PlacedFile>,
    scheduled: Option<BackupSchedule>,
    /// How many that were due have failed since the last one.
    failures: u32,
    /// Until when a backup that failed is not tried again.
    rests_until: Option<Moment>,
    restoring: RestoreState,
}

/// The turn to make or restore a backup; it is given back when this goes.
struct Turn(Arc<Inner>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.is_busy.store(false, Ordering::SeqCst);
    }
}

impl Backups {
    /// Of a gateway that was started with this configuration.
    pub(crate) fn of(
        config: &Config,
        source: &Source,
        home: &Home,
        (clock, is_clock_set): (&Arc<dyn Clock>, IsClockSet),
        bell: Arc<RestartBell>,
    ) -> Self {
        let (schedule, zone) = (config.backup.clone(), config.gateway.time_zone.as_deref());
        let restart: Restart = Box::new(move |who| bell.ring_own(who));
        let directory = home.directory();
        let disks = match home.stranded() {
            Some(stranded) => Disks::in_memory(directory, &stranded.directory),
            None => Disks::of(directory, config.history.retention.disk_floor),
        };
        let clock = (Arc::clone(clock), is_clock_set);
        Self::new(directory, source.clone(), schedule, zone, clock, disks, restart)
    }

    /// Of a gateway with this data directory. What was made or brought before its start is gone.
    fn new(
        directory: &Path,
        source: Source,
        schedule: Option<Schedule>,
        time_zone: Option<&str>,
        (clock, is_clock_set): (Arc<dyn Clock>, IsClockSet),
        disks: Disks,
        restart: Restart,
    ) -> Self {
        for name in [MADE, BROUGHT] {
            remove(&directory.join(name));
        }
        sweep(directory);
        let placed = tls_files::still_placed(directory, source.file());
        Self(Arc::new(Inner {
            directory: directory.to_owned(),
            source,
            schedule,
            zone: zone_of(time_zone),
            since: clock.now(),
            clock,
            is_clock_set,
            disks,
            restart,
            is_busy: AtomicBool::new(false),
            state: Mutex::new(State { placed, ..State::default() }),
            trouble: watch::Sender::new(None),
        }))
    }

    /// Why backups do not make themselves, as long as that lasts.
    pub(crate) fn trouble(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.0.trouble.subscribe()
    }

    /// When the last good one was made that this gateway knows of: in the folder of the schedule, or at the page in this run.
    pub(crate) fn last_good(&self) -> Option<Timestamp> {
        let now = self.0.clock.now();
        let state = self.state();
        let scheduled = state.scheduled.as_ref().and_then(|scheduled| last(&scheduled.kept, now));
        scheduled.max(state.made_at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Result<Turn, BackupProblem> {
        if self.0.is_busy.swap(true, Ordering::SeqCst) {
            return Err(BackupProblem::Busy);
        }
        Ok(Turn(Arc::clone(&self.0)))
    }

    /// Makes a backup in a file; for a thread that may wait.
    fn make(&self, file: &Path, passphrase: &str, now: Timestamp) -> anyhow::Result<Made> {
        self.make_of(&self.0.disks, file, passphrase, now)
    }

    fn make_of(&self, disks: &Disks, file: &Path, passphrase: &str, now: Timestamp) -> anyhow::Result<Made> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let order = Order {
            directory: &self.0.directory,
            copies: &self.0.directory,
            configuration: self.0.source.file().unwrap_or(Path::new("")),
            lock: Lock::Passphrase(passphrase),
            now,
            randomness: &SystemRandomness,
            disks,
            stop: &CancellationToken::new(),
        };
        let made = runtime.block_on(back_up(&order, file, &mut Progress::silent()))?;
        for sentence in &made.left_out {
            warn!("{sentence}");
        }
        Ok(made)
    }

    /// Makes the one that waits to be loaded down.
    fn make_for_page(&self, passphrase: &str) -> anyhow::Result<()> {
        let (directory, now) = (self.0.directory.join(MADE), self.0.clock.now());
        remove(&directory);
        paths::make_private_directory(&directory)?;
        let mut name = default_name(now, true);
        let mut made = self.make(&directory.join(&name), passphrase, now);
        if self.0.source.nothing_is_kept().is_some() && made.is_err() {
            // Memory is small, and a disk that fails may not give all of it. What cannot be measured again is worth more than what was measured.
            name = format!("without-history-{name}");
            let disks = self.0.disks.clone().with_history(None);
            made = self.make_of(&disks, &directory.join(&name), passphrase, now);
        }
        let (Made { bytes, left_out }, path) = (made?, directory.join(&name));
        let since = self.0.clock.moment();
        let mut state = self.state();
        state.left_out = left_out;
        state.made = Some((path, BackupFile { name, bytes, at: now }, since));
        state.made_at = Some(now);
        Ok(())
    }

    /// What was made or brought is gone when nobody took it for long.
    fn forget_old(&self) {
        let now = self.0.clock.moment();
        let is_old = |since: Moment| now.saturating_since(since) >= WAITS;
        let mut state = self.state();
        if state.made.as_ref().is_some_and(|(.., since)| is_old(*since)) {
            state.made = None;
            drop(state);
            remove(&self.0.directory.join(MADE));
            state = self.state();
        }
        let is_left = state.brought.is_some_and(is_old);
        drop(state);
        // Whoever has the turn may be reading it.
        if is_left && let Ok(_turn) = self.turn() {
            let mut state = self.state();
            (state.brought, state.restoring) = (None, RestoreState::default());
            drop(state);
            remove(&self.0.directory.join(BROUGHT));
        }
    }

    /// Whether so many bytes fit into the data directory. The system may take its time to say.
    async fn has_room_for(&self, bytes: u64) -> Result<(), BackupProblem> {
        let disks = self.0.disks.clone();
        let looked = tokio::task::spawn_blocking(move || disks.check_data(bytes)).await;
        let outcome = looked.unwrap_or_else(|problem| Err(problem.into()));
        outcome.map_err(|problem| match problem.downcast_ref::<NoRoom>() {
            Some(_) => BackupProblem::DiskFull,
            None => BackupProblem::Failed(sentence(&format!("{problem:#}"))),
        })
    }

    /// Makes backups by themselves when they are due, until `stop`.
    pub(crate) async fn keep_schedule(self, stop: CancellationToken) -> anyhow::Result<()> {
        loop {
            let room = self.clone();
            let looked = tokio::task::spawn_blocking(move || room.look());
            tokio::select! {
                // What is begun goes on, and is cut off with the process: it counts only when it is whole.
                _ = looked => {}
                () = stop.cancelled() => return Ok(()),
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// One look at the folder and the clock; a backup is made when one is due.
    fn look(&self) {
        self.forget_old();
        let Some(schedule) = self.0.schedule.clone() else { return };
        let looked = self.look_at(&schedule);
        let now = self.0.clock.now();
        let (kept, problem) = match looked {
            Ok(kept) => (kept, None),
            Err(problem) => (kept(&schedule.folder).unwrap_or_default(), Some(format!("{problem:#}"))),
        };
        let next = schedule.due(&self.0.zone, last(&kept, now), self.0.since);
        let folder = schedule.folder.display().to_string();
        let mut state = self.state();
        let before = state.scheduled.as_ref().and_then(|scheduled| scheduled.problem.clone());
        if problem != before
            && let Some(problem) = &problem
        {
            // Once, and not with every look.
            warn!("no backup was made: {problem}");
        }
        self.0.trouble.send_if_modified(|trouble| {
            let is_news = trouble.as_deref() != problem.as_deref();
            *trouble = problem.as_deref().map(Arc::from);
            is_news
        });
        state.scheduled = Some(BackupSchedule { folder, next, problem, kept });
    }

    fn look_at(&self, schedule: &Schedule) -> anyhow::Result<Vec<BackupFile>> {
        let found = kept(&schedule.folder)?;
        let (now, moment) = (self.0.clock.now(), self.0.clock.moment());
        if schedule.due(&self.0.zone, last(&found, now), self.0.since) > now {
            return Ok(found);
        }
        if let Some(why) = self.0.source.nothing_is_kept() {
            // What was made before the disk failed must not make way for what is left of it.
            anyhow::bail!("{why} A backup can be made by hand on the page");
        }
        anyhow::ensure!(
            (self.0.is_clock_set)(),
            "the clock of the gateway is not set yet, and a backup is named after the time: \
             check that it reaches a time server, or set it with `timedatectl`"
        );
        let last_problem = {
            let state = self.state();
            let rests = state.rests_until.is_some_and(|until| moment < until);
            state.scheduled.as_ref().and_then(|scheduled| scheduled.problem.clone()).filter(|_| rests)
        };
        if let Some(problem) = last_problem {
            anyhow::bail!("{problem}");
        }
        // One at the page goes first; this one is looked after in a minute.
        let Ok(_turn) = self.turn() else { return Ok(found) };
        let file = schedule.folder.join(default_name(now, true));
        let made = passphrase_of(&schedule.passphrase_file)
            .and_then(|passphrase| {
                check_passphrase(&passphrase)?;
                self.make_with_room(schedule, &file, &passphrase, now)
            })
            .and_then(|_| thin_out(&schedule.folder, schedule.keep, now));
        {
            let mut state = self.state();
            state.failures = if made.is_err() { state.failures.saturating_add(1) } else { 0 };
            let rest = rest_after(state.failures, schedule.every);
            state.rests_until = made.is_err().then(|| moment + rest);
        }
        made?;
        info!("a backup was made: {}", file.display());
        kept(&schedule.folder)
    }

    /// Makes one in the folder of the schedule; where the stick is full, the oldest make way first.
    fn make_with_room(
        &self,
        schedule: &Schedule,
        file: &Path,
        passphrase: &str,
        now: Timestamp,
    ) -> anyhow::Result<Made> {
        let made = self.make(file, passphrase, now);
        let Err(problem) = &made else { return made };
        // On the card nothing comes free by that.
        let lacking = problem.downcast_ref::<NoRoom>().filter(|no_room| no_room.place == schedule.folder);
        let Some(lacking) = lacking.map(|no_room| no_room.lacking) else { return made };
        if !make_way(&schedule.folder, schedule.keep, now, lacking)? {
            return made;
        }
        info!("the oldest backups in {} made way for the next one", schedule.folder.display());
        self.make(file, passphrase, now)
    }

    /// Unpacks and checks what was brought; the next start puts it into its place.
    fn check_brought(&self, passphrase: Option<&str>, by: &By, turn: Turn) {
        let archive = self.0.directory.join(BROUGHT).join(ARCHIVE);
        let room = self.0.disks.check_unpacking(&archive);
        let staged = room
            .and_then(|()| Archive::open(&archive))
            .and_then(|archive| {
                Ok((archive, tokio::runtime::Builder::new_current_thread().enable_all().build()?))
            })
            .and_then(|(archive, runtime)| {
                runtime.block_on(restore::stage(
                    &restore::Wanted {
                        directory: &self.0.directory,
                        archive: &archive,
                        lock: passphrase.map_or(Lock::Plain, Lock::Passphrase),
                        most_work: MAX_WORK_IN_DAEMON,
                        source: &self.0.source,
                        configuration: restore::Taken::WherePossible,
                        by,
                    },
                    &mut Progress::silent(),
                ))
            });
        match staged {
            Ok(staged) => {
                // Once it restarts, nothing else may begin.
                std::mem::forget(turn);
                remove(&self.0.directory.join(BROUGHT));
                let mut state = self.state();
                state.brought = None;
                state.restoring.step = RestoreStep::Restarting;
                state.restoring.made = Some(staged.contents.made);
                state.restoring.configuration_stays = staged.configuration_stays;
                for PlacedFile { named, place } in &staged.placed {
                    info!("this machine does not have {named}: the file of the backup becomes {place}");
                }
                if let Err(problem) = tls_files::note(&self.0.directory, &staged.placed) {
                    warn!("the page will not tell of it after the restart: {problem:#}");
                }
                state.restoring.placed = staged.placed;
                drop(state);
                info!("a backup was checked and takes the place of what is there: the gateway restarts");
                (self.0.restart)(by.name.as_deref().unwrap_or("whoever has the set-up code"));
            }
            Err(problem) => {
                info!("a backup was not restored: {problem:#}");
                let code = match problem.downcast_ref() {
                    Some(Closed::NeedsPassphrase) => "needs_passphrase",
                    Some(Closed::WrongPassphrase) => "wrong_passphrase",
                    None if problem.is::<NoRoom>() => "disk_full",
                    None => "wrong_backup",
                };
                let message = sentence(&format!("{problem:#}"));
                let waits_since = self.0.clock.moment();
                let mut state = self.state();
                // Another passphrase can be tried for a while.
                state.brought = Some(waits_since);
                state.restoring.step = RestoreStep::Failed;
                state.restoring.problem = Some(ApiErrorDetail { code: code.to_owned(), message });
                // Whoever hears of it may try again at once.
                drop(turn);
            }
        }
    }
}

/// A chain of reasons as a sentence.
fn sentence(chain: &str) -> String {
    let mut letters = chain.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

fn remove(directory: &Path) {
    match std::fs::remove_dir_all(directory) {
        Err(problem) if problem.kind() != ErrorKind::NotFound => {
            warn!("{} cannot be removed: {problem}", directory.display());
        }
        _ => {}
    }
}

/// Does work that waits for files on a thread of its own.
fn aside(work: impl FnOnce() + Send + 'static) -> Result<(), BackupProblem> {
    let spawned = std::thread::Builder::new().name("backup".to_owned()).spawn(work);
    spawned
        .map(drop)
        .map_err(|problem| BackupProblem::Failed(format!("No thread can be had for it: {problem}.")))
}

#[async_trait]
impl BackupRoom for Backups {
    async fn backups(&self) -> BackupState {
        self.forget_old();
        let state = self.state();
        BackupState {
            running: state.running,
            made: state.made.as_ref().map(|(_, file, _)| file.clone()),
            failure: state.failure.clone(),
            left_out: state.left_out.clone(),
            placed: state.placed.clone(),
            schedule: state.scheduled.clone(),
        }
    }

    fn begin(&self, passphrase: String) -> Result<(), BackupProblem> {
        check_passphrase(&passphrase)
            .map_err(|problem| BackupProblem::WeakPassphrase(sentence(&problem.to_string())))?;
        let turn = self.turn()?;
        let room = self.clone();
        {
            let mut state = self.state();
            (state.running, state.made, state.failure) = (true, None, None);
            state.left_out.clear();
        }
        let begun = aside(move || {
            let outcome = room.make_for_page(&passphrase);
            let mut state = room.state();
            state.running = false;
            state.failure = outcome.err().map(|problem| {
                warn!("a backup was not made: {problem:#}");
                sentence(&format!("{problem:#}"))
            });
            // Whoever hears that it is done may begin the next at once.
            drop(turn);
            drop(state);
        });
        if begun.is_err() {
            self.state().running = false;
        }
        begun
    }

    async fn open(&self) -> Result<(String, u64, tokio::fs::File), BackupProblem> {
        self.forget_old();
        let made = self.state().made.as_ref().map(|(path, file, _)| (path.clone(), file.clone()));
        let (path, file) = made.ok_or(BackupProblem::Nothing)?;
        let opened = tokio::fs::File::open(path).await.map_err(|_| BackupProblem::Nothing)?;
        Ok((file.name, file.bytes, opened))
    }

    fn restoring(&self) -> RestoreState {
        self.state().restoring.clone()
    }

    async fn upload(&self, length: Option<u64>) -> Result<Box<dyn BackupUpload>, BackupProblem> {
        let turn = self.turn()?;
        let directory = self.0.directory.join(BROUGHT);
        remove(&directory);
        {
            let mut state = self.state();
            (state.brought, state.restoring) = (None, RestoreState::default());
        }
        // Once for itself, and once for what is unpacked of it.
        let needed = length.unwrap_or(0).saturating_mul(2).max(LOOK_AT_ROOM_EVERY);
        self.has_room_for(needed).await?;
        paths::make_private_directory(&directory)
            .map_err(|problem| BackupProblem::Failed(sentence(&format!("{problem:#}"))))?;
        let path = directory.join("part");
        let file = tokio::fs::File::create(&path).await.map_err(|problem| failed(&problem))?;
        Ok(Box::new(Upload {
            room: self.clone(),
            file,
            path,
            bytes: 0,
            looked_at: 0,
            is_whole: false,
            _turn: turn,
        }))
    }

    fn restore(&self, passphrase: Option<String>, by: By) -> Result<(), BackupProblem> {
        let turn = self.turn()?;
        if !self.0.directory.join(BROUGHT).join(ARCHIVE).exists() {
            return Err(BackupProblem::Nothing);
        }
        let room = self.clone();
        {
            let mut state = self.state();
            (state.restoring.step, state.restoring.problem) = (RestoreStep::Checking, None);
        }
        aside(move || {
            room.check_brought(passphrase.as_deref(), &by, turn);
        })
    }
}

fn failed(problem: &std::io::Error) -> BackupProblem {
    match problem.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => BackupProblem::DiskFull,
        _ => BackupProblem::Failed(format!("The file cannot be written on the gateway: {problem}.")),
    }
}

/// A file that is being brought.
struct Upload {
    room: Backups,
    file: tokio::fs::File,
    path: PathBuf,
    bytes: u64,
    /// After how many bytes it was looked whether there is room.
    looked_at: u64,
    is_whole: bool,
    _turn: Turn,
}

#[async_trait]
impl BackupUpload for Upload {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BackupProblem> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.bytes.saturating_add(length) - self.looked_at > LOOK_AT_ROOM_EVERY {
            self.room.has_room_for(length.max(LOOK_AT_ROOM_EVERY)).await?;
            self.looked_at = self.bytes;
        }
        self.file.write_all(&bytes).await.map_err(|problem| failed(&problem))?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<(), BackupProblem> {
        let all = async {
            self.file.flush().await?;
            self.file.sync_all().await?;
            tokio::fs::rename(&self.path, self.path.with_file_name(ARCHIVE)).await
        };
        all.await.map_err(|problem| failed(&problem))?;
        self.is_whole = true;
        let since = self.room.0.clock.moment();
        let mut state = self.room.state();
        state.brought = Some(since);
        state.restoring =
            RestoreState { step: RestoreStep::Uploaded, bytes: self.bytes, ..RestoreState::default() };
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
