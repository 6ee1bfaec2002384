//! `gatehouse run`: the daemon, from its command line to its exit code.

use std::num::NonZero;

use anyhow::Context as _;
use gatehouse_dashboard::wire::RestartWay;
use gatehouse_model::{Clock as _, SystemClock};
use tracing::{error, info, warn};

use crate::cli::RunArguments;
use crate::conditions::{failed_start, last_run};
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::house::House;
use crate::lifecycle::{STOP_LIMIT, Signals, StopReason};
use crate::restart::{self, Program};
use crate::stand_in::{Home, Stranded};
use crate::{
    backup, changes, healing, logs, mistakes, paths, releases, running_copy, stand_in, starting, supervision,
};

/// Fewest threads that the tasks share: see [`worker_threads`].
const MIN_WORKERS: usize = 2;

/// What is said when the start after a restore fails and the next one does without the restored configuration.
const TAKEN_BACK: &str = "the gateway cannot start with the configuration of the backup that was restored, which is kept among \
    the earlier ones; it starts again with the one from before";

/// Runs the daemon until it is asked to stop, or until a part dies.
pub(crate) fn run(arguments: RunArguments) -> anyhow::Result<Exit> {
    logs::begin();
    let program = Program::this();
    paths::keep_files_private();
    let source = Source::new(arguments.config.clone(), arguments.demo, arguments.addresses());
    let home = stand_in::settle(&paths::data_directory(arguments.data.data_dir, arguments.demo))?;
    let directory = home.directory();
    let source = source.keeping_nothing(home.stranded().map(Stranded::refusal));
    // What waits to be restored waits on where nothing can be written, and is not there then.
    if backup::restore_is_pending(directory) {
        // Before the configuration is read and any database is opened, and not while another daemon has them.
        let _claim = paths::claim(directory)?;
        finish_restore(&source, directory).inspect_err(|problem| {
            failed_start::note(directory, problem, SystemClock::new().now());
        })?;
    }
    if changes::is_noted(&source, directory) {
        // Not while another daemon runs with it.
        let _claim = paths::claim(directory)?;
        let _ = changes::settle_at_start(&source, directory, &SystemClock::new());
    }
    let config = match source.first() {
        Ok(config) => config,
        Err(problems) => {
            note_wrong_configuration(directory);
            home.leave();
            return Ok(mistakes::report_problems(&problems));
        }
    };
    mistakes::print(&config.warnings);
    paths::make_private_directory(directory)?;
    let _claim = paths::claim(directory)?;
    if !releases::begin(directory) {
        error!("this release was started again and again after its installation, and did not come to run");
        return Ok(Exit::GaveUp);
    }
    if !arguments.demo {
        running_copy::keep(directory, &config.text);
    }
    let workers = worker_threads(std::thread::available_parallelism().map_or(1, NonZero::get));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let exit = runtime.block_on(live(config, source, &home, arguments.demo));
    // Work that hangs in the kernel, such as asking a dead disk for its size, must not keep the process from ending.
    runtime.shutdown_background();
    match exit {
        Ok(Exit::Restart) => Ok(program.again()),
        Ok(end @ (Exit::Success | Exit::StoppedBadly)) => {
            home.leave();
            Ok(end)
        }
        Err(problem) => {
            releases::failed(directory, &format!("{problem:#}"));
            failed_start::note(directory, &problem, SystemClock::new().now());
            Err(problem)
        }
        exit => exit,
    }
}

/// An upgrade may have made a mistake of what was none before.
fn note_wrong_configuration(directory: &std::path::Path) {
    // Not while another daemon runs on the data.
    if directory.exists()
        && let Ok(_claim) = paths::claim(directory)
    {
        releases::refused(directory);
    }
}

/// Puts the files of a backup into their places that was restored at the page.
fn finish_restore(source: &Source, directory: &std::path::Path) -> anyhow::Result<()> {
    let configure = |restored: &std::path::Path| {
        if let Err(problem) = changes::take_restored(source, directory, restored, SystemClock::new().now()) {
            warn!("the configuration of the restored backup is not used: {problem}");
        }
    };
    let finished = backup::finish_restore(directory, configure);
    if let Some(applied) = finished.context("a backup that was restored cannot be put into its place")? {
        let aside = applied.aside.map(|aside| format!("; what was there before is in {}", aside.display()));
        info!("a backup was restored{}", aside.unwrap_or_default());
        for link in applied.links {
            warn!("{}", link.sentence(directory));
        }
    }
    Ok(())
}

/// Threads that the daemon's tasks share on a machine with so many cores: one for each, as is usual, but never one alone. On
/// a Pi Zero a single call that blocks, such as a write to a slow SD card, would else stop everything with it: the outputs'
/// deadlines, the broker, and the sign of life for the watchdog.
fn worker_threads(cores: usize) -> usize {
    cores.max(MIN_WORKERS)
}

/// What `systemctl status` shows of a gateway whose part has ended: with a disk that hangs its process stays, and what it said of
/// the house before holds no more.
const fn last_line(outputs_are_safe: bool) -> &'static str {
    if outputs_are_safe {
        "Ends, since a part hangs or has ended, which the log names; the outputs are safe"
    } else {
        "Ends, since a part hangs or has ended, which the log names; NOT ALL OUTPUTS ARE SAFE"
    }
}

