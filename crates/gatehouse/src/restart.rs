//! The end of the daemon that it comes back from: asked for at the page.
//!
//! It is the same orderly stop as any other, outputs safe first. Then a service manager that said that it starts the gateway
//! again does so; anywhere else, in a terminal or a container, the process becomes a new one of the same program with the same
//! arguments, which is one system call that either works or leaves an exit code behind.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use gatehouse_dashboard::RestartRefused;
use gatehouse_dashboard::wire::{RestartBegun, RestartWay};
use gatehouse_model::Randomness;
use tokio::sync::mpsc;

use crate::exit::Exit;
use crate::system::SystemRandomness;

/// Set by the service's unit, which starts the gateway again when it ends with [`Exit::Restart`].
const SERVICE_VARIABLE: &str = "GATEHOUSE_RESTARTED_BY_SERVICE";

/// How this process comes back.
pub(crate) fn way() -> RestartWay {
    match std::env::var_os(SERVICE_VARIABLE) {
        Some(set) if !set.is_empty() => RestartWay::Service,
        _ => RestartWay::Itself,
    }
}

/// What the page rings when somebody asks for a restart.
#[derive(Debug)]
pub(crate) struct RestartBell {
    run: String,
    rung: AtomicBool,
    heard: mpsc::Sender<String>,
}

impl RestartBell {
    /// The bell of this run, and where it is heard who rang it.
    pub(crate) fn new() -> (Self, mpsc::Receiver<String>) {
        let mut bytes = [0; 8];
        SystemRandomness.fill(&mut bytes);
        let (heard, hears) = mpsc::channel(1);
        let run = format!("{:016x}", u64::from_be_bytes(bytes));
        (Self { run, rung: AtomicBool::new(false), heard }, hears)
    }

    /// The word of this run.
    pub(crate) fn run(&self) -> &str {
        &self.run
    }

    /// Asks for a restart of this very run, for a part of the gateway.
    pub(crate) fn ring_own(&self, who: &str) {
        if let Err(problem) = self.ring(who, &self.run) {
            tracing::info!("the gateway is not asked to restart: {problem}");
        }
    }

    /// Asks for a restart of this `run`, once.
    ///
    /// # Errors
    /// When another run is meant, or this one ends already.
    pub(crate) fn ring(&self, who: &str, run: &str) -> Result<RestartBegun, RestartRefused> {
        if run != self.run {
            return Err(RestartRefused::AnotherRun);
        }
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
    use super::*;

    #[test]
    fn the_bell_rings_once_and_for_its_own_run() {
        let (bell, mut hears) = RestartBell::new();
        assert_eq!(bell.ring("ana", "0123456789abcdef"), Err(RestartRefused::AnotherRun));
        assert!(hears.try_recv().is_err());
        let begun = bell.ring("ana", bell.run()).unwrap();
        assert_eq!(begun.run, bell.run());
        assert_eq!(hears.try_recv().unwrap(), "ana");
        // Also when the one that asked first was heard already.
        assert_eq!(bell.ring("ana", bell.run()), Err(RestartRefused::Stopping));
        let (bell, hears) = RestartBell::new();
        drop(hears);
        assert_eq!(bell.ring("ana", bell.run()), Err(RestartRefused::Stopping));
        assert_ne!(bell.run(), RestartBell::new().0.run());
    }
}
