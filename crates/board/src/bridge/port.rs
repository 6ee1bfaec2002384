//! One output's own task: it does what the output loop decided, and tells what the pin says then.
//!
//! Each output has a task of its own, so that a pin that hangs, or a driver with a bug, keeps nobody else from its level.
//! Of several wishes that come while one is carried out, only the newest is.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use gatehouse_control::outputs::Ticket;
use gatehouse_control::{Duty, OutputId};
use gatehouse_model::Clock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::lines::Lines;
use super::wire::{Connection, Wire};
use crate::traits::LineError;

/// Longest time that an output may take to be driven and read back. A pin of the header takes microseconds and one of an
/// expander milliseconds.
pub(super) const LINE_LIMIT: Duration = Duration::from_secs(1);

/// What is to be done with the pin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Errand {
    /// The level, or nothing when it is only to be read.
    pub(super) level: Option<Duty>,
    pub(super) ticket: Ticket,
}

/// What the pin said.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) output: OutputId,
    pub(super) ticket: Ticket,
    pub(super) measured: Result<Duty, String>,
}

/// What a port needs of the bridge.
#[derive(Clone)]
pub(super) struct PortParts {
    pub(super) lines: Lines,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    /// Ports that ended by a bug. What they held is given back then, at whatever level it had.
    pub(super) deaths: mpsc::UnboundedSender<OutputId>,
}

/// The end of a port in the output loop. Dropping it gives the pin back.
pub(super) struct Port {
    errands: watch::Sender<Option<Errand>>,
    task: JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Port {
    /// Starts the task of an output. Its line is requested with the level of the first errand.
    pub(super) fn start(output: OutputId, connection: Connection, parts: PortParts) -> Self {
        let (errands, next) = watch::channel(None);
        let deaths = parts.deaths.clone();
        let worker = Worker { output, connection, parts, wire: None, opening: None };
        let task = tokio::spawn(async move {
            if AssertUnwindSafe(worker.run(next)).catch_unwind().await.is_err() {
                // Nobody hears it when the loop has ended: then it has driven everything safe.
                let _ = deaths.send(output);
            }
        });
        Self { errands, task }
    }

    /// Gives the pin back. What comes out of it is over when that is done.
    pub(super) fn end(mut self) -> impl Future<Output = ()> + Send + 'static {
        self.task.abort();
        let task = std::mem::replace(&mut self.task, tokio::spawn(std::future::ready(())));
        async move { drop(task.await) }
    }

    /// Gives it something to do; what it has not begun yet is forgotten.
    pub(super) fn send(&self, errand: Errand) {
        self.errands.send_replace(Some(errand));
    }
}

struct Worker {
    output: OutputId,
    connection: Connection,
    parts: PortParts,
    wire: Option<Wire>,
    /// The line on its way: what comes after it waits for it, so that an older level never comes last.
    opening: Option<JoinHandle<Result<Wire, LineError>>>,
}

impl Worker {
    async fn run(mut self, mut errands: watch::Receiver<Option<Errand>>) {
        loop {
            tokio::select! {
                biased;
                changed = errands.changed() => if changed.is_err() { return },
                // The next errand, or the next check, tells what is wrong. Until then it is not left where it happened to
                // be: given back, it would stay on with a kernel that keeps outputs as they are.
                error = work(&mut self.wire) => {
                    tracing::warn!(pin = %self.connection.pin, "{error}");
                    self.wire = None;
                    self.rest();
                    continue;
                }
            }
            let Some(errand) = *errands.borrow_and_update() else { continue };
            let measured = self.carry_out(errand).await;
            let report = Report { output: self.output, ticket: errand.ticket, measured };
            if self.parts.reports.send(report).is_err() {
                return;
            }
        }
    }

    /// Requests the line at the level at which it rests, if it can be had, and gives it back.
    fn rest(&self) {
        let resting = Duty::from_on(self.connection.rests_on());
        if let Err(error) = self.connection.open(&self.parts.lines, resting, &self.parts.clock) {
            tracing::warn!(pin = %self.connection.pin, "{error}");
        }
    }

    async fn carry_out(&mut self, errand: Errand) -> Result<Duty, String> {
        let limited = timeout(LINE_LIMIT, AssertUnwindSafe(self.try_errand(errand)).catch_unwind());
        match limited.await {
            Ok(Ok(Ok(level))) => Ok(level),
            Ok(Ok(Err(error))) => {
                // What is gone is requested again the next time.
                if matches!(error, LineError::Gone(_)) {
                    self.wire = None;
                }
                Err(error.to_string())
            }
            Ok(Err(_)) => {
                self.wire = None;
                Err(format!("{}: its driver failed; please report this", self.connection.pin))
            }
            Err(_) => Err(too_slow(&self.connection)),
        }
    }

    async fn try_errand(&mut self, errand: Errand) -> Result<Duty, LineError> {
        match (&mut self.wire, errand.level) {
            (Some(wire), Some(level)) => wire.drive(level).await,
            (Some(wire), None) => wire.read_back().await,
            (None, Some(level)) => self.open(level).await,
            (None, None) => Err(LineError::Gone(self.connection.pin.clone())),
        }
    }
}

impl Worker {
    /// Requests the line at a level. PWM of the header may wait for udev, so it has a thread of its own for that.
    async fn open(&mut self, level: Duty) -> Result<Duty, LineError> {
        if let Some(opening) = &mut self.opening {
            let late = opening.await;
            self.opening = None;
            if let Ok(Ok(wire)) = late {
                return self.wire.insert(wire).drive(level).await;
            }
        }
        let (lines, clock) = (self.parts.lines.clone(), self.parts.clock.clone());
        if !self.connection.may_wait() {
            let opened = self.connection.open(&lines, level, &clock)?;
            return self.wire.insert(opened).read_back().await;
        }
        let connection = self.connection.clone();
        let opening = tokio::task::spawn_blocking(move || connection.open(&lines, level, &clock));
        let opened = self.opening.insert(opening).await;
        self.opening = None;
        let opened = opened.unwrap_or_else(|_| {
            let problem = "its driver failed; please report this".to_owned();
            Err(LineError::Failed { line: self.connection.pin.clone(), problem })
        })?;
        self.wire.insert(opened).read_back().await
    }
}

async fn work(wire: &mut Option<Wire>) -> LineError {
    match wire {
        Some(wire) => wire.work().await,
        None => std::future::pending().await,
    }
}

/// The sentence for a pin that did not answer within [`LINE_LIMIT`].
pub(super) fn too_slow(connection: &Connection) -> String {
    let Connection { pin, .. } = connection;
    format!("{pin}: it did not answer within {} s: check its wiring and its bus", LINE_LIMIT.as_secs())
}
