//! The end of the daemon that it comes back from: asked for at the page.
//!
//! It is the same orderly stop as any other, outputs safe first. Then a service manager that said that it starts the gateway
//! again does so; anywhere else, in a terminal or a container, the process becomes a new one of the same program with the same
//! arguments, which is one system call that either works or leaves an exit code behind.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_dashboard::RestartRefused;
use gatehouse_dashboard::wire::{RestartBegun, RestartWay};
use gatehouse_model::{Clock, Moment, Randomness};
use tokio::sync::mpsc;

use crate::exit::Exit;
use crate::system::SystemRandomness;

/// Set by the service's unit, which starts the gateway again when it ends with [`Exit::Restart`].
const SERVICE_VARIABLE: &str = "GATEHOUSE_RESTARTED_BY_SERVICE";

/// Set by the service's unit: how many seconds old a run has to be before the page may end it for another. The service
/// manager counts all starts, and a gateway that was started too often within its interval stays down.
const SPACING_VARIABLE: &str = "GATEHOUSE_RESTART_SPACING";

/// The longest that makes sense; a number above it, or no number, is taken for a slip.
const MAX_SPACING: Duration = Duration::from_secs(3_600);

/// What the unit asks for; nothing where nobody counts starts.
pub(crate) fn spacing() -> Duration {
    let set = std::env::var(SPACING_VARIABLE).unwrap_or_default();
    set.parse().map_or(Duration::ZERO, Duration::from_secs).min(MAX_SPACING)
}

/// How this process comes back.
pub(crate) fn way() -> RestartWay {
    match std::env::var_os(SERVICE_VARIABLE) {
        Some(set) if !set.is_empty() => RestartWay::Service,
        _ => RestartWay::Itself,
    }
}

/// What the page rings when somebody asks for a restart.
pub(crate) struct RestartBell {
    run: String,
    clock: Arc<dyn Clock>,
    began: Moment,
    spacing: Duration,
    rung: AtomicBool,
    heard: mpsc::Sender<String>,
}

impl RestartBell {
    /// The bell of the run that begins now, and where it is heard who rang it. Before the run is as old as the `spacing`,
    /// people may not ring it.
    pub(crate) fn new(clock: Arc<dyn Clock>, spacing: Duration) -> (Self, mpsc::Receiver<String>) {
        let mut bytes = [0; 8];
        SystemRandomness.fill(&mut bytes);
        let (heard, hears) = mpsc::channel(1);
        let run = format!("{:016x}", u64::from_be_bytes(bytes));
        let began = clock.moment();
        (Self { run, clock, began, spacing, rung: AtomicBool::new(false), heard }, hears)
    }

    /// The word of this run.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Asks for a restart of this very run, for a part of the gateway, which does so once and not again and again.
    pub(crate) fn ring_own(&self, who: &str) {
        if let Err(problem) = self.sound(who) {
            tracing::info!("the gateway is not asked to restart: {problem}");
        }
    }

    /// Asks for a restart of this `run`, once, for somebody at the page.
    ///
    /// # Errors
    /// When another run is meant, when this one has only just begun, or when it ends already.
    pub(crate) fn ring(&self, who: &str, run: &str) -> Result<RestartBegun, RestartRefused> {
        if run != self.run {
            return Err(RestartRefused::AnotherRun);
        }
        let wait = self.spacing.saturating_sub(self.clock.moment().saturating_since(self.began));
        if !wait.is_zero() && !self.rung.load(Ordering::SeqCst) {
            return Err(RestartRefused::TooSoon { wait });
        }
        self.sound(who)
    }

    fn sound(&self, who: &str) -> Result<RestartBegun, RestartRefused> {
        if self.rung.swap(true, Ordering::SeqCst) {
            return Err(RestartRefused::Stopping);
        }
        self.heard.try_send(who.to_owned()).map_err(|_| RestartRefused::Stopping)?;
        Ok(RestartBegun { run: self.run.clone(), way: way() })
    }
}

