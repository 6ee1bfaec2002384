//! The life of the daemon: parts that are started in order, watched together, and stopped in order.
//!
//! A part that ends before it was asked to is a failure of the whole: the process stops in order, drives its outputs
//! safe on the way, and exits with 1, so that the service manager starts it again.

use std::future::Future;
use std::time::Duration;

use futures_util::future::select_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// Longest time that the whole stop may take. After it the process ends as it is.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Why the daemon stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A signal asked for it.
    Asked,
    /// Somebody asked at the page that it comes back.
    Restart,
    /// A part ended although nobody had asked it to.
    PartDied,
}

/// A running part: its name for the log, the token that asks it to stop, and its task.
struct Part {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

/// The parts of the daemon in the order in which they were started.
#[derive(Default)]
pub(crate) struct Lifecycle {
    parts: Vec<Part>,
}

impl Lifecycle {
    /// Starts a part. It gets the token that will ask it to stop.
    pub(crate) fn start<F>(&mut self, name: &'static str, part: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let task = tokio::spawn(part(stop.clone()));
        self.parts.push(Part { name, stop, task });
        debug!(part = name, "started");
    }

    /// Waits until a signal asks to stop or a part dies.
    pub(crate) async fn wait(&mut self, signals: &mut Signals) -> StopReason {
        let first_to_end = select_all(self.parts.iter_mut().map(|part| &mut part.task));
        let (outcome, index) = tokio::select! {
            name = signals.next() => {
                info!("stopping: received {name}");
                return StopReason::Asked;
            }
            (outcome, index, _) = first_to_end => (outcome, index),
        };
        let dead = self.parts.remove(index);
        report_death(dead.name, outcome);
        StopReason::PartDied
    }

    /// Asks one part to stop and waits for it, at most for `limit`: one that hangs leaves time for the others. A part that
    /// has already ended is passed over. Gives whether it ended well.
    pub(crate) async fn stop(&mut self, name: &'static str, limit: Duration) -> bool {
        let Some(index) = self.parts.iter().position(|part| part.name == name) else { return true };
        let mut part = self.parts.remove(index);
        part.stop.cancel();
        match tokio::time::timeout(limit, &mut part.task).await {
            Ok(Ok(Ok(()))) => {
                debug!(part = name, "stopped");
                true
            }
            Ok(outcome) => {
                report_death(name, outcome);
                false
            }
            Err(_) => {
                warn!(part = name, "did not stop within {} ms and is cut off", limit.as_millis());
                part.task.abort();
                false
            }
        }
    }

    /// Asks parts that keep nothing to stop, all at once, and waits for them, at most for `limit` together. One that takes longer
    /// is cut off, and nothing is lost with it: on a busy small board that makes no bad stop. Gives whether none had failed.
    pub(crate) async fn stop_together(&mut self, names: &[&'static str], limit: Duration) -> bool {
        let (mut asked, others) =
            self.parts.drain(..).partition::<Vec<Part>, _>(|part| names.contains(&part.name));
        self.parts = others;
        for part in &asked {
            part.stop.cancel();
        }
        let mut well = true;
        let mut end = std::pin::pin!(tokio::time::sleep(limit));
        for part in &mut asked {
            tokio::select! {
                biased;
                outcome = &mut part.task => match outcome {
                    Ok(Ok(())) => debug!(part = part.name, "stopped"),
                    outcome => {
                        report_death(part.name, outcome);
                        well = false;
                    }
                },
                () = &mut end => {
                    info!(part = part.name, "took longer than {} ms to stop and is cut off", limit.as_millis());
                    part.task.abort();
                }
            }
        }
        well
    }
}

fn report_death(name: &str, outcome: Result<anyhow::Result<()>, tokio::task::JoinError>) {
    match outcome {
        Ok(Ok(())) => error!(part = name, "ended although nobody asked it to"),
        Ok(Err(problem)) => error!(part = name, "failed: {problem:#}"),
        Err(panic) => error!(part = name, "failed: {panic}"),
    }
}

/// The signals that ask the daemon to stop.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the operating system does not let the process handle signals.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and gives its name.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_dies_ends_the_wait_and_the_others_still_stop() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.start("steady", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        lifecycle.start("fragile", |_| async { anyhow::bail!("the wire broke") });
        let mut signals = Signals::listen().unwrap();
        assert_eq!(lifecycle.wait(&mut signals).await, StopReason::PartDied);
        assert!(lifecycle.stop("steady", STOP_LIMIT).await);
        assert!(lifecycle.stop("fragile", STOP_LIMIT).await, "a part that is gone has nothing to stop");
    }

    #[tokio::test]
    async fn a_part_that_panics_is_a_dead_part() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.start("fragile", |_| async { panic!("on purpose") });
        let mut signals = Signals::listen().unwrap();
        assert_eq!(lifecycle.wait(&mut signals).await, StopReason::PartDied);
    }

    /// On an emulated processor a part that only waits took longer than its 50 ms, and systemd called the stop a failure.
    #[tokio::test(start_paused = true)]
    async fn of_parts_that_keep_nothing_a_slow_one_is_cut_off_and_a_broken_one_is_told() {
        let mut lifecycle = Lifecycle::default();
        let waits = async |stop: CancellationToken| {
            stop.cancelled().await;
            Ok(())
        };
        lifecycle.start("deaf", |_| std::future::pending());
        lifecycle.start("first", waits);
        lifecycle.start("second", waits);
        lifecycle.start("kept", waits);
        assert!(lifecycle.stop_together(&["first", "deaf", "second", "gone"], STOP_LIMIT).await);
        assert_eq!(lifecycle.parts.iter().map(|part| part.name).collect::<Vec<_>>(), ["kept"]);
        assert!(!lifecycle.parts[0].stop.is_cancelled());
        lifecycle.start("broken", |stop| async move {
            stop.cancelled().await;
            anyhow::bail!("the wire broke")
        });
        assert!(!lifecycle.stop_together(&["broken", "kept"], STOP_LIMIT).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_is_cut_off() {
        let mut lifecycle = Lifecycle::default();
        lifecycle.start("deaf", |_| std::future::pending());
        assert!(!lifecycle.stop("deaf", STOP_LIMIT).await);
    }
}