/// The daemon's life: open, start, wait, stop.
async fn live(config: Config, source: Source, home: &Home, demo: bool) -> anyhow::Result<Exit> {
    let directory = home.directory();
    let mut signals = Signals::listen()?;
    let clock = SystemClock::new();
    let floor = config.history.retention.disk_floor;
    releases::prepare(directory, source.file(), floor, clock.now()).await?;
    let house = match House::open(config, home, demo).await {
        Ok(house) => house,
        Err(problem) if changes::take_back_restored(&source, directory, clock.now()) => {
            error!("{TAKEN_BACK}: {problem:#}");
            return Ok(Exit::Restart);
        }
        Err(problem) => return Err(problem),
    };
    let mut has_begun = false;
    let (mut running, reason) = match starting::while_starting(house.start(source.clone(), home)).await {
        Ok(mut running) => {
            releases::runs(directory, clock.now());
            changes::restored_runs(&source, directory);
            failed_start::forget(directory);
            if !demo {
                last_run::begins(directory, clock.now());
                has_begun = true;
            }
            let (reason, why) = tokio::select! {
                reason = running.lifecycle.wait(&mut signals) => (reason, None),
                Some(who) = running.restarts.recv() => {
                    (StopReason::Restart, Some(format!("{who} asked for it at the page")))
                }
                why = healing::healed(home.stranded(), &source) => (StopReason::Restart, Some(why)),
            };
            if let Some(why) = why {
                info!("restarting: {why}");
            }
            (running, reason)
        }
        Err((running, problem)) => {
            error!("the start failed: {problem:#}");
            releases::failed(directory, &format!("{problem:#}"));
            if changes::take_back_restored(&source, directory, clock.now()) {
                error!("{TAKEN_BACK}");
                (*running, StopReason::Restart)
            } else {
                failed_start::note(directory, &problem, clock.now());
                (*running, StopReason::PartDied)
            }
        }
    };
    // To a service manager that does not start it again, a gateway that becomes another process of itself does not stop.
    if reason != StopReason::Restart || restart::way() == RestartWay::Service {
        supervision::stopping();
    }
    // Not even a second signal cuts this short: it is what a heater depends on, and it has a limit of its own.
    let why = match reason {
        StopReason::Asked => {
            "the gateway was stopped by a signal, as the service manager or a person sends it"
        }
        StopReason::Restart => "the gateway restarts",
        StopReason::PartDied => "the gateway stopped because one of its parts had ended; the log says which",
    };
    let outputs_are_safe = running.stop_outputs(why).await;
    let well = tokio::select! {
        well = running.stop_rest() => well && outputs_are_safe,
        () = tokio::time::sleep(STOP_LIMIT) => {
            warn!("the stop took longer than {} s; ending as it is", STOP_LIMIT.as_secs());
            false
        }
        signal = signals.next() => {
            warn!("received {signal} again; ending as it is");
            false
        }
    };
    if reason == StopReason::PartDied {
        supervision::status(last_line(outputs_are_safe));
    }
    if reason != StopReason::PartDied && has_begun {
        last_run::ends(directory);
    }
    Ok(match reason {
        // It comes back however well it stopped; what went wrong is in the log.
        StopReason::Restart => Exit::Restart,
        StopReason::Asked if well => Exit::Success,
        StopReason::Asked => Exit::StoppedBadly,
        StopReason::PartDied => Exit::Failure,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;
    use crate::config::Addresses;

    /// The backup of a gateway with a fixed address is restored on another machine, which does not have that address: it
    /// comes up as it was, once, and does not hide a failure that has nothing to do with it.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_restored_configuration_that_cannot_be_started_with_gives_way_to_the_one_before() {
        let place = tempfile::tempdir().unwrap();
        let (data, file) = (place.path().join("data"), place.path().join("gatehouse.toml"));
        std::fs::create_dir(&data).unwrap();
        let before = "[http]\nlisten = \"127.0.0.1:0\"\n[mqtt]\nlisten = \"127.0.0.1:0\"\n";
        std::fs::write(&file, before).unwrap();
        let restored = data.join("gatehouse.toml.restored");
        let other = before.replacen("127.0.0.1", "192.0.2.1", 1);
        std::fs::write(&restored, &other).unwrap();
        let source = Source::new(Some(file.clone()), true, Addresses::default());
        changes::take_restored(&source, &data, &restored, SystemClock::new().now()).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
        let started = live(source.again().unwrap(), source.clone(), &Home::at(&data), true).await;
        assert!(matches!(started, Ok(Exit::Restart)), "{started:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        std::fs::write(&file, &other).unwrap();
        let started = live(source.again().unwrap(), source, &Home::at(&data), true).await;
        assert!(started.is_err(), "{started:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
    }

    /// A Pi Zero, on which one task blocks: the others go on.
    #[test]
    fn on_one_core_a_task_that_blocks_does_not_stop_the_others() {
        let workers = worker_threads(1);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
        let (done, waiting) = sync_channel::<()>(1);
        let blocking = runtime.spawn(async move { waiting.recv_timeout(Duration::from_secs(30)) });
        runtime.spawn(async move { done.send(()) });
        assert_eq!(runtime.block_on(blocking).unwrap(), Ok(()));
        assert_eq!(worker_threads(4), 4);
    }
}