/// The program as it was started. Noted at the start: an upgrade puts another file in its place, and that is what comes back.
#[derive(Debug)]
pub(crate) struct Program {
    file: std::io::Result<PathBuf>,
    arguments: Vec<OsString>,
}

impl Program {
    /// This one.
    pub(crate) fn this() -> Self {
        Self { file: std::env::current_exe(), arguments: std::env::args_os().skip(1).collect() }
    }

    /// Comes back, after everything was stopped: gives what is left to do when this process ends, or does not return.
    pub(crate) fn again(self) -> Exit {
        if way() == RestartWay::Service {
            return Exit::Restart;
        }
        let problem = match self.file {
            // Files are closed with the change, ports and locks with them.
            Ok(file) => Command::new(file).args(self.arguments).exec(),
            Err(problem) => problem,
        };
        tracing::error!(%problem, "the gateway ended for a restart, and its program cannot be started again");
        Exit::Restart
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_model::{ManualClock, Timestamp};

    use super::*;

    fn bell(spacing: u64) -> (RestartBell, mpsc::Receiver<String>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_795_252_440_000)));
        let (bell, hears) = RestartBell::new(clock.clone(), Duration::from_secs(spacing));
        (bell, hears, clock)
    }

    /// Five restarts within two minutes, and the service manager left the gateway down until somebody came to a terminal.
    #[test]
    fn a_run_that_has_just_begun_is_not_ended_by_people() {
        let (bell, mut hears, clock) = self::bell(30);
        let run = bell.run().to_owned();
        clock.advance(Duration::from_secs(29));
        assert_eq!(bell.ring("ana", &run), Err(RestartRefused::TooSoon { wait: Duration::from_secs(1) }));
        assert!(hears.try_recv().is_err());
        clock.advance(Duration::from_secs(1));
        bell.ring("ana", &run).unwrap();
        assert_eq!(hears.try_recv().unwrap(), "ana");
    }

    /// A backup that is restored at the first visit takes its place at once.
    #[test]
    fn a_part_of_the_gateway_need_not_wait() {
        let (bell, mut hears, _) = self::bell(30);
        bell.ring_own("the restored backup");
        assert_eq!(hears.try_recv().unwrap(), "the restored backup");
        let run = bell.run().to_owned();
        assert_eq!(bell.ring("ana", &run), Err(RestartRefused::Stopping), "it ends already");
    }

    /// The unit's own figures fit together: who asks as often as it may is never left with a gateway that is down.
    #[test]
    fn restarts_at_the_page_never_reach_the_limit_of_the_unit() {
        let unit = include_str!("../../../systemd/gatehouse.service");
        let number = |key: &str| -> u64 {
            unit.lines().find_map(|line| line.strip_prefix(key)).unwrap().parse().unwrap()
        };
        let spacing = number("Environment=GATEHOUSE_RESTART_SPACING=");
        assert!(spacing * number("StartLimitBurst=") > number("StartLimitIntervalSec="));
    }

    #[test]
    fn the_bell_rings_once_and_for_its_own_run() {
        let (bell, mut hears, _) = self::bell(0);
        assert_eq!(bell.ring("ana", "0123456789abcdef"), Err(RestartRefused::AnotherRun));
        assert!(hears.try_recv().is_err());
        let begun = bell.ring("ana", bell.run()).unwrap();
        assert_eq!(begun.run, bell.run());
        assert_eq!(hears.try_recv().unwrap(), "ana");
        // Also when the one that asked first was heard already.
        assert_eq!(bell.ring("ana", bell.run()), Err(RestartRefused::Stopping));
        let (bell, hears, _) = self::bell(0);
        drop(hears);
        assert_eq!(bell.ring("ana", bell.run()), Err(RestartRefused::Stopping));
        assert_ne!(bell.run(), self::bell(0).0.run());
    }
}
